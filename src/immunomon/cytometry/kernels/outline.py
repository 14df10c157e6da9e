"""The outline of a region of a grid, as a polygon."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["connected", "level_of_mass", "outline_of", "thinned"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


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
