"""Costly passes over all events, compiled: their results are those of NumPy's own passes, to the last bit.

Apart from where they are used because few files are gated without the compiler.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from immunomon.arrays import Floats, Ints, Mask

__all__ = [
    "FEW",
    "SAMPLE",
    "above_zero",
    "halley_step",
    "median",
    "median_of_rows",
    "middle",
    "mirrored",
    "numbers_and_tops",
    "unmixed_columns",
    "weighted_sums",
    "window",
]

SAMPLE = 512  # values that say where a median about lies
FEW = 4096  # of fewer values a median is selected without a first look


@njit(cache=True, nogil=True, error_model="numpy")
def _select(values: Floats, size: int, rank: int) -> float:
    """Return the value of a rank among the first ``size``, which are put into another order (Hoare's quickselect)."""
    low, high = 0, size - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if rank <= right:
            high = right
        elif rank >= left:
            low = left
        else:
            break
    return float(values[rank])


@njit(cache=True, nogil=True, error_model="numpy")
def middle(values: Floats, size: int, rank: int, size_is_even: bool) -> float:
    """Return the value of a rank, or its mean with the one before it, as NumPy takes it."""
    upper = _select(values, size, rank)
    if not size_is_even:
        return upper
    lower = values[0]
    for i in range(1, rank):
        lower = max(lower, values[i])
    return float((lower + upper) / 2.0)


@njit(cache=True, nogil=True, error_model="numpy")
def window(sample: Floats, size: int) -> tuple[float, float]:
    """Return an interval that holds the median of what the sorted sample was taken from, but for chance."""
    reach = int(2.5 * np.sqrt(size)) + 1
    return sample[max(size // 2 - reach, 0)], sample[min(size // 2 + reach, size - 1)]


@njit(cache=True, nogil=True, error_model="numpy")
def _median(values: Floats, room: Floats) -> float:
    size = values.size
    is_even, rank = size % 2 == 0, size // 2
    if size > FEW:
        for i in range(SAMPLE):
            room[i] = values[i * (size - 1) // (SAMPLE - 1)]
        low, high = window(np.sort(room[:SAMPLE]), SAMPLE)
        below = held = 0
        for i in range(size):
            value = values[i]
            below += value < low
            room[held] = value
            held += (value >= low) & (value <= high)
        if below < rank < below + held:  # the one before it is there, too
            return middle(room, held, rank - below, is_even)
    for i in range(size):
        room[i] = values[i]
    return middle(room, size, rank, is_even)


def median(values: Floats) -> float:
    """Return the median of finite values, (events,), at least one, as ``numpy.median`` does.

    >>> median(np.array([3.0, 1.0, 2.0, 10.0]))
    2.5
    """
    return float(_median(values, np.empty(values.size + 1)))


@njit(cache=True, nogil=True, error_model="numpy")
def _median_of_rows(values: Floats, rows: Ints, room: Floats) -> float:
    size = rows.size
    if size > FEW:
        for i in range(SAMPLE):
            room[i] = values[rows[i * (size - 1) // (SAMPLE - 1)]]
        low, high = window(np.sort(room[:SAMPLE]), SAMPLE)
        below = held = lost = 0
        for i in range(size):
            value = values[rows[i]]
            below += value < low
            lost += not np.isfinite(value)
            room[held] = value
            held += (value >= low) & (value <= high)
        if lost == 0 and below < size // 2 < below + held:
            return middle(room, held, size // 2 - below, size % 2 == 0)
    held = 0
    for i in range(size):
        room[held] = values[rows[i]]
        held += np.isfinite(room[held])
    return middle(room, held, held // 2, held % 2 == 0) if held else np.nan


def median_of_rows(values: Floats, rows: Ints) -> float:
    """Return the median of the finite ones among some values; not-a-number if there are none.

    values: (events,); rows: which of them.

    >>> median_of_rows(np.array([3.0, np.nan, 2.0, 10.0]), np.array([0, 1, 2]))
    2.5
    """
    return float(_median_of_rows(values, rows, np.empty(rows.size + 1)))


_TILE = 512  # events: their sums stay in the processor's cache


@njit(cache=True, nogil=True, error_model="numpy")
def _weighted_sums(
    values: NDArray[np.floating],
    columns: Ints,
    weights: Floats,
    rows: Ints,
    sums: Floats,
) -> None:
    for begin in range(0, sums.size, _TILE):
        part = sums[begin : begin + _TILE]
        for term in range(columns.size):
            column, weight = columns[term], weights[term]
            if rows.size:
                for i in range(part.size):
                    part[i] += np.float64(values[rows[begin + i], column]) * weight
            else:
                for i in range(part.size):
                    part[i] += np.float64(values[begin + i, column]) * weight


def weighted_sums(values: NDArray[np.floating], columns: Ints, weights: Floats, rows: Ints | None) -> Floats:
    """Return the weighted sum of some columns, for all events or for some, as ``spillover.weighted`` does.

    values: (events, channels); weights: one a column; rows: which events.

    >>> weighted_sums(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0, 1]), np.array([1.0, 10.0]), np.array([1]))
    array([43.])
    """
    sums = np.zeros(values.shape[0] if rows is None else rows.size)
    _weighted_sums(values, columns, weights, np.empty(0, dtype=np.int64) if rows is None else rows, sums)
    return sums


@njit(cache=True, nogil=True, error_model="numpy")
def _unmixed_columns(
    values: NDArray[np.floating], direct: Ints, sources: Ints, weights: Floats, columns: Floats
) -> None:
    detected, used = np.empty((sources.size, _TILE)), np.empty(sources.size + 1, dtype=np.int64)
    for begin in range(0, values.shape[0], _TILE):
        part = values[begin : begin + _TILE]
        for k in range(sources.size):
            for i in range(part.shape[0]):
                detected[k, i] = part[i, sources[k]]
        for j in range(direct.size):
            column = columns[j, begin : begin + _TILE]
            for i in range(column.size):
                column[i] = 0.0 if direct[j] < 0 else part[i, direct[j]]
            terms = 0
            for k in range(sources.size if direct[j] < 0 else 0):
                used[terms] = k
                terms += weights[j, k] != 0.0
            # Four terms in one trip through memory, in the same order of additions.
            for term in range(0, terms - terms % 4, 4):
                k0, k1, k2, k3 = used[term], used[term + 1], used[term + 2], used[term + 3]
                w0, w1, w2, w3 = weights[j, k0], weights[j, k1], weights[j, k2], weights[j, k3]
                d0, d1, d2, d3 = detected[k0], detected[k1], detected[k2], detected[k3]
                for i in range(column.size):
                    column[i] = (((column[i] + d0[i] * w0) + d1[i] * w1) + d2[i] * w2) + d3[i] * w3
            for term in range(terms - terms % 4, terms):
                k, weight = used[term], weights[j, used[term]]
                for i in range(column.size):
                    column[i] += detected[k, i] * weight


def unmixed_columns(values: NDArray[np.floating], direct: Ints, sources: Ints, weights: Floats) -> Floats:
    """Return several columns at once, (columns, events), each as ``weighted_sums`` has it, or as it is.

    values: (events, channels); direct: (columns,) the one that is taken as it is, or -1; sources: (detectors,);
    weights: (columns, detectors). A detector of no weight has no part, be it a number or not.

    >>> raw = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> unmixed_columns(raw, np.array([-1, 0]), np.array([0, 1]), np.array([[1.0, 10.0], [0.0, 0.0]]))
    array([[21., 43.],
           [ 1.,  3.]])
    """
    columns = np.empty((direct.size, values.shape[0]))
    _unmixed_columns(values, direct, sources, weights, columns)
    return columns


@njit(cache=True, nogil=True, error_model="numpy")
def halley_step(
    y: Floats,
    rising: Floats,
    falling: Floats,
    target: Floats,
    going: Mask,
    scale: tuple[float, float, float, float, float],
    last_step: float,
) -> int:
    """Take a step towards each logicle coordinate that is still going, and return how many are after it.

    rising, falling: the two exponentials at ``y``; scale: alpha, b, gamma, d and f of the biexponential.
    """
    alpha, b, gamma, d, f = scale
    left = 0
    for i in range(y.size):
        up, down = alpha * rising[i], gamma * falling[i]
        error = up - down + f - target[i]
        up *= b
        down *= d
        slope = up + down
        step = error / (slope - 0.5 * error * (up * b - down * d) / slope)
        still = going[i]
        y[i] = y[i] - step if still else y[i]
        still &= abs(step) > last_step
        going[i] = still
        left += still
    return left


@njit(cache=True, nogil=True, error_model="numpy")
def above_zero(x: Floats, y: Floats, scale: tuple[float, float, float], target: Floats) -> Mask:
    """Put the size of each intensity, and what its first logicle coordinate is the logarithm of; say which are finite.

    scale: alpha and f of the biexponential, and the least that has a logarithm.
    """
    alpha, f, tiny = scale
    going = np.empty(x.size, dtype=np.bool_)
    for i in range(x.size):
        target[i] = abs(x[i])
        ratio = (target[i] - f) / alpha
        y[i] = ratio if ratio > tiny else tiny
        going[i] = target[i] < np.inf
    return going


@njit(cache=True, nogil=True, error_model="numpy")
def mirrored(x: Floats, y: Floats, x1: float) -> None:
    """Turn the coordinates of sizes into those of the intensities, about that of 0; what is not finite is left so."""
    for i in range(x.size):
        shown = y[i] if x[i] >= 0 else 2.0 * x1 - y[i]
        y[i] = shown if abs(x[i]) < np.inf else x[i]


@njit(cache=True, nogil=True, error_model="numpy")
def numbers_and_tops(values: NDArray[np.floating]) -> tuple[Mask, Floats, Ints]:
    """Return of each column whether it holds finite numbers only, the largest of these, and how often that is there.

    values: (events, channels). The largest of none is minus infinity.

    >>> numbers_and_tops(np.array([[1.0, np.inf], [3.0, 2.0], [3.0, np.nan]]))
    (array([ True, False]), array([3., 2.]), array([2, 1]))
    """
    columns = values.shape[1]
    are_numbers = np.ones(columns, dtype=np.bool_)
    tops, counts = np.full(columns, -np.inf), np.zeros(columns, dtype=np.int64)
    for i in range(values.shape[0]):
        for column in range(columns):
            value = np.float64(values[i, column])
            if not abs(value) < np.inf:
                are_numbers[column] = False
            elif value > tops[column]:
                tops[column], counts[column] = value, 1
            elif value == tops[column]:
                counts[column] += 1
    return are_numbers, tops, counts
