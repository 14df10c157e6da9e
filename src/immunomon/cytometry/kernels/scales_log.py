"""Gating-ML 2.0's logarithmic and hyperlog scales.

Parameters are those of Gating-ML 2.0 (ISAC 2013), as in ``kernels.scales``; ``t`` maps to 1.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["hyperlog", "hyperlog_inverse", "log", "log_inverse"]

Floats = NDArray[np.float64]
_MAX_STEPS = 60
_PIECE = 8192  # values: what is between stays in the processor's cache


def log(values: NDArray[np.floating], t: float, m: float) -> Floats:
    """Return Gating-ML's logarithmic scale ``log10(x / t) / m + 1``; what is not positive lies at minus infinity.

    values: any shape. Result: the same shape. ISAC Gating-ML 2.0, section 6.3.

    >>> log(np.array([0.0, 1.0, 100.0]), t=100, m=2)
    array([-inf,   0.,   1.])
    """
    x = np.asarray(values, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.log10(np.where(x < 0, 0.0, x) / t) / m + 1.0


def log_inverse(coordinates: NDArray[np.floating], t: float, m: float) -> Floats:
    """Return the intensities that ``log`` maps to these coordinates.

    >>> log_inverse(np.array([0.0, 1.0]), t=100, m=2)
    array([  1., 100.])
    """
    return np.asarray(t * 10.0 ** (m * (np.asarray(coordinates, dtype=np.float64) - 1.0)))


def _coefficients(t: float, w: float, m: float, a: float) -> tuple[float, float, float, float, float]:
    """Return ``alpha, b, c, f, x1`` of ``H(y) = alpha e^(b y) + c y - f`` with ``H(x1) = 0``."""
    if not (t > 0 and m > 0 and 0 < w <= m / 2 and -w <= a <= m - 2 * w):
        raise ValueError(f"hyperlog needs t > 0, m > 0, 0 < w <= m / 2 and -w <= a <= m - 2 w; got {t=} {w=} {m=} {a=}")
    b = (m + a) * math.log(10.0)
    width = w / (m + a)
    x2 = a / (m + a)
    x1, x0 = x2 + width, x2 + 2 * width
    slope = math.exp(b * x0) / width
    offset = math.exp(b * x1) + slope * x1
    alpha = t / (math.exp(b) + slope - offset)
    return alpha, b, slope * alpha, offset * alpha, x1


def _solve(x: Floats, alpha: float, b: float, c: float, f: float, x1: float) -> Floats:
    # H is odd around x1 and convex above it: steps from a point right of the root only ever go left. Each value stops
    # at its own last step, so that a coordinate is the same to the last bit whoever else is asked with it.
    target = np.abs(x)
    y = x1 + target / c
    far = np.maximum(x1, np.log((target + f) / alpha) / b)
    y = np.where(target + f > alpha, np.minimum(y, far), y)
    going = np.isfinite(x)
    for _ in range(_MAX_STEPS):
        rising = alpha * np.exp(b * y)
        error = rising + c * y - f - target
        slope = b * rising + c
        # Halley's step: cubic convergence.
        step = error / (slope - 0.5 * error * b * b * rising / slope)
        y = np.where(going, y - step, y)
        going &= np.abs(step) > 4e-16 * np.maximum(1.0, np.abs(y))
        if not going.any():
            break
    return np.where(np.isfinite(x), np.where(x >= 0, y, 2.0 * x1 - y), x)


def hyperlog(values: NDArray[np.floating], t: float, w: float, m: float, a: float) -> Floats:
    """Return hyperlog coordinates: linear around zero, logarithmic far from it.

    values: any shape, intensities. Result: the same shape, 1.0 at ``t``; not-a-number and infinities pass through.
    Raises ValueError for parameters that describe no hyperlog scale. Bagwell, Cytometry A 2005;64:34, as parametrised
    by ISAC Gating-ML 2.0, section 6.5.

    >>> hyperlog(np.array([0.0, 10000.0]), t=10000, w=1, m=4.5, a=0).round(6)
    array([0.222222, 1.      ])
    """
    coefficients = _coefficients(t, w, m, a)
    flat = np.ascontiguousarray(values, dtype=np.float64).ravel()
    out = np.empty_like(flat)
    with np.errstate(all="ignore"):  # what is not finite passes through
        for begin in range(0, flat.size, _PIECE):
            out[begin : begin + _PIECE] = _solve(flat[begin : begin + _PIECE], *coefficients)
    return out.reshape(np.shape(values))


def hyperlog_inverse(coordinates: NDArray[np.floating], t: float, w: float, m: float, a: float) -> Floats:
    """Return the intensities that ``hyperlog`` maps to these coordinates.

    >>> hyperlog_inverse(np.array([1.0]), t=10000, w=1, m=4.5, a=0).round(6)
    array([10000.])
    """
    alpha, b, c, f, x1 = _coefficients(t, w, m, a)
    y = np.asarray(coordinates, dtype=np.float64)
    up = np.where(y >= x1, y, 2 * x1 - y)
    return np.where(y >= x1, 1.0, -1.0) * (alpha * np.exp(b * up) + c * up - f)
