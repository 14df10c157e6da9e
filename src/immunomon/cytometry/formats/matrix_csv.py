"""Spillover matrices from CSV files, as laboratories write them, and into CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from immunomon.csvfile import BadCell, CsvFile, CsvRow, read_csv
from immunomon.cytometry.formats.spillover import is_number
from immunomon.cytometry.model.channel_names import ChannelNames
from immunomon.cytometry.model.matrix_labels import MatrixTable
from immunomon.cytometry.model.spillover import SpectrumMatrix, SpilloverMatrix
from immunomon.errors import BadSpec, BadSpillover, SingularSpillover
from immunomon.files import whole_file
from immunomon.study.model.panel import Panel

__all__ = ["as_spillover", "read_matrix_csv", "write_matrix_csv"]

WEIGHTS_ROW = "(detector weights)"
_MOST_BYTES = 20_000_000


def read_matrix_csv(path: Path, panels: Iterable[Panel] = ()) -> SpilloverMatrix:
    """Read a matrix from CSV: a header row of detectors, one row per fluorochrome, named in any order or not at all.

    panels: by whose fluorochromes and markers rows and columns may be named. Fractions or percents, any separator and
    decimal sign. A spectrum matrix (fewer named fluorochromes than detectors, as ``immunomon compensate`` writes it) is
    completed to a square one that unmixes: each fluorochrome's signal is then in its own detector. Raises BadSpillover,
    naming the file, the row and the column, if it is missing or does not fit.

    >>> read_matrix_csv(Path("no-such.csv"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpillover: no-such.csv: no such file; check the path
    """
    try:
        written = read_csv(path, _MOST_BYTES)
    except BadSpec as error:
        raise BadSpillover(str(error)) from error
    if written.problems:
        raise BadSpillover(str(written.problems[0]))
    try:
        return _table(written).spillover(ChannelNames.of(panels=panels))
    except SingularSpillover as error:
        raise SingularSpillover(f"{path}: {error}") from error
    except BadSpillover as error:
        raise BadSpillover(f"{path}{' ' if str(error).startswith('line ') else ': '}{error}") from error


def _table(written: CsvFile) -> MatrixTable:
    _refuse_title(written.rows)
    if len(written.rows) < 2:
        problem = "a header row of detectors and one row per fluorochrome are needed"
        raise BadSpillover(f"{problem}; name the right file, or write it with immunomon compensate")
    columns, body = written.rows[0].cells, written.rows[1:]
    named = columns[0] == "" or all(len(row.cells) == len(columns) + 1 for row in body)  # R leaves the corner out
    if named:
        columns = columns[1:] if columns[0] == "" else columns
    elif not all(is_number(row.cells[0]) for row in body) or _are_counted(columns, body):
        columns, named = columns[1:], True
    if not columns:
        raise BadSpillover("a header row of detectors and one row per fluorochrome are needed")
    width = len(columns) + named
    for row in body:
        if width > 1 and row.cells[0] and not any(row.cells[1:]):
            remedy = "take the row out if it is a note; where there is no spillover, write 0"
            raise BadSpillover(f"line {row.line}: '{row.cells[0]}' stands in a row without values; {remedy}")
        if len(row.cells) != width:
            problem = f"line {row.line}: {len(row.cells)} cells, but the header and the other rows make {width} columns"
            raise BadSpillover(f"{problem}; write the separators of blank cells, and no others")
    if named and all(row.cells[1] and list(map(is_number, row.cells[1:3])) == [False, True] for row in body):
        problem = f"line {body[0].line}: '{body[0].cells[0]}' and '{body[0].cells[1]}' are both names of the row"
        raise BadSpillover(f"{problem}; keep one column of names, and take the other out")
    names = tuple(row.cells[0] for row in body) if named else ()
    if names and not any(names):
        names = ()
    values = [
        [_coefficient(written, cell, row, column) for cell, column in zip(row.cells[named:], columns, strict=True)]
        for row in body
    ]
    weights: tuple[float, ...] = ()
    if names and names[-1] == WEIGHTS_ROW:
        names, weights = names[:-1], tuple(values.pop())
    return MatrixTable(names, columns, values, tuple(row.line for row in body), weights)


def _refuse_title(rows: Sequence[CsvRow]) -> None:
    """Refuse lines above the row of detectors: the header of a matrix has more than one cell, and numbers below."""

    def has_numbers(row: CsvRow) -> bool:
        return any(is_number(part) for cell in row.cells for part in re.split(r"[;\t]", cell))

    titles = [row for row in rows if not has_numbers(row)][:-1]
    header = rows[len(titles)] if len(rows) > len(titles) + 1 else None
    is_title = all(row.cells[0] and not any(row.cells[1:]) for row in titles)
    if titles and header and is_title and titles == list(rows[: len(titles)]) and has_numbers(rows[len(titles) + 1]):
        problem = f"line {titles[0].line}: '{titles[0].cells[0][:60]}' stands above the row of detectors"
        raise BadSpillover(f"{problem} (line {header.line}); take it out, so that the first line names the detectors")


def _are_counted(columns: Sequence[str], body: Sequence[CsvRow]) -> bool:
    """Whether the first column only numbers the rows, from 0 or from 1, and is one too many for a square matrix."""
    firsts = [row.cells[0] for row in body]
    counts = ([str(number + start) for number in range(len(body))] for start in (0, 1))
    return len(body) >= 2 and len(columns) == len(body) + 1 and firsts in counts


def _coefficient(written: CsvFile, cell: str, row: CsvRow, column: str) -> float:
    name = "" if is_number(row.cells[0]) or not row.cells[0] else f", row '{row.cells[0]}'"
    try:
        if not cell:
            raise BadCell("is blank", "write 0 where there is no spillover")
        return written.number(cell.removesuffix("%").strip()) / (100 if cell.endswith("%") else 1)
    except BadCell as error:
        remedy = error.remedy
        if error.what.endswith("is not a number"):
            remedy = "a matrix has a header row of detectors, then numbers; name the right file, or correct it"
        raise BadSpillover(f"line {row.line}{name}, column '{column}': {error.what}; {remedy}") from error


def write_matrix_csv(path: Path, matrix: SpilloverMatrix | SpectrumMatrix) -> None:
    """Write a matrix as CSV that ``read_matrix_csv`` reads back; it replaces an older file only when it is whole.

    A spectrum matrix has a row for each fluorochrome, by name, and a last one of the detectors' weights.
    """
    rows = [[name, *map(repr, row)] for name, row in zip(_row_names(matrix), matrix.values, strict=True)]
    if isinstance(matrix, SpectrumMatrix) and matrix.detector_weights:
        rows.append([WEIGHTS_ROW, *map(repr, matrix.detector_weights)])
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["", *matrix.detectors])
        writer.writerows(rows)


def as_spillover(matrix: SpilloverMatrix | SpectrumMatrix) -> SpilloverMatrix:
    """Return a matrix as what compensates: a spectrum matrix completed to a square one, another as it is.

    >>> as_spillover(SpectrumMatrix(("FITC",), ("B1", "B2"), ((1.0, 0.5),))).detectors
    ('B1', 'B2')
    """
    return matrix.completed() if isinstance(matrix, SpectrumMatrix) else matrix


def _row_names(matrix: SpilloverMatrix | SpectrumMatrix) -> tuple[str, ...]:
    return matrix.fluorochromes if isinstance(matrix, SpectrumMatrix) else matrix.detectors
