"""The rounds of expectation and maximisation that fit normal clouds on a level background."""

from __future__ import annotations

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.selection import is_compiled_at_hand

__all__ = ["BACKGROUND", "LN2_HIGH", "LN2_LOW", "LOG2_E", "LOWEST", "ONE", "ROUND", "TILE", "exponentials", "rounds_of"]

BACKGROUND = 0.05  # its weight to begin with
TILE = 256  # cells: what is between stays in the processor's cache
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # ln 2 in two parts
ROUND = 6755399441055744.0  # 1.5 x 2^52: a number added to it is rounded, and stands in its lowest bits
LOWEST = -700.0  # exponents below it make no number that counts
ONE = 1023 << 52  # the bits of 1.0, but for the fraction


def rounds_of(
    points: Floats, counts: Floats, clouds: tuple[Floats, Floats, Floats], *, limits: tuple[float, float, int]
) -> float:
    """Move normal clouds until they lie still, in place, and return the background's weight; its density is 1.

    points: (cells, 2); counts: (cells,); clouds: their weights (clouds,), centers (clouds, 2) and covariances
    (clouds, 2, 2), C-contiguous; limits: what is added to the variances, how far a center may move in the last round,
    and the number of rounds. By compiled code where it is loaded, to the last bit the same.

    >>> clouds = np.array([0.9]), np.zeros((1, 2)), np.eye(2)[None]
    >>> points = np.random.default_rng(1).normal(0.3, 0.1, (300, 2))
    >>> rounds_of(points, np.ones(300), clouds, limits=(0.0, 1e-4, 50)) < 0.1, clouds[1].round(1).tolist()
    (True, [[0.3, 0.3]])
    """
    x, y = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
    held = np.ascontiguousarray(counts, dtype=np.float64)
    if is_compiled_at_hand():
        from immunomon.cytometry.kernels.mixture_compiled import cloud_rounds

        return cloud_rounds(x, y, held, clouds, limits=limits)
    return _rounds(x, y, held, clouds, limits)


def exponentials(exponents: Floats) -> Floats:
    """Return the exponentials of numbers up to 0.

    By the Taylor series of exp(r), |r| <= ln 2 / 2, to the 13th power, times a power of two: no branch and no table,
    so that a processor may take several at once, and every processor finds the same.

    >>> exponentials(np.array([0.0, -1.0, -900.0])).round(6).tolist()
    [1.0, 0.367879, 0.0]
    """
    values = np.minimum(np.maximum(exponents, LOWEST), 0.0)
    rounded = values * LOG2_E + ROUND
    twos = rounded - ROUND
    rest = (values - twos * LN2_HIGH) - twos * LN2_LOW
    series = np.ones_like(rest)
    for power in range(13, 0, -1):
        series = 1.0 + rest * (1.0 / power) * series
    return np.asarray(series * ((rounded.view(np.int64) << 52) + ONE).view(np.float64))


def _rounds(
    x: Floats, y: Floats, counts: Floats, clouds: tuple[Floats, Floats, Floats], limits: tuple[float, float, int]
) -> float:
    (weights, centers, covariances), (narrowest, still, iterations) = clouds, limits
    total, background = float(counts.sum()), BACKGROUND
    for _ in range(iterations):
        sums = _sums(x, y, counts, clouds, background)
        held = np.maximum(sums[:, 0], 1e-9)
        shift = sums[:, 1:3] / held[:, None]
        centers += shift
        weights[:] = held / total
        for feature, (row, column) in enumerate(((0, 0), (0, 1), (1, 1))):
            about = sums[:, 3 + feature] / held - shift[:, row] * shift[:, column]
            covariances[:, row, column] = covariances[:, column, row] = about + narrowest * (row == column)
        background = max(1 - float(np.cumsum(held)[-1]) / total, 1e-6)
        if float(np.abs(shift).max()) < still:
            break
    return background


def _sums(x: Floats, y: Floats, counts: Floats, clouds: tuple[Floats, Floats, Floats], background: float) -> Floats:
    """Return what each cloud holds of the cells, and its moments about its center, (clouds, 6)."""
    weights, centers, covariances = clouds
    xx, xy, yy = covariances[:, 0, 0], covariances[:, 0, 1], covariances[:, 1, 1]
    determinants = xx * yy - xy * xy
    heights = weights / (2 * np.pi * np.sqrt(determinants))
    dx, dy = x - centers[:, :1], y - centers[:, 1:]
    forms = np.stack([-0.5 * yy / determinants, xy / determinants, -0.5 * xx / determinants])[:, :, None]
    densities = exponentials(forms[0] * dx * dx + forms[1] * dx * dy + forms[2] * dy * dy) * heights[:, None]
    total = np.full(x.size, background)
    for density in densities:
        total += density
    share = densities * (counts / total)
    across, up = share * dx, share * dy
    return np.stack([_in_turn(m) for m in (share, across, up, across * dx, across * dy, up * dy)], axis=1)


def _in_turn(terms: Floats) -> Floats:
    """Return the sums of rows, one term after the other in each tile, as compiled code adds them."""
    whole = np.pad(terms, ((0, 0), (0, -terms.shape[1] % TILE))).reshape(terms.shape[0], -1, TILE)
    return np.asarray(np.cumsum(np.cumsum(whole, axis=2)[:, :, -1], axis=1)[:, -1])
