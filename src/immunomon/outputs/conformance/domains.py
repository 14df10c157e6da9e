"""Rules of single domains: subjects, doses, adverse events, laboratory, kinetics, antibodies, viruses, specimens."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Found
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
def _one_each(table: Table, _: Received) -> Iterator[Found]:
    for (subject,), records in table.grouped(("USUBJID",)):
        if len(records) > 1:
            yield Found.at(table.name, records[1], f"{subject[:60]} has {len(records)} records")


@DOMAINS.rule(
    "DM002",
    dataset("DM"),
    "ARMCD and ARM, ACTARMCD and ACTARM stand for each other one to one; an arm that is blank has its reason (ARMNRS).",
    source="SDTMIG 3.4, DM",
    remedy="give one name to one arm, or say why there is none",
)
def _arms(table: Table, _: Received) -> Iterator[Found]:
    yield from not_one_to_one(table, "ARMCD", "ARM")
    yield from not_one_to_one(table, "ACTARMCD", "ACTARM")
    for one in table.records:
        if (one.has("ARMCD") and one.has("ACTARMCD")) == one.has("ARMNRS"):
            yield Found.at(
                table.name,
                one,
                f"ARMCD '{one.text('ARMCD')}', ACTARMCD '{one.text('ACTARMCD')}', ARMNRS '{one.text('ARMNRS')}'",
            )


@DOMAINS.rule(
    "DM003",
    dataset("DM"),
    "SEX is F, M, U or INTERSEX; COUNTRY is three letters of ISO 3166.",
    source="CDISC terminology, C66731; SDTMIG 3.4, DM",
    remedy="correct SEX or COUNTRY",
)
def _terms(table: Table, _: Received) -> Iterator[Found]:
    for one in table.records:
        if one.has("SEX") and one.text("SEX") not in {"F", "M", "U", "INTERSEX"}:
            yield Found.at(table.name, one, f"SEX is '{one.text('SEX')[:20]}'")
        if one.has("COUNTRY") and not re.fullmatch("[A-Z]{3}", one.text("COUNTRY")):
            yield Found.at(table.name, one, f"COUNTRY is '{one.text('COUNTRY')[:20]}'")


@DOMAINS.rule(
    "EX001",
    dataset("EX"),
    "A dose is a number above or equal to 0 with its unit, of one unit and form a treatment.",
    source="SDTMIG 3.4, EX",
    remedy="correct EXDOSE, EXDOSU or EXDOSFRM",
)
def _doses(table: Table, _: Received) -> Iterator[Found]:
    for one in table.records:
        dose = one.number_in("EXDOSE")
        if (dose is None and not one.has("EXDOSTXT")) or (dose is not None and dose < 0) or not one.has("EXDOSU"):
            yield Found.at(table.name, one, f"EXDOSE is {one.shown('EXDOSE')} {one.text('EXDOSU')[:20]}")
    for (treatment,), records in table.grouped(("EXTRT",)):
        kinds = sorted({one.texts(("EXDOSU", "EXDOSFRM")) for one in records})
        if len(kinds) > 1:
            yield Found.at(table.name, records[0], f"{treatment[:40]} is given in {kinds[0]} and {kinds[1]}")


@DOMAINS.rule(
    "EX002",
    dataset("EX"),
    "DM's RFXSTDTC and RFXENDTC are a subject's first and last exposure in EX.",
    source="SDTMIG 3.4, DM, EX",
    remedy="derive RFXSTDTC and RFXENDTC from EX again",
    needs="DM",
)
def _exposure(table: Table, received: Received) -> Iterator[Found]:
    for (subject,), records in table.grouped(("USUBJID",)):
        dates = sorted(one.text("EXSTDTC")[:10] for one in records if one.has("EXSTDTC"))
        ends = sorted((one.text("EXENDTC") or one.text("EXSTDTC"))[:10] for one in records if one.has("EXSTDTC"))
        who = received.subjects.get(subject)
        if who is None or not dates:
            continue
        for name, wanted in (("RFXSTDTC", dates[0]), ("RFXENDTC", ends[-1])):
            if who.text(name)[:10] != wanted:
                yield Found.at("DM", who, f"{name} is {who.shown(name)}, in EX {wanted}")


@DOMAINS.rule(
    "EX003",
    dataset("DM"),
    "A subject with a first exposure has doses in EX.",
    source="SDTMIG 3.4, DM, EX",
    remedy="add the doses to EX, or take RFXSTDTC out",
    needs="EX",
)
def _dosed(table: Table, received: Received) -> Iterator[Found]:
    doses = received.table("EX")
    dosed = {one.text("USUBJID") for one in doses.records} if doses else set()
    for one in table.records:
        if one.has("RFXSTDTC") and one.text("USUBJID") not in dosed:
            yield Found.at(table.name, one, "RFXSTDTC is there, and no dose in EX")


@DOMAINS.rule(
    "AE001",
    dataset("AE"),
    "An adverse event has its severity: AESEV (MILD, MODERATE, SEVERE) or AETOXGR (1 to 5).",
    source="SDTMIG 3.4, AE; CDISC terminology, C66769",
    remedy="give the grade or the severity",
)
def _severity(table: Table, _: Received) -> Iterator[Found]:
    for one in table.records:
        severity, grade = one.text("AESEV"), one.text("AETOXGR")
        fine = severity in {"", "MILD", "MODERATE", "SEVERE"} and grade in {"", "1", "2", "3", "4", "5"}
        if not fine or not (severity or grade):
            yield Found.at(table.name, one, f"AESEV is '{severity[:20]}', AETOXGR '{grade[:20]}'")


@DOMAINS.rule(
    "AE002",
    dataset("AE"),
    "An adverse event says whether it was serious, and has the day it began.",
    source="SDTMIG 3.4, AE",
    remedy="give AESER and AESTDTC",
)
def _events(table: Table, _: Received) -> Iterator[Found]:
    for one in table.records:
        if one.text("AESER") not in {"Y", "N"}:
            yield Found.at(table.name, one, f"AESER is '{one.text('AESER')[:20]}'")
        if not one.has("AESTDTC"):
            yield Found.at(table.name, one, "AESTDTC is missing")


@DOMAINS.rule(
    "AE003",
    dataset("AE"),
    "A life-threatening or fatal event (grade 4 or 5) is serious.",
    source="ICH E2A; CTCAE 5.0 [M]: grade 4 of a laboratory value alone need not be",
    remedy="check AESER against the grade",
    severity="warning",
)
def _serious(table: Table, _: Received) -> Iterator[Found]:
    for one in table.records:
        if one.text("AETOXGR") in {"4", "5"} and one.text("AESER") == "N":
            yield Found.at(table.name, one, f"grade {one.text('AETOXGR')} is not serious")
