"""The rounds of ``mixture_rounds``, compiled: the same to the last bit, for all cells one tile after the other.

Apart from them because few files are fitted without the compiler, which takes longer to load than they do.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from immunomon.arrays import Floats, Ints
from immunomon.cytometry.kernels.mixture_rounds import BACKGROUND, LN2_HIGH, LN2_LOW, LOG2_E, LOWEST, ONE, ROUND, TILE

__all__ = ["cloud_rounds"]


@njit(cache=True, nogil=True, error_model="numpy")
def _exponentials(exponents: Floats, rounded: Floats, bits: Ints) -> None:
    """Put the exponentials of numbers up to 0 in their places; rounded, bits: one buffer, seen as either kind."""
    for i in range(exponents.size):
        value = min(max(exponents[i], LOWEST), 0.0)
        rounded[i] = value * LOG2_E + ROUND
        twos = rounded[i] - ROUND
        exponents[i] = (value - twos * LN2_HIGH) - twos * LN2_LOW
    for i in range(exponents.size):
        bits[i] = (bits[i] << 52) + ONE
    for i in range(exponents.size):
        r = exponents[i]
        series = 1.0 + r * (1.0 / 13)
        series = 1.0 + r * (1.0 / 12) * series
        series = 1.0 + r * (1.0 / 11) * series
        series = 1.0 + r * (1.0 / 10) * series
        series = 1.0 + r * (1.0 / 9) * series
        series = 1.0 + r * (1.0 / 8) * series
        series = 1.0 + r * (1.0 / 7) * series
        series = 1.0 + r * (1.0 / 6) * series
        series = 1.0 + r * (1.0 / 5) * series
        series = 1.0 + r * (1.0 / 4) * series
        series = 1.0 + r * (1.0 / 3) * series
        series = 1.0 + r * (1.0 / 2) * series
        exponents[i] = (1.0 + r * series) * rounded[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _forms(weights: Floats, centers: Floats, covariances: Floats, forms: Floats) -> None:
    """Put each cloud's log density, a quadratic form about its center, and its height into a row of ``forms``."""
    for k in range(weights.size):
        xx, xy, yy = covariances[k, 0, 0], covariances[k, 0, 1], covariances[k, 1, 1]
        determinant = xx * yy - xy * xy
        forms[k, 0], forms[k, 1] = centers[k, 0], centers[k, 1]
        forms[k, 2], forms[k, 3], forms[k, 4] = -0.5 * yy / determinant, xy / determinant, -0.5 * xx / determinant
        forms[k, 5] = weights[k] / (2 * np.pi * np.sqrt(determinant))


@njit(cache=True, nogil=True, error_model="numpy")
def _gather(
    x: Floats, y: Floats, counts: Floats, forms: Floats, background: float, rooms: tuple[Floats, Ints], sums: Floats
) -> None:
    """Add to each cloud's sums, (clouds, 6), what the cells of one tile hold of it, and their moments about it."""
    (room, bits), clouds, size = rooms, forms.shape[0], x.size
    total = room[clouds + 1]
    total[:size] = background
    for k in range(clouds):
        density, form = room[k], forms[k]
        for i in range(size):
            dx, dy = x[i] - form[0], y[i] - form[1]
            density[i] = form[2] * dx * dx + form[3] * dx * dy + form[4] * dy * dy
        _exponentials(density[:size], room[clouds, :size], bits[clouds, :size])
        for i in range(size):
            density[i] *= form[5]
            total[i] += density[i]
    for i in range(size):
        total[i] = counts[i] / total[i]
    for k in range(clouds):
        density, form = room[k], forms[k]
        held = across = up = xx = xy = yy = 0.0
        for i in range(size):
            share, dx, dy = density[i] * total[i], x[i] - form[0], y[i] - form[1]
            held += share
            across += share * dx
            up += share * dy
            xx += share * dx * dx
            xy += share * dx * dy
            yy += share * dy * dy
        sums[k, 0] += held
        sums[k, 1] += across
        sums[k, 2] += up
        sums[k, 3] += xx
        sums[k, 4] += xy
        sums[k, 5] += yy


@njit(cache=True, nogil=True, error_model="numpy")
def _moved(
    sums: Floats, total: float, narrowest: float, weights: Floats, centers: Floats, covariances: Floats
) -> tuple[float, float]:
    """Put the clouds where the sums have them; returns the background, and how far the farthest center moved."""
    farthest = all_held = 0.0
    for k in range(weights.size):
        held = max(sums[k, 0], 1e-9)
        dx, dy = sums[k, 1] / held, sums[k, 2] / held
        centers[k, 0] += dx
        centers[k, 1] += dy
        covariances[k, 0, 0] = sums[k, 3] / held - dx * dx + narrowest
        covariances[k, 0, 1] = covariances[k, 1, 0] = sums[k, 4] / held - dx * dy
        covariances[k, 1, 1] = sums[k, 5] / held - dy * dy + narrowest
        weights[k] = held / total
        all_held += held
        farthest = max(farthest, abs(dx), abs(dy))
    return max(1 - all_held / total, 1e-6), farthest


@njit(cache=True, nogil=True, error_model="numpy")
def _rounds(
    x: Floats,
    y: Floats,
    counts: Floats,
    clouds: tuple[Floats, Floats, Floats],
    limits: tuple[float, float, int],
    rooms: tuple[Floats, Ints],
) -> float:
    weights, centers, covariances = clouds
    narrowest, still, iterations = limits
    background = BACKGROUND
    forms, sums, total = np.empty((weights.size, 6)), np.empty((weights.size, 6)), counts.sum()
    for _ in range(iterations):
        _forms(weights, centers, covariances, forms)
        sums[:] = 0.0
        for begin in range(0, x.size, TILE):
            end = begin + TILE
            _gather(x[begin:end], y[begin:end], counts[begin:end], forms, background, rooms, sums)
        background, farthest = _moved(sums, total, narrowest, weights, centers, covariances)
        if farthest < still:
            break
    return background


def cloud_rounds(
    x: Floats, y: Floats, counts: Floats, clouds: tuple[Floats, Floats, Floats], *, limits: tuple[float, float, int]
) -> float:
    """Move the clouds of some cells as ``mixture_rounds.rounds_of`` does, and return the background's weight.

    >>> clouds = np.array([0.9]), np.zeros((1, 2)), np.eye(2)[None]
    >>> x, y = np.random.default_rng(1).normal(0.3, 0.1, (2, 1000))
    >>> cloud_rounds(x, y, np.ones(1000), clouds, limits=(0.0, 1e-4, 50)) < 0.1, clouds[1].round(1).tolist()
    (True, [[0.3, 0.3]])
    """
    room = np.empty((clouds[0].size + 2, TILE))
    return float(_rounds(x, y, counts, clouds, limits, (room, room.view(np.int64))))
