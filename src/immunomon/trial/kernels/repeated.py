"""Do two things go together within the same patients, visit by visit? One slope for all, a level for each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from math import factorial

import numpy as np

from immunomon.arrays import Floats, Ints

__all__ = ["RepeatedCorrelation", "Swapped", "lag_pairs", "repeated_correlation", "swapped_courses", "swapped_lags"]

_MOST = 50_000  # arrangements that are counted one by one
_SAMPLED = 20_000


@dataclass(frozen=True)
class RepeatedCorrelation:
    """Correlation within patients, its degrees of freedom, interval and two-sided p; slope: y for one unit of x.

    patients, points: what it rests on. Not-a-number where there is too little.
    """

    r: float
    freedom: int
    low: float
    high: float
    p: float
    slope: float
    patients: int
    points: int


@dataclass(frozen=True)
class Swapped:
    """A figure when courses are swapped between patients: its mean, the two-sided p of the own ones, its floor.

    exact: whether every arrangement was counted.
    """

    mean: float
    p: float
    floor: float
    exact: bool


def repeated_correlation(x: Floats, y: Floats, confidence: float = 0.95) -> RepeatedCorrelation:
    """Return the repeated-measures correlation of x and y.

    x, y: (patients, visits); points where one is not-a-number, and patients with a single point, are left out.
    Patients' levels are taken out, so that patients who are high in both do not count as going together. Source:
    Bakdash & Marusich, Front Psychol 2017;8:456; the interval is Fisher's with their degrees of freedom. The points of
    one patient are taken to be independent but for the level, which visits close together are not: interval and p are
    optimistic then.

    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(9, 6))
    >>> found = repeated_correlation(x, x + rng.normal(size=(9, 6)) + 5 * np.arange(9)[:, None])
    >>> found.freedom, bool(0.5 < found.r < 0.9)
    (44, True)
    """
    from scipy.special import ndtri, stdtr

    xx, yy, xy, counts = _sums(x, y)
    n, k = int(counts[counts > 1].sum()), int((counts > 1).sum())
    freedom = n - k - 1
    nan = float("nan")
    squares = float(xx.sum()), float(yy.sum())
    if freedom < 2 or min(squares) <= 0:
        return RepeatedCorrelation(nan, max(freedom, 0), nan, nan, nan, nan, k, n)
    r = float(np.clip(xy.sum() / np.sqrt(squares[0] * squares[1]), -1, 1))
    half = float(ndtri(0.5 + confidence / 2)) / np.sqrt(freedom - 1)
    z = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
    t = r * np.sqrt(freedom / max(1 - r**2, 1e-12))
    p = float(2 * stdtr(freedom, -abs(t)))
    slope = float(xy.sum()) / squares[0]
    return RepeatedCorrelation(r, freedom, float(np.tanh(z - half)), float(np.tanh(z + half)), p, slope, k, n)


def swapped_courses(x: Floats, y: Floats, rng: np.random.Generator) -> Swapped:
    """Return what the correlation is when each patient's x stands beside another patient's y.

    x, y: (patients, visits) of the same visits. What all patients do over time alike is in the swapped ones too: only
    what is over that speaks for a tie within the patient. Up to eight patients every arrangement is counted; beyond,
    20,000 are drawn, the one at hand counted with them. Whole courses are moved, so visits close together may be alike.
    Not-a-number with fewer than two patients.

    >>> x = np.array([[0.0, 1, 2], [0, 2, 1], [2, 0, 1]])
    >>> found = swapped_courses(x, x, np.random.default_rng(1))
    >>> found.exact, round(found.p, 3), round(found.floor, 3)
    (True, 0.167, 0.167)
    """
    usable = np.isfinite(x).any(axis=1) & np.isfinite(y).any(axis=1)
    x, y = x[usable], y[usable]
    n = len(x)
    if n < 2:
        return Swapped(float("nan"), float("nan"), 1.0, True)
    orders, exact = _orders(n, rng)
    r = _swapped_r(np.repeat(x, n, axis=0), np.tile(y, (n, 1)), orders)
    return _placed_among(r, exact=exact)


def lag_pairs(x: Floats, y: Floats) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Return x at a visit with y at the next one, and x at the next visit with y at this one.

    x, y: (patients, visits). Both rest on the same pairs of visits: those with all four values.

    >>> course = np.array([[0.0, 1.0, np.nan, 2.0]])
    >>> (early, late), _ = lag_pairs(course, course)
    >>> early.tolist(), late.tolist()
    ([[0.0, nan, nan]], [[1.0, nan, nan]])
    """
    whole = np.isfinite(x) & np.isfinite(y)
    paired = whole[:, :-1] & whole[:, 1:]
    early = [np.where(paired, values[:, :-1], np.nan) for values in (x, y)]
    late = [np.where(paired, values[:, 1:], np.nan) for values in (x, y)]
    return (early[0], late[1]), (late[0], early[1])


