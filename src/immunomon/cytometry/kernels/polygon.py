"""Polygons cut to size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["clip_to_box"]

Floats = NDArray[np.float64]


def clip_to_box(corners: Floats, box: Floats) -> Floats:
    """Return the part of a polygon inside a box, (corners, 2); sides of the box may be infinite.

    corners: (corners, 2); box: (2, 2), lowest and highest value of each axis. Edges along the box may lie on each other
    where a polygon that is not convex falls apart. Sutherland & Hodgman, Commun ACM 1974;17:32.

    >>> clip_to_box(np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]]), np.array([[-1.0, 9.0], [-1.0, 2.0]])).tolist()
    [[0.0, 2.0], [0.0, 0.0], [4.0, 0.0], [2.0, 2.0]]
    """
    clipped = np.asarray(corners, dtype=np.float64)
    for axis in (0, 1):
        for limit, sign in ((box[axis, 0], 1.0), (box[axis, 1], -1.0)):
            if np.isfinite(limit) and len(clipped):
                clipped = _cut(clipped, axis, limit=float(limit), sign=sign)
    return clipped


def _cut(corners: Floats, axis: int, *, limit: float, sign: float) -> Floats:
    kept = []
    before = corners[-1]
    for corner in corners:
        height, last = sign * (corner[axis] - limit), sign * (before[axis] - limit)
        if (height >= 0) != (last >= 0):
            crossing = before + (corner - before) * (last / (last - height))
            crossing[axis] = limit
            kept.append(crossing)
        if height >= 0:
            kept.append(corner)
        before = corner
    return np.array(kept, dtype=np.float64).reshape(-1, 2)
