"""Distributions by their quantiles and ranks: maps, distances, agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats

__all__ = [
    "QuantileMap",
    "apply_map",
    "earth_movers_distance",
    "levels_for",
    "mean_distances",
    "quantile_map",
    "quantiles_of",
    "rank_agreement",
]


# So many cells at least between two quantiles: closer ones would be matched noise to noise.
CELLS_A_LEVEL = 10


@dataclass(frozen=True, eq=False)
class QuantileMap:
    """A map through knots: sources (rising strictly) go to goals (never falling), with these slopes at the knots.

    All (knots,), in the units of the marker's axis. Beyond the outer knots everything moves as far as they do.
    """

    sources: Floats
    goals: Floats
    slopes: Floats


def levels_for(cells: int, most: int) -> Floats:
    """Return the quantile levels that so many cells can tell apart, ``most`` at most: evenly between 0 and 1.

    >>> levels_for(45, 99).tolist(), levels_for(100_000, 3).tolist()
    ([0.2, 0.4, 0.6, 0.8], [0.25, 0.5, 0.75])
    """
    number = max(1, min(most, cells // CELLS_A_LEVEL))
    return np.arange(1, number + 1, dtype=np.float64) / (number + 1)


def quantiles_of(values: Floats, levels: Floats) -> Floats:
    """Return the quantiles of some values, (levels,); raises ValueError for none."""
    if not values.size:
        raise ValueError("no values, hence no quantiles")
    return np.asarray(np.quantile(values, levels), dtype=np.float64)


def quantile_map(sources: Floats, goals: Floats) -> QuantileMap:
    """Return the monotone cubic map that takes each source quantile to its goal.

    sources, goals: (levels,), never falling. Equal sources become one knot at the mean of their goals. Piecewise cubic
    Hermite interpolation whose slopes keep it from overshooting: Fritsch and Butland 1984, SIAM J Sci Stat Comput
    5:300. Quantiles of cell types between batches: Van Gassen et al. 2020, Cytometry A 97:268. Raises ValueError for
    knots that fall, or of unequal number.

    >>> there = quantile_map(np.array([0.2, 0.3, 0.5]), np.array([0.3, 0.4, 0.6]))
    >>> apply_map(there, np.array([0.1, 0.25, 0.9])).round(6).tolist()
    [0.2, 0.35, 1.0]
    """
    if sources.size != goals.size or not sources.size:
        raise ValueError(f"{sources.size} source and {goals.size} goal quantiles; as many of each are needed")
    if np.any(np.diff(sources) < 0) or np.any(np.diff(goals) < 0):
        raise ValueError("quantiles that fall are none")
    knots, groups = np.unique(sources, return_inverse=True)
    means = np.bincount(groups, weights=goals) / np.bincount(groups)
    return QuantileMap(knots, means, _slopes(knots, means))


def _slopes(x: Floats, y: Floats) -> Floats:
    """Return slopes at knots by which a cubic Hermite interpolation rises where the knots rise."""
    if x.size < 3:
        return np.full(x.size, 1.0 if x.size == 1 else (y[1] - y[0]) / (x[1] - x[0]))
    step, rise = np.diff(x), np.diff(y) / np.diff(x)
    left, right = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    inner = np.zeros(x.size - 2)
    same_sign = (rise[:-1] > 0) & (rise[1:] > 0)
    inner[same_sign] = (left + right)[same_sign] / (
        left[same_sign] / rise[:-1][same_sign] + right[same_sign] / rise[1:][same_sign]
    )
    first = _end_slope(step[0], step[1], rise[0], rise[1])
    last = _end_slope(step[-1], step[-2], rise[-1], rise[-2])
    return np.concatenate([[first], inner, [last]])


def _end_slope(near: float, far: float, rise_near: float, rise_far: float) -> float:
    slope = ((2 * near + far) * rise_near - near * rise_far) / (near + far)
    return float(np.clip(slope, 0.0, 3 * rise_near))


def apply_map(there: QuantileMap, values: Floats) -> Floats:
    """Return mapped values, of the same shape; what lies beyond the outer knots moves as far as they do."""
    x, y, slope = there.sources, there.goals, there.slopes
    inside = np.clip(values, x[0], x[-1])
    beyond = values - inside
    if x.size == 1:
        return np.asarray(y[0] + beyond, dtype=np.float64)
    segment = np.clip(np.searchsorted(x, inside, side="right") - 1, 0, x.size - 2)
    step = x[segment + 1] - x[segment]
    t = (inside - x[segment]) / step
    rise = y[segment + 1] - y[segment]
    # Hermite's cubic as a way from the left knot's value: rounding cannot leave the interval by more than its own size.
    curved = rise * t * t * (3 - 2 * t) + step * t * (1 - t) * (slope[segment] * (1 - t) - slope[segment + 1] * t)
    return np.asarray(np.clip(y[segment] + curved, y[segment], y[segment + 1]) + beyond, dtype=np.float64)


def earth_movers_distance(first: Floats, second: Floats) -> float:
    """Return how far values must be moved, on average, to turn one sample's distribution into another's.

    The area between the two cumulative distributions, exact for samples of unequal size. Raises ValueError for none.

    >>> earth_movers_distance(np.array([0.0, 1.0]), np.array([0.5, 1.5, 0.5, 1.5]))
    0.5
    """
    if not first.size or not second.size:
        raise ValueError("no values, hence no distance")
    a, b = np.sort(first), np.sort(second)
    pooled = np.sort(np.concatenate([a, b]))
    below_a = np.searchsorted(a, pooled[:-1], side="right") / a.size
    below_b = np.searchsorted(b, pooled[:-1], side="right") / b.size
    return float(np.sum(np.abs(below_a - below_b) * np.diff(pooled)))


def mean_distances(samples: Sequence[Floats]) -> Floats:
    """Return each sample's mean earth mover's distance to all the others, (samples,); NaN for a sample alone."""
    number = len(samples)
    between = np.zeros((number, number))
    for i in range(number):
        for j in range(i):
            between[i, j] = between[j, i] = earth_movers_distance(samples[i], samples[j])
    return between.sum(axis=1) / (number - 1) if number > 1 else np.full(number, np.nan)


# How well two measures of the same pulses go together.


def rank_agreement(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return Spearman's rank correlation of two columns, (events,) each; not-a-number if one does not vary.

    Equal values get neighbouring ranks, which for measurements of many levels changes nothing.

    >>> round(rank_agreement(np.array([1.0, 2.0, 30.0]), np.array([5.0, 6.0, 7.0])), 6)
    1.0
    """
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    ranks = [np.argsort(np.argsort(column, kind="stable"), kind="stable") for column in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
