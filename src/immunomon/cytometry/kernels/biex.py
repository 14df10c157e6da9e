"""FlowJo's biexponential scale: a table of 4,096 steps, linear between them, flat beyond its ends.

FlowJo computes the biexponential of Moore & Parks at 4,097 evenly spaced display positions and interpolates between
them; an intensity beyond the table sits on its first or last entry. Coordinates here are the table's position divided
by 4,096, so that the last entry maps to 1.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEPS", "biex", "biex_inverse", "biex_table"]

STEPS = 4096
Floats = NDArray[np.float64]


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
