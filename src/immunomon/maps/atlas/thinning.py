"""Thinning: fewer cells of those that are many, so that rare ones are kept, and a weight that makes up for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immunomon.maps.kernels.neighbours import count_within, index_of, nearest

__all__ = ["chances", "rates_by_density", "rates_by_group", "thin"]

Floats = NDArray[np.float64]

_POOL = 20_000  # cells among which densities are counted
_USUAL = 50  # cells of the pool that lie within the radius of a cell of median density
_PROBES = 2_000


def rates_by_group(groups: NDArray[np.int64]) -> Floats:
    """Return a rate for each cell: one over the square root of its group's size (power allocation, Bankier 1988).

    A group of 1 % then gives about a tenth as many cells as the whole would, not a hundredth.

    >>> rates_by_group(np.array([1, 1, 1, 1, 2]))
    array([0.5, 0.5, 0.5, 0.5, 1. ])
    """
    _, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(1 / np.sqrt(sizes[index]), dtype=np.float64)


def rates_by_density(values: NDArray[np.float32], *, seed: int, threads: int = 1) -> Floats:
    """Return a rate for each cell: one over the square root of how many cells lie around it.

    values: (cells, markers), scaled. Counted among 20,000 cells at most, in a ball that holds 50 of them around a cell
    of median density. Where a group of cells is rare, so are its members: they are kept as rare groups are.
    """
    rng = np.random.default_rng(seed)
    pool = values[np.sort(rng.choice(len(values), min(_POOL, len(values)), replace=False))]
    index = index_of(pool)
    probes = pool[np.sort(rng.choice(len(pool), min(_PROBES, len(pool)), replace=False))]
    apart = nearest(index, probes, min(_USUAL, len(pool)), threads=threads)[1]
    around = count_within(index, values, float(np.median(apart[:, -1])), threads=threads)
    return np.asarray(1 / np.sqrt(np.maximum(around, 1)), dtype=np.float64)


def chances(rates: Floats, count: int) -> Floats:
    """Return each cell's chance to be taken: in proportion to its rate, at most 1, together as many as wanted.

    >>> chances(np.array([1.0, 1.0, 8.0]), 2)
    array([0.5, 0.5, 1. ])
    """
    if count >= rates.size:
        return np.ones(rates.size)
    sure = np.zeros(rates.size, dtype=np.bool_)
    while True:
        share = (count - np.count_nonzero(sure)) * rates / rates[~sure].sum()
        more = ~sure & (share >= 1)
        if not more.any():
            return np.where(sure, 1.0, share)
        sure |= more


def thin(rates: Floats, count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats]:
    """Return which cells are taken, ascending, and how many cells each stands for; the weights add up to all cells.

    rates: (cells,), positive. Systematic sampling from a random start: exactly as many as wanted, spread evenly over
    the cells in their order, each with its chance (Madow 1949).

    >>> taken, weights = thin(np.ones(10), 5, np.random.default_rng(1))
    >>> taken.size, weights.tolist()
    (5, [2.0, 2.0, 2.0, 2.0, 2.0])
    """
    chance = chances(rates, count)
    if count >= rates.size:
        return np.arange(rates.size, dtype=np.int64), chance
    if count <= 0:
        return np.empty(0, dtype=np.int64), np.empty(0)
    ends = np.cumsum(chance) * (count / chance.sum())
    ends[-1] = count  # rounding must not lose the last one
    taken = np.searchsorted(ends, rng.random() + np.arange(count), side="right")
    weights = 1 / chance[taken]
    return taken.astype(np.int64), weights * (rates.size / weights.sum())
