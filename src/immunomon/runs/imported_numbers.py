"""Numbers of imported tables: events, which are whole, percents, rounded or perhaps fractions, and medians."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from immunomon.csvfile import BadCell, CsvFile
from immunomon.findings import shown

__all__ = ["MOST_EVENTS", "doubts_of_percents", "events_of", "number_of", "rounding_of"]

MOST_EVENTS = 10**12
_MAY_BE_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}([.,])[0-9]{3}")


def events_of(source: CsvFile, text: str) -> int:
    """Return a cell's number of events; raises BadCell for one that is not whole, or that may be in thousands.

    >>> events_of(CsvFile("a.csv", (), ",", ""), "50.000")
    Traceback (most recent call last):
        ...
    immunomon.csvfile.BadCell: '50.000' may be 50000 or 50; write it without separators
    """
    number = source.number(text)
    if not 0 <= number <= MOST_EVENTS or number != int(number):
        raise BadCell(f"{shown(text)} is no number of events", "write a whole number")
    if grouped := _MAY_BE_THOUSANDS.fullmatch(text):
        digits = text.replace(grouped[1], "")
        raise BadCell(f"{shown(text)} may be {digits} or {number:.0f}", "write it without separators")
    return int(number)


def number_of(source: CsvFile, text: str) -> float:
    """Return a cell's number; raises BadCell for one that is none, or so large that nothing measures it.

    >>> number_of(CsvFile("a.csv", (), ",", ""), "1e400")
    Traceback (most recent call last):
        ...
    immunomon.csvfile.BadCell: '1e400' is too large for a measured number; correct it
    """
    number = source.number(text)
    if math.isinf(number):
        raise BadCell(f"{shown(text)} is too large for a measured number", "correct it")
    return number


def doubts_of_percents(percents: Iterable[float]) -> tuple[str, ...]:
    """Return what to say of a table's percents: that all are so small that they may be fractions.

    >>> len(doubts_of_percents([0.25, 0.5])), doubts_of_percents([0.25, 50.0]), doubts_of_percents([])
    (1, (), ())
    """
    doubt = "no percent is above 1: if fractions are meant, the counts are a hundredth of what they should be"
    return (doubt,) if 0 < max(percents, default=0.0) <= 1 else ()


def rounding_of(text: str, percent: float) -> float:
    """Return by how much a percent may differ for it was rounded: half of its last digit.

    >>> [round(rounding_of(text, float(text)), 6) for text in ("12.5", "12")]
    [0.0501, 0.501]
    """
    decimals = len(re.split(r"[.,]", text)[1].partition("e")[0]) if re.search(r"[.,]", text) else 0
    return max(0.501 * 10.0**-decimals if decimals else 0.501, 1e-9 * percent)
