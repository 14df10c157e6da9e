"""Rules of results: collected and standard ones agree, missing ones say why, flags stand where they belong."""

from __future__ import annotations

from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue
from immunomon.outputs.conformance.cells import date_of, number_text, same
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import FINDINGS
from immunomon.outputs.conformance.table import Record, Table
from immunomon.outputs.conformance.timing import is_before_first

__all__ = ["RESULTS", "test_of"]

RESULTS = Family("results")
# Limits of a count of events, which are no numbers in the result's unit.
_LIMITS = {"LOD", "LLOQ", "ULOQ"}
# What makes a test of its own in each domain, beside subject and --TESTCD.
_TEST = ("SBMRKS", "CELSTA", "CSMRKS", "MRKSTR", "TSTPNL", "TSTCND", "TSTOPO", "BDAGNT", "SPEC", "TSTDTL")


def test_of(table: Table) -> tuple[str, ...]:
    """Return the variables that say whose record of which test it is."""
    names = (table.own(suffix) for suffix in ("TESTCD", *_TEST))
    return ("USUBJID", *(name for name in names if table.has(name)))


@RESULTS.rule(
    "SD040",
    FINDINGS,
    "What was not done has no result, and what has no result says NOT DONE.",
    source="SDTMIG 3.4, 4.5.1.2",
    remedy="take the result out, or write NOT DONE into --STAT",
)
def _not_done(table: Table, _: Received) -> Iterator[Issue]:
    status = table.own("STAT")
    for record in table.records:
        result = record.has(table.own("ORRES")) or record.has(table.own("STRESC")) or record.has(table.own("STRESN"))
        if record.text(status) not in {"", "NOT DONE"}:
            yield Issue.at(table.name, record, f"{status} is '{record.text(status)[:40]}'")
        elif record.has(status) and result:
            yield Issue.at(table.name, record, f"{status} is NOT DONE, and there is a result")
        elif not record.has(status) and not result:
            yield Issue.at(table.name, record, f"there is no result, and {status} does not say NOT DONE")


@RESULTS.rule(
    "SD041",
    FINDINGS,
    "NOT DONE has its reason, and a result has none.",
    source="SDTMIG 3.4, 4.5.1.2; nothing is missing in silence",
    remedy="say in --REASND why there is no result",
)
def _reasons(table: Table, _: Received) -> Iterator[Issue]:
    status, reason = table.own("STAT"), table.own("REASND")
    for record in table.records:
        if record.text(status) == "NOT DONE" and not record.has(reason):
            yield Issue.at(table.name, record, f"NOT DONE has no {reason}")
        elif record.has(reason) and not record.has(status):
            yield Issue.at(table.name, record, f"{reason} is '{record.text(reason)[:60]}', and {status} is blank")


@RESULTS.rule(
    "SD042",
    FINDINGS,
    "A collected result has a standard one, and a standard result was collected or is derived.",
    source="SDTMIG 3.4, 4.5.1.1",
    remedy="fill --STRESC from --ORRES",
)
def _both(table: Table, _: Received) -> Iterator[Issue]:
    collected, standard, derived = table.own("ORRES"), table.own("STRESC"), table.own("DRVFL")
    for record in table.records:
        if record.has(collected) and not record.has(standard):
            yield Issue.at(table.name, record, f"{collected} has no {standard}")
        elif record.has(standard) and not record.has(collected) and record.text(derived) != "Y":
            yield Issue.at(table.name, record, f"{standard} has no {collected}")


@RESULTS.rule(
    "SD043",
    FINDINGS,
    "--STRESN is the number that --STRESC writes, and is blank where that is no number.",
    source="SDTMIG 3.4, 4.5.1.1",
    remedy="derive --STRESN from --STRESC again",
)
def _standard_number(table: Table, _: Received) -> Iterator[Issue]:
    text, number = table.own("STRESC"), table.own("STRESN")
    for record in table.records if table.has(text, number) else ():
        if not same(number_text(record.text(text)), record.number_in(number)):
            yield Issue.at(table.name, record, f"{text} is '{record.text(text)[:40]}', {number} {record.shown(number)}")


@RESULTS.rule(
    "SD044",
    FINDINGS,
    "Where collected and standard units are the same, so are the results.",
    source="SDTMIG 3.4, 4.5.1.1",
    remedy="correct the result or its unit",
)
def _same_unit(table: Table, _: Received) -> Iterator[Issue]:
    collected, standard = table.own("ORRES"), table.own("STRESC")
    for record in table.records:
        mine, theirs = record.text(collected), record.text(standard)
        unit, standard_unit = record.text(table.own("ORRESU")), record.text(table.own("STRESU"))
        if not mine or not theirs or unit != standard_unit or mine == theirs:
            continue
        one_number, other_number = number_text(mine), number_text(theirs)
        if one_number is None or not same(one_number, other_number):
            yield Issue.at(
                table.name,
                record,
                f"{collected} is '{mine[:40]}', {standard} '{theirs[:40]}', both {unit or 'without unit'}",
            )


