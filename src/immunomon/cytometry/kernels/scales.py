"""Display scales: the functions that turn an intensity into a plotting coordinate, and back.

Every forward function is computed in float64 to the last few bits; nothing here is a table or an approximation.
Parameters are those of Gating-ML 2.0 (ISAC 2013): ``t`` top of scale, ``w`` width of the linear region, ``m`` decades,
``a`` additional negative decades; results are normalised so that ``t`` maps to 1.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Mask, Rows
from immunomon.cytometry.kernels.selection import is_compiled_at_hand

__all__ = [
    "asinh",
    "asinh_decades",
    "asinh_inverse",
    "linear",
    "linear_inverse",
    "logicle",
    "logicle_inverse",
    "logicle_width",
    "widest_peak",
]

_MAX_STEPS = 40
# Halley's steps shrink with the third power: after one of this size, what is left is below float64's last bit.
_LAST_STEP = 2e-6
_MOST_GOING = 0.75  # of the values: when fewer are still going, they go on alone
_PIECE = 8192  # values: what is between stays in the processor's cache
_TINY = np.finfo(np.float64).tiny
_MARGIN = 2.5  # noise that a scale bears beyond that of its channel
_STEP = 0.05


def _logicle_slope(b: float, w: float) -> float:
    """Return ``d`` of the biexponential: the root of ``2 (ln d - ln b) + w (b + d) = 0`` (Moore & Parks 2012)."""
    if w == 0.0:
        return b
    low, high = 1e-300, b
    for _ in range(2000):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if 2.0 * (math.log(middle) - math.log(b)) + w * (b + middle) < 0.0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@lru_cache(maxsize=256)
def _logicle_coefficients(t: float, w: float, m: float, a: float) -> tuple[float, float, float, float, float, float]:
    """Return ``alpha, b, gamma, d, f, x1`` of ``B(y) = alpha e^(b y) - gamma e^(-d y) + f`` with ``B(x1) = 0``."""
    if not (t > 0 and m > 0 and 0 <= w <= m / 2 and -w <= a <= m - 2 * w):
        raise ValueError(f"logicle needs t > 0, m > 0, 0 <= w <= m / 2 and -w <= a <= m - 2 w; got {t=} {w=} {m=} {a=}")
    b = (m + a) * math.log(10.0)
    width = w / (m + a)
    x2 = a / (m + a)
    x1, x0 = x2 + width, x2 + 2 * width
    d = _logicle_slope(b, width)
    ratio = math.exp(x0 * (b + d))
    offset = math.exp(b * x1) - ratio * math.exp(-d * x1)
    alpha = t / ((math.exp(b) - offset) - ratio * math.exp(-d))
    return alpha, b, ratio * alpha, d, -offset * alpha, x1


def _solve_logicle(x: Floats, alpha: float, b: float, gamma: float, d: float, f: float, x1: float) -> Floats:
    # B is odd around x1 and convex above it: solve for |x| by Halley's method, which starts at a lower bound. Each
    # value stops at its own last step: a coordinate is the same to the last bit whoever else is asked with it.
    if is_compiled_at_hand():
        return _solve_compiled(x, alpha, b, gamma, d, f, x1)
    target = np.abs(x)
    y = np.maximum(x1, np.log(np.maximum((target - f) / alpha, _TINY)) / b)
    going = np.isfinite(x)
    _steps_by_numpy(y, target, going, alpha, b, gamma, d, f)
    return np.where(np.isfinite(x), np.where(x >= 0, y, 2.0 * x1 - y), x)


def _solve_compiled(x: Floats, alpha: float, b: float, gamma: float, d: float, f: float, x1: float) -> Floats:
    """Do what ``_solve_logicle`` does; NumPy's exponentials stay, which no other's equal to the last bit."""
    from immunomon.cytometry.kernels.compiled import above_zero, halley_step, mirrored

    scale = alpha, b, gamma, d, f
    y, target = np.empty_like(x), np.empty_like(x)
    going = above_zero(x, y, (alpha, f, _TINY), target)
    np.maximum(x1, np.divide(np.log(y, out=y), b, out=y), out=y)
    at = y
    place: Rows | None = None  # of what goes on, among all
    rising, falling = np.empty_like(y), np.empty_like(y)
    for _ in range(_MAX_STEPS):
        np.exp(np.multiply(at, b, out=rising), out=rising)
        np.exp(np.multiply(at, -d, out=falling), out=falling)
        left = halley_step(at, rising, falling, target, going, scale, _LAST_STEP)
        if left > _MOST_GOING * at.size:
            continue
        if place is not None:
            y[place] = at
        if not left:
            break
        kept = np.flatnonzero(going)  # the others have arrived
        place = kept if place is None else place[kept]
        at, target, going = at[kept], target[kept], going[kept]
        rising, falling = rising[:left], falling[:left]
    if place is not None:
        y[place] = at
    mirrored(x, y, x1)
    return y


def _steps_by_numpy(
    y: Floats, target: Floats, going: Mask, alpha: float, b: float, gamma: float, d: float, f: float
) -> None:
    """Bring the coordinates that are going to their ends, in place."""
    for _ in range(_MAX_STEPS):
        rising = alpha * np.exp(b * y)
        falling = gamma * np.exp(-d * y)
        error = rising - falling + f - target
        rising *= b
        falling *= d
        slope = rising + falling
        rising *= b
        falling *= d
        rising -= falling
        step = error / (slope - 0.5 * error * rising / slope)
        np.subtract(y, step, out=y, where=going)
        going &= np.abs(step) > _LAST_STEP
        if not going.any():
            break


def logicle(values: NDArray[np.floating], t: float, w: float, m: float, a: float) -> Floats:
    """Return logicle coordinates: linear around zero, logarithmic far from it.

    values: any shape, intensities. Result: the same shape, 1.0 at ``t``; not-a-number and infinities pass through.
    Raises ValueError if the parameters do not describe a logicle scale. Moore & Parks, Cytometry A 2012;81:273.

    >>> logicle(np.array([0.0, 262144.0]), t=262144, w=0.5, m=4.5, a=0).round(6)
    array([0.111111, 1.      ])
    """
    coefficients = _logicle_coefficients(t, w, m, a)
    flat = np.ascontiguousarray(values, dtype=np.float64).ravel()
    out = np.empty_like(flat)
    with np.errstate(all="ignore"):  # what is not finite passes through
        for begin in range(0, flat.size, _PIECE):
            out[begin : begin + _PIECE] = _solve_logicle(flat[begin : begin + _PIECE], *coefficients)
    return out.reshape(np.shape(values))


def logicle_inverse(coordinates: NDArray[np.floating], t: float, w: float, m: float, a: float) -> Floats:
    """Return the intensities that ``logicle`` maps to these coordinates.

    >>> logicle_inverse(np.array([1.0]), t=262144, w=0.5, m=4.5, a=0).round(6)
    array([262144.])
    """
    alpha, b, gamma, d, f, x1 = _logicle_coefficients(t, w, m, a)
    y = np.asarray(coordinates, dtype=np.float64)
    up = np.where(y >= x1, y, 2 * x1 - y)
    return np.where(y >= x1, 1.0, -1.0) * (alpha * np.exp(b * up) - gamma * np.exp(-d * up) + f)


def widest_peak(t: float, w: float, m: float) -> float:
    """Return the largest standard deviation with which normal noise about 0 is still one peak on a logicle scale.

    The density on the scale is that of the noise times the slope of the inverse; at 0 it has a maximum exactly while
    the variance is at most ``B'(x1)^3 / B'''(x1)``.

    >>> round(widest_peak(262144, 0.5, 4.5) / (262144 * 10 ** (2 * 0.5 - 4.5)), 2)
    1.57
    """
    alpha, b, gamma, d, _, x1 = _logicle_coefficients(t, w, m, 0.0)
    rising, falling = alpha * math.exp(b * x1), gamma * math.exp(-d * x1)
    first, third = rising * b + falling * d, rising * b**3 + falling * d**3
    return math.sqrt(first**3 / third)


def logicle_width(noise: float, t: float, m: float) -> float:
    """Return the logicle width ``w`` that shows negatives with this noise as one peak, with a margin of 2.5.

    noise: standard deviation of the negatives (intensity). Rounded to 0.05, so that a file more or less does not move
    every gate; it lies between 0 and 0.1 below its bound ``m / 2``. After Parks, Roederer & Moore, Cytometry A
    2006;69:541, who take it from a low quantile of the negatives.

    >>> logicle_width(110.0, t=262144, m=4.5), logicle_width(3000.0, t=1e7, m=4.5)
    (0.7, 0.6)
    """
    low, high = 0.0, m / 2 - 0.1
    for _ in range(20):
        middle = 0.5 * (low + high)
        if widest_peak(t, middle, m) < _MARGIN * noise:
            low = middle
        else:
            high = middle
    return round(round(0.5 * (low + high) / _STEP) * _STEP, 2)


def asinh_decades(noise: float, t: float) -> float:
    """Return the decades ``m`` of an asinh scale that shows negatives with this noise as one peak, as for a logicle.

    Normal noise about 0 is one peak exactly while its standard deviation is at most ``t / sinh(m ln 10)``.

    >>> asinh_decades(110.0, t=262144)
    3.3
    """
    decades = math.asinh(t / (_MARGIN * noise)) / math.log(10.0)
    return max(round(round(decades / _STEP) * _STEP, 2), _STEP)


def asinh(values: NDArray[np.floating], t: float, m: float, a: float) -> Floats:
    """Return Gating-ML's parametrised inverse hyperbolic sine.

    ``(asinh(x sinh(m ln 10) / t) + a ln 10) / ((m + a) ln 10)``; 1.0 at ``t``. ISAC Gating-ML 2.0, section 6.4.

    >>> asinh(np.array([0.0, 1000.0]), t=1000, m=4, a=1)
    array([0.2, 1. ])
    """
    ten = math.log(10.0)
    x = np.asarray(values, dtype=np.float64)
    return (np.arcsinh(x * (math.sinh(m * ten) / t)) + a * ten) / ((m + a) * ten)


def asinh_inverse(coordinates: NDArray[np.floating], t: float, m: float, a: float) -> Floats:
    """Return the intensities that ``asinh`` maps to these coordinates.

    >>> asinh_inverse(np.array([0.2, 1.0]), t=1000, m=4, a=1).round(9)
    array([   0., 1000.])
    """
    ten = math.log(10.0)
    y = np.asarray(coordinates, dtype=np.float64)
    return np.sinh(y * ((m + a) * ten) - a * ten) * (t / math.sinh(m * ten))


def linear(values: NDArray[np.floating], t: float, a: float) -> Floats:
    """Return Gating-ML's linear scale ``(x + a) / (t + a)``.

    >>> linear(np.array([0.0, 100.0]), t=100, a=0)
    array([0., 1.])
    """
    return (np.asarray(values, dtype=np.float64) + a) / (t + a)


def linear_inverse(coordinates: NDArray[np.floating], t: float, a: float) -> Floats:
    """Return the intensities that ``linear`` maps to these coordinates.

    >>> linear_inverse(np.array([0.5]), t=100, a=0)
    array([50.])
    """
    return np.asarray(coordinates, dtype=np.float64) * (t + a) - a
