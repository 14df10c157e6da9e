"""How many events lie where: small histograms on the display scale, for plots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Ints, Mask

__all__ = ["Range", "histogram1d", "histogram2d", "histogram2d_u8", "levels_u8"]

Range = tuple[float, float]
_PIECE = 16_384  # values: what is between stays in the processor's cache


def _bins_of(values: NDArray[np.floating], limits: Range, bins: int) -> tuple[NDArray[np.intp], Mask]:
    """Return each value's bin, and which values are numbers: the others lie nowhere."""
    per_unit = _bins_per_unit(limits, bins)
    places = (np.asarray(values, dtype=np.float64) - float(limits[0])) * per_unit
    known = ~np.isnan(places)
    return np.clip(np.where(known, places, 0.0), 0, bins - 1).astype(np.intp), known


def _bins_per_unit(limits: Range, bins: int) -> float:
    low, high = float(limits[0]), float(limits[1])
    if not (np.isfinite(low) and np.isfinite(high) and low < high and bins > 0):
        raise ValueError(f"a histogram needs a finite range, low before high, and bins; got {limits} and {bins} bins")
    return bins / (high - low)


def histogram1d(values: NDArray[np.floating], limits: Range, bins: int = 128) -> Ints:
    """Count values in equal bins; what lies outside the limits is counted in the border bins.

    values: (events,); limits: low and high end. Result: (bins,). Not-a-number is left out. Raises ValueError if the
    limits are not finite or not in order.

    >>> histogram1d(np.array([-5.0, 0.1, 0.9, 7.0, np.nan]), (0.0, 1.0), bins=2)
    array([2, 2])
    """
    counts = np.zeros(bins, dtype=np.int64)
    for begin in range(0, max(len(values), 1), _PIECE):
        places, known = _bins_of(values[begin : begin + _PIECE], limits, bins)
        counts += np.bincount(places[known], minlength=bins)
    return counts


def histogram2d(
    x: NDArray[np.floating], y: NDArray[np.floating], x_range: Range, y_range: Range, bins: int = 64
) -> Ints:
    """Count points in a square grid; what lies outside the ranges is counted in the border bins.

    x, y: (events,). Result: (bins, bins), rows along y and columns along x, both from low to high. A point with a
    coordinate that is not a number is left out. Raises ValueError if a range is not finite or not in order.

    >>> histogram2d(np.array([0.1, 0.9, 9.0]), np.array([0.1, 0.1, 0.9]), (0.0, 1.0), (0.0, 1.0), bins=2)
    array([[1, 1],
           [0, 1]])
    """
    counts = np.zeros(bins * bins, dtype=np.int64)
    for begin in range(0, max(len(x), 1), _PIECE):
        columns, known = _bins_of(x[begin : begin + _PIECE], x_range, bins)
        rows, known_too = _bins_of(y[begin : begin + _PIECE], y_range, bins)
        counts += np.bincount((rows * bins + columns)[known & known_too], minlength=bins * bins)
    return counts.reshape(bins, bins)


def levels_u8(counts: Ints) -> NDArray[np.uint8]:
    """Return counts as 256 levels for a colour map: 0 where there is nothing, 255 at the fullest bin.

    The level grows with the logarithm of the count, so that a rare population is seen beside a large one.

    >>> levels_u8(np.array([0, 1, 10, 1000]))
    array([  0,  26,  89, 255], dtype=uint8)
    """
    fullest = int(counts.max()) if counts.size else 0
    if fullest == 0:
        return np.zeros(counts.shape, dtype=np.uint8)
    levels = np.rint(np.log1p(counts) * (255.0 / np.log1p(fullest)))
    return np.where(counts > 0, np.maximum(levels, 1.0), 0.0).astype(np.uint8)


def histogram2d_u8(
    x: NDArray[np.floating], y: NDArray[np.floating], x_range: Range, y_range: Range, bins: int = 64
) -> NDArray[np.uint8]:
    """Return the density of points as 256 levels, ready for a colour map.

    x, y: (events,), display scale. Result: (bins, bins), rows along y and columns along x, both from low to high;
    0 is empty. Raises ValueError if a range is not finite or not in order.

    >>> histogram2d_u8(np.array([0.1, 0.9, 0.9]), np.array([0.1, 0.1, 0.1]), (0.0, 1.0), (0.0, 1.0), bins=2)
    array([[161, 255],
           [  0,   0]], dtype=uint8)
    """
    return levels_u8(histogram2d(x, y, x_range, y_range, bins))
