"""Spillover matrices from FCS keywords."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from functools import lru_cache

from immunomon.cytometry.formats.fcs_header import whole_number
from immunomon.cytometry.kernels.spillover import inverse_of
from immunomon.cytometry.model.channel_names import ChannelNames
from immunomon.cytometry.model.matrix_labels import MatrixTable
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.errors import BadSpillover, SingularSpillover, nearest
from immunomon.study.model.channels import Channel, ChannelKind, about_compensated, compensated_channels
from immunomon.study.model.fcs import FcsHeader

__all__ = [
    "differing_matrices",
    "is_number",
    "parse_spillover",
    "spillover_of",
]

_NUMBER = re.compile(r"[-+]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][-+]?[0-9]+)? ?%?")
_KEYWORDS = ("$SPILLOVER", "SPILLOVER", "SPILL", "$SPILL", "$COMP", "COMP")


def _resolve(name: str, names: ChannelNames) -> str:
    known = list(names.others)
    if name not in known and 1 <= (whole_number(name) or 0) <= len(known):
        return known[int(name) - 1]  # some vendors write the channel's number
    detector = names.detector_of(name)
    compensated = compensated_channels(known)
    if detector != name and (name in compensated or detector in compensated.values()):
        problem, remedy = about_compensated(compensated.values())
        raise BadSpillover(f"{problem}, and the spillover matrix is of the raw ones; {remedy}")
    if detector is None:
        raise BadSpillover(
            f"the spillover matrix names the detector '{name}', which the file lacks; {nearest(name, known)}"
        )
    return detector


def _numbers(fields: list[str], keyword: str) -> list[float]:
    try:
        return [float(field) for field in fields]
    except ValueError as error:
        raise BadSpillover(f"keyword {keyword}: {error}; give a matrix as CSV instead") from error


def _fields(text: str) -> list[str]:
    """Return the parts of a matrix keyword; between semicolons or tabs a comma is a decimal point."""
    for separator in (";", "\t"):
        if separator in text:
            return [field.strip().replace(",", ".") for field in text.strip(f" {separator}").split(separator)]
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
    named = len(fields) in (1 + size + square, 1 + size + 2 * square) or not (fields[1:2] and is_number(fields[1]))
    before = 1 + size if named else 1
    fields = _with_decimal_points(fields, size, before)
    if len(fields) != before + square:
        parts = fields[before:]
        commas = len(parts) > square and all(part.isdecimal() for part in parts)
        raise BadSpillover(
            f"keyword {keyword} promises a {size} x {size} matrix, which takes {1 + size + square} fields; "
            f"it has {len(fields)}{', perhaps because its decimal signs are commas' if commas else ''}"
        )
    if named:
        names = ChannelNames.of(channels)
        detectors = tuple(_resolve(name, names) for name in fields[1:before])
    else:
        detectors = _unnamed(size, channels, keyword)
    numbers = _numbers(fields[before:], keyword)
    rows = [numbers[i * size : (i + 1) * size] for i in range(size)]
    try:
        return MatrixTable(detectors, detectors, rows).spillover()
    except BadSpillover as error:
        raise BadSpillover(f"keyword {keyword}: {error}") from error


def _unnamed(size: int, channels: tuple[Channel, ...], keyword: str) -> tuple[str, ...]:
    fluorescence = tuple(c.detector for c in channels if c.kind is ChannelKind.FLUORESCENCE)
    everything = tuple(c.detector for c in channels)
    fitting = [names for names in (fluorescence, everything) if len(names) == size]
    if not fitting:
        raise BadSpillover(f"keyword {keyword} is {size} x {size} without names; the file has {len(fluorescence)}")
    return fitting[0]


def is_number(text: str) -> bool:
    """Say whether a text is a number as matrices have them: with a decimal point or comma, perhaps in percent.

    >>> is_number(".1"), is_number("0,2"), is_number("20 %"), is_number("FITC-A")
    (True, True, True, False)
    """
    return _NUMBER.fullmatch(text) is not None


def spillover_of(header: FcsHeader) -> SpilloverMatrix | None:
    """Return the spillover matrix that a file carries, or None if it carries none, or one of no detectors.

    Looks at $SPILLOVER, SPILL and $COMP, in this order. Raises BadSpillover, naming the file, if it is malformed, and
    SingularSpillover if it has no inverse.
    """
    for keyword in _KEYWORDS:
        if not (text := header.keyword(keyword)).strip("0,; "):
            continue
        try:
            return _usable(text, header.channels, keyword)
        except SingularSpillover as error:
            raise SingularSpillover(
                f"{header.path}: keyword {keyword}: {error}; give a matrix as CSV instead"
            ) from error
        except BadSpillover as error:
            remedy = "" if "as CSV instead" in str(error) else "; give a matrix as CSV instead"
            raise BadSpillover(f"{header.path}: {error}{remedy}") from error
    return None


@lru_cache(maxsize=16)  # each look at a file asks for its matrix, and many files have one and the same
def _usable(text: str, channels: tuple[Channel, ...], keyword: str) -> SpilloverMatrix:
    matrix = parse_spillover(text, channels, keyword)
    inverse_of(matrix.array)
    _refuse_twice(matrix, keyword)
    return matrix


def differing_matrices(header: FcsHeader) -> str:
    """Return what should be said of a file in which two keywords hold different matrices, '' of any other.

    >>> from pathlib import Path
    >>> words = {"$SPILLOVER": "2,A,B,1,0,0,1", "SPILL": "2,A,B,1,0.1,0,1"}
    >>> differing_matrices(FcsHeader(Path("a.fcs"), "3.1", words, (Channel("A"), Channel("B")), 0))
    '$SPILLOVER and SPILL hold different spillover matrices: $SPILLOVER is used; to use another, give it as CSV'
    """
    texts = {keyword: text for keyword in _KEYWORDS if (text := header.keyword(keyword)).strip("0,; ")}
    if len(set(texts.values())) < 2:
        return ""
    matrices: dict[str, dict[tuple[str, str], float]] = {}
    for keyword, text in texts.items():
        try:
            matrix = parse_spillover(text, header.channels, keyword)
        except BadSpillover:
            continue  # said where it is the one in use
        pairs = itertools.product(matrix.detectors, matrix.detectors)
        matrices[keyword] = dict(zip(pairs, matrix.array.ravel().tolist(), strict=True))
    used = next(iter(matrices), "")
    names = " and ".join((used, *(name for name, values in matrices.items() if not _alike(values, matrices[used]))))
    problem = f"{names} hold different spillover matrices: {used} is used; to use another, give it as CSV"
    return "" if names == used else problem


def _alike(left: Mapping[tuple[str, str], float], right: Mapping[tuple[str, str], float]) -> bool:
    cells = ((cell, float(cell[0] == cell[1])) for cell in {*left, *right})  # a detector that is not in it: as it was
    return all(math.isclose(left.get(cell, bare), right.get(cell, bare), abs_tol=1e-4) for cell, bare in cells)


def _refuse_twice(matrix: SpilloverMatrix, keyword: str) -> None:
    """Refuse a file's own matrix over channels that are named as compensated: by number, marker or name."""
    compensated = list(compensated_channels(matrix.detectors).values())
    if compensated and not matrix.is_identity:
        problem, remedy = about_compensated(compensated)
        raise BadSpillover(f"{problem}, and keyword {keyword} would compensate them once more; {remedy}")
