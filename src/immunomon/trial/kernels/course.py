"""One patient's course over the visits: rate, area, time beyond a limit, confirmed responses, and a smooth line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from immunomon.arrays import Floats

__all__ = ["Episode", "area_under", "confirmed_episodes", "rate_of_change", "spline_basis", "time_beyond"]

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


# Confirmed responses in a course of visits: from when to when, and what is confirmed by how much later a visit.


@dataclass(frozen=True)
class Episode:
    """A confirmed response: places of its first visit and of the first one of its loss; None: not lost.

    last: place of the last visit that belongs to it.
    """

    start: int
    last: int
    loss: int | None


def confirmed_episodes(
    days: Sequence[int], good: Sequence[bool], *, confirm_days: int, loss_days: int
) -> tuple[Episode, ...]:
    """Return the confirmed responses, one after another.

    days: rising days of the visits; good: which meet the criterion. A response begins with the first of good visits in
    a row of which one is at least ``confirm_days`` later; it is lost with the first of bad visits in a row of which one
    is at least ``loss_days`` later. Single bad visits within a response do not end it. Rodeghiero et al., Blood
    2009;113:2386.

    >>> confirmed_episodes([7, 14, 21, 28, 35], [True, True, False, True, True], confirm_days=7, loss_days=1)
    (Episode(start=0, last=4, loss=None),)
    >>> confirmed_episodes([7, 14, 21, 28], [True, True, False, False], confirm_days=7, loss_days=1)
    (Episode(start=0, last=1, loss=2),)
    """
    episodes: list[Episode] = []
    visit = 0
    while visit < len(days):
        if not good[visit] or not _confirmed(days, good, visit, confirm_days):
            visit += 1
            continue
        start, last, loss = visit, visit, None
        while visit < len(days):
            if good[visit]:
                last = visit
            elif _confirmed(days, [not is_good for is_good in good], visit, loss_days):
                loss = visit
                break
            else:
                last = visit  # a single bad visit, of which another says that it was none or nothing follows
            visit += 1
        episodes.append(Episode(start, last, loss))
    return tuple(episodes)


def _confirmed(days: Sequence[int], good: Sequence[bool], start: int, apart: int) -> bool:
    """Say whether, in the unbroken row of good visits from ``start``, one is so many days later."""
    visit = start + 1
    while visit < len(days) and good[visit]:
        if days[visit] - days[start] >= apart:
            return True
        visit += 1
    return False


# A smooth course through a few points in time: the natural cubic spline, by its values at the knots.


def spline_basis(times: ArrayLike, knots: ArrayLike) -> Floats:
    """Return the basis of natural cubic splines that are 0 at the first knot; a coefficient is the value at a knot.

    times: any shape; knots: (knots,) rising, at least 3. Result: the shape of times, and (knots - 1,). Beyond the last
    knot the spline goes on as a straight line, before the first it stays 0. Hastie, Tibshirani & Friedman, The Elements
    of Statistical Learning, 2009, section 5.2.1.

    >>> spline_basis([0.0, 1.0, 4.0], [0.0, 1.0, 4.0]).round(12) + 0.0
    array([[0., 0.],
           [1., 0.],
           [0., 1.]])
    """
    from scipy.interpolate import CubicSpline

    k = np.asarray(knots, dtype=np.float64)
    spline = CubicSpline(k, np.eye(k.size)[:, 1:], bc_type="natural")
    t = np.maximum(np.asarray(times, dtype=np.float64), k[0])
    inside = np.asarray(spline(np.minimum(t, k[-1])), dtype=np.float64)
    beyond = np.maximum(t - k[-1], 0.0)[..., None]
    return np.asarray(inside + beyond * spline(k[-1], 1), dtype=np.float64)
