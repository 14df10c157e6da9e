"""Rules of tables for people, and of the names of persons anywhere in a delivery."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.errors import counted
from immunomon.outputs.conformance.book import CHECKS, Issue
from immunomon.outputs.conformance.cells import date_of, number_text, same, text_of
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.table import Record, Table

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PLAIN_NUMBER = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", re.ASCII)


@CHECKS.register("TB002")
def _reported(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        reported = record.text("status") == "reported"
        filled = (record.has("value"), record.has("unit"), not record.has("reason"))
        if set(filled) != {reported}:
            yield Issue.at(
                table.name,
                record,
                f"status is {record.shown('status')}, value {record.shown('value')}, reason {record.shown('reason')}",
            )


@CHECKS.register("TB004")
def _percents(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        value, count, of = (record.number_in(name) for name in ("value", "count", "denominator_count"))
        if value is None or record.text("quantity") == "median_intensity":
            continue
        percent = record.text("quantity") == "percent"
        if value <= 0 or (percent and value > 100):
            yield Issue.at(table.name, record, f"value is {value:g}")
        elif percent and count is not None and of and not same(value, 100 * count / of):
            yield Issue.at(table.name, record, f"value is {value:g} %, of {count:g} in {of:g} events")


@CHECKS.register("TB005")
def _changes(table: Table, _: Received) -> Iterator[Issue]:
    for record in table.records:
        value, base, change, percent = (
            record.number_in(name) for name in ("value", "baseline", "change", "percent_change")
        )
        if change is not None and (value is None or base is None or not same(change, value - base)):
            yield Issue.at(
                table.name,
                record,
                f"change is {change:g}, value {record.text('value')[:20]}, baseline {record.text('baseline')[:20]}",
            )
        elif percent is not None and (change is None or not base or not same(percent, 100 * change / base)):
            yield Issue.at(table.name, record, f"percent_change is {percent:g}, change {record.text('change')[:20]}")


@CHECKS.register("TB006")
def _days(table: Table, _: Received) -> Iterator[Issue]:
    firsts: dict[str, int] = {}
    for record in table.records:
        date, day = date_of(record.text("collection_date")), record.number_in("study_day")
        if (record.has("collection_date") and date is None) or day == 0:
            yield Issue.at(
                table.name,
                record,
                f"collection_date is '{record.text('collection_date')[:20]}', "
                f"study_day {record.text('study_day')[:10]}",
            )
        elif date and day is not None:
            first = date.toordinal() - int(day) + (day > 0)
            if firsts.setdefault(record.text("subject"), first) != first:
                yield Issue.at(table.name, record, f"study_day {day:g} on {date} counts from another day than before")


@CHECKS.register("TB007")
def _linked(table: Table, received: Received) -> Iterator[Issue]:
    links = received.people_table("links")
    transfer = (received.manifest or {}).get("transfer")
    if links is None and isinstance(transfer, list) and "blinded" in transfer:
        return  # what a sample is of is in the key, which is kept apart
    known = {record.text("sample_id") for record in links.records} if links else set()
    for (tube,), records in table.grouped(("sample_id",)):
        if tube and tube not in known:
            yield Issue.at(table.name, records[0], f"sample_id '{tube[:60]}' is not in links.csv")


@CHECKS.register("TB008")
def _links(table: Table, received: Received) -> Iterator[Issue]:
    samples = (received.manifest or {}).get("samples")
    known = samples if isinstance(samples, dict) else {}
    for (tube,), records in table.grouped(("sample_id",)):
        entry = known.get(tube) if isinstance(known.get(tube), dict) else {}
        digest = records[0].text("fcs_sha256")
        if len(records) > 1 or not _DIGEST.fullmatch(digest):
            yield Issue.at(table.name, records[-1], f"is there {len(records)} times, fcs_sha256 '{digest[:20]}'")
        elif entry and entry.get("fcs") != digest:
            yield Issue.at(
                table.name,
                records[0],
                f"fcs_sha256 is {digest[:16]}..., in the manifest {str(entry.get('fcs'))[:16]}...",
            )


@CHECKS.register("TB009")
def _whys(table: Table, _: Received) -> Iterator[Issue]:
    fields = [name for name in table.names if f"{name}_why" in table.names]
    for record in table.records:
        measured = [name for name in fields if record.has(name) or record.has(f"{name}_why")]
        for name in measured:
            if record.has(name) and record.has(f"{name}_why"):
                yield Issue.at(table.name, record, f"{name} is {record.text(name)[:20]}, and says why it is missing")
        if fields and not measured:
            yield Issue.at(table.name, record, "has neither values nor reasons")


@CHECKS.register("TB010")
def _redcap(table: Table, received: Received) -> Iterator[Issue]:
    for key, records in table.grouped(("record_id", "redcap_event_name")):
        if len(records) > 1:
            yield Issue.at(table.name, records[1], f"there are {len(records)} rows of {', '.join(key)[:80]}")
    dictionary = received.people_table("redcap_data_dictionary")
    known = {text_of(value) for value in dictionary.column(dictionary.names[0])} if dictionary else set()
    for name in table.names:
        if dictionary and name not in known and name != "redcap_event_name":
            yield Issue(table.name, f"field {name[:40]} is not in the data dictionary")


@CHECKS.register("TB011")
def _immport(table: Table, _: Received) -> Iterator[Issue]:
    statistic = next((name for name in table.names if name.startswith("Population Statistic (")), "")
    unit = next((name for name in table.names if "Unit" in name), "")
    for record in table.records:
        if not record.has(unit if record.has(statistic) else "Comments"):
            yield Issue.at(
                table.name,
                record,
                f"statistic {record.shown(statistic)}, unit {record.shown(unit)}, Comments {record.shown('Comments')}",
            )


@CHECKS.register("TB012")
def _sheets(table: Table, received: Received) -> Iterator[Issue]:
    csv_file = next(
        (candidate for candidate in received.tables if candidate.form == "csv" and candidate.name[:31] == table.name),
        None,
    )
    if csv_file is None or csv_file.names != table.names or len(csv_file) != len(table):
        csv_size = counted(len(csv_file), "row") if csv_file else "no such file"
        yield Issue(table.file, f"sheet {table.name} has {counted(len(table), 'row')}, the CSV file {csv_size}")
        return
    for mine, theirs in zip(table.records, csv_file.records, strict=True):
        wrong = next((name for name in table.names if not _alike(mine, theirs, name)), None)
        if wrong:
            yield Issue.at(
                table.name, mine, f"{wrong} is '{mine.text(wrong)[:40]}', in the CSV file '{theirs.text(wrong)[:40]}'"
            )


def _alike(sheet_row: Record, csv_row: Record, name: str) -> bool:
    mine, theirs = sheet_row.text(name), csv_row.text(name)
    numbers = number_text(mine), number_text(theirs)
    return mine == theirs or (None not in numbers and same(*numbers))


@CHECKS.register("TB013")
def _no_formulas(table: Table, _: Received) -> Iterator[Issue]:
    for column in table.columns:
        for value, number in table.distinct(column.name).items():
            if (
                isinstance(value, str)
                and value[:1] in {"=", "+", "-", "@", "\t", "\r"}
                and not _PLAIN_NUMBER.fullmatch(value)
            ):
                yield Issue(table.name, f"{column.name} is '{value[:40]}'", str(number))


# Rules of the names of persons, anywhere in a delivery.

_PERSONAL = re.compile(
    r"(?i)(^|_|\b)(initials|birth_?date|date_of_birth|dob|brthdtc|invnam|patient_?name|subject_?name|donor_?name|"
    r"first_?name|last_?name|surname|operator|physician|investigator_?name|e_?mail|phone|address)(\b|_|$)"
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}\.[A-Za-z]{2,10}")
_HOME = re.compile(r"(?i)(/home/|/users/|[a-z]:\\users\\|\\documents and settings\\|/root/)")
_KEYWORD = re.compile(r"(?i)\$(SRC|OP)\b|\b(patient|donor|operator) ?(name|id)? ?[=:] ?\S|\bdate of birth\b")


@CHECKS.register("ID001")
def _no_personal_columns(received: Received, _: Received) -> Iterator[Issue]:
    for table in received.tables:
        for name in table.names:
            if _PERSONAL.search(name.replace(" ", "_")) and table.distinct(name):
                yield Issue(table.name, f"column {name[:40]} may name persons")


@CHECKS.register("ID002")
def _no_persons(received: Received, _: Received) -> Iterator[Issue]:
    for table in received.tables:
        for column in table.columns:
            for value in table.distinct(column.name):
                if isinstance(value, str) and (_EMAIL.search(value) or _HOME.search(value) or _KEYWORD.search(value)):
                    yield Issue(
                        table.name, f"{column.name[:40]} holds what may name a person ({len(value)} letters, not shown)"
                    )


@CHECKS.register("ID003")
def _pseudonyms(received: Received, _: Received) -> Iterator[Issue]:
    for table in received.tables:
        for name in {"SUBJID", "subject", "record_id"} & set(table.names):
            for value in map(text_of, table.distinct(name)):
                if value and (" " in value or not any(letter.isdigit() for letter in value)):
                    yield Issue(table.name, f"{name} holds what may be a name ({len(value)} letters, not shown)")
