"""Membership of a polygon by coordinates that are known within a bound; see ``decide``."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from immunomon.arrays import Floats, Mask

__all__ = ["decide_polygon"]

Events = NDArray[np.int64]
Rough = tuple[NDArray[np.floating], float]
_TILE = 1024
# Twice what float64 arithmetic on a handful of numbers can lose, relative to the largest of them.
_SLACK = 1e-14
# For many events a grid is laid on the polygon first: in most cells all points lie on the same side of all edges.
_CELLS, _MANY_EVENTS = 128, 16_384
_OUTSIDE, _INSIDE, _AT_EDGE = 0, 1, 2
# Of the grid's extent: beyond what rounding may move a point to another cell, as long as the polygon is not larger than
# the grid by more than the other number.
_MARGIN, _LARGEST = 1e-9, 1e6


def decide_polygon(parent: Mask, x: Rough, y: Rough, vertices: Floats) -> tuple[Mask, Events]:
    """Return which of the parent's events lie inside a polygon (even-odd rule), and which must be asked exactly.

    If no edge comes as near to a point as the bounds, the exact point lies on the same side of every edge that it could
    cross on the way, so that the rule gives the same answer for both.

    >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> x = np.array([0.5, 1.0, 2.0]), 1e-6
    >>> decide_polygon(np.ones(3, dtype=bool), x, x, square)
    (array([ True, False, False]), array([1]))
    """
    inside = np.zeros(parent.size, dtype=np.bool_)
    doubtful = np.empty(parent.size, dtype=np.int64)
    corners = np.ascontiguousarray(vertices, dtype=np.float64)
    bounds = np.array([float(x[1]), float(y[1])])
    box = np.concatenate([corners.min(axis=0) - bounds, corners.max(axis=0) + bounds])
    grid, table = box, np.empty(0, dtype=np.uint8)
    if parent.size >= _MANY_EVENTS and np.isfinite(box).all():
        grid = _narrowed(box, x[0], y[0])
        extent, whole = grid[2:] - grid[:2], box[2:] - box[:2]
        if (extent > 0).all() and (whole <= _LARGEST * extent).all():
            table = _cell_table(corners, bounds, grid)
    count = _polygon(parent, x[0], y[0], bounds, (box, grid), corners, table, inside, doubtful)
    return inside, doubtful[:count].copy()


def _narrowed(box: Floats, x: NDArray[np.floating], y: NDArray[np.floating]) -> Floats:
    """Return the part of a box that holds all events in it; events that are no numbers narrow it nowhere."""
    with np.errstate(invalid="ignore"):
        lows, highs = (x.min(), y.min()), (x.max(), y.max())
    return np.concatenate([np.fmax(box[:2], lows), np.fmin(box[2:], highs)])


@njit(cache=True, nogil=True, error_model="numpy")
def _polygon(
    parent: Mask,
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    bounds: Floats,
    boxes: tuple[Floats, Floats],
    corners: Floats,
    table: NDArray[np.uint8],
    inside: Mask,
    doubtful: Events,
) -> int:
    box, grid = boxes
    left, bottom, right, top = box[0], box[1], box[2], box[3]
    undecided = np.empty(_TILE, dtype=np.int64)
    px, py = np.zeros(_TILE, dtype=np.float64), np.zeros(_TILE, dtype=np.float64)
    flags = np.empty((3, _TILE), dtype=np.bool_)
    odd, near, keep = flags[0], flags[1], flags[2]
    cells = np.empty(_TILE, dtype=np.int32)
    count = 0
    for begin in range(0, parent.size, _TILE):
        held = 0
        end = min(begin + _TILE, parent.size)
        columns, lines, members, result = x[begin:end], y[begin:end], parent[begin:end], inside[begin:end]
        if table.size:
            _find_cells(columns, lines, grid, cells)
            for i in range(members.size):
                state = table[np.uint32(cells[i])] * np.uint8(members[i])  # unsigned: no index counts from the end
                result[i] = state == _INSIDE
                undecided[held] = i
                held += state == _AT_EDGE
        else:
            for i in range(members.size):
                across, up = np.float64(columns[i]), np.float64(lines[i])
                # What is not a number is not out of the box either: it must be asked.
                keep[i] = members[i] & (not ((across < left) | (across > right) | (up < bottom) | (up > top)))
            for i in range(members.size):
                undecided[held] = i
                held += keep[i]
        if held == 0:
            continue
        for e in range(held):
            px[e], py[e] = columns[undecided[e]], lines[undecided[e]]
        for e in range(held):
            odd[e] = near[e] = False
        ax, ay = corners[-1, 0], corners[-1, 1]
        for j in range(corners.shape[0]):
            bx, by = corners[j, 0], corners[j, 1]
            ex, ey = bx - ax, by - ay
            slack = _SLACK * (abs(ex) * (top - bottom) + abs(ey) * (right - left))
            reach = bounds[0] * abs(ey) + bounds[1] * abs(ex) + slack
            rising = by > ay
            for e in range(held):
                cross = ex * (py[e] - ay) - ey * (px[e] - ax)
                odd[e] ^= ((ay > py[e]) != (by > py[e])) & ((cross > 0.0) == rising)
                # Near the edge's line is enough: the few beyond its ends are asked for nothing.
                near[e] |= not (abs(cross) > reach)
            ax, ay = bx, by
        unsure = False
        for e in range(held):
            result[undecided[e]] = odd[e] & (not near[e])
            unsure |= near[e]
        if unsure:
            for e in range(held):
                doubtful[count] = begin + undecided[e]
                count += near[e]
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _find_cells(x: NDArray[np.floating], y: NDArray[np.floating], grid: Floats, cells: NDArray[np.int32]) -> None:
    """Put the place in the table of each point's cell: the first of what lies beyond, the last of no numbers."""
    left, bottom, right, top = grid[0], grid[1], grid[2], grid[3]
    per_x, per_y = _CELLS / (right - left), _CELLS / (top - bottom)
    last = _CELLS - 1.0
    lost = 0
    for i in range(x.size):
        across, up = np.float64(x[i]), np.float64(y[i])
        column, row = (across - left) * per_x, (up - bottom) * per_y
        column, row = column if column > 0.0 else 0.0, row if row > 0.0 else 0.0
        column, row = column if column < last else last, row if row < last else last
        is_beyond = (across < left) | (across > right) | (up < bottom) | (up > top)
        cells[i] = 0 if is_beyond else np.int32(row) * np.int32(_CELLS) + np.int32(column) + np.int32(1)
        lost += not ((across == across) & (up == up))
    for i in range(x.size if lost else 0):
        if not (x[i] == x[i] and y[i] == y[i]):
            cells[i] = _CELLS * _CELLS + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _cell_table(corners: Floats, bounds: Floats, box: Floats) -> NDArray[np.uint8]:
    """Return of each cell whether its points, and all within the bounds of them, lie inside, outside, or at an edge.

    Before the cells, row by row, stands what lies beyond the grid, and after them what must be asked in any case.
    """
    left, bottom, right, top = box[0], box[1], box[2], box[3]
    width, height = (right - left) / _CELLS, (top - bottom) / _CELLS
    reach_x, reach_y = bounds[0] + _MARGIN * (right - left), bounds[1] + _MARGIN * (top - bottom)
    places = np.zeros(_CELLS * _CELLS + 2, dtype=np.uint8)
    places[-1] = _AT_EDGE
    table = places[1:-1].reshape(_CELLS, _CELLS)
    ax, ay = corners[-1, 0], corners[-1, 1]
    for j in range(corners.shape[0]):
        bx, by = corners[j, 0], corners[j, 1]
        first = min(max(int((min(ay, by) - reach_y - bottom) / height), 0), _CELLS - 1)
        last = min(max(int((max(ay, by) + reach_y - bottom) / height), 0), _CELLS - 1)
        for row in range(first, last + 1):
            begin, end = 0.0, 1.0  # the stretch of the edge that comes near this row
            if abs(by - ay) > reach_y:
                one = (bottom + row * height - reach_y - ay) / (by - ay)
                other = (bottom + (row + 1) * height + reach_y - ay) / (by - ay)
                begin, end = max(min(one, other), 0.0), min(max(one, other), 1.0)
            here, there = ax + begin * (bx - ax), ax + end * (bx - ax)
            start = min(max(int((min(here, there) - reach_x - left) / width), 0), _CELLS - 1)
            stop = min(max(int((max(here, there) + reach_x - left) / width), 0), _CELLS - 1)
            if begin <= end:
                table[row, start : stop + 1] = _AT_EDGE
        ax, ay = bx, by
    for row in range(_CELLS):
        state = _AT_EDGE
        for column in range(_CELLS):
            if table[row, column] != _AT_EDGE and state == _AT_EDGE:
                state = _parity(corners, left + (column + 0.5) * width, bottom + (row + 0.5) * height)
            state = _AT_EDGE if table[row, column] == _AT_EDGE else state
            table[row, column] = state
    return places


@njit(cache=True, nogil=True, error_model="numpy")
def _parity(corners: Floats, x: float, y: float) -> int:
    """Return whether a point that lies at no edge is inside, by the even-odd rule."""
    odd = False
    ax, ay = corners[-1, 0], corners[-1, 1]
    for j in range(corners.shape[0]):
        bx, by = corners[j, 0], corners[j, 1]
        cross = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
        odd ^= ((ay > y) != (by > y)) & ((cross > 0.0) == (by > ay))
        ax, ay = bx, by
    return _INSIDE if odd else _OUTSIDE
