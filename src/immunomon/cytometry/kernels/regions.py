"""Regions of a plane: a density's levels and their outline, polygons cut to a box, the main scatter cluster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Mask

__all__ = [
    "clip_to_box",
    "cluster_map",
    "connected",
    "in_cluster",
    "level_of_mass",
    "outline_of",
    "thinned",
]


def level_of_mass(density: Floats, mass: float) -> float:
    """Return the level above which the grid holds a share of its mass (Hyndman 1996, Am Stat 50:120).

    >>> level_of_mass(np.array([[4.0, 3.0], [2.0, 1.0]]), 0.7)
    3.0
    """
    ordered = np.sort(density, axis=None)[::-1]
    held = np.cumsum(ordered)
    return float(ordered[min(int(np.searchsorted(held, mass * held[-1])), ordered.size - 1)])


def connected(region: Mask, start: tuple[int, int]) -> Mask:
    """Return the part of a region that hangs together with a place (row, column), side by side.

    >>> connected(np.array([[True, False, True]]), (0, 0)).tolist()
    [[True, False, False]]
    """
    part = np.zeros_like(region)
    part[start] = region[start]
    while True:
        grown = part.copy()
        grown[1:] |= part[:-1]
        grown[:-1] |= part[1:]
        grown[:, 1:] |= part[:, :-1]
        grown[:, :-1] |= part[:, 1:]
        grown &= region
        if (grown == part).all():
            return part
        part = grown


def outline_of(region: Mask) -> list[tuple[float, float]]:
    """Return the outer border of a region that hangs together: corners (column, row) in cells, holes left out.

    The border runs halfway between the centres of cells inside and outside. Empty if the region is.

    >>> outline_of(np.array([[True]]))
    [(-0.5, 0.0), (0.0, 0.5), (0.5, 0.0), (0.0, -0.5)]
    """
    if not region.any():
        return []
    padded = np.pad(region, 1)
    row, column = (int(places[0]) for places in np.nonzero(padded))
    # Walk with the region on one's right hand: (row, column) is inside, the next cell looked at goes round it.
    around = ((0, -1), (1, 0), (0, 1), (-1, 0))
    start, side = (row, column), 0
    border: list[tuple[float, float]] = []
    first = (start, side)
    cell = start
    while True:
        down, right = around[side]
        beyond = (cell[0] + down, cell[1] + right)
        if not padded[beyond]:
            border.append((cell[1] + right / 2 - 1, cell[0] + down / 2 - 1))
            side = (side + 1) % 4
        else:
            cell, side = beyond, (side + 3) % 4
        if (cell, side) == first:
            return border


def thinned(corners: list[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """Return at most so many of a polygon's corners: those whose loss would change its area least go first.

    Visvalingam & Whyatt 1993, Cartogr J 30:46.

    >>> thinned([(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)], 4)
    [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]
    """
    kept = [np.array(corner, dtype=np.float64) for corner in corners]
    while len(kept) > most:
        points = np.array(kept)
        before, after = np.roll(points, 1, axis=0) - points, np.roll(points, -1, axis=0) - points
        area = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
        del kept[int(area.argmin())]
    return [(float(x), float(y)) for x, y in kept]


# Polygons cut to size.


def clip_to_box(corners: Floats, box: Floats) -> Floats:
    """Return the part of a polygon inside a box, (corners, 2); sides of the box may be infinite.

    corners: (corners, 2); box: (2, 2), lowest and highest value of each axis. Edges along the box may lie on each other
    where a polygon that is not convex falls apart. Sutherland & Hodgman, Commun ACM 1974;17:32.

    >>> clip_to_box(np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]]), np.array([[-1.0, 9.0], [-1.0, 2.0]])).tolist()
    [[0.0, 2.0], [0.0, 0.0], [4.0, 0.0], [2.0, 2.0]]
    """
    clipped = np.asarray(corners, dtype=np.float64)
    for axis in (0, 1):
        for limit, sign in ((box[axis, 0], 1.0), (box[axis, 1], -1.0)):
            if np.isfinite(limit) and len(clipped):
                clipped = _cut(clipped, axis, limit=float(limit), sign=sign)
    return clipped


def _cut(corners: Floats, axis: int, *, limit: float, sign: float) -> Floats:
    kept = []
    before = corners[-1]
    for corner in corners:
        height, last = sign * (corner[axis] - limit), sign * (before[axis] - limit)
        if (height >= 0) != (last >= 0):
            crossing = before + (corner - before) * (last / (last - height))
            crossing[axis] = limit
            kept.append(crossing)
        if height >= 0:
            kept.append(corner)
        before = corner
    return np.array(kept, dtype=np.float64).reshape(-1, 2)


# The main cluster in forward and side scatter: intact cells or beads, without debris, clumps and margin events.

_GRID = 64
_WIDTH = 2.5  # of the smoothing, in cells
_LEAST_DENSITY = 0.15  # of the mode's
_DEBRIS = 0.3  # a mode this far below the large events' forward scatter is debris


def cluster_map(scatter: NDArray[np.floating]) -> tuple[Mask, Floats, Floats]:
    """Return the cells of the cluster, (64, 64), with the edges of the grid: forward scatter, log10 of side scatter."""
    points = _places(scatter)
    inside = points[_within_range(scatter)]
    everywhere = np.ones((_GRID, _GRID), dtype=np.bool_)
    if inside.shape[0] < 200 or not (np.ptp(inside, axis=0) > 0).all():
        return everywhere, np.array([-np.inf, np.inf]), np.array([-np.inf, np.inf])
    low, high = np.quantile(inside, [0.002, 0.998], axis=0)
    x_edges, y_edges = (np.linspace(low[axis], high[axis] + 1e-9, _GRID + 1) for axis in (0, 1))
    counts, _, _ = np.histogram2d(inside[:, 0], inside[:, 1], bins=[x_edges, y_edges])
    density = _smoothed(counts)
    centres = (x_edges[1:] + x_edges[:-1]) / 2
    large = np.quantile(inside[:, 0], 0.9)
    density[centres < _DEBRIS * large] = 0.0
    dense = np.asarray(density >= _LEAST_DENSITY * density.max())
    row, column = np.unravel_index(int(density.argmax()), density.shape)
    return connected(dense, (int(row), int(column))), x_edges, y_edges


def in_cluster(scatter: NDArray[np.floating], cluster: tuple[Mask, Floats, Floats]) -> Mask:
    """Return which events lie in a cluster, which may be another tube's."""
    cells, x_edges, y_edges = cluster
    good = _within_range(scatter)
    if x_edges.size == 2:
        return good
    points = _places(scatter)
    column, row = np.searchsorted(x_edges, points[:, 0]) - 1, np.searchsorted(y_edges, points[:, 1]) - 1
    good &= (column >= 0) & (column < _GRID) & (row >= 0) & (row < _GRID)
    good[good] = cells[column[good], row[good]]
    return good


def _places(scatter: NDArray[np.floating]) -> Floats:
    values = np.asarray(scatter, dtype=np.float64)
    return np.stack([values[:, 0], np.log10(np.maximum(values[:, 1], 1.0))], axis=1)


def _within_range(scatter: NDArray[np.floating]) -> Mask:
    values = np.asarray(scatter, dtype=np.float64)
    good: Mask = np.asarray(np.isfinite(values).all(axis=1))
    if not good.any():
        return np.zeros(values.shape[0], dtype=np.bool_)
    top = values[good].max(axis=0)
    return np.asarray(good & (values < top).all(axis=1) & (values > 0).all(axis=1))


def _smoothed(counts: Floats) -> Floats:
    reach = np.arange(-8, 9)
    kernel = np.exp(-0.5 * (reach / _WIDTH) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        counts = np.apply_along_axis(np.convolve, axis, counts, kernel, "same")
    return counts
