"""Spillover matrices from FCS keywords and from CSV files."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from immunomon.errors import BadSpillover, SingularSpillover, nearest
from immunomon.io.fcs_header import whole_number
from immunomon.kernels.spillover import inverse_of
from immunomon.model.events import Channel, ChannelKind
from immunomon.model.fcs import FcsHeader
from immunomon.model.spectrum import SpectrumMatrix
from immunomon.model.spillover import SpilloverMatrix, about_compensated, compensated_channels

__all__ = ["as_spillover", "parse_spillover", "read_matrix_csv", "spillover_of", "write_matrix_csv"]

WEIGHTS_ROW = "(detector weights)"
_KEYWORDS = ("$SPILLOVER", "SPILLOVER", "SPILL", "$SPILL", "$COMP", "COMP")


def _resolve(name: str, channels: tuple[Channel, ...]) -> str:
    known = [channel.detector for channel in channels]
    if name in known:
        return name
    if 1 <= (whole_number(name) or 0) <= len(known):  # some vendors write the channel's number
        return known[int(name) - 1]
    by_marker = [channel.detector for channel in channels if channel.marker == name]
    if len(by_marker) == 1:
        return by_marker[0]
    compensated = compensated_channels(known)
    if name in compensated:
        what, remedy = about_compensated(compensated.values())
        raise BadSpillover(f"{what}, and the spillover matrix is of the raw ones; {remedy}")
    raise BadSpillover(
        f"the spillover matrix names the detector '{name}', which the file lacks; {nearest(name, known)}"
    )


def _numbers(fields: list[str], keyword: str) -> list[float]:
    try:
        return [float(field) for field in fields]
    except ValueError as error:
        raise BadSpillover(f"keyword {keyword}: {error}; give a matrix as CSV instead") from error


def _fields(text: str) -> list[str]:
    """Return the parts of a matrix keyword; between semicolons or tabs a comma is a decimal point."""
    for other in (";", "\t"):
        if other in text:
            return [field.strip().replace(",", ".") for field in text.strip(f" {other}").split(other)]
    return [field.strip() for field in text.strip().strip(",").split(",")]


def _with_decimal_points(fields: list[str], size: int, before: int) -> list[str]:
    """Return ``1,0,0,25`` as ``1.0, 0.25`` where twice as many fields as values are there, and the diagonal is 1.

    before: the number of fields before the values.
    """
    values = fields[before:]
    if (
        not values
        or len(values) != 2 * size * size
        or not all(part.isascii() and part.isdecimal() for part in values[1::2])
    ):
        return fields
    joined = [f"{whole}.{part}" for whole, part in zip(values[::2], values[1::2], strict=True)]
    on_diagonal = {part.rstrip("0") for part in joined[:: size + 1]}
    return fields[:before] + joined if on_diagonal in ({"1."}, {"100."}) else fields


def parse_spillover(text: str, channels: tuple[Channel, ...], keyword: str = "$SPILLOVER") -> SpilloverMatrix:
    """Read ``n,name1,...,namen,value11,...`` (or $COMP's ``n,value11,...`` over the fluorescence channels).

    Names may be detectors, markers or channel numbers; decimal commas and percents (a diagonal of 100) are understood.
    Raises BadSpillover if the size, the names or the values do not fit.

    >>> parse_spillover("2,A,B,1,0.1,0,1", (Channel("A"), Channel("B"))).values
    ((1.0, 0.1), (0.0, 1.0))
    >>> parse_spillover("2;A;B;1,0;0,1;0,0;1,0", (Channel("A"), Channel("B"))).values
    ((1.0, 0.1), (0.0, 1.0))
    """
    fields = _fields(text)
    size = whole_number(fields[0]) if fields[0] else None
    if size is None:
        raise BadSpillover(f"keyword {keyword} does not begin with the number of detectors: '{fields[0][:20]}'")
    square = size * size
    named = len(fields) in (1 + size + square, 1 + size + 2 * square) or not _is_number(fields[1:2])
    before = 1 + size if named else 1
    fields = _with_decimal_points(fields, size, before)
    if len(fields) != before + square:
        raise BadSpillover(
            f"keyword {keyword} promises a {size} x {size} matrix, which takes {1 + size + square} fields; "
            f"it has {len(fields)}"
        )
    if named:
        detectors = tuple(_resolve(name, channels) for name in fields[1:before])
    else:
        detectors = _unnamed(size, channels, keyword)
    numbers = _numbers(fields[before:], keyword)
    if numbers and set(numbers[:: size + 1]) == {100.0}:
        numbers = [value / 100 for value in numbers]
    return SpilloverMatrix(detectors, tuple(tuple(numbers[i * size : (i + 1) * size]) for i in range(size)))


def _unnamed(size: int, channels: tuple[Channel, ...], keyword: str) -> tuple[str, ...]:
    fluorescence = tuple(c.detector for c in channels if c.kind is ChannelKind.FLUORESCENCE)
    everything = tuple(c.detector for c in channels)
    fitting = [names for names in (fluorescence, everything) if len(names) == size]
    if not fitting:
        raise BadSpillover(f"keyword {keyword} is {size} x {size} without names; the file has {len(fluorescence)}")
    return fitting[0]


def _is_number(fields: list[str]) -> bool:
    return bool(fields) and re.fullmatch(r"-?[0-9]+\.?[0-9]*", fields[0]) is not None


def spillover_of(header: FcsHeader) -> SpilloverMatrix | None:
    """Return the spillover matrix that a file carries, or None if it carries none, or one of no detectors.

    Looks at $SPILLOVER, SPILL and $COMP, in this order. Raises BadSpillover, naming the file, if it is malformed, and
    SingularSpillover if it has no inverse.
    """
    for keyword in _KEYWORDS:
        text = header.keyword(keyword)
        if not text.strip("0,; "):
            continue
        try:
            matrix = parse_spillover(text, header.channels, keyword)
            inverse_of(matrix.array)
            _refuse_twice(matrix, keyword)
        except SingularSpillover as error:
            raise SingularSpillover(
                f"{header.path}: keyword {keyword}: {error}; give a matrix as CSV instead"
            ) from error
        except BadSpillover as error:
            raise BadSpillover(f"{header.path}: {error}") from error
        return matrix
    return None


def _refuse_twice(matrix: SpilloverMatrix, keyword: str) -> None:
    """Refuse a file's own matrix over channels that are named as compensated: by number, marker or name."""
    compensated = list(compensated_channels(matrix.detectors).values())
    if compensated and not matrix.is_identity:
        what, remedy = about_compensated(compensated)
        raise BadSpillover(f"{what}, and keyword {keyword} would compensate them once more; {remedy}")


def read_matrix_csv(path: Path) -> SpilloverMatrix:
    """Read a matrix from CSV: a header row of detectors, one row per fluorochrome, optionally named.

    A spectrum matrix (fewer named fluorochromes than detectors, as ``immunomon compensate`` writes it) is completed to
    a square one that unmixes: each fluorochrome's signal is then in its own detector. Raises BadSpillover, naming the
    file and the line, if it is missing or malformed.

    >>> read_matrix_csv(Path("no-such.csv"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpillover: no-such.csv: there is no such file; check the path of the matrix
    """
    if not path.is_file():
        raise BadSpillover(f"{path}: there is no such file; check the path of the matrix")
    try:
        rows = [row for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))) if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadSpillover(f"{path}: it is not a CSV file in UTF-8 ({error})") from error
    if len(rows) < 2:
        raise BadSpillover(f"{path}: a header row of detectors and one row per fluorochrome are needed")
    named = rows[0][0].strip() == "" or len(rows[1]) == len(rows[0]) + 1
    detectors = tuple(name.strip() for name in (rows[0][1:] if rows[0][0].strip() == "" else rows[0]))
    names, values = [], []
    for number, row in enumerate(rows[1:], start=2):
        try:
            values.append(tuple(float(field) for field in (row[1:] if named else row)))
            names.append(row[0].strip())
        except ValueError as error:
            remedy = "a matrix has a header row of detectors, then numbers; name the right file, or correct it"
            raise BadSpillover(f"{path} line {number}: {error}; {remedy}") from error
    try:
        if named and (len(values) < len(detectors) or names[-1] == WEIGHTS_ROW):
            return _spectrum(names, detectors, values).completed()
        return SpilloverMatrix(detectors, tuple(values))
    except SingularSpillover as error:
        raise SingularSpillover(f"{path}: {error}") from error
    except BadSpillover as error:
        raise BadSpillover(f"{path}: {error}") from error


