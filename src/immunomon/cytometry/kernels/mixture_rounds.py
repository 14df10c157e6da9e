"""The rounds of expectation and maximisation that fit normal clouds, compiled: all cells, one tile after the other."""

from __future__ import annotations

import numpy as np
from numba import njit

from immunomon.arrays import Floats, Ints

__all__ = ["cloud_rounds"]

_TILE = 256  # cells: what is between stays in the processor's cache
_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # ln 2 in two parts
_ROUND = 6755399441055744.0  # 1.5 x 2^52: a number added to it is rounded, and stands in its lowest bits
_LOWEST = -700.0  # exponents below it make no number that counts
_ONE = 1023 << 52  # the bits of 1.0, but for the fraction


@njit(cache=True, nogil=True, error_model="numpy")
def _exponentials(exponents: Floats, rounded: Floats, bits: Ints) -> None:
    """Put the exponentials of numbers up to 0 in their places; rounded, bits: one buffer, seen as either kind.

    By the Taylor series of exp(r), |r| <= ln 2 / 2, to the 13th power, times a power of two: no branch and no table,
    so that the processor takes several at once, and each processor the same.
    """
    for i in range(exponents.size):
        value = min(max(exponents[i], _LOWEST), 0.0)
        rounded[i] = value * _LOG2_E + _ROUND
        twos = rounded[i] - _ROUND
        exponents[i] = (value - twos * _LN2_HIGH) - twos * _LN2_LOW
    for i in range(exponents.size):
        bits[i] = (bits[i] << 52) + _ONE
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
    background: float,
    limits: tuple[float, float, int],
    rooms: tuple[Floats, Ints],
) -> float:
    weights, centers, covariances = clouds
    narrowest, still, iterations = limits
    forms, sums, total = np.empty((weights.size, 6)), np.empty((weights.size, 6)), counts.sum()
    for _ in range(iterations):
        _forms(weights, centers, covariances, forms)
        sums[:] = 0.0
        for begin in range(0, x.size, _TILE):
            end = begin + _TILE
            _gather(x[begin:end], y[begin:end], counts[begin:end], forms, background, rooms, sums)
        background, farthest = _moved(sums, total, narrowest, weights, centers, covariances)
        if farthest < still:
            break
    return background


def cloud_rounds(
    points: Floats,
    counts: Floats,
    clouds: tuple[Floats, Floats, Floats],
    *,
    background: float,
    narrowest: float,
    still: float,
    iterations: int,
) -> float:
    """Move normal clouds until they lie still, in place, and return the background's weight; its density is 1.

    points: (cells, 2); counts: (cells,); clouds: their weights (clouds,), centers (clouds, 2) and covariances
    (clouds, 2, 2), C-contiguous; narrowest: added to the variances; still: how far a center may move in the last round.

    >>> clouds = np.array([0.9]), np.zeros((1, 2)), np.eye(2)[None]
    >>> points = np.random.default_rng(1).normal(0.3, 0.1, (1000, 2))
    >>> left = cloud_rounds(points, np.ones(1000), clouds, background=0.1, narrowest=0.0, still=1e-4, iterations=50)
    >>> clouds[1].round(1).tolist(), left < 0.1
    ([[0.3, 0.3]], True)
    """
    room = np.empty((clouds[0].size + 2, _TILE))
    x, y = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
    held = np.ascontiguousarray(counts, dtype=np.float64)
    return float(_rounds(x, y, held, clouds, background, (narrowest, still, iterations), (room, room.view(np.int64))))
