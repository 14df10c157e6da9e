"""A smooth course through a few points in time: the natural cubic spline, by its values at the knots."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["spline_basis"]

Floats = NDArray[np.float64]


def spline_basis(times: ArrayLike, knots: ArrayLike) -> Floats:
    """Return the basis of natural cubic splines that are 0 at the first knot; a coefficient is the value at a knot.

    times: any shape; knots: (knots,) rising, at least 3. Result: the shape of times, and (knots - 1,). Beyond the last
    knot the spline goes on as a straight line, before the first it stays 0. Hastie, Tibshirani & Friedman, The Elements
    of Statistical Learning, 2009, section 5.2.1.

    >>> spline_basis([0.0, 1.0, 4.0], [0.0, 1.0, 4.0]).round(12) + 0.0
    array([[0., 0.],
           [1., 0.],
           [0., 1.]])
    """
    from scipy.interpolate import CubicSpline

    k = np.asarray(knots, dtype=np.float64)
    spline = CubicSpline(k, np.eye(k.size)[:, 1:], bc_type="natural")
    t = np.maximum(np.asarray(times, dtype=np.float64), k[0])
    inside = np.asarray(spline(np.minimum(t, k[-1])), dtype=np.float64)
    beyond = np.maximum(t - k[-1], 0.0)[..., None]
    return np.asarray(inside + beyond * spline(k[-1], 1), dtype=np.float64)
