"""Places in a plane for points that were not laid out, among the places of their nearest neighbours that were."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from immunomon.arrays import Floats32

__all__ = ["place_among"]


_APART = np.float32(3.0)  # neighbours farther from the middle one than so many times the usual lie on another island


def place_among(rows: NDArray[np.int32], apart: Floats32, positions: Floats32) -> Floats32:
    """Return a place for each point, (points, 2): the weighted middle of its nearest neighbours that lie together.

    rows, apart: (points, neighbours), nearest first, and their distances; positions: (references, 2). A neighbour's
    weight falls off as ``exp(-(d - d1) / mean(d - d1))``, in the form of UMAP's own graph. The neighbour that lies
    nearest to all others is the middle; those farther from it than three times the (weighted) median do not count, or
    points between islands would lie in the sea. Releases the GIL.

    >>> islands, rows = np.array([[0, 0], [1, 0], [0, 2], [90, 90]], np.float32), np.array([[0, 1, 2, 3]], np.int32)
    >>> place_among(rows, np.ones((1, 4), np.float32), islands).round(2)
    array([[0.33, 0.67]], dtype=float32)
    """
    out = np.empty((len(rows), 2), dtype=np.float32)
    _place(rows, apart, positions, out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _place(rows: NDArray[np.int32], apart: Floats32, positions: Floats32, out: Floats32) -> None:
    count = rows.shape[1]
    weight, far = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.float32)
    for q in range(rows.shape[0]):
        _weigh(apart[q], weight)
        middle = _middle(rows[q], weight, positions, far)
        for j in range(count):
            far[j] = _between(positions, rows[q, j], rows[q, middle])
        most = _APART * _weighted_median(far, weight)
        x = y = total = np.float32(0)
        for j in range(count):
            if far[j] <= most:
                x += weight[j] * positions[rows[q, j], 0]
                y += weight[j] * positions[rows[q, j], 1]
                total += weight[j]
        out[q, 0], out[q, 1] = x / total, y / total


@njit(cache=True, nogil=True, error_model="numpy")
def _weigh(apart: Floats32, weight: Floats32) -> None:
    usual = np.float32(0)
    for j in range(apart.size):
        usual += (apart[j] - apart[0]) / np.float32(apart.size)
    for j in range(apart.size):
        weight[j] = np.exp(-(apart[j] - apart[0]) / usual) if usual > 0 else np.float32(1)


@njit(cache=True, nogil=True, error_model="numpy")
def _middle(rows: NDArray[np.int32], weight: Floats32, positions: Floats32, far: Floats32) -> int:
    """Return which neighbour lies nearest to all others, by weight."""
    for j in range(rows.size):
        far[j] = np.float32(0)
        for k in range(rows.size):
            far[j] += weight[k] * _between(positions, rows[j], rows[k])
    return int(np.argmin(far))


@njit(cache=True, nogil=True, error_model="numpy")
def _weighted_median(far: Floats32, weight: Floats32) -> Any:  # noqa: ANN401 - float32
    order = np.argsort(far, kind="mergesort")
    half, sum_so_far = weight.sum() / np.float32(2), np.float32(0)
    for j in order:
        sum_so_far += weight[j]
        if sum_so_far >= half:
            return far[j]
    return far[order[-1]]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _between(positions: Floats32, first: int, second: int) -> Any:  # noqa: ANN401
    x, y = positions[first, 0] - positions[second, 0], positions[first, 1] - positions[second, 1]
    return np.sqrt(x * x + y * y)
