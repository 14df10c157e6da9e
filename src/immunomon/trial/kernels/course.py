"""One patient's course over the visits: rate of change, area under the change, time beyond a limit."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["area_under", "rate_of_change", "time_beyond"]

Floats = NDArray[np.float64]
_WEEK_DAYS = 7.0


def _both(days: ArrayLike, values: ArrayLike) -> tuple[Floats, Floats]:
    d, v = np.asarray(days, dtype=np.float64), np.asarray(values, dtype=np.float64)
    kept = np.isfinite(d) & np.isfinite(v)
    order = np.argsort(d[kept], kind="stable")
    return d[kept][order], v[kept][order]


def rate_of_change(days: ArrayLike, values: ArrayLike) -> float:
    """Return the slope of the least-squares line, per week; not-a-number for fewer than two different days.

    days, values: (visits,); visits without a value are left out.

    >>> rate_of_change([-1, 13, 27], [0.0, 0.2, 0.4])
    0.1
    """
    d, v = _both(days, values)
    if d.size < 2 or d[0] == d[-1]:
        return float("nan")
    centred = d - d.mean()
    return float(np.round(_WEEK_DAYS * (centred @ v) / (centred @ centred), 12))


def area_under(days: ArrayLike, values: ArrayLike) -> tuple[float, float]:
    """Return the area under a course by the trapezoid rule, in units x weeks, and the mean height over that time.

    days, values: (visits,); a line is drawn from each visit with a value to the next. Not-a-number for fewer than two.

    >>> area_under([0, 7, 21], [0.0, 1.0, 1.0])
    (2.5, 0.8333333333333334)
    """
    d, v = _both(days, values)
    if d.size < 2 or d[0] == d[-1]:
        return float("nan"), float("nan")
    area = float((np.diff(d) * (v[1:] + v[:-1]) / 2).sum()) / _WEEK_DAYS
    return area, area * _WEEK_DAYS / float(d[-1] - d[0])


def time_beyond(days: ArrayLike, values: ArrayLike, limit: float) -> float:
    """Return how many days a course lies above a limit, on straight lines between visits.

    days, values: (visits,); fewer than two give not-a-number. For the time below a limit turn the
    signs of values and limit round.

    >>> time_beyond([0, 10, 20], [0.0, 1.0, 1.0], 0.5)
    15.0
    """
    d, v = _both(days, values)
    if d.size < 2:
        return float("nan")
    over = v - limit
    first, second, width = over[:-1], over[1:], np.diff(d)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.maximum(first, second) / np.abs(second - first)
    above = np.where((first > 0) & (second > 0), 1.0, np.where((first > 0) | (second > 0), share, 0.0))
    return float((above * width).sum())
