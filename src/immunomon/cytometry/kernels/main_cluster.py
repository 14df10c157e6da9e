"""The main cluster in forward and side scatter: intact cells or beads, without debris, clumps and margin events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["cluster_map", "in_cluster", "main_cluster"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_CELLS = 64
_WIDTH = 2.5  # of the smoothing, in cells
_LEAST_DENSITY = 0.15  # of the mode's
_DEBRIS = 0.3  # a mode this far below the large events' forward scatter is debris


def main_cluster(scatter: NDArray[np.floating]) -> Mask:
    """Return which events lie in the densest cluster of scatter that is not debris.

    scatter: (events, 2), forward and side, linear. All events but those at the edges if there are too few to tell.

    >>> rng = np.random.default_rng(1)
    >>> cells, debris = rng.normal([60000, 30000], 3000, (900, 2)), rng.normal([6000, 4000], 2000, (600, 2))
    >>> found = main_cluster(np.concatenate([cells, debris]))
    >>> bool(found[:900].mean() > 0.75), bool(found[900:].any())
    (True, False)
    """
    return in_cluster(scatter, cluster_map(scatter))


def cluster_map(scatter: NDArray[np.floating]) -> tuple[Mask, Floats, Floats]:
    """Return the cells of the cluster, (64, 64), with the edges of the grid: forward scatter, log10 of side scatter."""
    points = _places(scatter)
    inside = points[_within_range(scatter)]
    everywhere = np.ones((_CELLS, _CELLS), dtype=np.bool_)
    if inside.shape[0] < 200 or not (np.ptp(inside, axis=0) > 0).all():
        return everywhere, np.array([-np.inf, np.inf]), np.array([-np.inf, np.inf])
    low, high = np.quantile(inside, [0.002, 0.998], axis=0)
    x_edges, y_edges = (np.linspace(low[axis], high[axis] + 1e-9, _CELLS + 1) for axis in (0, 1))
    counts, _, _ = np.histogram2d(inside[:, 0], inside[:, 1], bins=[x_edges, y_edges])
    density = _smoothed(counts)
    centres = (x_edges[1:] + x_edges[:-1]) / 2
    large = np.quantile(inside[:, 0], 0.9)
    density[centres < _DEBRIS * large] = 0.0
    return _connected(density), x_edges, y_edges


def in_cluster(scatter: NDArray[np.floating], cluster: tuple[Mask, Floats, Floats]) -> Mask:
    """Return which events lie in a cluster, which may be another tube's."""
    cells, x_edges, y_edges = cluster
    good = _within_range(scatter)
    if x_edges.size == 2:
        return good
    points = _places(scatter)
    column, row = np.searchsorted(x_edges, points[:, 0]) - 1, np.searchsorted(y_edges, points[:, 1]) - 1
    good &= (column >= 0) & (column < _CELLS) & (row >= 0) & (row < _CELLS)
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


def _connected(density: Floats) -> Mask:
    """Return the cells that hang together with the mode and are dense enough."""
    dense = density >= _LEAST_DENSITY * density.max()
    cluster = np.zeros_like(dense)
    cluster[np.unravel_index(int(density.argmax()), density.shape)] = True
    while True:
        grown = cluster.copy()
        grown[1:] |= cluster[:-1]
        grown[:-1] |= cluster[1:]
        grown[:, 1:] |= cluster[:, :-1]
        grown[:, :-1] |= cluster[:, 1:]
        grown &= dense
        if np.array_equal(grown, cluster):
            return np.asarray(cluster)
        cluster = grown
