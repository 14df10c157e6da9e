"""Rules of variables and values: which must be there, what a file can hold, and what tells records apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from immunomon.errors import counted
from immunomon.outputs.conformance.book import CHECKS, Issue
from immunomon.outputs.conformance.cells import Cell, number_of, text_of
from immunomon.outputs.conformance.guide import guide_of, keys_of
from immunomon.outputs.conformance.kinds import not_one_to_one
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.table import Table

_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,7}", re.ASCII)


def _lacking(table: Table, core: str) -> list[str]:
    return [
        variable.name for variable in guide_of(table.name) if variable.core == core and variable.name not in table.names
    ]


@CHECKS.register("SD001")
def _required(table: Table, _: Received) -> Iterator[Issue]:
    yield from (Issue(table.name, f"required variable {name} is not there") for name in _lacking(table, "Req"))


@CHECKS.register("SD002")
def _expected(table: Table, _: Received) -> Iterator[Issue]:
    yield from (Issue(table.name, f"expected variable {name} is not there") for name in _lacking(table, "Exp"))


@CHECKS.register("SD003")
def _filled(table: Table, _: Received) -> Iterator[Issue]:
    for variable in guide_of(table.name):
        if variable.core != "Req" or variable.name not in table.names:
            continue
        blank = [
            number for number, value in enumerate(table.column(variable.name), start=1) if text_of(value).strip() == ""
        ]
        if blank:
            blank_count = "every record" if len(blank) == len(table) else counted(len(blank), "record")
            yield Issue(table.name, f"required variable {variable.name} has no value in {blank_count}", str(blank[0]))


@CHECKS.register("SD004")
def _no_other(table: Table, _: Received) -> Iterator[Issue]:
    known = {variable.name for variable in guide_of(table.name)}
    yield from (Issue(table.name, f"variable {name} is not in the guide") for name in table.names if name not in known)


@CHECKS.register("SD005")
def _ordered(table: Table, _: Received) -> Iterator[Issue]:
    guided = [variable.name for variable in guide_of(table.name)]
    present = [name for name in table.names if name in guided]
    expected = [name for name in guided if name in present]
    wrong = next((pair for pair in zip(present, expected, strict=False) if pair[0] != pair[1]), None)
    if wrong:
        yield Issue(table.name, f"variable {wrong[0]} stands where {wrong[1]} belongs")


@CHECKS.register("SD006")
def _typed(table: Table, _: Received) -> Iterator[Issue]:
    guided = {variable.name: variable.is_number for variable in guide_of(table.name)}
    for column in table.columns:
        is_number = guided.get(column.name)
        # CSV declares no types, and a column of digits may well be text.
        if is_number is None or is_number == column.is_number or table.form == "csv":
            continue
        yield Issue(table.name, f"variable {column.name} is {'text' if is_number else 'numbers'}, against the guide")


@CHECKS.register("SD007")
def _names(table: Table, _: Received) -> Iterator[Issue]:
    if not _NAME.fullmatch(table.name):
        yield Issue(table.file, f"the dataset's name '{table.name[:60]}' is none of at most 8 capitals and digits")
    for index, name in enumerate(table.names):
        if not _NAME.fullmatch(name):
            yield Issue(table.name, f"the variable's name '{name[:60]}' is none of at most 8 capitals and digits")
        elif name in table.names[:index]:
            yield Issue(table.name, f"variable {name} is there twice")


@CHECKS.register("SD008")
def _labels(table: Table, _: Received) -> Iterator[Issue]:
    if table.form == "csv":
        return  # CSV has no labels
    for name, label in ((table.name, table.label), *((column.name, column.label) for column in table.columns)):
        if not 1 <= len(label) <= 40 or not (label.isascii() and label.isprintable()):
            yield Issue(
                table.name, f"the label of {name} has {len(label)} letters, or others than ASCII: '{label[:60]}'"
            )


@CHECKS.register("SD009")
def _test_names(table: Table, _: Received) -> Iterator[Issue]:
    code, name = table.own("TESTCD"), table.own("TEST")
    for (short, long), records in table.grouped((code, name)):
        if short and not _NAME.fullmatch(short):
            yield Issue.at(table.name, records[0], f"{code} '{short[:60]}' is no short name of a test")
        if len(long) > 40:
            yield Issue.at(table.name, records[0], f"{name} '{long[:60]}' has {len(long)} letters")


# Rules of values, whatever they mean: what a file can hold, and what every record says alike.

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


@CHECKS.register("SD010")
def _short(table: Table, _: Received) -> Iterator[Issue]:
    for name, number, text in _texts(table):
        if len(text) > _LONGEST:
            yield Issue(table.name, f"{name} has {len(text)} letters: '{text[:40]}...'", str(number))


@CHECKS.register("SD011")
def _ascii(table: Table, _: Received) -> Iterator[Issue]:
    for name, number, text in _texts(table):
        if not (text.isascii() and text.isprintable()):
            yield Issue(table.name, f"{name} holds other letters than printable ASCII: {text[:60]!a}", str(number))


@CHECKS.register("SD012")
def _plain(table: Table, _: Received) -> Iterator[Issue]:
    for name, number, text in _texts(table):
        if text != text.strip():
            yield Issue(table.name, f"{name} has blanks at an end: '{text[:40]}'", str(number))
        elif text.casefold() in _PLACEHOLDERS and not (name.endswith("FL") or name in {"TSVAL", "TSVALNF"}):
            yield Issue(table.name, f"{name} is '{text}', which stands for nothing", str(number))


@CHECKS.register("SD013")
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


@CHECKS.register("SD014")
def _one_study(table: Table, received: Received) -> Iterator[Issue]:
    counts = Counter(value for table in received.cdisc for value in table.distinct("STUDYID"))
    usual = max(counts, key=lambda name: (counts[name], str(name)), default="")
    for value, number in table.distinct("STUDYID").items():
        if value != usual:
            yield Issue(table.name, f"STUDYID is '{str(value)[:60]}', elsewhere '{str(usual)[:60]}'", str(number))


@CHECKS.register("SD015")
def _domain(table: Table, _: Received) -> Iterator[Issue]:
    supplements = table.name.startswith("SUPP")
    name, expected_name = ("RDOMAIN", table.name.removeprefix("SUPP")) if supplements else ("DOMAIN", table.name)
    for record in table.records:
        if table.has(name) and record.has(name) and record.text(name) != expected_name:
            yield Issue.at(table.name, record, f"{name} is '{record.text(name)[:20]}', not {expected_name}")


@CHECKS.register("SD016")
def _flags(table: Table, _: Received) -> Iterator[Issue]:
    once = ("LOBXFL", "BLFL", "DRVFL", "ANL01FL") if table.is_cdisc else ()
    for name in table.names:
        if not (name.endswith("FL") or name in _ANSWERED):
            continue
        allowed = {"", "Y"} if name.endswith(once) else _ANSWERS
        for record in table.records:
            if record.text(name) not in allowed:
                yield Issue.at(table.name, record, f"{name} is '{record.text(name)[:20]}'")


# Rules of identity: what tells records apart, and what they point to.

_QNAM = re.compile(r"[A-Z][A-Z0-9_]{0,7}", re.ASCII)


@CHECKS.register("SD020")
def _sequence(table: Table, _: Received) -> Iterator[Issue]:
    name = table.own("SEQ")
    if not table.prefix or not table.has(name):
        return
    for (whose, number), records in table.grouped(("TSPARMCD" if table.name == "TS" else "USUBJID", name)):
        value = records[0].number_in(name)
        if value is None or value < 1 or not value.is_integer():
            yield Issue.at(table.name, records[0], f"{name} is '{number[:20]}'")
        elif len(records) > 1:
            yield Issue.at(table.name, records[1], f"{name} {number} is there {len(records)} times for {whose[:40]}")


@CHECKS.register("SD021")
def _in_dm(table: Table, received: Received) -> Iterator[Issue]:
    for (subject,), records in table.grouped(("USUBJID",)):
        # RELREC relates whole datasets by records without a subject.
        if subject not in received.subjects and (subject or table.name != "RELREC"):
            yield Issue.at(
                table.name, records[0], f"USUBJID '{subject[:60]}' is not in DM ({counted(len(records), 'record')})"
            )


@CHECKS.register("SD022")
def _no_doubles(table: Table, _: Received) -> Iterator[Issue]:
    keys = tuple(name for name in keys_of(table.name) if table.has(name))
    if not keys:
        return
    for key, records in table.grouped(keys):
        if len(records) > 1:
            shown = ", ".join(part for part in key if part)[:120]
            yield Issue.at(table.name, records[1], f"there are {len(records)} records of {shown}")


@CHECKS.register("SP001")
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


@CHECKS.register("SP002")
def _qualifiers(table: Table, received: Received) -> Iterator[Issue]:
    parent = received.table(table.name.removeprefix("SUPP"))
    taken = parent.names if parent is not None else ()
    for (name, label), records in table.grouped(("QNAM", "QLABEL")):
        if not _QNAM.fullmatch(name) or name in taken:
            yield Issue.at(table.name, records[0], f"QNAM '{name[:40]}' is no name of its own")
        if not 1 <= len(label) <= 40:
            yield Issue.at(table.name, records[0], f"QLABEL of {name[:20]} has {len(label)} letters")
    yield from not_one_to_one(table, "QNAM", "QLABEL")


@CHECKS.register("BE001")
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
