"""Rules of analysis datasets (ADaM): subjects, parameters, baseline and change, and the way back to SDTM."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue
from immunomon.outputs.conformance.cells import date_of, sas_date
from immunomon.outputs.conformance.keys import not_one_to_one
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import ANALYSES, dataset
from immunomon.outputs.conformance.table import Table

__all__ = ["ANALYSIS"]

ANALYSIS = Family("analysis datasets")
_PARAMCD = re.compile(r"[A-Z_][A-Z0-9_]{0,7}", re.ASCII)


@ANALYSIS.rule(
    "AD001",
    dataset("ADSL"),
    "ADSL has one record a subject.",
    source="ADaMIG 1.3, ADSL",
    remedy="take the doubled subject out",
)
def _one_each(table: Table, _: Received) -> Iterator[Issue]:
    for (subject,), records in table.grouped(("USUBJID",)):
        if len(records) > 1:
            yield Issue.at(table.name, records[1], f"{subject[:60]} has {len(records)} records")


@ANALYSIS.rule(
    "AD002",
    dataset("ADSL"),
    "ADSL has the subjects of DM, and what it takes over from DM is the same there.",
    source="ADaMIG 1.3, ADSL",
    remedy="make ADSL from DM again",
    needs="DM",
)
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


@ANALYSIS.rule(
    "AD003",
    dataset("ADSL"),
    "TRTSDT and TRTEDT are DM's first and last exposure as numbers; TRT01A is ACTARM; only treated subjects have them.",
    source="ADaMIG 1.3, ADSL",
    remedy="derive the treatment's dates and names again",
    needs="DM",
)
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


@ANALYSIS.rule(
    "AD004",
    ANALYSES,
    "A record's subject is in ADSL, and its TRT01A, SEX, TRTSDT and SAFFL are those there.",
    source="ADaMIG 1.3, BDS",
    remedy="take the subject's variables from ADSL again",
    needs="ADSL",
)
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


@ANALYSIS.rule(
    "AD005",
    ANALYSES,
    "PARAMCD has at most 8 capitals, digits and underscores and begins with no digit; PARAM is not blank.",
    source="ADaMIG 1.3, BDS",
    remedy="rename the parameter",
)
def _parameter_names(table: Table, _: Received) -> Iterator[Issue]:
    for (code, name), records in table.grouped(("PARAMCD", "PARAM")):
        if not _PARAMCD.fullmatch(code) or not name:
            yield Issue.at(table.name, records[0], f"PARAMCD '{code[:40]}', PARAM '{name[:60]}'")


@ANALYSIS.rule(
    "AD006",
    ANALYSES,
    "PARAM, PARAMCD and PARAMN stand for each other one to one, and a parameter has one unit.",
    source="ADaMIG 1.3, BDS",
    remedy="give one name, one number and one unit to one code",
)
def _parameters(table: Table, _: Received) -> Iterator[Issue]:
    yield from not_one_to_one(table, "PARAMCD", "PARAM")
    yield from not_one_to_one(table, "PARAMCD", "PARAMN")
    for (code,), records in table.grouped(("PARAMCD",)):
        units = sorted({record.text("AVALU") for record in records})
        if len(units) > 1:
            yield Issue.at(table.name, records[0], f"PARAMCD {code[:20]} is in '{units[0][:20]}' and '{units[1][:20]}'")


@ANALYSIS.rule(
    "AD007",
    ANALYSES,
    "AVISIT and AVISITN stand for each other one to one.",
    source="ADaMIG 1.3, BDS",
    remedy="give one name to one number",
)
def _visits(table: Table, _: Received) -> Iterator[Issue]:
    yield from not_one_to_one(table, "AVISITN", "AVISIT")
