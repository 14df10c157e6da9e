"""Rules of tables for people: frequencies, links, REDCap, ImmPort, workbooks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue
from immunomon.outputs.conformance.cells import date_of, number_text, same, text_of
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import PEOPLE, WORKBOOKS, people_table
from immunomon.outputs.conformance.table import Record, Table

__all__ = ["PEOPLE_RULES"]

PEOPLE_RULES = Family("tables for people")
_FREQUENCIES = people_table("subset_frequencies")
_REDCAP = people_table("redcap_import")
_IMMPORT = people_table("immport_fcm_derived")
_LINKS = people_table("links")
_UNITS = {"percent": "%", "cells_per_ul": "10^6/L", "median_intensity": "MdFI"}
_KEY = ("subject", "visit", "panel", "role", "quantity", "population", "denominator", "marker", "sample_id")
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PLAIN_NUMBER = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", re.ASCII)


@PEOPLE_RULES.rule(
    "TB001",
    _FREQUENCIES,
    "A number of subset_frequencies.csv is there once (subject, visit, tube, quantity, population, marker).",
    source="docs/deliveries.md",
    remedy="take the doubled row out",
)
def _once(table: Table, _: Received) -> Iterator[Issue]:
    for key, records in table.grouped(_KEY):
        if len(records) > 1:
            yield Issue.at(
                table.name, records[1], f"there are {len(records)} rows of {', '.join(k for k in key if k)[:120]}"
            )


@PEOPLE_RULES.rule(
    "TB002",
    _FREQUENCIES,
    "A value is reported, with unit and without reason; what is not reported has no value, no unit, and its reason.",
    source="working rule: nothing is missing in silence",
    remedy="correct status, value, unit or reason",
)
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


@PEOPLE_RULES.rule(
    "TB003",
    _FREQUENCIES,
    "The unit is that of the quantity: % of a percent, 10^6/L of cells per microlitre, MdFI of a median intensity.",
    source="docs/deliveries.md",
    remedy="correct quantity or unit",
)
def _units(table: Table, _: Received) -> Iterator[Issue]:
    for (quantity, unit), records in table.grouped(("quantity", "unit")):
        if quantity not in _UNITS or (unit and unit != _UNITS[quantity]):
            yield Issue.at(table.name, records[0], f"quantity is '{quantity[:20]}', unit '{unit[:20]}'")


@PEOPLE_RULES.rule(
    "TB004",
    _FREQUENCIES,
    "A percent is 100 x count / denominator_count, between 0 and 100, and no reported percent or count is 0.",
    source="arithmetic; working rule [M]: too few cells are not reported, never 0",
    remedy="work the value out again from the counts",
)
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


@PEOPLE_RULES.rule(
    "TB005",
    _FREQUENCIES,
    "change is value - baseline, percent_change 100 x change / baseline, and missing where the baseline is 0.",
    source="docs/deliveries.md",
    remedy="work the change out again",
)
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


@PEOPLE_RULES.rule(
    "TB006",
    _FREQUENCIES,
    "Study days count from one first day a subject, without a day 0, and dates are ISO 8601.",
    source="docs/deliveries.md",
    remedy="work the study day out again",
)
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


@PEOPLE_RULES.rule(
    "TB007",
    _FREQUENCIES,
    "Every tube of a value is in links.csv.",
    source="working rule: every value leads back to its file",
    remedy="add the tube to links.csv",
)
def _linked(table: Table, received: Received) -> Iterator[Issue]:
    links = received.people_table("links")
    known = {record.text("sample_id") for record in links.records} if links else set()
    for (tube,), records in table.grouped(("sample_id",)):
        if tube and tube not in known:
            yield Issue.at(table.name, records[0], f"sample_id '{tube[:60]}' is not in links.csv")


@PEOPLE_RULES.rule(
    "TB008",
    _LINKS,
    "A tube of links.csv is there once, with the SHA-256 of its FCS file, as in the manifest.",
    source="working rule: every value leads back to its file",
    remedy="deliver again",
)
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


@PEOPLE_RULES.rule(
    "TB009",
    _REDCAP,
    "A field of REDCap's import has its value or, in ..._why, the reason that there is none, and not both.",
    source="docs/deliveries.md",
    remedy="correct the field or its reason",
)
def _whys(table: Table, _: Received) -> Iterator[Issue]:
    fields = [name for name in table.names if f"{name}_why" in table.names]
    for record in table.records:
        measured = [name for name in fields if record.has(name) or record.has(f"{name}_why")]
        for name in measured:
            if record.has(name) and record.has(f"{name}_why"):
                yield Issue.at(table.name, record, f"{name} is {record.text(name)[:20]}, and says why it is missing")
        if fields and not measured:
            yield Issue.at(table.name, record, "has neither values nor reasons")


@PEOPLE_RULES.rule(
    "TB010",
    _REDCAP,
    "REDCap's import has a row a subject and event, and every field is in the data dictionary.",
    source="docs/deliveries.md",
    remedy="take the doubled row out, or add the field to the dictionary",
)
def _redcap(table: Table, received: Received) -> Iterator[Issue]:
    for key, records in table.grouped(("record_id", "redcap_event_name")):
        if len(records) > 1:
            yield Issue.at(table.name, records[1], f"there are {len(records)} rows of {', '.join(key)[:80]}")
    dictionary = received.people_table("redcap_data_dictionary")
    known = {text_of(value) for value in dictionary.column(dictionary.names[0])} if dictionary else set()
    for name in table.names:
        if dictionary and name not in known and name != "redcap_event_name":
            yield Issue(table.name, f"field {name[:40]} is not in the data dictionary")


@PEOPLE_RULES.rule(
    "TB011",
    _IMMPORT,
    "A row of ImmPort's table has a statistic with its unit, or says under Comments why there is none.",
    source="ImmPort, derived cytometry data",
    remedy="give the statistic, or the reason",
)
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


@PEOPLE_RULES.rule(
    "TB012",
    WORKBOOKS,
    "A sheet of a workbook holds the values of the CSV file of its name.",
    source="docs/deliveries.md",
    remedy="write workbook and CSV from the same data",
)
def _sheets(table: Table, received: Received) -> Iterator[Issue]:
    csv_file = next(
        (candidate for candidate in received.tables if candidate.form == "csv" and candidate.name[:31] == table.name),
        None,
    )
    if csv_file is None or csv_file.names != table.names or len(csv_file) != len(table):
        csv_size = f"{len(csv_file)} rows" if csv_file else "no such file"
        yield Issue(table.file, f"sheet {table.name} has {len(table)} rows, the CSV file {csv_size}")
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


@PEOPLE_RULES.rule(
    "TB013",
    PEOPLE,
    "No text of a CSV file begins as a formula does (=, +, -, @), which a spreadsheet would work out.",
    source="safety: formulas in CSV files",
    remedy="change the text where it comes from",
)
def _no_formulas(table: Table, _: Received) -> Iterator[Issue]:
    for column in table.columns:
        for value, number in table.distinct(column.name).items():
            if (
                isinstance(value, str)
                and value[:1] in {"=", "+", "-", "@", "\t", "\r"}
                and not _PLAIN_NUMBER.fullmatch(value)
            ):
                yield Issue(table.name, f"{column.name} is '{value[:40]}'", str(number))
