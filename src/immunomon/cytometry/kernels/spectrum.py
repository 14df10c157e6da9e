"""Weights that turn what the detectors saw into the fluorochromes' signals, when there may be more detectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immunomon.cytometry.kernels.spillover import inverse_of
from immunomon.errors import SingularSpillover

__all__ = ["unmixing_weights"]

Floats = NDArray[np.float64]
_WORST_CONDITION = 1e6


def unmixing_weights(spectrum: NDArray[np.floating]) -> Floats:
    """Return the weights ``W`` of ``true = observed @ W``: the inverse, or least squares where detectors outnumber.

    spectrum: (fluorochromes, detectors). Result: (detectors, fluorochromes), float64. Raises SingularSpillover if the
    fluorochromes cannot be told apart. Least squares: Novo, Gregori & Rajwa, Cytometry A 2013;83:508.

    >>> unmixing_weights(np.array([[1.0, 0.5], [0.0, 1.0]]))
    array([[ 1. , -0.5],
           [ 0. ,  1. ]])
    >>> unmixing_weights(np.array([[1.0, 1.0, 0.0]])).round(3).ravel()
    array([0.5, 0.5, 0. ])
    """
    matrix = np.asarray(spectrum, dtype=np.float64)
    if matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]:
        return inverse_of(matrix)
    if matrix.ndim != 2 or matrix.shape[0] > matrix.shape[1]:
        raise SingularSpillover(f"more fluorochromes than detectors cannot be unmixed: the matrix is {matrix.shape}")
    if not np.isfinite(matrix).all() or np.linalg.cond(matrix) > _WORST_CONDITION:
        raise SingularSpillover("two fluorochromes of the spectrum matrix cannot be told apart")
    return np.asarray(np.linalg.pinv(matrix))
