"""Rules of identity: what tells records apart, and what they point to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue
from immunomon.outputs.conformance.guide import keys_of
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import CDISC, FINDINGS, SDTM, SUBJECTS, SUPPLEMENTS
from immunomon.outputs.conformance.table import Table

__all__ = ["KEYS", "not_one_to_one"]

KEYS = Family("identity")
_QNAM = re.compile(r"[A-Z][A-Z0-9_]{0,7}", re.ASCII)


def not_one_to_one(table: Table, name: str, other_name: str) -> Iterator[Issue]:
    """Yield where two variables, both filled, do not stand for each other one to one."""
    forth: dict[str, str] = {}
    back: dict[str, str] = {}
    pairs: set[tuple[str, str]] = set()
    for record in table.records:
        left, right = record.text(name), record.text(other_name)
        if not left or not right or (left, right) in pairs:
            continue
        pairs.add((left, right))
        if forth.setdefault(left, right) != right:
            yield Issue.at(
                table.name, record, f"{name} '{left[:40]}' has {other_name} '{forth[left][:60]}' and '{right[:60]}'"
            )
        elif back.setdefault(right, left) != left:
            yield Issue.at(
                table.name, record, f"{other_name} '{right[:60]}' has {name} '{back[right][:40]}' and '{left[:40]}'"
            )


@KEYS.rule(
    "SD020",
    SDTM,
    "--SEQ is a whole number above 0, and each of a subject's records in a dataset has its own.",
    source="SDTM 2.0, identifiers; SDTMIG 3.4, 4.1",
    remedy="number each subject's records of the dataset 1, 2, 3, ...",
)
def _sequence(table: Table, _: Received) -> Iterator[Issue]:
    name = table.own("SEQ")
    if not table.prefix or not table.has(name):
        return
    for (whose, number), records in table.grouped(("USUBJID", name)):
        value = records[0].number_in(name)
        if value is None or value < 1 or not value.is_integer():
            yield Issue.at(table.name, records[0], f"{name} is '{number[:20]}'")
        elif len(records) > 1:
            yield Issue.at(table.name, records[1], f"{name} {number} is there {len(records)} times for {whose[:40]}")


@KEYS.rule(
    "SD021",
    SUBJECTS,
    "Every USUBJID is in DM.",
    source="SDTMIG 3.4, DM",
    remedy="add the subject to DM, or correct USUBJID",
    needs="DM",
)
def _in_dm(table: Table, received: Received) -> Iterator[Issue]:
    for (subject,), records in table.grouped(("USUBJID",)):
        if subject not in received.subjects:
            yield Issue.at(table.name, records[0], f"USUBJID '{subject[:60]}' is not in DM ({len(records)} records)")


@KEYS.rule(
    "SD022",
    CDISC,
    "No two records of a dataset have the same key.",
    source="SDTMIG 3.4, 3.2.1.1; keys as in the domains' structure",
    remedy="take out the doubled record, or deliver what tells the two apart",
)
def _no_doubles(table: Table, _: Received) -> Iterator[Issue]:
    keys = tuple(name for name in keys_of(table.name) if table.has(name))
    if not keys:
        return
    for key, records in table.grouped(keys):
        if len(records) > 1:
            shown = ", ".join(part for part in key if part)[:120]
            yield Issue.at(table.name, records[1], f"there are {len(records)} records of {shown}")


@KEYS.rule(
    "SD023",
    FINDINGS,
    "--TESTCD and --TEST stand for each other one to one.",
    source="SDTMIG 3.4, 4.2.1, 4.3",
    remedy="give one name to one code",
)
def _tests(table: Table, _: Received) -> Iterator[Issue]:
    yield from not_one_to_one(table, table.own("TESTCD"), table.own("TEST"))


@KEYS.rule(
    "SD024",
    SUBJECTS,
    "USUBJID and SUBJID stand for each other one to one.",
    source="SDTMIG 3.4, DM",
    remedy="give each subject one id",
)
def _subject_ids(table: Table, _: Received) -> Iterator[Issue]:
    yield from not_one_to_one(table, "USUBJID", "SUBJID")


@KEYS.rule(
    "SP001",
    SUPPLEMENTS,
    "A supplemental qualifier belongs to a record that there is: IDVAR and IDVARVAL find it among the subject's.",
    source="SDTMIG 3.4, 8.4",
    remedy="correct IDVAR and IDVARVAL, or take the qualifier out",
)
def _related(table: Table, received: Received) -> Iterator[Issue]:
    parent = received.table(table.name.removeprefix("SUPP"))
    if parent is None:
        return
    known: dict[str, set[tuple[str, str]]] = {}
    for record in table.records:
        name, value = record.text("IDVAR"), record.text("IDVARVAL")
        if name not in known:
            known[name] = {
                (parent_record.text("USUBJID"), parent_record.text(name)) for parent_record in parent.records
            }
        if (record.text("USUBJID"), value if name else "") not in known[name]:
            yield Issue.at(
                table.name, record, f"{parent.name} has no record of the subject with {name[:20]} '{value[:40]}'"
            )


@KEYS.rule(
    "SP002",
    SUPPLEMENTS,
    "QNAM is a name of at most 8 capitals and digits, is no variable of the domain, and has one QLABEL of at most 40 "
    "letters.",
    source="SDTMIG 3.4, 8.4",
    remedy="rename the qualifier, or give it one label",
)
def _qualifiers(table: Table, received: Received) -> Iterator[Issue]:
    parent = received.table(table.name.removeprefix("SUPP"))
    taken = parent.names if parent is not None else ()
    for (name, label), records in table.grouped(("QNAM", "QLABEL")):
        if not _QNAM.fullmatch(name) or name in taken:
            yield Issue.at(table.name, records[0], f"QNAM '{name[:40]}' is no name of its own")
        if not 1 <= len(label) <= 40:
            yield Issue.at(table.name, records[0], f"QLABEL of {name[:20]} has {len(label)} letters")
    yield from not_one_to_one(table, "QNAM", "QLABEL")


@KEYS.rule(
    "BE001",
    FINDINGS,
    "A specimen that a finding refers to (--REFID) is in BE, of the same subject and day.",
    source="SDTMIG 3.4, BE, BS [M]",
    remedy="add the collection of the specimen to BE, or correct --REFID",
    needs="BE",
)
def _specimens(table: Table, received: Received) -> Iterator[Issue]:
    events = received.table("BE")
    if events is None:
        return
    collected = {record.texts(("USUBJID", "BEREFID")): record.text("BEDTC") for record in events.records}
    name, date = table.own("REFID"), table.own("DTC")
    for record in table.records:
        key = (record.text("USUBJID"), record.text(name))
        if not record.has(name):
            continue
        if key not in collected:
            yield Issue.at(table.name, record, f"{name} '{key[1][:60]}' is no specimen of the subject in BE")
        elif record.text(date)[:10] != collected[key][:10]:
            yield Issue.at(
                table.name, record, f"{date} is {record.text(date)[:20]}, BE has {collected[key][:20]} for {name}"
            )
