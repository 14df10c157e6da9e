"""Rules of the files' formats: SAS transport version 5, Dataset-JSON 1.1, and the two beside each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immunomon.outputs.conformance.book import Family, Issue, Scope
from immunomon.outputs.conformance.cells import Cell, is_iso_date, same, text_of
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import JSONS, TRANSPORTS
from immunomon.outputs.conformance.table import Column, Table
from immunomon.outputs.conformance.transport import Transport

__all__ = ["FORMATS"]

FORMATS = Family("formats")
_NEEDED = ("datasetJSONCreationDateTime", "datasetJSONVersion", "itemGroupOID", "records", "name", "label", "columns")
_KNOWN = {
    *_NEEDED,
    *("fileOID", "dbLastModifiedDateTime", "originator", "sourceSystem", "studyOID", "metaDataVersionOID"),
    *("metaDataRef", "isReferenceData", "rows", "widths", "odd"),
}
_TYPES = {"string", "integer", "decimal", "float", "double", "boolean", "datetime", "date", "time", "URI"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_JSON = "Dataset-JSON 1.1"


def _twin(table: Table, received: Received) -> Table | None:
    candidates = (candidate for candidate in (*received.tables, *received.beside) if candidate.name == table.name)
    return next((candidate for candidate in candidates if {candidate.form, table.form} == {"xpt", "json"}), None)


_TWINS: Scope[Table] = Scope(
    "dataset that comes as transport file and as Dataset-JSON",
    lambda received: [table for table in received.cdisc if _twin(table, received) is not None],
    of_cdisc=True,
)


@FORMATS.rule(
    "XP001",
    TRANSPORTS,
    "Numbers have 8 bytes, texts 1 to 200, and the variables of a record follow each other without gaps.",
    source="SAS transport version 5 (TS-140)",
    remedy="write the file again",
)
def _layout(table: Table, received: Received) -> Iterator[Issue]:
    next_byte = 0
    transport = received.transports.get(table.file, Transport())
    for variable in transport.variables:
        if (variable.is_number and variable.length != 8) or not 1 <= variable.length <= 200:
            yield Issue(table.name, f"{variable.name} has {variable.length} bytes")
        if variable.position != next_byte:
            yield Issue(table.name, f"{variable.name} lies at byte {variable.position}, not {next_byte}")
        next_byte = variable.position + variable.length


@FORMATS.rule(
    "XP002",
    TRANSPORTS,
    "A text variable is as long as its longest value, no longer.",
    source="FDA Study Data Technical Conformance Guide, lengths of variables [M]",
    remedy="shorten the variable to its longest value",
    severity="warning",
)
def _tight(table: Table, _: Received) -> Iterator[Issue]:
    for column in table.columns:
        longest = max((len(text_of(value)) for value in table.distinct(column.name)), default=0)
        if not column.is_number and column.length > max(longest, 1):
            yield Issue(table.name, f"{column.name} has {column.length} bytes, its longest value {longest}")


@FORMATS.rule(
    "XP003",
    _TWINS,
    "A dataset holds the same values as transport file and as Dataset-JSON.",
    source="working rule: one delivery, one truth",
    remedy="write both from the same data",
)
def _equal(table: Table, received: Received) -> Iterator[Issue]:
    twin = _twin(table, received)
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


@FORMATS.rule(
    "DJ001",
    JSONS,
    "The file has what Dataset-JSON 1.1 asks: creation time, version, itemGroupOID, records, name, label, columns.",
    source=_JSON,
    remedy="write the file again, with all attributes and no others",
)
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


@FORMATS.rule(
    "DJ002",
    JSONS,
    "`records` is the number of rows, and every row has a value for each column.",
    source=_JSON,
    remedy="write the file again: it was cut or changed",
)
def _rows(table: Table, _: Received) -> Iterator[Issue]:
    if table.about.get("records") != len(table):
        yield Issue(table.file, f"records says {str(table.about.get('records'))[:20]}, there are {len(table)} rows")
    for width in table.about.get("widths", ()):
        if width != len(table.columns):
            yield Issue(table.file, f"there are rows of {width} values, and {len(table.columns)} columns")
    if table.about.get("odd"):
        yield Issue(table.file, "a row holds lists or objects in place of values")


@FORMATS.rule(
    "DJ003",
    JSONS,
    "Every column has itemOID, name, label and a data type of Dataset-JSON; keys are numbered 1, 2, 3, ...",
    source=_JSON,
    remedy="complete the columns",
)
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


@FORMATS.rule(
    "DJ004",
    JSONS,
    "Values are of their column's data type, and texts no longer than its length.",
    source=_JSON,
    remedy="correct the value, the type or the length",
)
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
