"""Rules of analysis datasets (ADaM): baseline, change, and which record is analysed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Found
from immunomon.outputs.conformance.cells import same, sas_date, study_day
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import ANALYSES
from immunomon.outputs.conformance.table import Table

__all__ = ["CHANGES"]

CHANGES = Family("analysis datasets: baseline and change")
_LIMITS = re.compile(r"Ratio to baseline below (\d+\.\d+) or above (\d+\.\d+)", re.ASCII)
_SERIES = ("USUBJID", "PARAMCD", "BASETYPE")


@CHANGES.rule(
    "AD008",
    ANALYSES,
    "A subject's parameter has exactly one baseline record (ABLFL) where it has a baseline value, and none otherwise.",
    source="ADaMIG 1.3, BDS",
    remedy="flag the one record that BASE is taken from",
)
def _one_baseline(table: Table, _: Received) -> Iterator[Found]:
    for _key, records in table.grouped(_SERIES):
        flagged = [one for one in records if one.text("ABLFL") == "Y"]
        based = [one for one in records if one.has("BASE")]
        if len(flagged) > 1:
            yield Found.at(table.name, flagged[1], f"ABLFL is Y on {len(flagged)} records")
        elif based and not flagged:
            yield Found.at(table.name, based[0], "BASE is there, and no record with ABLFL")


@CHANGES.rule(
    "AD009",
    ANALYSES,
    "BASE is AVAL of the baseline record, on every record of the subject's parameter.",
    source="ADaMIG 1.3, BDS",
    remedy="derive BASE again",
)
def _base(table: Table, _: Received) -> Iterator[Found]:
    for _key, records in table.grouped(_SERIES):
        flagged = next((one for one in records if one.text("ABLFL") == "Y"), None)
        if flagged is None:
            continue
        for one in records:
            if not same(one.number_in("BASE"), flagged.number_in("AVAL")):
                yield Found.at(
                    table.name,
                    one,
                    f"BASE is {one.shown('BASE')}, AVAL at baseline {flagged.shown('AVAL')}",
                )


@CHANGES.rule(
    "AD010",
    ANALYSES,
    "The baseline record is not after the first exposure, and has a value.",
    source="ADaMIG 1.3, BDS",
    remedy="flag a record before exposure",
)
def _baseline_day(table: Table, _: Received) -> Iterator[Found]:
    for one in table.records:
        if one.text("ABLFL") == "Y" and ((one.number_in("ADY") or 0) > 1 or one.number_in("AVAL") is None):
            yield Found.at(table.name, one, f"ABLFL is Y on day {one.text('ADY')[:10]}, AVAL {one.shown('AVAL')}")


@CHANGES.rule(
    "AD011",
    ANALYSES,
    "CHG is AVAL - BASE.",
    source="ADaMIG 1.3, BDS",
    remedy="work the change out again",
)
def _change(table: Table, _: Received) -> Iterator[Found]:
    for one in table.records:
        change, value, base = one.number_in("CHG"), one.number_in("AVAL"), one.number_in("BASE")
        if change is not None and (value is None or base is None or not same(change, value - base)):
            yield Found.at(
                table.name, one, f"CHG is {change:g}, AVAL {one.text('AVAL')[:20]}, BASE {one.text('BASE')[:20]}"
            )


@CHANGES.rule(
    "AD012",
    ANALYSES,
    "A value after baseline that is analysed (ANL01FL) has its change where there is a baseline.",
    source="ADaMIG 1.3, BDS; nothing is lost on the way",
    remedy="work the change out",
)
def _no_change_lost(table: Table, _: Received) -> Iterator[Found]:
    for one in table.records if table.has("CHG") else ():
        counts = one.text("ANL01FL") == "Y" and one.text("ABLFL") != "Y" and (one.number_in("ADY") or 0) > 0
        if counts and one.number_in("AVAL") is not None and one.number_in("BASE") is not None and not one.has("CHG"):
            yield Found.at(table.name, one, "CHG is missing")


@CHANGES.rule(
    "AD013",
    ANALYSES,
    "PCHG is 100 x CHG / BASE, and missing where BASE is 0.",
    source="ADaMIG 1.3, BDS",
    remedy="work the percent change out again",
)
def _percent_change(table: Table, _: Received) -> Iterator[Found]:
    for one in table.records:
        percent, change, base = one.number_in("PCHG"), one.number_in("CHG"), one.number_in("BASE")
        if percent is not None and (change is None or not base or not same(percent, 100 * change / base)):
            yield Found.at(
                table.name, one, f"PCHG is {percent:g}, CHG {one.text('CHG')[:20]}, BASE {one.text('BASE')[:20]}"
            )


@CHANGES.rule(
    "AD014",
    ANALYSES,
    "ADY is counted from TRTSDT: that is day 1, the day before -1, and there is no day 0.",
    source="ADaMIG 1.3, BDS",
    remedy="work ADY out again",
)
def _days(table: Table, _: Received) -> Iterator[Found]:
    for one in table.records:
        date, first = sas_date(one.number_in("ADT")), sas_date(one.number_in("TRTSDT"))
        wanted = study_day(date, first) if date and first else None
        if one.number_in("ADY") == 0 or (wanted is not None and one.number_in("ADY") != wanted):
            yield Found.at(table.name, one, f"ADY is {one.shown('ADY')}, the dates say {wanted}")


@CHANGES.rule(
    "AD015",
    ANALYSES,
    "ANL01FL marks at most one record of a subject, parameter and visit window.",
    source="ADaMIG 1.3, BDS",
    remedy="choose one record of the window",
)
def _one_analysed(table: Table, _: Received) -> Iterator[Found]:
    for _key, records in table.grouped((*_SERIES, "AVISITN")):
        flagged = [one for one in records if one.text("ANL01FL") == "Y"]
        if len(flagged) > 1 and records[0].text("AVISIT") != "UNSCHEDULED":
            yield Found.at(table.name, flagged[1], f"ANL01FL is Y on {len(flagged)} records of the visit")


@CHANGES.rule(
    "AD016",
    ANALYSES,
    "A record that is analysed has a value, and one that is not says why (ANLREAS).",
    source="ADaMIG 1.3, BDS; working rule: nothing is missing in silence",
    remedy="take the flag off, or give the reason",
)
def _analysed(table: Table, _: Received) -> Iterator[Found]:
    for one in table.records if table.has("ANL01FL") else ():
        flagged = one.text("ANL01FL") == "Y"
        if flagged and one.number_in("AVAL") is None and not one.has("AVALC"):
            yield Found.at(table.name, one, "ANL01FL is Y, and there is no AVAL")
        elif flagged == one.has("ANLREAS") and table.has("ANLREAS"):
            yield Found.at(table.name, one, f"ANL01FL is '{one.text('ANL01FL')}', ANLREAS '{one.text('ANLREAS')[:40]}'")


@CHANGES.rule(
    "AD017",
    ANALYSES,
    "CRIT1FL comes with CRIT1 and a change, and says rightly whether AVAL / BASE is beyond CRIT1's limits.",
    source="ADaMIG 1.3, BDS",
    remedy="judge the criterion again",
)
def _criterion(table: Table, _: Received) -> Iterator[Found]:
    for one in table.records if table.has("CRIT1FL") else ():
        flag, base, value = one.text("CRIT1FL"), one.number_in("BASE"), one.number_in("AVAL")
        if bool(flag) != one.has("CRIT1"):
            yield Found.at(table.name, one, f"CRIT1FL is '{flag[:10]}', CRIT1 '{one.text('CRIT1')[:60]}'")
            continue
        limits = _LIMITS.fullmatch(one.text("CRIT1"))
        if limits is None or not flag:
            continue
        if not base or value is None:
            yield Found.at(table.name, one, f"CRIT1FL is {flag} without AVAL and BASE")
        elif _judged(value / base, limits) not in {flag, ""}:
            yield Found.at(table.name, one, f"CRIT1FL is {flag}, AVAL / BASE is {value / base:.4g}")


def _judged(ratio: float, limits: re.Match[str]) -> str:
    """Return Y or N, or nothing where the limits, which are written with two digits, cannot decide."""
    low, high = float(limits[1]), float(limits[2])
    if min(abs(ratio - low), abs(ratio - high)) <= 0.005:
        return ""
    return "Y" if ratio < low or ratio > high else "N"
