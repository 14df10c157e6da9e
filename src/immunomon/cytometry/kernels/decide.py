"""Membership by coordinates that are known within a bound: decided where that is enough, named where it is not.

Each function looks at the parent's events only, fills ``inside`` and returns the events that it cannot decide: those
whose coordinate lies within the bound of an edge, or is not a number. For them ``inside`` is left False.
Apart from ``membership`` because it loads the compiler, which few files are gated without.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from immunomon.arrays import Floats, Ints, Mask

__all__ = ["decide_cells", "decide_ellipse", "decide_interval"]

Events = NDArray[np.int64]
Rough = tuple[NDArray[np.floating], float]
_TILE = 1024
# Twice what float64 arithmetic on a handful of numbers can lose, relative to the largest of them.
_SLACK = 1e-14


def decide_interval(parent: Mask, values: Rough, low: float, high: float) -> tuple[Mask, Events]:
    """Return which of the parent's events lie in ``[low, high)``, and which must be asked exactly.

    parent: (events,); values: (events,) with their bound. A bound of 0 means exact values: nothing is left to ask.

    >>> rough = np.array([0.1, 0.5, 0.9], dtype=np.float32), 1e-6
    >>> decide_interval(np.ones(3, dtype=bool), rough, 0.5, np.inf)
    (array([False, False,  True]), array([1]))
    """
    inside = np.empty(parent.size, dtype=np.bool_)
    doubtful = np.empty(parent.size, dtype=np.int64)
    column, bound = values
    count = _interval(parent, column, float(low), float(high), float(bound), inside, doubtful)
    return inside, doubtful[:count].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _interval(
    parent: Mask,
    values: NDArray[np.floating],
    low: float,
    high: float,
    bound: float,
    inside: Mask,
    doubtful: Events,
) -> int:
    count = 0
    for begin in range(0, values.size, _TILE):
        end = min(begin + _TILE, values.size)
        # Pieces of the arrays, so that the loops count from 0 and no index is asked whether it is negative.
        part, members, result = values[begin:end], parent[begin:end], inside[begin:end]
        near = 0
        for i in range(part.size):
            value = np.float64(part[i])
            result[i] = members[i] & (value >= low) & (value < high)
            near += members[i] & (not ((abs(value - low) > bound) & (abs(value - high) > bound)))
        if near == 0 or bound == 0.0:  # exact values decide
            continue
        for i in range(part.size):
            value = np.float64(part[i])
            if members[i] and not (abs(value - low) > bound and abs(value - high) > bound):
                result[i] = False
                doubtful[count] = begin + i
                count += 1
    return count


def decide_ellipse(parent: Mask, x: Rough, y: Rough, shape: Floats) -> tuple[Mask, Events]:
    """Return which of the parent's events lie in an ellipse, and which must be asked exactly.

    shape: center x and y, then the inverse covariance's xx, xy and yy, then the squared distance. A shift by the bounds
    changes the Mahalanobis distance by at most the distance of that shift (triangle inequality).

    >>> x = np.array([0.0, 1.0, 2.0]), 1e-6
    >>> y = np.zeros(3), 1e-6
    >>> decide_ellipse(np.ones(3, dtype=bool), x, y, np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0]))
    (array([ True, False, False]), array([1]))
    """
    _, _, xx, xy, yy, square = shape.tolist()
    dx, dy = float(x[1]), float(y[1])
    distance = np.sqrt(square)
    shift = np.sqrt(xx * dx * dx + 2 * abs(xy) * dx * dy + yy * dy * dy) * (1 + 1e-9)
    # The slack covers what float64 loses where the axes are far from each other in size.
    largest = max(xx, abs(xy), yy)
    smallest = (xx * yy - xy * xy) / (xx + yy)  # not above the smaller eigenvalue
    slack = _SLACK * square * (1 + largest / smallest)
    low = max(distance - shift, 0.0) ** 2 - slack
    high = (distance + shift) ** 2 + slack
    inside = np.zeros(parent.size, dtype=np.bool_)
    doubtful = np.empty(parent.size, dtype=np.int64)
    count = _ellipse(parent, x[0], y[0], shape, float(low), float(high), inside, doubtful)
    return inside, doubtful[:count].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _ellipse(
    parent: Mask,
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    shape: Floats,
    low: float,
    high: float,
    inside: Mask,
    doubtful: Events,
) -> int:
    cx, cy, xx, xy, yy = shape[0], shape[1], shape[2], shape[3], shape[4]
    squares = np.empty(_TILE, dtype=np.float64)
    count = 0
    for begin in range(0, parent.size, _TILE):
        end = min(begin + _TILE, parent.size)
        columns, lines, members, result = x[begin:end], y[begin:end], parent[begin:end], inside[begin:end]
        near = 0
        for i in range(members.size):
            across, up = np.float64(columns[i]) - cx, np.float64(lines[i]) - cy
            square = xx * across * across + 2.0 * xy * across * up + yy * up * up
            squares[i] = square
            result[i] = members[i] & (square < low)
            near += members[i] & (not ((square < low) | (square > high)))
        if near == 0:
            continue
        for i in range(members.size):
            if members[i] and not (squares[i] < low or squares[i] > high):
                doubtful[count] = begin + i
                count += 1
    return count


def decide_cells(
    parent: Mask, x: Rough, y: Rough, x_range: tuple[float, float], y_range: tuple[float, float], bins: int
) -> tuple[Ints, Events]:
    """Return how many of the parent's events lie in each cell of a grid, and which must be asked exactly.

    The counts, (bins, bins), rows along y, are those of ``histogram2d`` without the events that must be asked.

    >>> rough = np.array([0.1, 0.9, 0.5], dtype=np.float32), 1e-6
    >>> decide_cells(np.ones(3, dtype=bool), rough, rough, (0.0, 1.0), (0.0, 1.0), 2)
    (array([[1, 0],
           [0, 1]]), array([2]))
    """
    counts = np.zeros((bins, bins), dtype=np.int64)
    doubtful = np.empty(parent.size, dtype=np.int64)
    (left, right), (bottom, top) = x_range, y_range
    lows, steps = (float(left), float(bottom)), (bins / (float(right) - left), bins / (float(top) - bottom))
    asked = _cells(parent, x[0], y[0], (float(x[1]), float(y[1])), lows, steps, counts, doubtful)
    return counts, doubtful[:asked].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _places(
    values: NDArray[np.floating],
    bound: float,
    low: float,
    step: float,
    last: float,
    rooms: tuple[NDArray[np.int32], NDArray[np.int32]],
) -> None:
    """Put the number of the cell that each value lies in, and that of the last cell that it may lie in.

    last: the number of the last cell. What is no number has two.
    """
    first_cells, last_cells = rooms
    slack, offset = (_SLACK, abs(low) * step) if bound > 0.0 else (0.0, 0.0)
    for i in range(values.size):
        place = (np.float64(values[i]) - low) * step
        reach = bound * step + slack * (abs(place) + offset)
        below, above = float(place - reach), float(place + reach)
        below, above = below if below > 0.0 else 0.0, above if above > 0.0 else 0.0
        below, above = below if below < last else last, above if above < last else last
        is_number = abs(place) < np.inf
        first_cells[i] = np.int32(below)
        last_cells[i] = np.int32(above) if is_number else np.int32(-1)


@njit(cache=True, nogil=True, error_model="numpy")
def _cells(
    parent: Mask,
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    bounds: tuple[float, float],
    lows: tuple[float, float],
    steps: tuple[float, float],
    counts: Ints,
    doubtful: Events,
) -> int:
    bins, asked = counts.shape[0], 0
    cells, last = counts.reshape(-1), counts.shape[0] - 1.0
    rooms = np.empty((4, _TILE), dtype=np.int32)
    columns, last_columns, rows, last_rows = rooms[0], rooms[1], rooms[2], rooms[3]
    for begin in range(0, parent.size, _TILE):
        members = parent[begin : begin + _TILE]
        _places(x[begin : begin + _TILE], bounds[0], lows[0], steps[0], last, (columns, last_columns))
        _places(y[begin : begin + _TILE], bounds[1], lows[1], steps[1], last, (rows, last_rows))
        for i in range(members.size):
            if not members[i]:
                continue
            if columns[i] == last_columns[i] and rows[i] == last_rows[i]:
                cells[np.uint32(rows[i]) * np.uint32(bins) + np.uint32(columns[i])] += 1
            else:
                doubtful[asked] = begin + i
                asked += 1
    return asked
