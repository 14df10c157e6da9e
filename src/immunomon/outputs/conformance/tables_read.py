"""The datasets of a file, as it holds them: SAS transport, Dataset-JSON, CSV, workbook; ValueError for what is none.

The headers of transport files are read without the library that wrote them (SAS technical note TS-140).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immunomon.csvfile import text_of_cell
from immunomon.cytometry.formats.xmltree import has_doctype
from immunomon.cytometry.formats.zip_archive import ZipSource
from immunomon.outputs.conformance.cells import Cell, number_text
from immunomon.outputs.conformance.table import Column, Table
from immunomon.outputs.delivery.xpt import extra

__all__ = [
    "Transport",
    "TransportVariable",
    "csv_table",
    "json_table",
    "read_transport",
    "workbook_tables",
    "xpt_table",
]

_LINE = 80
_NAMESTR = 140
_LIBRARY = b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!"
_MEMBER = b"HEADER RECORD*******MEMBER  HEADER RECORD!!!!!!!"
_NAMES = b"HEADER RECORD*******NAMESTR HEADER RECORD!!!!!!!"
_OBSERVATIONS = b"HEADER RECORD*******OBS     HEADER RECORD!!!!!!!"
_MOST_VARIABLES = 9999


@dataclass(frozen=True)
class TransportVariable:
    """A variable of a transport file: length and place in bytes."""

    name: str
    label: str
    is_number: bool
    length: int
    position: int


@dataclass(frozen=True, eq=False)
class Transport:
    """What a transport file says: dataset, label, variables, bytes of a record; faults: what is wrong."""

    dataset: str = ""
    label: str = ""
    variables: tuple[TransportVariable, ...] = ()
    record_bytes: int = 0
    faults: tuple[str, ...] = ()


def read_transport(data: bytes) -> Transport:
    """Read the headers of a transport file; what is wrong with it is in ``faults``, and nothing is raised.

    >>> read_transport(b"no transport file").faults
    ('does not begin with the library header of a SAS transport file, version 5',)
    """
    if not data.startswith(_LIBRARY):
        return Transport(faults=("does not begin with the library header of a SAS transport file, version 5",))
    try:
        return _read(data)
    except (struct.error, IndexError, ValueError):
        return Transport(faults=("ends, or is damaged, within its headers",))


def _read(data: bytes) -> Transport:
    faults = (
        []
        if len(data) % _LINE == 0
        else [f"has {len(data):,} bytes, which are no whole records of {_LINE}: it was cut"]
    )
    if not data[3 * _LINE :].startswith(_MEMBER):
        return Transport(faults=(*faults, "has no member header: it holds no dataset"))
    if data.count(_MEMBER) > 1:
        faults.append("holds more than one dataset")
    described = data[5 * _LINE : 7 * _LINE]
    name, label = _text(described[8:16]), _text(described[_LINE + 32 : _LINE + 72])
    head = data[7 * _LINE : 8 * _LINE]
    if not head.startswith(_NAMES):
        return Transport(name, label, faults=(*faults, "has no header of variables"))
    count = int(head[52:58])
    if not 0 < count <= _MOST_VARIABLES:
        return Transport(name, label, faults=(*faults, f"says that it has {count} variables"))
    start = 8 * _LINE
    end = start + -(-count * _NAMESTR // _LINE) * _LINE
    variables = tuple(_variable(data[start + n * _NAMESTR : start + (n + 1) * _NAMESTR]) for n in range(count))
    if not data[end:].startswith(_OBSERVATIONS):
        return Transport(name, label, variables, faults=(*faults, "has no header of observations where it belongs"))
    width = sum(variable.length for variable in variables)
    faults += _records(data[end + _LINE :], width)
    return Transport(name, label, variables, width, tuple(faults))


def _variable(raw: bytes) -> TransportVariable:
    kind, _, length, _, name, label = struct.unpack(">hhhh8s40s", raw[:56])
    (position,) = struct.unpack(">l", raw[84:88])
    if length < 1 or position < 0 or kind not in {1, 2}:
        raise ValueError("no variable")
    return TransportVariable(_text(name), _text(label), kind == 1, length, position)


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").rstrip(" \0")


def _records(data: bytes, width: int) -> list[str]:
    rest = len(data) % width if width else 0
    # Behind the last record there are blanks up to a whole line, and nothing else.
    if rest and data[-rest:].strip(b" "):
        return [f"ends within a record: {rest} of {width} bytes"]
    return []


_NUMBERS = {"integer", "decimal", "float", "double"}
_MOST_UNPACKED = 500_000_000
_MOST_CELLS = 50_000_000
_MOST_COLUMNS = 5000
_SCALARS = (str, int, float, bool, type(None))


def xpt_table(path: Path, name: str, transport: Transport) -> Table:
    """Return the dataset of a transport file, its values read by pyreadstat, its columns by our own eyes."""
    try:
        frame, _ = extra("pyreadstat").read_xport(str(path), disable_datetime_conversion=True, encoding="LATIN1")
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # the library's errors have no common kind
        raise ValueError(f"pyreadstat cannot read it: {error}") from None
    columns = tuple(
        Column(
            variable.name, variable.label, variable.is_number, "Num" if variable.is_number else "Char", variable.length
        )
        for variable in transport.variables
    )
    values: list[list[Cell]] = [_plain(frame.iloc[:, index].tolist()) for index in range(frame.shape[1])]
    if len(values) != len(columns):
        raise ValueError(f"pyreadstat finds {len(values)} variables, the headers name {len(columns)}")
    rows = tuple(zip(*values, strict=True))
    return Table(transport.dataset, name, "xpt", columns, rows, transport.label)


def _plain(values: Iterable[Any]) -> list[Cell]:
    return [None if value is None or value == "" or value != value else value for value in values]


def json_table(data: Mapping[str, Any], name: str) -> Table:
    """Return the dataset of a Dataset-JSON file as far as it can be made out; ``about`` holds the rest of the file."""
    columns, rows = data.get("columns"), data.get("rows", [])
    if not isinstance(columns, list) or not all(isinstance(column, dict) for column in columns):
        raise ValueError("is no Dataset-JSON: it has no list of columns")
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ValueError("is no Dataset-JSON: its rows are no lists")
    if not 0 < len(columns) <= _MOST_COLUMNS:
        raise ValueError(f"has {len(columns)} columns")
    width = len(columns)
    kept = tuple(tuple(_scalar(value) for value in [*row, *[None] * width][:width]) for row in rows)
    about = {key: value for key, value in data.items() if key != "rows"}
    # How wide each row is as it lies in the file: above, all are made equally wide.
    about["widths"] = sorted({len(row) for row in rows})
    about["odd"] = any(not isinstance(value, _SCALARS) for row in rows for value in row)
    return Table(
        _word(data.get("name")), name, "json", tuple(map(_column, columns)), kept, _word(data.get("label")), about
    )


def _column(column: Mapping[str, Any]) -> Column:
    declared = _word(column.get("dataType"))
    return Column(
        name=_word(column.get("name")),
        label=_word(column.get("label")),
        is_number=declared in _NUMBERS,
        declared=declared,
        length=_whole(column.get("length")),
        key=_whole(column.get("keySequence")),
        oid=_word(column.get("itemOID")),
    )


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _scalar(value: object) -> Cell:
    return None if value == "" or not isinstance(value, _SCALARS) else value


def csv_table(lines: Iterable[Sequence[str]], name: str) -> Table:
    """Return a table of CSV: a column whose every value is a number is one of numbers."""
    rows_with_header = list(lines)
    if not rows_with_header or not rows_with_header[0]:
        raise ValueError("has no header")
    header, *rows = rows_with_header
    uneven = next((line for line, row in enumerate(rows, start=2) if len(row) != len(header)), None)
    if uneven is not None:
        raise ValueError(f"line {uneven} has {len(rows[uneven - 2])} fields, the header {len(header)}")
    values = [_typed([text_of_cell(row[index]) for row in rows]) for index in range(len(header))]
    columns = tuple(Column(word, "", is_number) for word, (is_number, _) in zip(header, values, strict=True))
    stem = name.rpartition("/")[2].rpartition(".")[0]
    return Table(stem, name, "csv", columns, tuple(zip(*(column for _, column in values), strict=True)))


def _typed(texts: Sequence[str]) -> tuple[bool, list[Cell]]:
    numbers = [number_text(text) for text in texts]
    is_number = any(texts) and all(number is not None for number, text in zip(numbers, texts, strict=True) if text)
    return is_number, list(numbers) if is_number else [text or None for text in texts]


def workbook_tables(path: Path, name: str) -> list[Table]:
    """Return the sheets of a workbook as tables, in order."""
    with ZipSource(path) as archive:
        parts = archive.names(".xml", ".rels", ".vml")
        if sum(map(archive.size, parts)) > _MOST_UNPACKED:
            raise ValueError(f"unpacks to more than {_MOST_UNPACKED // 10**6} MB, and was not read")
        if any(has_doctype(archive.read(part, _MOST_UNPACKED)) for part in parts):
            raise ValueError("declares a document type (DOCTYPE), which is not read for safety")
    try:
        book = extra("openpyxl").load_workbook(path, read_only=True)
        tables, room = [], _MOST_CELLS
        for sheet in book.worksheets:
            rows = _rows(sheet, room)
            room -= sum(map(len, rows))
            tables.append(_sheet(str(sheet.title), rows, name))
        book.close()
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # the library's errors have no common kind
        raise ValueError(f"openpyxl cannot read it: {error}") from None
    return tables


def _rows(sheet: Any, room: int) -> list[tuple[Any, ...]]:  # noqa: ANN401 - a library without types
    """Return a sheet's values; one cell in the last corner makes its reader fill up 17 thousand million."""
    rows: list[tuple[Any, ...]] = []
    if (sheet.max_row or 0) * (sheet.max_column or 0) > room:
        raise ValueError(f"the book has more than {_MOST_CELLS:,} cells")
    for row in sheet.iter_rows(values_only=True):
        room -= len(row) + 1
        if room < 0:
            raise ValueError(f"the book has more than {_MOST_CELLS:,} cells")
        rows.append(row)
    return rows


def _sheet(title: str, rows: Sequence[tuple[Any, ...]], name: str) -> Table:
    header, *values = rows or [()]
    width = len(header)
    even = tuple(tuple(_scalar(value) for value in (*row, *(None,) * width)[:width]) for row in values)
    columns = tuple(Column(str(word or "")) for word in header)
    return Table(title, name, "xlsx", columns, even)
