"""Logarithmic, hyperlog and FlowJo's biexponential display scales, and their inverses.

Parameters are those of Gating-ML 2.0 (ISAC 2013), as in ``kernels.scales``; ``t`` maps to 1. FlowJo computes the
biexponential of Moore & Parks at 4,097 evenly spaced display positions and interpolates between them; an intensity
beyond the table sits on its first or last entry. Coordinates here are the table's position divided by 4,096, so that
the last entry maps to 1.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats

__all__ = ["STEPS", "biex", "biex_inverse", "biex_table", "hyperlog", "hyperlog_inverse", "log", "log_inverse"]

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


# FlowJo's biexponential scale: a table of 4,096 steps, linear between them, flat beyond its ends.

STEPS = 4096


def _fall(rise: float, share: float) -> float:
    """Return the falling exponent ``d``: the root of ``2 (ln d - ln b) + w (b + d) = 0`` (Moore & Parks 2012)."""
    low, high = 0.0, rise
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if 2.0 * math.log(middle / rise) + share * (rise + middle) < 0.0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@lru_cache(maxsize=256)
def biex_table(max_range: float, pos: float, neg: float, width: float) -> Floats:
    """Return the intensities at display positions 0 to 4,096, (4097,), read-only.

    max_range: top of the scale; pos: positive decades; neg: extra negative decades; width: FlowJo's width basis,
    negative (-1 gives the narrowest linear region). Raises ValueError for parameters that describe no scale.

    >>> biex_table(262144.000029, 4.418540, 1.0, -7.943282)[[0, 1701]].round(3)
    array([-865.899,  223.869])
    """
    if not (max_range > 0 and pos > 0 and width < 0):
        raise ValueError(
            f"a FlowJo biex scale needs maxRange > 0, pos > 0 and width < 0; got {max_range=} {pos=} {width=}"
        )
    breadth = math.log10(-width)
    extra = max(neg, 0.0) + breadth / 2
    decades = pos - breadth / 2
    if decades <= 0 or extra + decades <= 0:
        raise ValueError(f"a FlowJo biex scale of {pos} decades has no room for the width {width}")
    zero = max(int(min(extra * STEPS / (extra + decades), STEPS / 2)), 0)
    if zero > 0:
        decades = extra * STEPS / zero  # zero lies on a table entry: the decades give way to the rounding
    share = breadth / (2 * decades)
    rise = math.log(10.0) * decades
    fall = _fall(rise, share)
    fraction = np.arange(STEPS + 1) / (STEPS + 1)
    up = np.exp(fraction * rise)
    down = np.exp(-fraction * fall + (rise + fall) * (share + extra / decades))
    curve = up - down
    values: Floats = max_range / math.exp(rise) * (curve - curve[zero])
    below = np.arange(zero)
    values[below] = -values[2 * zero - below]
    if not (np.diff(values) > 0).all():
        raise ValueError(f"a FlowJo biex scale of {pos} + {neg} decades and width {width} does not rise everywhere")
    values.setflags(write=False)
    return values


def biex(values: NDArray[np.floating], max_range: float, pos: float, neg: float, width: float) -> Floats:
    """Return FlowJo's biexponential coordinates, 0 to 1; not-a-number passes through.

    values: any shape. Result: the same shape. See ``biex_table``.

    >>> biex(np.array([-1e9, 0.0, 1e9]), 262144, 4.418540, 0, -10).round(6)
    array([0.      , 0.113037, 1.      ])
    """
    table = biex_table(max_range, pos, neg, width)
    return np.interp(np.asarray(values, dtype=np.float64), table, np.arange(STEPS + 1) / STEPS)


def biex_inverse(coordinates: NDArray[np.floating], max_range: float, pos: float, neg: float, width: float) -> Floats:
    """Return the intensities that ``biex`` maps to these coordinates; beyond 0 and 1 the table's ends.

    >>> biex_inverse(np.array([0.5, 1.0]), 262144, 4.418540, 0, -10).round().tolist()
    [1711.0, 261622.0]
    """
    table = biex_table(max_range, pos, neg, width)
    return np.interp(np.asarray(coordinates, dtype=np.float64), np.arange(STEPS + 1) / STEPS, table)
