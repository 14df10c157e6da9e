"""Rules of single domains: subjects, doses, adverse events, laboratory, kinetics, antibodies, viruses, specimens."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue
from immunomon.outputs.conformance.keys import not_one_to_one
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import dataset
from immunomon.outputs.conformance.table import Table

__all__ = ["DOMAINS"]

DOMAINS = Family("domains")


@DOMAINS.rule(
    "DM001",
    dataset("DM"),
    "DM has one record a subject.",
    source="SDTMIG 3.4, DM",
    remedy="take the doubled subject out",
)
def _one_each(table: Table, _: Received) -> Iterator[Issue]:
    for (subject,), records in table.grouped(("USUBJID",)):
        if len(records) > 1:
            yield Issue.at(table.name, records[1], f"{subject[:60]} has {len(records)} records")


@DOMAINS.rule(
    "DM002",
    dataset("DM"),
    "ARMCD and ARM, ACTARMCD and ACTARM stand for each other one to one; an arm that is blank has its reason (ARMNRS).",
    source="SDTMIG 3.4, DM",
    remedy="give one name to one arm, or say why there is none",
)
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


@DOMAINS.rule(
    "DM003",
    dataset("DM"),
    "SEX is F, M, U or INTERSEX; COUNTRY is three letters of ISO 3166.",
    source="CDISC terminology, C66731; SDTMIG 3.4, DM",
    remedy="correct SEX or COUNTRY",
)
def _terms(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        if record.has("SEX") and record.text("SEX") not in {"F", "M", "U", "INTERSEX"}:
            yield Issue.at(table.name, record, f"SEX is '{record.text('SEX')[:20]}'")
        if record.has("COUNTRY") and not re.fullmatch("[A-Z]{3}", record.text("COUNTRY")):
            yield Issue.at(table.name, record, f"COUNTRY is '{record.text('COUNTRY')[:20]}'")


@DOMAINS.rule(
    "EX001",
    dataset("EX"),
    "A dose is a number above or equal to 0 with its unit, of one unit and form a treatment.",
    source="SDTMIG 3.4, EX",
    remedy="correct EXDOSE, EXDOSU or EXDOSFRM",
)
def _doses(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        dose = record.number_in("EXDOSE")
        if (dose is None and not record.has("EXDOSTXT")) or (dose is not None and dose < 0) or not record.has("EXDOSU"):
            yield Issue.at(table.name, record, f"EXDOSE is {record.shown('EXDOSE')} {record.text('EXDOSU')[:20]}")
    for (treatment,), records in table.grouped(("EXTRT",)):
        kinds = sorted({record.texts(("EXDOSU", "EXDOSFRM")) for record in records})
        if len(kinds) > 1:
            yield Issue.at(table.name, records[0], f"{treatment[:40]} is given in {kinds[0]} and {kinds[1]}")


@DOMAINS.rule(
    "EX002",
    dataset("EX"),
    "DM's RFXSTDTC and RFXENDTC are a subject's first and last exposure in EX.",
    source="SDTMIG 3.4, DM, EX",
    remedy="derive RFXSTDTC and RFXENDTC from EX again",
    needs="DM",
)
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


@DOMAINS.rule(
    "EX003",
    dataset("DM"),
    "A subject with a first exposure has doses in EX.",
    source="SDTMIG 3.4, DM, EX",
    remedy="add the doses to EX, or take RFXSTDTC out",
    needs="EX",
)
def _dosed(table: Table, received: Received) -> Iterator[Issue]:
    doses = received.table("EX")
    dosed = {record.text("USUBJID") for record in doses.records} if doses else set()
    for record in table.records:
        if record.has("RFXSTDTC") and record.text("USUBJID") not in dosed:
            yield Issue.at(table.name, record, "RFXSTDTC is there, and no dose in EX")


@DOMAINS.rule(
    "AE001",
    dataset("AE"),
    "An adverse event has its severity: AESEV (MILD, MODERATE, SEVERE) or AETOXGR (1 to 5).",
    source="SDTMIG 3.4, AE; CDISC terminology, C66769",
    remedy="give the grade or the severity",
)
def _severity(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        severity, grade = record.text("AESEV"), record.text("AETOXGR")
        fine = severity in {"", "MILD", "MODERATE", "SEVERE"} and grade in {"", "1", "2", "3", "4", "5"}
        if not fine or not (severity or grade):
            yield Issue.at(table.name, record, f"AESEV is '{severity[:20]}', AETOXGR '{grade[:20]}'")


@DOMAINS.rule(
    "AE002",
    dataset("AE"),
    "An adverse event says whether it was serious, and has the day it began.",
    source="SDTMIG 3.4, AE",
    remedy="give AESER and AESTDTC",
)
def _events(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        if record.text("AESER") not in {"Y", "N"}:
            yield Issue.at(table.name, record, f"AESER is '{record.text('AESER')[:20]}'")
        if not record.has("AESTDTC"):
            yield Issue.at(table.name, record, "AESTDTC is missing")


@DOMAINS.rule(
    "AE003",
    dataset("AE"),
    "A life-threatening or fatal event (grade 4 or 5) is serious.",
    source="ICH E2A; CTCAE 5.0 [M]: grade 4 of a laboratory value alone need not be",
    remedy="check AESER against the grade",
    severity="warning",
)
def _serious(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        if record.text("AETOXGR") in {"4", "5"} and record.text("AESER") == "N":
            yield Issue.at(table.name, record, f"grade {record.text('AETOXGR')} is not serious")
