"""Rules of files and datasets: what lies where, and whether a file is as its format asks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.errors import counted
from immunomon.outputs.conformance.book import CHECKS, Issue
from immunomon.outputs.conformance.cells import Cell, is_iso_date, same, text_of
from immunomon.outputs.conformance.guide import guide_of
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.table import Column, Table
from immunomon.outputs.conformance.tables_read import Transport


@CHECKS.register("FL001")
def _readable(received: Received, _: Received) -> Iterator[Issue]:
    yield from (Issue(file.path, file.fault) for file in received.files if file.fault)


@CHECKS.register("FL002")
def _once(received: Received, _: Received) -> Iterator[Issue]:
    file_by_dataset: dict[tuple[str, str], str] = {}
    for table in received.tables:
        if not table.is_cdisc:
            continue
        first_file = file_by_dataset.setdefault((table.name, table.form), table.file)
        if first_file != table.file:
            yield Issue(table.file, f"holds dataset {table.name}, which {first_file} holds, too")


@CHECKS.register("FL003")
def _named(table: Table, _: Received) -> Iterator[Issue]:
    stem = table.file.rpartition("/")[2].rpartition(".")[0]
    if table.form in {"xpt", "json"} and stem != table.name.lower():
        yield Issue(table.file, f"holds dataset '{table.name}'")


@CHECKS.register("FL004")
def _not_empty(table: Table, _: Received) -> Iterator[Issue]:
    if not len(table):
        yield Issue(table.name, "has no records")


@CHECKS.register("FL005")
def _accompanied(table: Table, received: Received) -> Iterator[Issue]:
    companions = ["DM"] * table.has("USUBJID") + ["TV", "SV"] * (
        table.has("USUBJID", "VISITNUM") and table.name != "SV"
    )
    missing = [name for name in companions if received.table(name) is None]
    if missing:
        yield Issue(table.name, f"comes without {', '.join(missing)}")


@CHECKS.register("FL006")
def _known(table: Table, _: Received) -> Iterator[Issue]:
    supplement = table.name.removeprefix("SUPP")
    if not guide_of(table.name) or (supplement != table.name and not guide_of(supplement)):
        yield Issue(table.name, "is no dataset that is checked against a guide")


@CHECKS.register("FL007")
def _parents(table: Table, received: Received) -> Iterator[Issue]:
    parent = table.name.removeprefix("SUPP") if table.name.startswith("SUPP") else ""
    parent = "ADSL" if table.is_analysis and table.name != "ADSL" else parent
    if parent and received.table(parent) is None:
        yield Issue(table.name, f"comes without {parent}")


# Rules of the files' formats: SAS transport version 5, Dataset-JSON 1.1, and the two beside each other.

_NEEDED = ("datasetJSONCreationDateTime", "datasetJSONVersion", "itemGroupOID", "records", "name", "label", "columns")
_KNOWN = {
    *_NEEDED,
    *("fileOID", "dbLastModifiedDateTime", "originator", "sourceSystem", "studyOID", "metaDataVersionOID"),
    *("metaDataRef", "isReferenceData", "rows", "widths", "odd"),
}
_TYPES = {"string", "integer", "decimal", "float", "double", "boolean", "datetime", "date", "time", "URI"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?", re.ASCII)


@CHECKS.register("XP001")
def _layout(table: Table, received: Received) -> Iterator[Issue]:
    next_byte = 0
    transport = received.transports.get(table.file, Transport())
    for variable in transport.variables:
        if (variable.is_number and variable.length != 8) or not 1 <= variable.length <= 200:
            yield Issue(table.name, f"{variable.name} has {variable.length} bytes")
        if variable.position != next_byte:
            yield Issue(table.name, f"{variable.name} lies at byte {variable.position}, not {next_byte}")
        next_byte = variable.position + variable.length


@CHECKS.register("XP002")
def _tight(table: Table, _: Received) -> Iterator[Issue]:
    for column in table.columns:
        longest = max((len(text_of(value)) for value in table.distinct(column.name)), default=0)
        if not column.is_number and column.length > max(longest, 1):
            yield Issue(table.name, f"{column.name} has {column.length} bytes, its longest value {longest}")


@CHECKS.register("XP003")
def _equal(table: Table, received: Received) -> Iterator[Issue]:
    twin = received.twin(table)
    if twin is None:
        return
    if table.names != twin.names or len(table) != len(twin):
        yield Issue(
            table.name, f"{len(table)} x {len(table.names)} values, in its other form {len(twin)} x {len(twin.names)}"
        )
        return
    for name in table.names:
        for number, (mine, theirs) in enumerate(zip(table.column(name), twin.column(name), strict=True), start=1):
            if not _alike(mine, theirs):
                yield Issue(
                    table.name,
                    f"{name} is {text_of(mine)[:40]!r}, in its other form {text_of(theirs)[:40]!r}",
                    str(number),
                )
                break


def _alike(mine: Cell, theirs: Cell) -> bool:
    if isinstance(mine, int | float) and isinstance(theirs, int | float):
        return same(float(mine), float(theirs))
    return mine == theirs


@CHECKS.register("DJ001")
def _attributes(table: Table, _: Received) -> Iterator[Issue]:
    lacking = [name for name in _NEEDED if name not in table.about]
    unknown = sorted(set(map(str, table.about)) - _KNOWN)
    for name in lacking:
        yield Issue(table.file, f"attribute {name} is missing")
    for name in unknown:
        yield Issue(table.file, f"attribute '{name[:40]}' is none of Dataset-JSON")
    if not str(table.about.get("datasetJSONVersion", "1.1")).startswith("1.1"):
        yield Issue(table.file, f"datasetJSONVersion is '{str(table.about['datasetJSONVersion'])[:20]}'")
    for name in ("datasetJSONCreationDateTime", "dbLastModifiedDateTime"):
        if name in table.about and not _TIME.fullmatch(str(table.about[name])):
            yield Issue(table.file, f"{name} is '{str(table.about[name])[:40]}'")


@CHECKS.register("DJ002")
def _rows(table: Table, _: Received) -> Iterator[Issue]:
    if table.about.get("records") != len(table):
        yield Issue(
            table.file, f"records says {str(table.about.get('records'))[:20]}, found are {counted(len(table), 'row')}"
        )
    for width in table.about.get("widths", ()):
        if width != len(table.columns):
            yield Issue(
                table.file, f"there are rows of {counted(width, 'value')}, and {counted(len(table.columns), 'column')}"
            )
    if table.about.get("odd"):
        yield Issue(table.file, "a row holds lists or objects in place of values")


@CHECKS.register("DJ003")
def _columns(table: Table, _: Received) -> Iterator[Issue]:
    for number, column in enumerate(table.columns, start=1):
        if not (column.oid and column.name) or column.declared not in _TYPES:
            yield Issue(
                table.file,
                f"column {number} '{column.name[:20]}' has itemOID '{column.oid[:40]}', "
                f"dataType '{column.declared[:20]}'",
            )
    keys = sorted(column.key for column in table.columns if column.key)
    if keys != list(range(1, len(keys) + 1)):
        yield Issue(table.file, f"the keys are numbered {', '.join(map(str, keys))[:60]}")


@CHECKS.register("DJ004")
def _values(table: Table, _: Received) -> Iterator[Issue]:
    for column in table.columns:
        for number, value in enumerate(table.column(column.name), start=1):
            if value is not None and not _fits(value, column):
                yield Issue(table.name, f"{column.name} ({column.declared[:20]}) is {str(value)[:40]!r}", str(number))
                break


def _fits(value: Cell, column: Column) -> bool:
    kind = column.declared
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    if kind == "decimal":
        return isinstance(value, str | int | float)
    if column.is_number:
        return isinstance(value, int if kind == "integer" else int | float)
    fine = isinstance(value, str) and (not column.length or len(value) <= column.length)
    return fine and (kind not in {"date", "datetime"} or is_iso_date(str(value)))
