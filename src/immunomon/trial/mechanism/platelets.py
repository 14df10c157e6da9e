"""Which platelet counts belong to a visit, and which follow it: choices of the program, not of a protocol."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["AFTER_DAYS", "NEAR_DAYS", "after_visit", "at_visits", "log2_counts"]

Floats = NDArray[np.float64]
NEAR_DAYS = 3
"""A platelet count belongs to a visit if it was taken at most so many days from it."""
AFTER_DAYS = 28
"""The platelets that follow a visit are those of so many days after it."""


def log2_counts(counts: Floats) -> Floats:
    """Return log2 of counts, 10^9/L; those below 1 count as 1."""
    return np.asarray(np.log2(np.maximum(counts, 1.0)), dtype=np.float64)


def at_visits(days: Floats, values: Floats, visits: Floats, *, baseline: int) -> Floats:
    """Return the value nearest to each visit, (visits,); not-a-number where none was taken near enough.

    days, values: (counts,) study days, and log2 of the counts; visits: (visits,) study days; baseline: which of them is
    the baseline. A count on Day 1 is from before the infusion; one later is no baseline, however near.

    >>> at_visits(np.array([1.0, 2.0, 16.0]), np.array([3.0, 4.0, 5.0]), np.array([-1.0, 15.0, 29.0]), baseline=0)
    array([ 3.,  5., nan])
    """
    out = np.full(visits.size, np.nan)
    for index, visit in enumerate(visits):
        away = np.where((days <= 1) == (index == baseline), np.abs(days - visit), np.inf)
        if away.size and away.min() <= NEAR_DAYS:
            out[index] = values[int(away.argmin())]
    return out


def after_visit(days: Floats, values: Floats, visit: float) -> float:
    """Return the mean of the values in the weeks after a visit; not-a-number where there is none.

    days, values: (counts,) study days, and log2 of the counts; visit: its study day.
    """
    in_window = (days > visit) & (days <= visit + AFTER_DAYS)
    return float(values[in_window].mean()) if in_window.any() else float("nan")
