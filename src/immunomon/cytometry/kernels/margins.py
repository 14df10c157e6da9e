"""Events at the ends of their channels' ranges, where a detector reports no more than that."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["at_ends"]


@njit(cache=True, nogil=True)
def _highest(values: NDArray[np.floating], out: NDArray[np.float64]) -> None:
    for event in range(values.shape[0]):
        for channel in range(values.shape[1]):
            if values[event, channel] > out[channel]:
                out[channel] = values[event, channel]


@njit(cache=True, nogil=True)
def _count(
    values: NDArray[np.floating],
    ends: tuple[NDArray[np.float64], NDArray[np.float64]],
    any_end: NDArray[np.bool_],
    counts: NDArray[np.int64],
) -> None:
    bottoms, tops = ends
    for event in range(values.shape[0]):
        for channel in range(values.shape[1]):
            value = values[event, channel]
            if value >= tops[channel] or value <= bottoms[channel]:
                any_end[event] = True
                counts[channel] += 1


def at_ends(
    values: NDArray[np.floating], bottoms: NDArray[np.float64], tops: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which events are at an end in any channel, (events,), and how many in each, (channels,).

    values: (events, channels); bottoms, tops: (channels,), infinite where there is none. A value at an end is one at
    or beyond it; where values go beyond the top by more than 1, it is not the top of theirs, and none is at it.

    >>> mask, counts = at_ends(np.array([[0.0, 5.0], [1023.0, 9000.0]]), np.zeros(2), np.full(2, 1023.0))
    >>> mask.tolist(), counts.tolist()
    ([True, True], [2, 0])
    """
    any_end, counts = np.zeros(len(values), dtype=np.bool_), np.zeros(values.shape[1], dtype=np.int64)
    highest = np.full(values.shape[1], -np.inf)
    _highest(values, highest)
    real = np.where(highest <= tops + 1, tops, np.inf)
    _count(values, (np.asarray(bottoms, dtype=np.float64), real), any_end, counts)
    return any_end, counts
