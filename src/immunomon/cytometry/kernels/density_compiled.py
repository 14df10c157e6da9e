"""Events counted in equal bins, and the peaks of a density, compiled: the results are NumPy's, to the last bit."""

from __future__ import annotations

import numpy as np
from numba import njit

from immunomon.arrays import Floats, Ints

__all__ = ["bin_counts", "merged_peaks"]

_TILE = 512


@njit(cache=True, nogil=True, error_model="numpy")
def bin_counts(values: Floats, low: float, high: float, bins: int) -> tuple[Floats, Floats]:
    """Return the counts in equal bins and the bins' edges, as ``numpy.histogram`` does.

    values: (events,), finite, from ``low`` to ``high``. What lies within rounding of an edge is counted on its side.

    >>> counts, edges = bin_counts(np.array([0.1, 0.5, 1.0]), 0.0, 1.0, 2)
    >>> counts.tolist(), edges.tolist()
    ([1.0, 2.0], [0.0, 0.5, 1.0])
    """
    edges, tallies, places = np.empty(bins + 1), np.zeros((2, bins), dtype=np.int64), np.empty(_TILE, dtype=np.uint32)
    extent, last = high - low, bins - 1
    step = extent / bins
    for i in range(bins):
        edges[i] = i * step + low
    edges[bins] = high
    for begin in range(0, values.size, _TILE):
        part = values[begin : begin + _TILE]
        for i in range(part.size):
            place = np.int32((part[i] - low) / extent * bins)
            places[i] = np.uint32(place if place < last else last)
        for i in range(part.size):
            nearest = places[i]
            if part[i] < edges[nearest]:
                nearest -= np.uint32(1)
            elif part[i] >= edges[nearest + np.uint32(1)] and nearest != last:
                nearest += np.uint32(1)
            tallies[i & 1, nearest] += 1  # in turns: neighbours in one bin need not wait for each other
    return (tallies[0] + tallies[1]).astype(np.float64), edges


@njit(cache=True, nogil=True, error_model="numpy")
def _tops_and_lows(height: Floats, tops: Ints, lows: Ints) -> int:
    """Put the peaks, from left to right, and the lowest places between them, into two arrays; returns how many peaks.

    Of equal heights the left one is the higher.
    """
    peaks, low = 0, -1
    for i in range(height.size):
        if peaks and (low < 0 or height[i] <= height[low]):
            low = i
        rises = i == 0 or height[i] > height[i - 1]
        if rises and (i == height.size - 1 or height[i] >= height[i + 1]):
            if peaks:
                lows[peaks - 1] = low
            tops[peaks] = i
            peaks, low = peaks + 1, i
    return peaks


@njit(cache=True, nogil=True, error_model="numpy")
def merged_peaks(height: Floats) -> tuple[Ints, Floats]:
    """Return every peak and how far one descends from it to reach a higher one, as ``density.modes_of`` needs them.

    height: (bins,), not negative. The highest peak comes first, with its own height.

    >>> peaks, drops = merged_peaks(np.array([0.0, 3.0, 1.0, 2.0, 0.0]))
    >>> peaks.tolist(), drops.tolist()
    ([1, 3], [3.0, 1.0])
    """
    tops, lows = np.empty(height.size, dtype=np.int64), np.empty(height.size, dtype=np.int64)
    count = _tops_and_lows(height, tops, lows)
    peaks, drops = np.empty(count, dtype=np.int64), np.empty(count)
    peaks[0] = np.argmax(height)
    drops[0] = height[peaks[0]]
    into = np.arange(count)  # the higher peak that a peak has been merged into
    depths = -height[lows[: count - 1]]
    done = 1
    for low in np.argsort(depths, kind="mergesort"):  # stable
        left, right = low, low + 1
        while into[left] != left:
            left = into[left]
        while into[right] != right:
            right = into[right]
        is_left_higher = height[tops[left]] >= height[tops[right]]
        higher, lower = (left, right) if is_left_higher else (right, left)
        into[lower] = higher
        peaks[done], drops[done] = tops[lower], height[tops[lower]] - height[lows[low]]
        done += 1
    return peaks, drops