def swapped_lags(x: Floats, y: Floats, rng: np.random.Generator) -> Swapped:
    """Return how much stronger x goes with y at the next visit than at the one before, when courses are swapped.

    x, y: (patients, visits). The figure is |r| of the one lag less |r| of the other: a sign says nothing of
    strength. If nothing ties a patient's x to the same patient's y, every arrangement is as likely as the own one, so
    that p is exact however few patients there are; an interval from leaving patients out is not. Not-a-number with
    fewer than two patients.

    >>> x = np.random.default_rng(1).normal(size=(6, 7))
    >>> found = swapped_lags(x, np.roll(x, 1, axis=1), np.random.default_rng(1))
    >>> found.exact, found.p < 0.05
    (True, True)
    """
    usable = np.isfinite(lag_pairs(x, y)[0][0]).sum(axis=1) > 1
    x, y = x[usable], y[usable]
    n = len(x)
    if n < 2:
        return Swapped(float("nan"), float("nan"), 1.0, True)
    orders, exact = _orders(n, rng)
    leads, follows = (_swapped_r(*pair, orders) for pair in lag_pairs(np.repeat(x, n, axis=0), np.tile(y, (n, 1))))
    return _placed_among(np.abs(leads) - np.abs(follows), exact=exact)


def _orders(n: int, rng: np.random.Generator) -> tuple[Ints, bool]:
    """Return arrangements of n courses, (arrangements, n), the own one first; and whether they are all there are."""
    if factorial(n) <= _MOST:
        return np.array(list(permutations(range(n)))), True
    drawn = rng.permuted(np.tile(np.arange(n), (_SAMPLED, 1)), axis=1)
    return np.vstack([np.arange(n), drawn]), False


def _swapped_r(x: Floats, y: Floats, orders: Ints) -> Floats:
    """Return the correlation of each arrangement, (arrangements,); x, y: (n * n, visits), each with each."""
    n = orders.shape[1]
    pairs = _sums(x, y)[:3]
    xx, yy, xy = (sums.reshape(n, n)[np.arange(n), orders].sum(axis=1) for sums in pairs)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(xy / np.sqrt(xx * yy), dtype=np.float64)


def _placed_among(figures: Floats, *, exact: bool) -> Swapped:
    """Return where the first of the figures stands among all of them."""
    floor = 1 / figures.size
    if not np.isfinite(figures[0]):
        return Swapped(float("nan"), float("nan"), floor, exact)
    figures = figures[np.isfinite(figures)]
    away = np.abs(figures - figures.mean())
    return Swapped(float(figures.mean()), float(np.mean(away >= away[0] - 1e-12)), floor, exact)


def _sums(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats, Ints]:
    """Return each patient's sums of squares and products around the own means, 0 with a single point, and points."""
    known = np.isfinite(x) & np.isfinite(y)
    counts = known.sum(axis=1)
    known &= (counts > 1)[:, None]
    centred = []
    for values in (x, y):
        filled = np.where(known, values, 0.0)
        mean = filled.sum(axis=1, keepdims=True) / np.maximum(counts, 1)[:, None]
        centred.append(np.where(known, filled - mean, 0.0))
    a, b = centred
    return (a * a).sum(axis=1), (b * b).sum(axis=1), (a * b).sum(axis=1), counts
