"""Rules of values, whatever they mean: what a file can hold, and what every record says alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue
from immunomon.outputs.conformance.cells import Cell, number_of
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import CDISC, SDTM
from immunomon.outputs.conformance.table import Table

__all__ = ["VALUES"]

VALUES = Family("values")
_LONGEST = 200
_LARGEST = 7.2e75  # what the numbers of a transport file can hold
_PLACEHOLDERS = {"na", "n/a", "nan", "null", "none", "nil", "missing", ".", "-", "?", "tbd"}
_WHOLE = ("SEQ", "DY", "TPTNUM", "TAETORD")
_ANSWERS = {"", "Y", "N", "U", "NA"}
_ANSWERED = {"AESER", "SVPRESP", "SVOCCUR", "AEPRESP", "SAFFL", "DTHFL"}


def _texts(table: Table) -> Iterator[tuple[str, int, str]]:
    for column in table.columns:
        for value, number in table.distinct(column.name).items():
            if isinstance(value, str):
                yield column.name, number, value


@VALUES.rule(
    "SD010",
    CDISC,
    "A text has at most 200 letters.",
    source="SAS transport version 5; SDTMIG 3.4, 4.5.3",
    remedy="shorten it, or put the rest into supplemental qualifiers",
)
def _short(table: Table, _: Received) -> Iterator[Issue]:
    for name, number, text in _texts(table):
        if len(text) > _LONGEST:
            yield Issue(table.name, f"{name} has {len(text)} letters: '{text[:40]}...'", str(number))


@VALUES.rule(
    "SD011",
    CDISC,
    "A text is plain, printable ASCII.",
    source="SAS transport version 5; FDA Study Data Technical Conformance Guide [M]",
    remedy="write it in ASCII",
)
def _ascii(table: Table, _: Received) -> Iterator[Issue]:
    for name, number, text in _texts(table):
        if not (text.isascii() and text.isprintable()):
            yield Issue(table.name, f"{name} holds other letters than printable ASCII: {text[:60]!a}", str(number))


@VALUES.rule(
    "SD012",
    CDISC,
    "A text neither begins nor ends with blanks, and a missing one is empty, not a word such as NA or NULL.",
    source="SDTMIG 3.4, 4.1 [M]",
    remedy="leave a missing value empty, and take the blanks off",
)
def _plain(table: Table, _: Received) -> Iterator[Issue]:
    for name, number, text in _texts(table):
        if text != text.strip():
            yield Issue(table.name, f"{name} has blanks at an end: '{text[:40]}'", str(number))
        elif text.casefold() in _PLACEHOLDERS and not name.endswith("FL"):
            yield Issue(table.name, f"{name} is '{text}', which stands for nothing", str(number))


@VALUES.rule(
    "SD013",
    CDISC,
    "A number is finite and fits a transport file; sequence numbers, study days and orders are whole.",
    source="SAS transport version 5; SDTM 2.0",
    remedy="correct the number where it comes from",
)
def _numbers(table: Table, _: Received) -> Iterator[Issue]:
    for column in table.columns:
        whole = column.is_number and column.name.endswith(_WHOLE)
        for value, number in table.distinct(column.name).items():
            problem = _odd_number(value, whole)
            if problem:
                yield Issue(table.name, f"{column.name} is {str(value)[:40]}, {problem}", str(number))


def _odd_number(value: Cell, whole: bool) -> str:
    if isinstance(value, str) or value is None:
        return ""
    number = number_of(value)
    if number is None or abs(number) > _LARGEST:
        return "which is no number that a transport file holds"
    return "which is not whole" if whole and not number.is_integer() else ""


@VALUES.rule(
    "SD014",
    CDISC,
    "STUDYID is the same in every record of every dataset.",
    source="SDTM 2.0, identifiers",
    remedy="deliver one study at a time, under one name",
)
def _one_study(table: Table, received: Received) -> Iterator[Issue]:
    counts = Counter(value for table in received.cdisc for value in table.distinct("STUDYID"))
    usual = max(counts, key=lambda name: (counts[name], str(name)), default="")
    for value, number in table.distinct("STUDYID").items():
        if value != usual:
            yield Issue(table.name, f"STUDYID is '{str(value)[:60]}', elsewhere '{str(usual)[:60]}'", str(number))


@VALUES.rule(
    "SD015",
    SDTM,
    "DOMAIN is the dataset's name, RDOMAIN that of the domain which is supplemented.",
    source="SDTM 2.0, identifiers",
    remedy="correct DOMAIN or RDOMAIN",
)
def _domain(table: Table, _: Received) -> Iterator[Issue]:
    supplements = table.name.startswith("SUPP")
    name, expected_name = ("RDOMAIN", table.name.removeprefix("SUPP")) if supplements else ("DOMAIN", table.name)
    for record in table.records:
        if table.has(name) and record.has(name) and record.text(name) != expected_name:
            yield Issue.at(table.name, record, f"{name} is '{record.text(name)[:20]}', not {expected_name}")


@VALUES.rule(
    "SD016",
    CDISC,
    "Flags (--LOBXFL, --BLFL, ABLFL, ANL01FL, ...) are Y or blank, and answers Y, N, U, NA or blank.",
    source="CDISC terminology, C66742; SDTMIG 3.4, 4.1",
    remedy="correct the flag",
)
def _flags(table: Table, _: Received) -> Iterator[Issue]:
    once = ("LOBXFL", "BLFL", "DRVFL", "ANL01FL") if table.is_cdisc else ()
    for name in table.names:
        if not (name.endswith("FL") or name in _ANSWERED):
            continue
        allowed = {"", "Y"} if name.endswith(once) else _ANSWERS
        for record in table.records:
            if record.text(name) not in allowed:
                yield Issue.at(table.name, record, f"{name} is '{record.text(name)[:20]}'")
