"""Do values rise or fall over the visits within patients? Page's trend test, exact, ties included."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immunomon.trial.kernels.trend import Trend

__all__ = ["MOST_VISITS", "page_trend"]

Floats = NDArray[np.float64]
MOST_VISITS = 8


def page_trend(values: ArrayLike) -> Trend:
    """Return Page's test for a trend over visits, against any order of the visits within each patient being as likely.

    values: (patients, visits) in the order of the visits, finite; 2 to 8 visits. Exact: the distribution of each
    patient's ``sum(visit number * rank)`` over all orders, added up over patients; equal values share their rank.
    Raises ValueError for other shapes or numbers that are not finite. Page, J Am Stat Assoc 1963;58:216.

    >>> page_trend([[1.0, 2.0, 3.0], [1.5, 2.5, 4.0]]).p_rising == 1 / 36
    True
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 2 or not 2 <= x.shape[1] <= MOST_VISITS or x.shape[0] == 0:
        raise ValueError(f"Page's test needs patients x visits, with 2 to {MOST_VISITS} visits, got {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("every value must be a number; leave out the patients who lack a visit")
    # Twice the rank is whole even where ranks are shared.
    doubled = np.array([_doubled_ranks(row) for row in x])
    weights = np.arange(1, x.shape[1] + 1)
    observed = int((doubled * weights).sum())
    chance, least = np.ones(1), 0
    for row in doubled:
        first, probabilities = _one_patient(tuple(sorted(row.tolist())))
        chance, least = np.convolve(chance, np.asarray(probabilities)), least + first
    offset, ends = observed - least, np.flatnonzero(chance > 0)
    floor = min(1.0, 2 * float(min(chance[ends[0]], chance[ends[-1]])))
    expected = float(x.shape[0] * weights.sum() * (x.shape[1] + 1) / 2)
    rising, falling = float(chance[offset:].sum()), float(chance[: offset + 1].sum())
    return Trend(observed / 2, expected, min(1.0, rising), min(1.0, falling), floor, True)


def _doubled_ranks(row: Floats) -> NDArray[np.int64]:
    below = (row[None, :] < row[:, None]).sum(axis=1)
    equal = (row[None, :] == row[:, None]).sum(axis=1)
    return np.asarray(2 * below + equal + 1, dtype=np.int64)


@lru_cache(maxsize=256)
def _one_patient(doubled: tuple[int, ...]) -> tuple[int, tuple[float, ...]]:
    """Return the least doubled statistic of one patient, and the chance of it and each larger one."""
    orders = np.array(list(permutations(doubled)), dtype=np.int64)
    sums = orders @ np.arange(1, len(doubled) + 1)
    least = int(sums.min())
    counts = np.bincount(sums - least)
    return least, tuple((counts / counts.sum()).tolist())
