"""Rules of analysis datasets (ADaM): baseline, change, and which record is analysed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue
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
def _one_baseline(table: Table, _: Received) -> Iterator[Issue]:
    for _key, records in table.grouped(_SERIES):
        flagged = [record for record in records if record.text("ABLFL") == "Y"]
        based = [record for record in records if record.has("BASE")]
        if len(flagged) > 1:
            yield Issue.at(table.name, flagged[1], f"ABLFL is Y on {len(flagged)} records")
        elif based and not flagged:
            yield Issue.at(table.name, based[0], "BASE is there, and no record with ABLFL")


@CHANGES.rule(
    "AD009",
    ANALYSES,
    "BASE is AVAL of the baseline record, on every record of the subject's parameter.",
    source="ADaMIG 1.3, BDS",
    remedy="derive BASE again",
)
def _base(table: Table, _: Received) -> Iterator[Issue]:
    for _key, records in table.grouped(_SERIES):
        flagged = next((record for record in records if record.text("ABLFL") == "Y"), None)
        if flagged is None:
            continue
        for record in records:
            if not same(record.number_in("BASE"), flagged.number_in("AVAL")):
                yield Issue.at(
                    table.name,
                    record,
                    f"BASE is {record.shown('BASE')}, AVAL at baseline {flagged.shown('AVAL')}",
                )


@CHANGES.rule(
    "AD010",
    ANALYSES,
    "The baseline record is not after the first exposure, and has a value.",
    source="ADaMIG 1.3, BDS",
    remedy="flag a record before exposure",
)
def _baseline_day(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        if record.text("ABLFL") == "Y" and ((record.number_in("ADY") or 0) > 1 or record.number_in("AVAL") is None):
            yield Issue.at(
                table.name, record, f"ABLFL is Y on day {record.text('ADY')[:10]}, AVAL {record.shown('AVAL')}"
            )


@CHANGES.rule(
    "AD011",
    ANALYSES,
    "CHG is AVAL - BASE.",
    source="ADaMIG 1.3, BDS",
    remedy="work the change out again",
)
def _change(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        change, value, base = record.number_in("CHG"), record.number_in("AVAL"), record.number_in("BASE")
        if change is not None and (value is None or base is None or not same(change, value - base)):
            yield Issue.at(
                table.name,
                record,
                f"CHG is {change:g}, AVAL {record.text('AVAL')[:20]}, BASE {record.text('BASE')[:20]}",
            )


@CHANGES.rule(
    "AD012",
    ANALYSES,
    "A value after baseline that is analysed (ANL01FL) has its change where there is a baseline.",
    source="ADaMIG 1.3, BDS; nothing is lost on the way",
    remedy="work the change out",
)
def _no_change_lost(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records if table.has("CHG") else ():
        counts = record.text("ANL01FL") == "Y" and record.text("ABLFL") != "Y" and (record.number_in("ADY") or 0) > 0
        if (
            counts
            and record.number_in("AVAL") is not None
            and record.number_in("BASE") is not None
            and not record.has("CHG")
        ):
            yield Issue.at(table.name, record, "CHG is missing")


@CHANGES.rule(
    "AD013",
    ANALYSES,
    "PCHG is 100 x CHG / BASE, and missing where BASE is 0.",
    source="ADaMIG 1.3, BDS",
    remedy="work the percent change out again",
)
def _percent_change(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        percent, change, base = record.number_in("PCHG"), record.number_in("CHG"), record.number_in("BASE")
        if percent is not None and (change is None or not base or not same(percent, 100 * change / base)):
            yield Issue.at(
                table.name,
                record,
                f"PCHG is {percent:g}, CHG {record.text('CHG')[:20]}, BASE {record.text('BASE')[:20]}",
            )


@CHANGES.rule(
    "AD014",
    ANALYSES,
    "ADY is counted from TRTSDT: that is day 1, the day before -1, and there is no day 0.",
    source="ADaMIG 1.3, BDS",
    remedy="work ADY out again",
)
def _days(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        date, first = sas_date(record.number_in("ADT")), sas_date(record.number_in("TRTSDT"))
        expected_day = study_day(date, first) if date and first else None
        if record.number_in("ADY") == 0 or (expected_day is not None and record.number_in("ADY") != expected_day):
            yield Issue.at(table.name, record, f"ADY is {record.shown('ADY')}, the dates say {expected_day}")


@CHANGES.rule(
    "AD015",
    ANALYSES,
    "ANL01FL marks at most one record of a subject, parameter and visit window.",
    source="ADaMIG 1.3, BDS",
    remedy="choose one record of the window",
)
def _one_analysed(table: Table, _: Received) -> Iterator[Issue]:
    for _key, records in table.grouped((*_SERIES, "AVISITN")):
        flagged = [record for record in records if record.text("ANL01FL") == "Y"]
        if len(flagged) > 1 and records[0].text("AVISIT") != "UNSCHEDULED":
            yield Issue.at(table.name, flagged[1], f"ANL01FL is Y on {len(flagged)} records of the visit")


@CHANGES.rule(
    "AD016",
    ANALYSES,
    "A record that is analysed has a value, and one that is not says why (ANLREAS).",
    source="ADaMIG 1.3, BDS; working rule: nothing is missing in silence",
    remedy="take the flag off, or give the reason",
)
def _analysed(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records if table.has("ANL01FL") else ():
        flagged = record.text("ANL01FL") == "Y"
        if flagged and record.number_in("AVAL") is None and not record.has("AVALC"):
            yield Issue.at(table.name, record, "ANL01FL is Y, and there is no AVAL")
        elif flagged == record.has("ANLREAS") and table.has("ANLREAS"):
            yield Issue.at(
                table.name, record, f"ANL01FL is '{record.text('ANL01FL')}', ANLREAS '{record.text('ANLREAS')[:40]}'"
            )


@CHANGES.rule(
    "AD017",
    ANALYSES,
    "CRIT1FL comes with CRIT1 and a change, and says rightly whether AVAL / BASE is beyond CRIT1's limits.",
    source="ADaMIG 1.3, BDS",
    remedy="judge the criterion again",
)
def _criterion(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records if table.has("CRIT1FL") else ():
        flag, base, value = record.text("CRIT1FL"), record.number_in("BASE"), record.number_in("AVAL")
        if bool(flag) != record.has("CRIT1"):
            yield Issue.at(table.name, record, f"CRIT1FL is '{flag[:10]}', CRIT1 '{record.text('CRIT1')[:60]}'")
            continue
        limits = _LIMITS.fullmatch(record.text("CRIT1"))
        if limits is None or not flag:
            continue
        if not base or value is None:
            yield Issue.at(table.name, record, f"CRIT1FL is {flag} without AVAL and BASE")
        elif _judged(value / base, limits) not in {flag, ""}:
            yield Issue.at(table.name, record, f"CRIT1FL is {flag}, AVAL / BASE is {value / base:.4g}")


def _judged(ratio: float, limits: re.Match[str]) -> str:
    """Return Y or N, or nothing where the limits, which are written with two digits, cannot decide."""
    low, high = float(limits[1]), float(limits[2])
    if min(abs(ratio - low), abs(ratio - high)) <= 0.005:
        return ""
    return "Y" if ratio < low or ratio > high else "N"
