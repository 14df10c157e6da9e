"""A robust line, compiled: what ``regression.robust_line`` finds by NumPy, to the last bit.

NumPy adds in pairs: what is longer than 128 values in two halves, what is shorter in eight running sums. Sums here are
taken in that order, so that a gate does not depend on whether compiled code was at hand.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from immunomon.arrays import Floats, Ints
from immunomon.cytometry.kernels.compiled import FEW, SAMPLE, median, middle, window

__all__ = ["line_rounds", "line_sums"]

_LEAF = 128  # values that NumPy adds in eight running sums, not in halves
_CUT, _MAD_TO_SD = 4.685, 1.4826  # as in ``regression.robust_line``


@njit(cache=True, nogil=True, error_model="numpy")
def _leaves(size: int) -> tuple[Ints, Ints]:
    """Return where each leaf of NumPy's tree of additions ends, and how many sums are added in pairs after it."""
    ends, pairs = np.empty(size // 32 + 2, dtype=np.int64), np.zeros(size // 32 + 2, dtype=np.int64)
    lengths, closing = np.empty(128, dtype=np.int64), np.empty(128, dtype=np.int64)
    lengths[0], closing[0] = size, 0
    held, leaf, end = 1, 0, 0
    while held:
        held -= 1
        length, closes = lengths[held], closing[held]
        if length > _LEAF:
            half = length // 2
            half -= half % 8
            lengths[held], closing[held] = length - half, closes + 1
            lengths[held + 1], closing[held + 1] = half, 0
            held += 2
        else:
            end += length
            ends[leaf], pairs[leaf] = end, closes
            leaf += 1
    return ends[:leaf], pairs[:leaf]


@njit(nogil=True, error_model="numpy", inline="always")
def _sum(values: Floats, size: int, running: Floats) -> float:
    """Return the sum of at most 128 values, as NumPy adds them. running: (8,), room for the running sums."""
    if size < 8:
        total = -0.0
        for i in range(size):
            total += values[i]
        return total
    for k in range(8):
        running[k] = values[k]
    for eight in range(1, size // 8):
        part = values[8 * eight : 8 * eight + 8]
        for k in range(8):
            running[k] += part[k]
    a, b, c, d = running[0] + running[1], running[2] + running[3], running[4] + running[5], running[6] + running[7]
    total = (a + b) + (c + d)
    for i in range(size - size % 8, size):
        total += values[i]
    return float(total)


@njit(cache=True, nogil=True, error_model="numpy")
def _folded(sums: Floats, top: int, pairs: int) -> int:
    """Add the last two sums of each row to one, so many times; return how many there are then. sums: (rows, 64)."""
    for _ in range(pairs):
        top -= 1
        for i in range(sums.shape[0]):
            sums[i, top - 1] += sums[i, top]
    return top


@njit(cache=True, nogil=True, error_model="numpy")
def _middle_residual(
    ratio: Floats, inverse: Floats, slope: float, intercept: float, guess: tuple[float, float], room: Floats
) -> float:
    """Return the median distance from a line; guess: an interval that may hold it. room: (events + 1,)."""
    size = ratio.size
    is_even, rank = size % 2 == 0, size // 2
    low, high = guess
    if not low < high and size > FEW:
        for i in range(SAMPLE):
            k = i * (size - 1) // (SAMPLE - 1)
            room[i] = abs((ratio[k] - slope) - inverse[k] * intercept)
        low, high = window(np.sort(room[:SAMPLE]), SAMPLE)
    if low < high:
        block = np.empty(_LEAF)
        below = held = 0
        for begin in range(0, size, _LEAF):
            length = min(_LEAF, size - begin)
            ratios, inverses = ratio[begin : begin + length], inverse[begin : begin + length]
            for i in range(length):
                block[i] = abs((ratios[i] - slope) - inverses[i] * intercept)
            within = 0
            for i in range(length):
                below += block[i] < low
                within += (block[i] >= low) & (block[i] <= high)
            for i in range(length if within else 0):
                room[held] = block[i]
                held += (block[i] >= low) & (block[i] <= high)
        if below < rank < below + held:
            return middle(room, held, rank - below, is_even)
    for i in range(size):
        room[i] = abs((ratio[i] - slope) - inverse[i] * intercept)
    return middle(room, size, rank, is_even)


@njit(cache=True, nogil=True, error_model="numpy")
def _weighed(
    ratio: Floats,
    inverse: Floats,
    line: tuple[float, float, float],
    tree: tuple[Ints, Ints],
    weight: Floats,
) -> tuple[float, float, float]:
    """Return the sums of the weights, and of weight times inverse and ratio; the weights are kept."""
    slope, intercept, reach = line
    ends, pairs = tree
    sums, blocks, running = np.empty((3, 64)), np.empty((3, _LEAF)), np.empty(8)
    times_inverse, times_ratio = blocks[0], blocks[1]
    top = begin = 0
    for leaf in range(ends.size):
        length = ends[leaf] - begin
        ratios, inverses = ratio[begin : begin + length], inverse[begin : begin + length]
        weights = weight[begin : begin + length]
        for i in range(length):
            residual = ((ratios[i] - slope) - inverses[i] * intercept) / reach
            rest = 1.0 - residual * residual
            rest = rest if rest > 0.0 else 0.0
            square = rest * rest
            weights[i] = square
            times_inverse[i] = square * inverses[i]
            times_ratio[i] = square * ratios[i]
        sums[0, top] = _sum(weights, length, running)
        sums[1, top] = _sum(times_inverse, length, running)
        sums[2, top] = _sum(times_ratio, length, running)
        top += 1
        begin += length
        top = _folded(sums, top, pairs[leaf])
    return sums[0, 0], sums[1, 0], sums[2, 0]


@njit(cache=True, nogil=True, error_model="numpy")
def _moments(
    ratio: Floats,
    inverse: Floats,
    means: tuple[float, float],
    tree: tuple[Ints, Ints],
    weight: Floats,
) -> tuple[float, float]:
    """Return the weighted sum of squares of the inverse about its mean, and of its products with the ratio."""
    mean_ratio, mean_inverse = means
    ends, pairs = tree
    sums, blocks, running = np.empty((2, 64)), np.empty((2, _LEAF)), np.empty(8)
    squares, products = blocks[0], blocks[1]
    top = begin = 0
    for leaf in range(ends.size):
        length = ends[leaf] - begin
        ratios, inverses = ratio[begin : begin + length], inverse[begin : begin + length]
        weights = weight[begin : begin + length]
        for i in range(length):
            offset = inverses[i] - mean_inverse
            squares[i] = weights[i] * (offset * offset)
            products[i] = (weights[i] * offset) * (ratios[i] - mean_ratio)
        sums[0, top] = _sum(squares, length, running)
        sums[1, top] = _sum(products, length, running)
        top += 1
        begin += length
        top = _folded(sums, top, pairs[leaf])
    return sums[0, 0], sums[1, 0]


@njit(cache=True, nogil=True, error_model="numpy")
def _line_rounds(ratio: Floats, inverse: Floats, slope: float, iterations: int) -> tuple[float, float, float]:
    intercept = spread = 0.0
    tree = _leaves(ratio.size)
    weight, room = np.empty(ratio.size), np.empty(ratio.size + 1)
    middle_residual = step = 0.0
    for number in range(iterations):
        guess = (0.0, 0.0) if number < 2 else (middle_residual - 3 * step, middle_residual + 3 * step)
        before_middle, middle_residual = (
            middle_residual,
            _middle_residual(ratio, inverse, slope, intercept, guess, room),
        )
        step = abs(middle_residual - before_middle) + 1e-4 * middle_residual
        spread = _MAD_TO_SD * middle_residual
        if spread <= 1e-12 * max(1.0, abs(slope)):
            break
        total, of_inverse, of_ratio = _weighed(ratio, inverse, (slope, intercept, _CUT * spread), tree, weight)
        before = slope, intercept
        mean_inverse, mean_ratio = of_inverse / total, of_ratio / total
        variance, covariance = _moments(ratio, inverse, (mean_ratio, mean_inverse), tree, weight)
        intercept = covariance / variance if variance > 0 else 0.0
        slope = mean_ratio - intercept * mean_inverse
        least = 1e-6 * abs(slope)
        if abs(before[0] - slope) <= least and abs(before[1] - intercept) * mean_inverse <= least:
            break
    return slope, intercept, spread


def line_rounds(ratio: Floats, inverse: Floats, iterations: int) -> tuple[float, float, float]:
    """Return slope, intercept and spread of ``ratio = slope + intercept * inverse``, as ``robust_line`` finds them.

    ratio, inverse: (events,), finite, contiguous.

    >>> inverse = 1 / np.linspace(1, 100, 200)
    >>> [round(value, 6) for value in line_rounds(2 + 3 * inverse, inverse, 30)]
    [2.0, 3.0, 0.0]
    """
    slope, intercept, spread = _line_rounds(ratio, inverse, median(ratio), iterations)
    return float(slope), float(intercept), float(spread)


@njit(cache=True, nogil=True, error_model="numpy")
def _line_sums(ratio: Floats, inverse: Floats, line: tuple[float, float, float]) -> tuple[int, float, Floats]:
    slope, intercept, spread = line
    ends, pairs = _leaves(ratio.size)
    sums, blocks, running = np.empty((6, 64)), np.empty((6, _LEAF)), np.empty(8)
    kept, least, most = 0, np.inf, -np.inf
    top = begin = 0
    for leaf in range(ends.size):
        length = ends[leaf] - begin
        ratios, inverses = ratio[begin : begin + length], inverse[begin : begin + length]
        for i in range(length):
            residual = ((ratios[i] - slope) - inverses[i] * intercept) / spread
            cut = residual / _CUT
            has_say = cut * cut < 1.0
            square = cut * cut if has_say else 1.0
            rest = 1.0 - square
            root = residual * (rest * rest) if has_say else 0.0
            pull, bend = root * root, rest * (1.0 - 5.0 * square)
            inverse_square = inverses[i] * inverses[i]
            blocks[0, i] = pull
            blocks[1, i] = pull * inverses[i]
            blocks[2, i] = pull * inverse_square
            blocks[3, i] = bend
            blocks[4, i] = bend * inverses[i]
            blocks[5, i] = bend * inverse_square
            kept += has_say
            least = min(least, inverses[i]) if has_say else least
            most = max(most, inverses[i]) if has_say else most
        for k in range(6):
            sums[k, top] = _sum(blocks[k], length, running)
        top += 1
        begin += length
        top = _folded(sums, top, pairs[leaf])
    return kept, most - least, sums[:, 0].copy()


def line_sums(ratio: Floats, inverse: Floats, line: tuple[float, float, float]) -> tuple[int, float, Floats]:
    """Return what ``regression.line_errors`` needs of the events that have a say.

    ratio, inverse: (events,), contiguous; line: slope, intercept, spread. Returned are how many events have a say, how
    far apart their inverses lie, and (6,) the sums over them of the squared pull and of the bend, each times 1, the
    inverse, and its square.

    >>> inverse = 1 / np.linspace(1, 100, 200)
    >>> line_sums(2 + 3 * inverse, inverse, (2.0, 3.0, 1.0))[0]
    200
    """
    kept, extent, sums = _line_sums(ratio, inverse, line)
    return int(kept), float(extent), np.asarray(sums)
