"""Two proportions from counts: the exact one-sided test, and the interval of their difference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from immunomon.cytometry.kernels.intervals import wilson

__all__ = ["difference_interval", "fisher_greater"]

Counts = NDArray[np.int64]
Numbers = NDArray[np.integer] | NDArray[np.floating]
Floats = NDArray[np.float64]


def fisher_greater(count: Counts, total: Counts, reference: Counts, reference_total: Counts) -> Floats:
    """Return the chance of so many or more in the first group if both groups were alike (Fisher 1935).

    count of total, reference of reference_total: (pairs,). Not-a-number where a total is 0.

    >>> fisher_greater(np.array([9]), np.array([10]), np.array([1]), np.array([10])).round(5)
    array([0.00055])
    """
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
