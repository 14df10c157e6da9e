"""Which points lie inside which shape."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["in_ellipsoid", "in_interval", "in_polygon"]

Mask = NDArray[np.bool_]


def in_interval(values: NDArray[np.floating], low: float, high: float) -> Mask:
    """Return which values lie in ``[low, high)``; an end at infinity is open, not-a-number lies nowhere.

    values: (events,). Result: (events,).

    >>> in_interval(np.array([0.0, 1.0, 2.0]), 1.0, 2.0)
    array([False,  True, False])
    """
    above = values >= low
    return above if high == np.inf else above & (values < high)


def in_ellipsoid(
    points: NDArray[np.floating], center: NDArray[np.float64], covariance: NDArray[np.float64], distance_square: float
) -> Mask:
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


@njit(cache=True, nogil=True)
def _in_polygon(x: NDArray[np.float64], y: NDArray[np.float64], corners: NDArray[np.float64], inside: Mask) -> None:
    for i in range(x.size):
        px, py = x[i], y[i]
        if not (np.isfinite(px) and np.isfinite(py)):
            inside[i] = False
            continue
        odd = False
        on_edge = False
        ax, ay = corners[-1, 0], corners[-1, 1]
        for j in range(corners.shape[0]):
            bx, by = corners[j, 0], corners[j, 1]
            cross = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
            if cross == 0.0 and min(ax, bx) <= px <= max(ax, bx) and min(ay, by) <= py <= max(ay, by):
                on_edge = True
                break
            # Crossing test by the sign of the cross product: no division, so no event is lost to rounding.
            if (ay > py) != (by > py) and (cross > 0.0) == (by > ay):
                odd = not odd
            ax, ay = bx, by
        inside[i] = on_edge or odd


def in_polygon(x: NDArray[np.floating], y: NDArray[np.floating], vertices: NDArray[np.float64]) -> Mask:
    """Return which points lie inside or on a closed polygon, by the even-odd rule.

    x, y: (events,); vertices: (corners, 2). Result: (events,). Points that are not numbers lie outside.

    >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> in_polygon(np.array([0.5, 1.0, 2.0]), np.array([0.5, 0.5, 0.5]), square)
    array([ True,  True, False])
    """
    inside = np.empty(x.shape[0], dtype=np.bool_)
    _in_polygon(
        np.ascontiguousarray(x, dtype=np.float64),
        np.ascontiguousarray(y, dtype=np.float64),
        np.ascontiguousarray(vertices, dtype=np.float64),
        inside,
    )
    return inside
