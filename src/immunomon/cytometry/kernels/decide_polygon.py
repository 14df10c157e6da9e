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
# A polygon of many corners is laid on a grid first: in most cells all points lie on the same side of all edges.
_CELLS, _MANY_CORNERS, _MANY_EVENTS = 64, 8, 16_384
_OUTSIDE, _INSIDE, _AT_EDGE = 0, 1, 2
_MARGIN = 1e-9  # of the polygon's extent: beyond what rounding may move a point to another cell


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
    is_worth_it = corners.shape[0] >= _MANY_CORNERS and parent.size >= _MANY_EVENTS and np.isfinite(box).all()
    table = _cell_table(corners, bounds, box) if is_worth_it else np.empty((0, 0), dtype=np.uint8)
    count = _polygon(parent, x[0], y[0], bounds, box, corners, table, inside, doubtful)
    return inside, doubtful[:count].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _polygon(
    parent: Mask,
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    bounds: Floats,
    box: Floats,
    corners: Floats,
    table: NDArray[np.uint8],
    inside: Mask,
    doubtful: Events,
) -> int:
    left, bottom, right, top = box[0], box[1], box[2], box[3]
    per_x, per_y = table.shape[0] / (right - left), table.shape[0] / (top - bottom)
    undecided = np.empty(_TILE, dtype=np.int64)
    px, py = np.zeros(_TILE, dtype=np.float64), np.zeros(_TILE, dtype=np.float64)
    flags = np.empty((3, _TILE), dtype=np.bool_)
    odd, near, keep = flags[0], flags[1], flags[2]
    count = 0
    for begin in range(0, parent.size, _TILE):
        held = 0
        end = min(begin + _TILE, parent.size)
        columns, lines, members = x[begin:end], y[begin:end], parent[begin:end]
        any_kept = 0
        for i in range(members.size):
            across, up = np.float64(columns[i]), np.float64(lines[i])
            # What is not a number is not out of the box either: it must be asked.
            keep[i] = members[i] & (not ((across < left) | (across > right) | (up < bottom) | (up > top)))
            any_kept += keep[i]
        if any_kept == 0:
            continue
        if table.size:
            for i in range(members.size):
                if keep[i]:
                    state = _state(
                        table, (np.float64(columns[i]) - left) * per_x, (np.float64(lines[i]) - bottom) * per_y
                    )
                    inside[begin + i] = state == _INSIDE
                    keep[i] = state == _AT_EDGE
        for i in range(members.size):
            undecided[held], px[held], py[held] = begin + i, columns[i], lines[i]
            held += keep[i]
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
            inside[undecided[e]] = odd[e] & (not near[e])
            unsure |= near[e]
        if unsure:
            for e in range(held):
                doubtful[count] = undecided[e]
                count += near[e]
    return count


@njit(inline="always")
def _state(table: NDArray[np.uint8], column: float, row: float) -> int:
    if not (column >= 0.0 and row >= 0.0):
        return _AT_EDGE  # what is not a number must be asked
    last = table.shape[0] - 1
    return int(table[min(int(row), last), min(int(column), last)])


@njit(cache=True, nogil=True, error_model="numpy")
def _cell_table(corners: Floats, bounds: Floats, box: Floats) -> NDArray[np.uint8]:
    """Return of each cell whether its points, and all within the bounds of them, lie inside, outside, or at an edge."""
    left, bottom, right, top = box[0], box[1], box[2], box[3]
    width, height = (right - left) / _CELLS, (top - bottom) / _CELLS
    reach_x, reach_y = bounds[0] + _MARGIN * (right - left), bounds[1] + _MARGIN * (top - bottom)
    table = np.zeros((_CELLS, _CELLS), dtype=np.uint8)
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
    return table


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
