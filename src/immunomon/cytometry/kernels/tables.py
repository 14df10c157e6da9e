"""Tables of display scales: fast coordinates in float32, with a bound on their error that is proven when they are made.

A display scale is odd around zero and concave above it, so half of it is tabulated, as straight pieces. The nodes are
evenly spaced within each octave of ``|x| + offset``: the piece an intensity falls on is read off the bits of a float32
number, without a logarithm, and relative precision is the same over all decades.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Floats32

__all__ = ["PIECES_PER_OCTAVE", "SHIFT", "Table", "interpolate", "tabulate"]

_BITS = 7
PIECES_PER_OCTAVE = 1 << _BITS
SHIFT = 23 - _BITS  # float32 has 23 bits of mantissa; those below the first _BITS say where on its piece a value lies
_MOST_OCTAVES = 48
_HALF_ULP = 2.0**-24  # the relative error of rounding to float32


@dataclass(frozen=True, eq=False)
class Table:
    """A tabulated scale: coordinates at the nodes, and the largest error of what is interpolated between them.

    offset: a power of two, added to ``|x|``; nodes: (pieces + 1,) float32; first: the bits of ``offset``, shifted;
    twice_zero: two times the coordinate of zero (what is negative lies at ``twice_zero - f(|x|)``); bound: the largest
    difference between an interpolated coordinate and the exact one. Beyond the last node there is no coordinate.
    """

    offset: float
    nodes: Floats32
    first: int
    twice_zero: float
    bound: float


def tabulate(function: Callable[[Floats], Floats], top: float) -> Table:
    """Return the table of a scale up to eight times its top.

    function: increasing, odd around zero, concave above it. The bound needs nothing else: between two nodes a concave
    function lies above its chord, and below the prolonged chords of both neighbouring pieces, so it is at most the
    height of that triangle away. To it come the rounding of argument, nodes and arithmetic to float32. Raises
    ValueError if the nodes show that the function is not increasing and concave.

    >>> table = tabulate(np.arcsinh, top=1000.0)
    >>> values = np.array([-10.0, 0.0, 0.5, 999.0])
    >>> bool((np.abs(interpolate(values, table) - np.arcsinh(values)) <= table.bound).all())
    True
    """
    offset = _offset_of(function, top)
    octaves = min(_MOST_OCTAVES, max(1, math.ceil(math.log2(8 * top / offset + 1))))
    first = int(np.float32(offset).view(np.int32)) >> SHIFT
    places = np.arange(first, first + octaves * PIECES_PER_OCTAVE + 2, dtype=np.int32) << SHIFT
    sums = places.view(np.float32).astype(np.float64)
    exact = function(sums - offset)
    widths = np.diff(sums)
    chords = np.diff(exact) / widths
    largest = float(np.abs(exact).max())
    noise = 64 * np.finfo(np.float64).eps * max(largest, 1.0)
    if not (chords > 0).all() or (np.diff(chords) * widths[1:] > noise).any():
        raise ValueError("only an increasing function that is concave above zero can be tabulated")
    steps = chords[:-1]
    drop_left = np.maximum(np.concatenate([[np.inf], chords[:-2]]) - steps, 0.0)  # below zero it is not concave
    drop_right = np.maximum(steps - chords[1:], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(np.isinf(drop_left), 1.0, drop_left / (drop_left + drop_right))
    triangle = np.nan_to_num(share, nan=0.0) * drop_right * widths[:-1]
    argument = 2 * _HALF_ULP * 1.01 * float((sums[1:] * chords).max())
    arithmetic = _HALF_ULP * (4 * largest + 2 * (largest + 2 * abs(float(exact[0]))))
    bound = float(triangle.max()) + argument + arithmetic + noise
    return Table(offset, exact[:-1].astype(np.float32), first, 2.0 * float(exact[0]), bound)


def _offset_of(function: Callable[[Floats], Floats], top: float) -> float:
    """Return a power of two near the end of the linear region: only speed and size depend on the choice."""
    step = 1e-9 * top
    zero, near, below, last = function(np.array([0.0, step, top / math.e, top])).tolist()
    knee = (last - below) * step / max(near - zero, 1e-300)
    return float(2.0 ** round(math.log2(min(max(knee, top * 2.0**-40), top))))


def interpolate(values: NDArray[np.floating], table: Table) -> Floats32:
    """Return fast coordinates; not-a-number where the table has none. The compiled kernel does exactly this.

    values: any shape, intensities.
    """
    sums = np.abs(values).astype(np.float32) + np.float32(table.offset)
    bits = sums.view(np.int32)
    piece = (bits >> SHIFT) - table.first
    known = (piece >= 0) & (piece < table.nodes.size - 1)
    piece = np.where(known, piece, 0)
    share = (bits & ((1 << SHIFT) - 1)).astype(np.float32) * np.float32(2.0**-SHIFT)
    low, high = table.nodes[piece], table.nodes[piece + 1]
    up = low + share * (high - low)
    mirrored = np.where(values < 0, np.float32(table.twice_zero) - up, up)
    return np.where(known, mirrored, np.float32(np.nan)).astype(np.float32)