def _spectrum(names: list[str], detectors: tuple[str, ...], values: list[tuple[float, ...]]) -> SpectrumMatrix:
    weighted = names[-1] == WEIGHTS_ROW
    size = len(names) - weighted
    weights = values[-1] if weighted else ()
    return SpectrumMatrix(tuple(names[:size]), detectors, tuple(values[:size]), detector_weights=weights)


def write_matrix_csv(path: Path, matrix: SpilloverMatrix | SpectrumMatrix) -> None:
    """Write a matrix as CSV that ``read_matrix_csv`` reads back; it replaces an older file only when it is whole.

    A spectrum matrix has a row for each fluorochrome, by name, and a last one of the detectors' weights.
    """
    rows = [[name, *map(repr, row)] for name, row in zip(_row_names(matrix), matrix.values, strict=True)]
    if isinstance(matrix, SpectrumMatrix) and matrix.detector_weights:
        rows.append([WEIGHTS_ROW, *map(repr, matrix.detector_weights)])
    unfinished = path.with_name(f".{path.name}.part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["", *matrix.detectors])
        writer.writerows(rows)
    unfinished.replace(path)


def as_spillover(matrix: SpilloverMatrix | SpectrumMatrix) -> SpilloverMatrix:
    """Return a matrix as what compensates: a spectrum matrix completed to a square one, another as it is.

    >>> as_spillover(SpectrumMatrix(("FITC",), ("B1", "B2"), ((1.0, 0.5),))).detectors
    ('B1', 'B2')
    """
    return matrix.completed() if isinstance(matrix, SpectrumMatrix) else matrix


def _row_names(matrix: SpilloverMatrix | SpectrumMatrix) -> tuple[str, ...]:
    return matrix.fluorochromes if isinstance(matrix, SpectrumMatrix) else matrix.detectors
