"""Numbers of a mechanism as they are read: intervals, folds, p-values and names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["by_chance", "excludes_0", "fold_words", "interval", "listed", "p_words", "signed"]

Row = Mapping[str, Any]
_UNIT = {"log-odds": "odds", "log": "the value", "clr": "its share against the other parts"}


def excludes_0(row: Row, low: str = "low", high: str = "high") -> bool:
    """Say whether a row has an interval, and it excludes 0; low, high: the columns of its ends."""
    return row[low] is not None and (row[low] > 0 or row[high] < 0)


def by_chance(rows: Sequence[Row], alpha: float, *, low: str = "low", high: str = "high") -> str:
    """Return how many of the rows' intervals exclude 0, and how many would if nothing were there."""
    tests = sum(row[low] is not None for row in rows)
    if not tests:
        return "No interval can be given."
    apart = sum(excludes_0(row, low, high) for row in rows)
    return (
        f"Of {tests} intervals {apart} {'excludes' if apart == 1 else 'exclude'} 0; {tests * alpha:.1f} would by "
        "chance alone if nothing were there."
    )


def interval(low: float | None, high: float | None) -> str:
    """Return an interval as it is read.

    >>> interval(-0.123, 0.5), interval(None, None)
    ('-0.12 to +0.50', 'no interval')
    """
    return "no interval" if low is None or high is None else f"{low:+.2f} to {high:+.2f}"


def fold_words(row: Row) -> str:
    """Return a difference as a fold, with its interval."""
    ends = "" if row["low"] is None else f" ({math.exp(row['low']):.2f} to {math.exp(row['high']):.2f})"
    return f"{_UNIT[row['scale']]} times {math.exp(row['difference']):.2f}{ends}"


def p_words(p: float | None, floor: float | None) -> str:
    """Return a p, or the floor that stands in its place.

    >>> p_words(0.031, 0.008), p_words(None, 0.1), p_words(None, None)
    ('0.031', 'none: smallest possible 0.1', '-')
    """
    if p is not None:
        return f"{p:.2g}"
    return "-" if floor is None else f"none: smallest possible {floor:.2g}"


def listed(names: list[str]) -> str:
    """Return names joined by commas, or ``none``."""
    return ", ".join(names) or "none"


def signed(value: float | None) -> str | None:
    """Return a number with its sign; None stays None."""
    return None if value is None else f"{value:+.2f}"
