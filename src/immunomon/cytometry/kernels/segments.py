"""Where a series of several channels changes its level: exact partition into stretches of one level each."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["level_changes", "noise_of", "penalty_of", "whitened"]

Floats = NDArray[np.float64]


@njit(cache=True, nogil=True)
def _partition(sums: Floats, penalty: float, shortest: int) -> NDArray[np.int64]:
    bins, channels = sums.shape[0] - 1, sums.shape[1]
    best = np.full(bins + 1, np.inf)
    best[0] = -penalty
    came_from = np.zeros(bins + 1, dtype=np.int64)
    for stop in range(shortest, bins + 1):
        for start in range(stop - shortest + 1):
            if best[start] == np.inf:
                continue
            explained = 0.0
            for channel in range(channels):
                total = sums[stop, channel] - sums[start, channel]
                explained += total * total
            cost = best[start] + penalty - explained / (stop - start)
            if cost < best[stop]:
                best[stop] = cost
                came_from[stop] = start
    return came_from


def level_changes(series: Floats, penalty: float, *, shortest: int = 2) -> NDArray[np.int64]:
    """Return the edges of the stretches that a series falls into, first 0 and last its length.

    series: (bins, channels), each channel with noise of variance 1 and none shared between channels; penalty: what a
    further change must save in squared error; shortest: bins in the shortest stretch. Optimal partitioning of Jackson
    et al. 2005 (IEEE Signal Process Lett 12:105): the best of all partitions, in time that grows with bins squared.

    >>> level_changes(np.array([[0.0], [0.1], [0.0], [9.0], [9.1], [9.0]]), 10.0).tolist()
    [0, 3, 6]
    """
    bins = series.shape[0]
    if bins < 2 * shortest:
        return np.array([0, bins], dtype=np.int64)
    sums = np.zeros((bins + 1, series.shape[1]))
    np.cumsum(series - series.mean(axis=0), axis=0, out=sums[1:])
    came_from = _partition(sums, float(penalty), shortest)
    edges = [bins]
    while edges[-1] > 0:
        edges.append(int(came_from[edges[-1]]))
    return np.array(edges[::-1], dtype=np.int64)


def penalty_of(bins: int, channels: int) -> float:
    """Return the penalty by which pure noise is cut in about one series of a hundred.

    A change that is none saves a chi-squared variable; its bound is that of Laurent & Massart 2000 (Ann Stat 28:1302).

    >>> penalty_of(400, 11) > penalty_of(100, 11) > penalty_of(100, 1)
    True
    """
    rare = float(np.log(100.0 * max(bins, 1)))
    return channels + 2 * float(np.sqrt(channels * rare)) + 2 * rare


def noise_of(series: Floats) -> Floats:
    """Return the covariance, (channels, channels), of a series' noise, from how neighbouring bins differ.

    A change of level counts once among all neighbours, and is clipped at four deviations: what changes slowly or
    seldom is not taken for noise. Of few bins the covariances are shrunk, so that channels may outnumber bins.

    >>> rng = np.random.default_rng(0)
    >>> steps = rng.normal(size=(4000, 1)) + np.repeat([0.0, 50.0], 2000)[:, None]
    >>> bool(abs(noise_of(steps)[0, 0] - 1) < 0.1)
    True
    """
    differences = np.diff(series, axis=0) / np.sqrt(2)
    spread = 1.4826 * np.median(np.abs(differences), axis=0)
    spread = np.where(spread > 0, spread, differences.std(axis=0))
    clipped = np.clip(differences, -4 * spread, 4 * spread)
    covariance = clipped.T @ clipped / max(len(differences), 1)
    kept = 1 - min(1.0, max(0.05, 2 * series.shape[1] / max(len(differences), 1)))
    return np.asarray(np.where(np.eye(len(covariance), dtype=bool), covariance, kept * covariance))


def whitened(series: Floats, noise: Floats) -> Floats:
    """Return the series with noise of variance 1 that its channels do not share; a channel without noise becomes 0.

    series: (bins, channels); noise: (channels, channels).

    >>> whitened(np.array([[2.0, 5.0]]), np.diag([4.0, 0.0])).tolist()
    [[1.0, 0.0]]
    """
    scale = np.sqrt(np.diag(noise))
    live = scale > 0
    out = np.zeros_like(series)
    if live.any():
        correlation = noise[np.ix_(live, live)] / np.outer(scale[live], scale[live])
        variances, directions = np.linalg.eigh(correlation)
        turned = (directions / np.sqrt(np.maximum(variances, 1e-6))) @ directions.T
        out[:, live] = series[:, live] / scale[live] @ turned
    return out
