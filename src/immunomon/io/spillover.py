"""Spillover matrices from FCS keywords and from CSV files."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from immunomon.errors import BadSpillover, nearest
from immunomon.model.events import Channel, ChannelKind
from immunomon.model.fcs import FcsHeader
from immunomon.model.spillover import SpilloverMatrix

__all__ = ["parse_spillover", "read_matrix_csv", "spillover_of", "write_matrix_csv"]

_KEYWORDS = ("$SPILLOVER", "SPILLOVER", "SPILL", "$SPILL", "$COMP", "COMP")


def _resolve(name: str, channels: tuple[Channel, ...]) -> str:
    known = [channel.detector for channel in channels]
    if name in known:
        return name
    if name.isdigit() and 1 <= int(name) <= len(known):  # some vendors write the channel's number
        return known[int(name) - 1]
    by_marker = [channel.detector for channel in channels if channel.marker == name]
    if len(by_marker) == 1:
        return by_marker[0]
    raise BadSpillover(
        f"the spillover matrix names the detector '{name}', which the file lacks; {nearest(name, known)}"
    )


def _numbers(fields: list[str], keyword: str) -> list[float]:
    try:
        return [float(field) for field in fields]
    except ValueError as error:
        raise BadSpillover(f"keyword {keyword}: {error}; give a matrix as CSV instead") from error


def parse_spillover(text: str, channels: tuple[Channel, ...], keyword: str = "$SPILLOVER") -> SpilloverMatrix:
    """Read ``n,name1,...,namen,value11,...`` (or $COMP's ``n,value11,...`` over the fluorescence channels).

    Raises BadSpillover if the size, the names or the values do not fit.

    >>> parse_spillover("2,A,B,1,0.1,0,1", (Channel("A"), Channel("B"))).values
    ((1.0, 0.1), (0.0, 1.0))
    """
    fields = [field.strip() for field in text.strip().strip(",").split(",")]
    if not fields[0].isdigit():
        raise BadSpillover(f"keyword {keyword} does not begin with the number of detectors: '{fields[0][:20]}'")
    size = int(fields[0])
    if len(fields) == 1 + size + size * size:
        names, rest = fields[1 : 1 + size], fields[1 + size :]
        detectors = tuple(_resolve(name, channels) for name in names)
    elif len(fields) == 1 + size * size and fields[1].replace(".", "", 1).lstrip("-").isdigit():
        fluorescence = [c.detector for c in channels if c.kind is ChannelKind.FLUORESCENCE]
        everything = [c.detector for c in channels]
        fitting = [names for names in (fluorescence, everything) if len(names) == size]
        if not fitting:
            raise BadSpillover(f"keyword {keyword} is {size} x {size} without names; the file has {len(fluorescence)}")
        detectors, rest = tuple(fitting[0]), fields[1:]
    else:
        raise BadSpillover(
            f"keyword {keyword} promises a {size} x {size} matrix, which takes {1 + size + size * size} fields; "
            f"it has {len(fields)}"
        )
    numbers = _numbers(rest, keyword)
    return SpilloverMatrix(detectors, tuple(tuple(numbers[i * size : (i + 1) * size]) for i in range(size)))


def spillover_of(header: FcsHeader) -> SpilloverMatrix | None:
    """Return the spillover matrix that a file carries, or None if it carries none.

    Looks at $SPILLOVER, SPILL and $COMP, in this order. Raises BadSpillover, naming the file, if it is malformed.
    """
    for keyword in _KEYWORDS:
        if text := header.keyword(keyword):
            try:
                return parse_spillover(text, header.channels, keyword)
            except BadSpillover as error:
                raise BadSpillover(f"{header.path}: {error}") from error
    return None


def read_matrix_csv(path: Path) -> SpilloverMatrix:
    """Read a spillover matrix from CSV: a header row of detectors, one row per fluorochrome, optionally named.

    Raises BadSpillover, naming the file and the line, if it is missing or malformed.

    >>> read_matrix_csv(Path("no-such.csv"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpillover: no-such.csv: there is no such file
    """
    if not path.is_file():
        raise BadSpillover(f"{path}: there is no such file")
    try:
        rows = [row for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))) if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadSpillover(f"{path}: it is not a CSV file in UTF-8 ({error})") from error
    if len(rows) < 2:
        raise BadSpillover(f"{path}: a header row of detectors and one row per fluorochrome are needed")
    named = rows[0][0].strip() == "" or len(rows[1]) == len(rows[0]) + 1
    detectors = tuple(name.strip() for name in (rows[0][1:] if rows[0][0].strip() == "" else rows[0]))
    values = []
    for number, row in enumerate(rows[1:], start=2):
        try:
            values.append(tuple(float(field) for field in (row[1:] if named else row)))
        except ValueError as error:
            raise BadSpillover(f"{path} line {number}: {error}") from error
    try:
        return SpilloverMatrix(detectors, tuple(values))
    except BadSpillover as error:
        raise BadSpillover(f"{path}: {error}") from error


def write_matrix_csv(path: Path, matrix: SpilloverMatrix) -> None:
    """Write a spillover matrix as CSV that ``read_matrix_csv`` reads back to the same values."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["", *matrix.detectors])
        writer.writerows(
            [name, *(repr(v) for v in row)] for name, row in zip(matrix.detectors, matrix.values, strict=True)
        )
