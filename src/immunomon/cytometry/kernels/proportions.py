"""Proportions: their intervals, log-odds, counting errors, and differences between two of them."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immunomon.arrays import Floats

__all__ = [
    "counting_error",
    "difference_interval",
    "fisher_greater",
    "largest_difference",
    "log_odds",
    "log_odds_of_percent",
    "logit_interval",
    "wilson",
]


def _checked(count: ArrayLike, total: ArrayLike) -> tuple[Floats, Floats]:
    counts, totals = np.broadcast_arrays(np.asarray(count, dtype=np.float64), np.asarray(total, dtype=np.float64))
    if np.any(counts < 0) or np.any(counts > totals):
        raise ValueError("a count lies between 0 and its total")
    return counts, totals


def largest_difference(first: Floats, second: Floats) -> float:
    """Return the largest difference between the shares of two samples that lie below any value (Kolmogorov, Smirnov).

    first, second: (events,), finite, any unit: a scale that keeps their order changes nothing. 0: alike; 1: apart.

    >>> largest_difference(np.array([1.0, 2.0, 3.0]), np.array([2.5, 3.5, 4.5])).__round__(3)
    0.667
    """
    ascending = [np.sort(first), np.sort(second)]
    values = np.sort(np.concatenate(ascending))  # places of sorted values are found faster
    shares = [np.searchsorted(sample, values, side="right") / sample.size for sample in ascending]
    return float(np.max(np.abs(shares[0] - shares[1])))


def wilson(count: ArrayLike, total: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Return the lower and the upper end of the Wilson score interval of ``count / total``, as fractions.

    count, total: events, any shapes that broadcast; not-a-number passes through. Results: that shape, each in [0, 1];
    not-a-number where the total is 0. Raises ValueError if a count is negative or above its total, or the confidence
    is not between 0 and 1. Wilson, J Am Stat Assoc 1927;22:209.

    >>> low, high = wilson([0, 50], [100, 100])
    >>> low.round(4), high.round(4)
    (array([0.    , 0.4038]), array([0.037 , 0.5962]))
    """
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence lies between 0 and 1, got {confidence}")
    counts, totals = _checked(count, total)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    n = np.where(totals > 0, totals, np.nan)
    centre = (counts + z * z / 2) / (n + z * z)
    half = z * np.sqrt(counts * (n - counts) / n + z * z / 4) / (n + z * z)
    # At 0 and at n one end is exactly the edge; rounding would leave it a hair beside.
    low = np.where(counts == 0, n * 0.0, np.clip(centre - half, 0.0, 1.0))
    high = np.where(counts == n, n / n, np.clip(centre + half, 0.0, 1.0))
    return low, high


def log_odds(count: ArrayLike, total: ArrayLike) -> Floats:
    """Return ``log((count + 0.5) / (total - count + 0.5))``, finite for empty and for full populations too.

    count, total: events, any shapes that broadcast; not-a-number passes through. Raises ValueError if a count is
    negative or above its total. Haldane 1956; Anscombe, Biometrika 1956;43:461.

    >>> log_odds([50, 0], [100, 100]).round(3)
    array([ 0.   , -5.303])
    """
    counts, totals = _checked(count, total)
    return np.asarray(np.log((counts + 0.5) / (totals - counts + 0.5)), dtype=np.float64)


def log_odds_of_percent(percent: ArrayLike) -> Floats:
    """Return the log-odds of percents that come without counts; not-a-number for 0 and 100, of which there are none.

    >>> log_odds_of_percent([50.0, 0.0])
    array([ 0., nan])
    """
    fraction = np.asarray(percent, dtype=np.float64) / 100
    inside = np.where((fraction > 0) & (fraction < 1), fraction, np.nan)
    return np.asarray(np.log(inside / (1 - inside)), dtype=np.float64)


def counting_error(count: ArrayLike, total: ArrayLike) -> Floats:
    """Return the standard error of ``log_odds`` that comes from counting so many events and no more.

    count, total: as for ``log_odds``. ``sqrt(1 / (count + 0.5) + 1 / (total - count + 0.5))``: Gart & Zweifel,
    Biometrika 1967;54:181.

    >>> counting_error([50, 0], [100, 100]).round(3)
    array([0.199, 1.418])
    """
    counts, totals = _checked(count, total)
    return np.asarray(np.sqrt(1 / (counts + 0.5) + 1 / (totals - counts + 0.5)), dtype=np.float64)


def logit_interval(
    count: ArrayLike, total: ArrayLike, more_error: ArrayLike, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Return an interval of ``count / total`` from the counting error and another one, as fractions.

    count, total: events; more_error: standard error on the log-odds scale that counting does not know of, such as that
    of a gate's place. Not-a-number passes through. Raises ValueError as ``wilson`` does.

    >>> low, high = logit_interval(50, 100, 0.0)
    >>> round(float(low), 3), round(float(high), 3)
    (0.404, 0.596)
    """
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence lies between 0 and 1, got {confidence}")
    middle = log_odds(count, total)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * np.hypot(counting_error(count, total), more_error)
    # An error of hundreds on this scale is an interval from 0 to 1; beyond 700 the exponential overflows.
    low, high = (1 / (1 + np.exp(-np.clip(middle + way * reach, -700.0, 700.0))) for way in (-1, 1))
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)


# Two proportions from counts: the exact one-sided test, and the interval of their difference.

Counts = NDArray[np.int64]
Numbers = NDArray[np.integer] | NDArray[np.floating]


def fisher_greater(count: Counts, total: Counts, reference: Counts, reference_total: Counts) -> Floats:
    """Return the chance of so many or more in the first group if both groups were alike (Fisher 1935).

    count of total, reference of reference_total: (pairs,). Not-a-number where a total is 0.

    >>> fisher_greater(np.array([9]), np.array([10]), np.array([1]), np.array([10])).round(5)
    array([0.00055])
    """
    if not np.size(count):
        return np.empty(0)
    from scipy.stats import hypergeom  # takes longer to import than one file to gate

    count, total, reference, reference_total = (
        np.asarray(value, dtype=np.int64) for value in (count, total, reference, reference_total)
    )
    chance = hypergeom.sf(count - 1, total + reference_total, count + reference, total)
    return np.where((total > 0) & (reference_total > 0), chance, np.nan).astype(np.float64)


def difference_interval(
    count: Numbers, total: Numbers, reference: Numbers, reference_total: Numbers
) -> tuple[Floats, Floats]:
    """Return the 95 % interval of the difference of two proportions (Newcombe 1998, Stat Med 17:873, method 10).

    >>> low, high = difference_interval(np.array([56]), np.array([70]), np.array([48]), np.array([80]))
    >>> low.round(4), high.round(4)
    (array([0.0524]), array([0.3339]))
    """
    first, second = wilson(count, total), wilson(reference, reference_total)
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = np.asarray(count) / np.asarray(total), np.asarray(reference) / np.asarray(reference_total)
    low = p - q - np.hypot(p - first[0], second[1] - q)
    high = p - q + np.hypot(first[1] - p, q - second[0])
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
