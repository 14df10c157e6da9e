"""Rules of the names of persons, anywhere in a delivery."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue
from immunomon.outputs.conformance.cells import text_of
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import FILES

__all__ = ["PERSONS"]

PERSONS = Family("names of persons")
_PERSONAL = re.compile(
    r"(?i)(^|_|\b)(initials|birth_?date|date_of_birth|dob|brthdtc|invnam|patient_?name|subject_?name|donor_?name|"
    r"first_?name|last_?name|surname|operator|physician|investigator_?name|e_?mail|phone|address)(\b|_|$)"
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}\.[A-Za-z]{2,10}")
_HOME = re.compile(r"(?i)(/home/|/users/|[a-z]:\\users\\|\\documents and settings\\|/root/)")
_KEYWORD = re.compile(r"(?i)\$(SRC|OP)\b|\b(patient|donor|operator) ?(name|id)? ?[=:] ?\S|\bdate of birth\b")


@PERSONS.rule(
    "ID001",
    FILES,
    "No column is of a person's name, initials, birth, address or the like.",
    source="docs/deliveries.md, names of persons; SDTMIG 3.4, DM",
    remedy="take the column out, and deliver by pseudonym",
)
def _no_personal_columns(received: Received, _: Received) -> Iterator[Issue]:
    for table in received.tables:
        for name in table.names:
            if _PERSONAL.search(name.replace(" ", "_")) and table.distinct(name):
                yield Issue(table.name, f"column {name[:40]} may name persons")


@PERSONS.rule(
    "ID002",
    FILES,
    "No value holds an address of mail, a keyword of an FCS file that names a person, or a folder of a person's.",
    source="docs/deliveries.md, names of persons",
    remedy="take the value out where it comes from, and name files by pseudonym",
)
def _no_persons(received: Received, _: Received) -> Iterator[Issue]:
    for table in received.tables:
        for column in table.columns:
            for value in table.distinct(column.name):
                if isinstance(value, str) and (_EMAIL.search(value) or _HOME.search(value) or _KEYWORD.search(value)):
                    yield Issue(
                        table.name, f"{column.name[:40]} holds what may name a person ({len(value)} letters, not shown)"
                    )


@PERSONS.rule(
    "ID003",
    FILES,
    "SUBJID and subject are pseudonyms: codes with a digit and without blanks, no names.",
    source="docs/deliveries.md, names of persons [M]",
    remedy="give the subject a pseudonym",
)
def _pseudonyms(received: Received, _: Received) -> Iterator[Issue]:
    for table in received.tables:
        for name in {"SUBJID", "subject", "record_id"} & set(table.names):
            for value in map(text_of, table.distinct(name)):
                if value and (" " in value or not any(letter.isdigit() for letter in value)):
                    yield Issue(table.name, f"{name} holds what may be a name ({len(value)} letters, not shown)")
