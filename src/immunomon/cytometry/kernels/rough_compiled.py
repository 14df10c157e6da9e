"""What values that are known to within a bound decide, compiled; the others are named, to be asked exactly."""

from __future__ import annotations

import numpy as np
from numba import njit

from immunomon.arrays import Floats, Floats32, Rows

__all__ = ["near_ends", "rough_counts", "sides_of"]


@njit(cache=True, nogil=True, error_model="numpy")
def near_ends(rough: Floats32, bound: float) -> Rows:
    """Return the rows of which the least and the largest value may be one.

    >>> near_ends(np.array([3.0, 1.0, 1.5, np.nan], dtype=np.float32), 0.3)
    array([0, 1, 2, 3])
    """
    low, high = np.inf, -np.inf
    for i in range(rough.size):
        value = np.float64(rough[i])
        low = value if value < low else low
        high = value if value > high else high
    low, high = low + 2.0 * bound, high - 2.0 * bound
    held = 0
    for i in range(rough.size):
        value = np.float64(rough[i])
        held += not (low < value < high)
    rows, at = np.empty(held, dtype=np.int64), 0
    for i in range(rough.size):
        value = np.float64(rough[i])
        if not (low < value < high):
            rows[at] = i
            at += 1
    return rows


@njit(cache=True, nogil=True, error_model="numpy")
def sides_of(rough: Floats32, bound: float, place: float) -> tuple[int, int, Rows]:
    """Return how many values lie below a place for certain, how many above, and the rows of which neither is certain.

    >>> sides_of(np.array([1.0, 2.0, 3.0, np.nan], dtype=np.float32), 0.1, 2.0)
    (1, 1, array([1, 3]))
    """
    low, high = place - bound, place + bound
    below = above = 0
    for i in range(rough.size):
        value = np.float64(rough[i])
        below += int(value < low)
        above += int(value > high)
    rows, at = np.empty(rough.size - below - above, dtype=np.int64), 0
    for i in range(rough.size if rows.size else 0):
        value = np.float64(rough[i])
        if not (value < low or value > high):
            rows[at] = i
            at += 1
    return below, above, rows


@njit(cache=True, nogil=True, error_model="numpy")
def rough_counts(rough: Floats32, bound: float, edges: Floats) -> tuple[Floats, Rows]:
    """Return how many values lie in each bin for certain, and the rows of which the bin is not certain.

    edges: (bins + 1,), of equal bins; a value that may lie on an edge is not certain.

    >>> rough_counts(np.array([0.5, 1.0, 1.5], dtype=np.float32), 0.1, np.array([0.0, 1.0, 2.0]))
    (array([1., 1.]), array([1]))
    """
    bins = edges.size - 1
    tallies, doubtful, held = np.zeros((2, bins), dtype=np.int64), np.empty(rough.size, dtype=np.int64), 0
    first, per_unit = edges[0], bins / (edges[bins] - edges[0])
    for i in range(rough.size):
        value = np.float64(rough[i])
        place = (value - first) * per_unit
        nearest = np.int64(place) if 0.0 <= place < bins else np.int64(0)
        is_certain = value - bound > edges[nearest] and value + bound < edges[nearest + 1]
        tallies[i & 1, nearest] += is_certain  # in turns: neighbours in one bin need not wait for each other
        doubtful[held] = i
        held += not is_certain
    return (tallies[0] + tallies[1]).astype(np.float64), doubtful[:held].copy()
