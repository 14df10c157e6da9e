"""Rules of domains and their results: demographics, doses, events, assays, and what all findings keep to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import CHECKS, Issue
from immunomon.outputs.conformance.cells import date_of, number_text, same
from immunomon.outputs.conformance.kinds import not_one_to_one
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.rules_time import is_before_first
from immunomon.outputs.conformance.table import Record, Table

__all__ = ["test_of"]


@CHECKS.register("DM002")
def _arms(table: Table, _: Received) -> Iterator[Issue]:
    yield from not_one_to_one(table, "ARMCD", "ARM")
    yield from not_one_to_one(table, "ACTARMCD", "ACTARM")
    for record in table.records:
        if (record.has("ARMCD") and record.has("ACTARMCD")) == record.has("ARMNRS"):
            yield Issue.at(
                table.name,
                record,
                f"ARMCD '{record.text('ARMCD')}', ACTARMCD '{record.text('ACTARMCD')}', "
                f"ARMNRS '{record.text('ARMNRS')}'",
            )


@CHECKS.register("DM003")
def _terms(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        if record.has("SEX") and record.text("SEX") not in {"F", "M", "U", "INTERSEX"}:
            yield Issue.at(table.name, record, f"SEX is '{record.text('SEX')[:20]}'")
        if record.has("COUNTRY") and not re.fullmatch("[A-Z]{3}", record.text("COUNTRY")):
            yield Issue.at(table.name, record, f"COUNTRY is '{record.text('COUNTRY')[:20]}'")


@CHECKS.register("EX001")
def _doses(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        dose = record.number_in("EXDOSE")
        if (dose is None and not record.has("EXDOSTXT")) or (dose is not None and dose < 0) or not record.has("EXDOSU"):
            yield Issue.at(table.name, record, f"EXDOSE is {record.shown('EXDOSE')} {record.text('EXDOSU')[:20]}")
    for (treatment,), records in table.grouped(("EXTRT",)):
        kinds = sorted({record.texts(("EXDOSU", "EXDOSFRM")) for record in records})
        if len(kinds) > 1:
            yield Issue.at(table.name, records[0], f"{treatment[:40]} is given in {kinds[0]} and {kinds[1]}")


@CHECKS.register("EX002")
def _exposure(table: Table, received: Received) -> Iterator[Issue]:
    for (subject,), records in table.grouped(("USUBJID",)):
        dates = sorted(record.text("EXSTDTC")[:10] for record in records if record.has("EXSTDTC"))
        ends = sorted(
            (record.text("EXENDTC") or record.text("EXSTDTC"))[:10] for record in records if record.has("EXSTDTC")
        )
        demographics = received.subjects.get(subject)
        if demographics is None or not dates:
            continue
        for name, expected_date in (("RFXSTDTC", dates[0]), ("RFXENDTC", ends[-1])):
            if demographics.text(name)[:10] != expected_date:
                yield Issue.at("DM", demographics, f"{name} is {demographics.shown(name)}, in EX {expected_date}")


@CHECKS.register("EX003")
def _dosed(table: Table, received: Received) -> Iterator[Issue]:
    doses = received.table("EX")
    dosed = {record.text("USUBJID") for record in doses.records} if doses else set()
    for record in table.records:
        if record.has("RFXSTDTC") and record.text("USUBJID") not in dosed:
            yield Issue.at(table.name, record, "RFXSTDTC is there, and no dose in EX")


# Rules of assays and specimens: laboratory, kinetics, antibodies, viruses, blood collected.

_ANTIBODY = {"POSITIVE", "NEGATIVE", "INDETERMINATE", "BORDERLINE"}
_PLATELETS = ("PLAT", "Platelets", "10^9/L", 5000.0)


@CHECKS.register("LB001")
def _platelets(table: Table, _: Received) -> Iterator[Issue]:
    code, name, unit, most = _PLATELETS
    for record in table.records:
        if (record.text("LBTESTCD") == code) != (record.text("LBTEST") == name):
            yield Issue.at(
                table.name, record, f"LBTESTCD '{record.text('LBTESTCD')[:20]}' is named '{record.text('LBTEST')[:40]}'"
            )
        if record.text("LBTESTCD") != code:
            continue
        if record.has("LBSTRESC") and record.text("LBSTRESU") != unit:
            yield Issue.at(table.name, record, f"platelets are in '{record.text('LBSTRESU')[:20]}'")
        if (record.number_in("LBSTRESN") or 0) > most:
            yield Issue.at(table.name, record, f"{record.text('LBSTRESN')} x 10^9/L platelets")


@CHECKS.register("PC001")
def _concentrations(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        text, value = record.text("PCSTRESC"), record.number_in("PCSTRESN")
        if value is not None and value <= 0:
            yield Issue.at(table.name, record, f"PCSTRESN is {value:g}")
        limit = number_text(text[1:]) if text.startswith("<") else None
        if limit is not None and not same(limit, record.number_in("PCLLOQ")):
            yield Issue.at(table.name, record, f"PCSTRESC is '{text[:20]}', PCLLOQ {record.shown('PCLLOQ')}")


@CHECKS.register("PP001")
def _parameters(table: Table, received: Received) -> Iterator[Issue]:
    concentrations = received.table("PC")
    highest: dict[str, float] = {}
    for record in concentrations.records if concentrations else ():
        subject = record.text("USUBJID")
        highest[subject] = max(highest.get(subject, 0.0), record.number_in("PCSTRESN") or 0.0)
    for record in table.records:
        most = highest.get(record.text("USUBJID"))
        if most is None:
            yield Issue.at(table.name, record, "the subject has no concentration in PC")
        elif (
            record.text("PPTESTCD") == "CMAX"
            and record.has("PPSTRESN")
            and not same(record.number_in("PPSTRESN"), most)
        ):
            yield Issue.at(table.name, record, f"CMAX is {record.text('PPSTRESN')}, the highest in PC {most:g}")


@CHECKS.register("PP002")
def _reference(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        if date_of(record.text("PPRFTDTC")) is None:
            yield Issue.at(table.name, record, f"PPRFTDTC is '{record.text('PPRFTDTC')[:20]}'")


@CHECKS.register("IS001")
def _antibodies(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        if not record.has("ISSTRESC"):
            continue
        titre = record.text("ISTSTOPO") == "QUANTIFY"
        number = number_text(record.text("ISSTRESC").lstrip("<>="))
        if (titre and not (number and number > 0)) or (not titre and record.text("ISSTRESC") not in _ANTIBODY):
            yield Issue.at(
                table.name, record, f"ISSTRESC is '{record.text('ISSTRESC')[:40]}' of {record.text('ISTSTOPO')[:20]}"
            )


@CHECKS.register("IS002")
def _titres(table: Table, _: Received) -> Iterator[Issue]:
    key = ("USUBJID", "ISTESTCD", "VISITNUM", "ISTPTNUM", "ISDTC")
    positive = {record.texts(key) for record in table.records if record.text("ISSTRESC") == "POSITIVE"}
    for record in table.records:
        if record.text("ISTSTOPO") == "QUANTIFY" and record.has("ISSTRESC") and record.texts(key) not in positive:
            yield Issue.at(table.name, record, f"a titre of {record.text('ISSTRESC')[:20]}, and no POSITIVE result")


@CHECKS.register("BE002")
def _specimens(table: Table, _: Received) -> Iterator[Issue]:
    for (specimen,), records in table.grouped(("BEREFID",)):
        collected = [record for record in records if record.text("BECAT") == "COLLECTION"]
        if not specimen or len({record.text("USUBJID") for record in records}) > 1 or len(collected) > 1:
            yield Issue.at(table.name, records[-1], f"BEREFID '{specimen[:60]}' is there {len(records)} times")


# Rules of results: collected and standard ones agree, missing ones say why, flags stand where they belong.

# Limits of a count of events, which are no numbers in the result's unit.
_LIMITS = {"LOD", "LLOQ", "ULOQ"}
# What makes a test of its own in each domain, beside subject and --TESTCD.
_TEST = ("SBMRKS", "CELSTA", "CSMRKS", "MRKSTR", "TSTPNL", "TSTCND", "TSTOPO", "BDAGNT", "SPEC", "TSTDTL")


def test_of(table: Table) -> tuple[str, ...]:
    """Return the variables that say whose record of which test it is."""
    names = (table.own(suffix) for suffix in ("TESTCD", *_TEST))
    return ("USUBJID", *(name for name in names if table.has(name)))


@CHECKS.register("SD040")
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


@CHECKS.register("SD043")
def _standard_number(table: Table, _: Received) -> Iterator[Issue]:
    text, number = table.own("STRESC"), table.own("STRESN")
    for record in table.records if table.has(text, number) else ():
        if not same(number_text(record.text(text)), record.number_in(number)):
            yield Issue.at(table.name, record, f"{text} is '{record.text(text)[:40]}', {number} {record.shown(number)}")


@CHECKS.register("SD044")
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


@CHECKS.register("SD045")
def _units(table: Table, _: Received) -> Iterator[Issue]:
    for result, unit in ((table.own("ORRES"), table.own("ORRESU")), (table.own("STRESC"), table.own("STRESU"))):
        for record in table.records if table.has(unit) else ():
            if number_text(record.text(result).lstrip("<>=")) is not None and not record.has(unit):
                yield Issue.at(table.name, record, f"{result} {record.text(result)[:40]} has no {unit}")
            elif record.has(unit) and not record.has(result):
                yield Issue.at(table.name, record, f"{unit} is '{record.text(unit)[:20]}', and there is no {result}")


@CHECKS.register("SD046")
def _one_unit(table: Table, _: Received) -> Iterator[Issue]:
    name = table.own("STRESU")
    for _key, records in table.grouped(tuple(variable for variable in test_of(table) if variable != "USUBJID")):
        units = sorted({record.text(name) for record in records if record.has(name)})
        if len(units) > 1:
            differing = next(record for record in records if record.text(name) == units[1])
            yield Issue.at(table.name, differing, f"{name} is {', '.join(units)[:80]} for one test")


@CHECKS.register("SD047")
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


@CHECKS.register("SD048")
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


@CHECKS.register("SD049")
def _limits(table: Table, _: Received) -> Iterator[Issue]:
    text, number, lower = table.own("STRESC"), table.own("STRESN"), table.own("LLOQ")
    for record in table.records:
        value, limit = record.number_in(number), record.number_in(lower)
        named = record.text(text).lstrip("<>=")
        if record.text(text)[:1] in {"<", ">"} and number_text(named) is None and named not in _LIMITS:
            yield Issue.at(table.name, record, f"{text} is '{record.text(text)[:40]}', which names no limit")
        elif value is not None and limit is not None and value < limit:
            yield Issue.at(table.name, record, f"{number} is {value:g}, below {lower} {limit:g}")
