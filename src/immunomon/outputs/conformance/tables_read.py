"""The datasets of a file, as it holds them: SAS transport, Dataset-JSON, CSV, workbook; ValueError for what is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from immunomon.csvfile import text_of_cell
from immunomon.cytometry.formats.xmltree import has_doctype
from immunomon.cytometry.formats.zip_archive import ZipSource
from immunomon.outputs.conformance.cells import Cell, number_text
from immunomon.outputs.conformance.table import Column, Table
from immunomon.outputs.conformance.transport import Transport
from immunomon.outputs.delivery.xpt import extra

__all__ = ["csv_table", "json_table", "workbook_tables", "xpt_table"]

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
