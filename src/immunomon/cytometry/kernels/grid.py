"""Points counted on a grid, smoothed, and where the grid's peaks are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.density import gaussian_kernel
from immunomon.cytometry.kernels.histogram import histogram2d
from immunomon.cytometry.kernels.selection import quantiles_at

__all__ = ["Grid", "grid_of", "peaks_of", "smoothed"]


@dataclass(frozen=True, eq=False)
class Grid:
    """Counts of points in equal cells: counts (rows along y, columns along x), and the centres of the cells."""

    counts: Floats
    x: Floats
    y: Floats

    @property
    def steps(self) -> tuple[float, float]:
        """The size of a cell along x and along y."""
        return float(self.x[1] - self.x[0]), float(self.y[1] - self.y[0])

    def occupied(self) -> tuple[Floats, Floats]:
        """Return the centres (cells, 2) and the counts (cells,) of the cells that hold anything."""
        rows, columns = np.nonzero(self.counts)
        return np.column_stack([self.x[columns], self.y[rows]]), self.counts[rows, columns]


def grid_of(
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    bins: int = 96,
    margin: float = 0.0005,
    *,
    reach: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None,
) -> Grid:
    """Return points on a grid over all but the outermost; the outermost share of each side is left out.

    x, y: (events,), finite. reach: the x and y of some of many events, enough to say where the outermost begin. Raises
    ValueError for points without any extent on an axis.

    >>> grid = grid_of(np.arange(100.0), np.arange(100.0), bins=10, margin=0.0)
    >>> grid.counts.shape, int(np.trace(grid.counts))
    ((10, 10), 99)
    """
    limits = []
    for values in reach or (x, y):
        low, high = quantiles_at(values, (margin, 1 - margin))
        if not low < high:
            raise ValueError("the points have no extent on one of the axes")
        limits.append((low, high))
    (left, right), (bottom, top) = limits
    inside = (x >= left) & (x < right) & (y >= bottom) & (y < top)
    counts = histogram2d(x[inside], y[inside], limits[0], limits[1], bins).astype(np.float64)
    centers = (np.arange(bins) + 0.5) / bins
    return Grid(counts, left + centers * (right - left), bottom + centers * (top - bottom))


def smoothed(counts: Floats, bandwidth: float) -> Floats:
    """Return a grid smoothed by a round Gaussian; bandwidth in cells.

    >>> grid = np.pad(np.ones((2, 2)), 9)
    >>> bool(abs(smoothed(grid, 1.0).sum() - 4) < 0.01)
    True
    """
    kernel = gaussian_kernel(bandwidth, longest=min(counts.shape))
    reach = kernel.size // 2
    out = np.asarray(counts, dtype=np.float64)
    for axis in (0, 1):
        held = out.shape[axis]
        size = 1 << (held + kernel.size - 2).bit_length()
        response = np.fft.rfft(kernel, size)
        shaped = response[:, None] if axis == 0 else response[None, :]
        whole = np.fft.irfft(np.fft.rfft(out, size, axis=axis) * shaped, size, axis=axis)
        out = np.take(whole, np.arange(reach, reach + held), axis=axis)
    return np.maximum(out, 0.0)


def peaks_of(density: Floats, *, least: float, apart: int) -> list[tuple[int, int]]:
    """Return the cells (row, column) of the peaks of a smoothed grid, the highest first.

    least: the lowest peak that counts, as a share of the highest; apart: how many cells lie between two at least.

    >>> grid = np.zeros((20, 20))
    >>> grid[4, 4], grid[15, 10] = 10.0, 5.0
    >>> peaks_of(smoothed(grid, 1.0), least=0.1, apart=3)
    [(4, 4), (15, 10)]
    """
    padded = np.pad(density, 1, constant_values=-np.inf)
    rows, columns = density.shape
    top = density > least * density.max(initial=0.0)
    for down in (0, 1, 2):
        for right in (0, 1, 2):
            if (down, right) != (1, 1):
                top &= density >= padded[down : down + rows, right : right + columns]
    rows_at, columns_at = np.nonzero(top)
    peaks: list[tuple[int, int]] = []
    for index in np.argsort(-density[rows_at, columns_at], kind="stable"):
        row, column = int(rows_at[index]), int(columns_at[index])
        if all(max(abs(row - r), abs(column - c)) > apart for r, c in peaks):
            peaks.append((row, column))
    return peaks
