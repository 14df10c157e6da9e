"""Rules of analysis datasets (ADaM): subjects, parameters, baseline and change, and the way back to SDTM."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import CHECKS, Issue
from immunomon.outputs.conformance.cells import date_of, number_text, same, sas_date, study_day
from immunomon.outputs.conformance.kinds import not_one_to_one
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.table import Record, Table

_PARAMCD = re.compile(r"[A-Z_][A-Z0-9_]{0,7}", re.ASCII)


@CHECKS.register("AD002")
def _as_in_dm(table: Table, received: Received) -> Iterator[Issue]:
    subjects = received.subjects
    for missing in sorted(set(subjects) - {record.text("USUBJID") for record in table.records}):
        yield Issue(table.name, f"DM's subject {missing[:60]} is not there")
    for record in table.records:
        subject = subjects.get(record.text("USUBJID"))
        for name in ("SUBJID", "SITEID", "SEX", "AGE", "RACE", "ARM", "ACTARM", "COUNTRY"):
            if subject is not None and table.has(name) and record.text(name) != subject.text(name):
                yield Issue.at(
                    table.name, record, f"{name} is '{record.text(name)[:40]}', in DM '{subject.text(name)[:40]}'"
                )


@CHECKS.register("AD003")
def _treatment(table: Table, received: Received) -> Iterator[Issue]:
    for record in table.records:
        subject = received.subjects.get(record.text("USUBJID"))
        if subject is None:
            continue
        for name, source in (("TRTSDT", "RFXSTDTC"), ("TRTEDT", "RFXENDTC")):
            if sas_date(record.number_in(name)) != date_of(subject.text(source)):
                yield Issue.at(
                    table.name,
                    record,
                    f"{name} is {record.shown(name)}, DM's {source} {subject.text(source)[:20]}",
                )
        if record.text("TRT01A") != subject.text("ACTARM"):
            yield Issue.at(
                table.name,
                record,
                f"TRT01A is '{record.text('TRT01A')[:40]}', DM's ACTARM '{subject.text('ACTARM')[:40]}'",
            )


@CHECKS.register("AD004")
def _as_in_adsl(table: Table, received: Received) -> Iterator[Issue]:
    subjects = received.table("ADSL")
    known = {record.text("USUBJID"): record for record in (subjects.records if subjects else ())}
    names = [name for name in ("TRT01A", "TRT01AN", "SEX", "TRTSDT", "SAFFL", "SUBJID") if table.has(name)]
    for key, records in table.grouped(("USUBJID", *names)):
        subject = known.get(key[0])
        if subject is None:
            yield Issue.at(table.name, records[0], f"USUBJID '{key[0][:60]}' is not in ADSL")
            continue
        for name, value in zip(names, key[1:], strict=True):
            if value != subject.text(name):
                yield Issue.at(table.name, records[0], f"{name} is '{value[:40]}', in ADSL '{subject.text(name)[:40]}'")


@CHECKS.register("AD005")
def _parameter_names(table: Table, _: Received) -> Iterator[Issue]:
    for (code, name), records in table.grouped(("PARAMCD", "PARAM")):
        if not _PARAMCD.fullmatch(code) or not name:
            yield Issue.at(table.name, records[0], f"PARAMCD '{code[:40]}', PARAM '{name[:60]}'")


@CHECKS.register("AD006")
def _parameters(table: Table, _: Received) -> Iterator[Issue]:
    yield from not_one_to_one(table, "PARAMCD", "PARAM")
    yield from not_one_to_one(table, "PARAMCD", "PARAMN")
    for (code,), records in table.grouped(("PARAMCD",)):
        units = sorted({record.text("AVALU") for record in records})
        if len(units) > 1:
            yield Issue.at(table.name, records[0], f"PARAMCD {code[:20]} is in '{units[0][:20]}' and '{units[1][:20]}'")


# Rules of analysis datasets (ADaM): baseline, change, and which record is analysed.

_LIMITS = re.compile(r"Ratio to baseline below (\d+\.\d+) or above (\d+\.\d+)", re.ASCII)
_SERIES = ("USUBJID", "PARAMCD", "BASETYPE")


@CHECKS.register("AD008")
def _one_baseline(table: Table, _: Received) -> Iterator[Issue]:
    for _key, records in table.grouped(_SERIES):
        flagged = [record for record in records if record.text("ABLFL") == "Y"]
        based = [record for record in records if record.has("BASE")]
        if len(flagged) > 1:
            yield Issue.at(table.name, flagged[1], f"ABLFL is Y on {len(flagged)} records")
        elif based and not flagged:
            yield Issue.at(table.name, based[0], "BASE is there, and no record with ABLFL")


@CHECKS.register("AD009")
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


@CHECKS.register("AD010")
def _baseline_day(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        if record.text("ABLFL") == "Y" and ((record.number_in("ADY") or 0) > 1 or record.number_in("AVAL") is None):
            yield Issue.at(
                table.name, record, f"ABLFL is Y on day {record.text('ADY')[:10]}, AVAL {record.shown('AVAL')}"
            )


@CHECKS.register("AD011")
def _change(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        change, value, base = record.number_in("CHG"), record.number_in("AVAL"), record.number_in("BASE")
        if change is not None and (value is None or base is None or not same(change, value - base)):
            yield Issue.at(
                table.name,
                record,
                f"CHG is {change:g}, AVAL {record.text('AVAL')[:20]}, BASE {record.text('BASE')[:20]}",
            )


@CHECKS.register("AD012")
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


@CHECKS.register("AD013")
def _percent_change(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        percent, change, base = record.number_in("PCHG"), record.number_in("CHG"), record.number_in("BASE")
        if percent is not None and (change is None or not base or not same(percent, 100 * change / base)):
            yield Issue.at(
                table.name,
                record,
                f"PCHG is {percent:g}, CHG {record.text('CHG')[:20]}, BASE {record.text('BASE')[:20]}",
            )


@CHECKS.register("AD014")
def _days(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        date, first = sas_date(record.number_in("ADT")), sas_date(record.number_in("TRTSDT"))
        expected_day = study_day(date, first) if date and first else None
        if record.number_in("ADY") == 0 or (expected_day is not None and record.number_in("ADY") != expected_day):
            yield Issue.at(table.name, record, f"ADY is {record.shown('ADY')}, the dates say {expected_day}")


@CHECKS.register("AD015")
def _one_analysed(table: Table, _: Received) -> Iterator[Issue]:
    for _key, records in table.grouped((*_SERIES, "AVISITN")):
        flagged = [record for record in records if record.text("ANL01FL") == "Y"]
        if len(flagged) > 1 and records[0].text("AVISIT") != "UNSCHEDULED":
            yield Issue.at(table.name, flagged[1], f"ANL01FL is Y on {len(flagged)} records of the visit")


@CHECKS.register("AD016")
def _analysed(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records if table.has("ANL01FL") else ():
        flagged = record.text("ANL01FL") == "Y"
        if flagged and record.number_in("AVAL") is None and not record.has("AVALC"):
            yield Issue.at(table.name, record, "ANL01FL is Y, and there is no AVAL")
        elif flagged == record.has("ANLREAS") and table.has("ANLREAS"):
            yield Issue.at(
                table.name, record, f"ANL01FL is '{record.text('ANL01FL')}', ANLREAS '{record.text('ANLREAS')[:40]}'"
            )


@CHECKS.register("AD017")
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


# Rules of analysis datasets (ADaM): the way back to SDTM, and that nothing is lost on it.


def _sources(table: Table, received: Received) -> Iterator[tuple[Record, Record | None]]:
    """Yield the records that name a source, each with that record of SDTM, None if there is none."""
    known: dict[str, dict[tuple[str, str], Record]] = {}
    for record in table.records:
        name = record.text("SRCDOM")
        source = received.table(name)
        if not name or not record.has("SRCSEQ"):
            continue
        if name not in known:
            records = source.records if source is not None else ()
            known[name] = {(record.text("USUBJID"), record.text(f"{name}SEQ")): record for record in records}
        yield record, known[name].get((record.text("USUBJID"), record.text("SRCSEQ")))


@CHECKS.register("AD018")
def _traced(table: Table, received: Received) -> Iterator[Issue]:
    for record, source in _sources(table, received):
        name = record.text("SRCVAR")
        if source is None or name not in source.values:
            where = f"{record.text('SRCDOM')[:10]}.{name[:10]} {record.text('SRCSEQ')[:10]}"
            yield Issue.at(table.name, record, f"there is no {where} of the subject")
        elif record.text("PARAMTYP") != "DERIVED" and not same(record.number_in("AVAL"), source.number_in(name)):
            yield Issue.at(
                table.name,
                record,
                f"AVAL is {record.shown('AVAL')}, {name} {source.shown(name)}",
            )


@CHECKS.register("AD019")
def _dated(table: Table, received: Received) -> Iterator[Issue]:
    for record, source in _sources(table, received):
        if source is None:
            continue
        date = date_of(source.text(f"{record.text('SRCDOM')}DTC"))
        # A value made of two tubes that were not drawn on one day has no date of its own.
        undated = record.text("PARAMTYP") == "DERIVED" and not record.has("ADT")
        if table.has("ADT") and not undated and sas_date(record.number_in("ADT")) != date:
            yield Issue.at(table.name, record, f"ADT is {record.shown('ADT')}, the source is of {date or 'no day'}")
        number = record.text("VISITNUM") if record.text("VISITNUM") != "0" else ""
        if table.has("VISITNUM") and number != source.text("VISITNUM"):
            yield Issue.at(
                table.name,
                record,
                f"VISITNUM is {record.text('VISITNUM')[:20]}, of the source {source.text('VISITNUM')[:20]}",
            )


@CHECKS.register("AD021")
def _log_odds(table: Table, received: Received) -> Iterator[Issue]:
    extra = received.table("SUPPCP")
    counts = {
        (record.text("USUBJID"), record.text("IDVARVAL"), record.text("QNAM")): number_text(record.text("QVAL"))
        for record in (extra.records if extra else ())
        if record.text("QNAM") in {"EVTCNT", "DENCNT"}
    }
    for record in table.records:
        value = record.number_in("AVAL")
        if record.text("PARCAT1") != "LOG-ODDS" or value is None:
            continue
        key = (record.text("USUBJID"), record.text("SRCSEQ"))
        events, of = counts.get((*key, "EVTCNT")), counts.get((*key, "DENCNT"))
        if events is None or of is None or not 0 <= events <= of:
            yield Issue.at(table.name, record, "SUPPCP has no counts of its source")
        elif not same(value, math.log((events + 0.5) / (of - events + 0.5))):
            yield Issue.at(table.name, record, f"AVAL is {value:g}, of {events:g} in {of:g} events")


@CHECKS.register("AD022")
def _nothing_lost(table: Table, received: Received) -> Iterator[Issue]:
    used = {record.texts(("USUBJID", "SRCSEQ")) for record in table.records if record.text("SRCDOM") == "CP"}
    source = received.table("CP")
    for record in source.records if source else ():
        counts = record.has("CPSTRESC") and record.text("CPTSTCND") != "WITHOUT STIMULATING AGENT"
        if counts and record.texts(("USUBJID", "CPSEQ")) not in used:
            yield Issue.at("CP", record, "is the source of no record of ADCP")
