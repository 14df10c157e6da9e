"""Which points lie inside which shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Mask

__all__ = ["in_ellipsoid", "in_interval", "in_polygon"]

_CELLS = 1 << 16  # points times corners: what is between stays in the processor's cache


def in_interval(values: NDArray[np.floating], low: float, high: float) -> Mask:
    """Return which values lie in ``[low, high)``; an end at infinity is open, not-a-number lies nowhere.

    values: (events,). Result: (events,).

    >>> in_interval(np.array([0.0, 1.0, 2.0]), 1.0, 2.0)
    array([False,  True, False])
    """
    above = values >= low
    return above if high == np.inf else above & (values < high)


def in_ellipsoid(points: NDArray[np.floating], center: Floats, covariance: Floats, distance_square: float) -> Mask:
    """Return which points have a squared Mahalanobis distance of at most ``distance_square``.

    points: (events, axes); center: (axes,); covariance: (axes, axes). Raises numpy.linalg.LinAlgError if the covariance
    has no inverse. Gating-ML 2.0, section 5.3.

    >>> in_ellipsoid(np.array([[0.0, 0.0], [2.0, 0.0]]), np.zeros(2), np.eye(2), 1.0)
    array([ True, False])
    """
    offset = np.asarray(points, dtype=np.float64) - center
    inverse = np.linalg.inv(covariance)
    # Term by term, so that an event's answer is the same to the last bit whoever else is asked with it.
    square = np.zeros(offset.shape[0])
    with np.errstate(invalid="ignore", over="ignore"):  # infinite coordinates lie outside
        for j in range(inverse.shape[0]):
            for k in range(inverse.shape[0]):
                square += offset[:, j] * inverse[j, k] * offset[:, k]
    return np.asarray(square <= distance_square)


def in_polygon(x: NDArray[np.floating], y: NDArray[np.floating], vertices: Floats) -> Mask:
    """Return which points lie inside or on a closed polygon, by the even-odd rule.

    x, y: (events,); vertices: (corners, 2). Result: (events,). Points that are not numbers lie outside.

    >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> in_polygon(np.array([0.5, 1.0, 2.0]), np.array([0.5, 0.5, 0.5]), square)
    array([ True,  True, False])
    """
    corners = np.asarray(vertices, dtype=np.float64)
    across, up = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    inside = np.zeros(across.shape[0], dtype=np.bool_)
    (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
    piece = max(64, _CELLS // len(corners))
    for begin in range(0, across.shape[0], piece):
        px, py = across[begin : begin + piece], up[begin : begin + piece]
        near = np.flatnonzero((px >= left) & (px <= right) & (py >= bottom) & (py <= top))
        inside[begin + near] = _in_or_on(px[near], py[near], corners)
    return inside


def _in_or_on(px: Floats, py: Floats, corners: Floats) -> Mask:
    """Return whether points, (points,), lie in or on a polygon: all edges at once, (corners, points)."""
    before = np.concatenate([corners[-1:], corners[:-1]])
    (ax, ay), (bx, by) = before.T[:, :, None], corners.T[:, :, None]
    cross = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
    # Crossing test by the sign of the cross product: no division, so no event is lost to rounding.
    crossed = ((ay > py) != (by > py)) & ((cross > 0.0) == (by > ay))
    inside = np.bitwise_xor.reduce(crossed, axis=0)
    edge, point = np.nonzero(cross == 0.0)
    if edge.size:
        ends = np.sort(np.stack([before[edge], corners[edge]]), axis=0)
        spot = np.column_stack([px[point], py[point]])
        inside[point[((ends[0] <= spot) & (spot <= ends[1])).all(axis=1)]] = True
    return np.asarray(inside, dtype=np.bool_)