@RESULTS.rule(
    "SD045",
    FINDINGS,
    "A number has its unit, collected and standard; what has no result has none.",
    source="SDTMIG 3.4, 4.5.1.1 [M]",
    remedy="give the unit; a count or ratio without one is written as RATIO or the like",
)
def _units(table: Table, _: Received) -> Iterator[Issue]:
    for result, unit in ((table.own("ORRES"), table.own("ORRESU")), (table.own("STRESC"), table.own("STRESU"))):
        for record in table.records if table.has(unit) else ():
            if number_text(record.text(result).lstrip("<>=")) is not None and not record.has(unit):
                yield Issue.at(table.name, record, f"{result} {record.text(result)[:40]} has no {unit}")
            elif record.has(unit) and not record.has(result):
                yield Issue.at(table.name, record, f"{unit} is '{record.text(unit)[:20]}', and there is no {result}")


@RESULTS.rule(
    "SD046",
    FINDINGS,
    "A test of a subject has one standard unit.",
    source="SDTMIG 3.4, 4.5.1.1",
    remedy="bring the results to one unit",
)
def _one_unit(table: Table, _: Received) -> Iterator[Issue]:
    name = table.own("STRESU")
    for _key, records in table.grouped(tuple(variable for variable in test_of(table) if variable != "USUBJID")):
        units = sorted({record.text(name) for record in records if record.has(name)})
        if len(units) > 1:
            differing = next(record for record in records if record.text(name) == units[1])
            yield Issue.at(table.name, differing, f"{name} is {', '.join(units)[:80]} for one test")


@RESULTS.rule(
    "SD047",
    FINDINGS,
    "--LOBXFL marks, once a subject and test, the last record with a result before the first exposure.",
    source="SDTMIG 3.4, 4.5.9 [M]",
    remedy="mark the last record with a result before RFXSTDTC, and no other",
    needs="DM",
)
def _last_before(table: Table, received: Received) -> Iterator[Issue]:
    name = table.own("LOBXFL")
    for _key, records in table.grouped(test_of(table)) if table.has(name) else ():
        before = [
            record for record in records if record.has(table.own("STRESC")) and _is_before(record, table, received)
        ]
        latest = max((record.text(table.own("DTC"))[:10] for record in before), default="")
        marked = [record for record in records if record.text(name) == "Y"]
        for record in marked:
            if record not in before or record.text(table.own("DTC"))[:10] != latest:
                yield Issue.at(
                    table.name,
                    record,
                    f"{name} is Y on {record.text(table.own('DTC'))[:10]}, not the last before exposure",
                )
        if len(marked) > 1:
            yield Issue.at(table.name, marked[1], f"{name} is Y on {len(marked)} records of the test")
        elif before and not marked:
            yield Issue.at(table.name, before[-1], f"no record of the test has {name}, though this is before exposure")


def _is_before(record: Record, table: Table, received: Received) -> bool:
    subject = received.subjects.get(record.text("USUBJID"))
    first, date = date_of(subject.text("RFXSTDTC")) if subject else None, date_of(record.text(table.own("DTC")))
    return bool(first and date) and (date < first or (date == first and is_before_first(record, table)))  # type: ignore[operator]


@RESULTS.rule(
    "SD048",
    FINDINGS,
    "--BLFL marks at most one record of a subject's test, one with a result, not after the first day of exposure.",
    source="SDTMIG 3.4, 4.5.9 [M]",
    remedy="mark the baseline record, and no other",
    needs="DM",
)
def _baseline(table: Table, received: Received) -> Iterator[Issue]:
    name = table.own("BLFL")
    for _key, records in table.grouped(test_of(table)) if table.has(name) else ():
        marked = [record for record in records if record.text(name) == "Y"]
        for record in marked:
            subject = received.subjects.get(record.text("USUBJID"))
            first, date = date_of(subject.text("RFXSTDTC")) if subject else None, date_of(record.text(table.own("DTC")))
            if not record.has(table.own("STRESC")) or (first and date and date > first):
                yield Issue.at(
                    table.name, record, f"{name} is Y on a record without result, or after the first exposure"
                )
        if len(marked) > 1:
            yield Issue.at(table.name, marked[1], f"{name} is Y on {len(marked)} records of the test")


@RESULTS.rule(
    "SD049",
    FINDINGS,
    "A result below or above a limit is written as < or > and the limit (a number, LOD, LLOQ or ULOQ), with no number "
    "beside it, never as 0.",
    source="SDTMIG 3.4, 4.5.1 [M]; a value below quantification is not 0",
    remedy="write <limit, and leave --STRESN blank",
)
def _limits(table: Table, _: Received) -> Iterator[Issue]:
    text, number, lower = table.own("STRESC"), table.own("STRESN"), table.own("LLOQ")
    for record in table.records:
        value, limit = record.number_in(number), record.number_in(lower)
        named = record.text(text).lstrip("<>=")
        if record.text(text)[:1] in {"<", ">"} and number_text(named) is None and named not in _LIMITS:
            yield Issue.at(table.name, record, f"{text} is '{record.text(text)[:40]}', which names no limit")
        elif value is not None and limit is not None and value < limit:
            yield Issue.at(table.name, record, f"{number} is {value:g}, below {lower} {limit:g}")
