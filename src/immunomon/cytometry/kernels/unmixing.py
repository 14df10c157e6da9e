"""Unmixing by spectra: weights, each fluorochrome's own detector, and the square matrix that does the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Ints
from immunomon.cytometry.kernels.spillover import inverse_of
from immunomon.errors import SingularSpillover

__all__ = ["completed", "own_places", "unmixing_weights", "weighted_unmixing"]

# Weights that turn what the detectors saw into the fluorochromes' signals, when there may be more detectors.

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


def weighted_unmixing(spectrum: NDArray[np.floating], detector_weights: NDArray[np.floating] | None = None) -> Floats:
    """Return the weights ``W`` of ``true = observed @ W`` by weighted least squares.

    spectrum: (fluorochromes, detectors); detector_weights: (detectors,), 1 / variance of each detector's noise, or None
    for all alike. Result: (detectors, fluorochromes). A square matrix has one answer whatever the weights. Raises
    SingularSpillover if the fluorochromes cannot be told apart or a weight is not positive. Novo, Gregori & Rajwa,
    Cytometry A 2013;83:508.

    >>> weighted_unmixing(np.array([[1.0, 1.0]]), np.array([3.0, 1.0])).ravel()
    array([0.75, 0.25])
    """
    matrix = np.asarray(spectrum, dtype=np.float64)
    if detector_weights is None or matrix.ndim != 2 or matrix.shape[0] == matrix.shape[1]:
        return unmixing_weights(matrix)
    weights = np.asarray(detector_weights, dtype=np.float64)
    if weights.shape != matrix.shape[1:] or not (np.isfinite(weights) & (weights > 0)).all():
        raise SingularSpillover(f"{matrix.shape[1]} positive detector weights are needed")
    root = np.sqrt(weights / weights.max())
    return np.asarray(unmixing_weights(matrix * root) * root[:, None])


def own_places(spectrum: NDArray[np.floating]) -> Ints:
    """Return a detector for each fluorochrome, none twice, so that their light in their own detectors is largest.

    spectrum: (fluorochromes, detectors). A fluorochrome gets its peak unless another one needs it more. Raises
    SingularSpillover if there are more fluorochromes than detectors.

    >>> own_places(np.array([[1.0, 0.9, 0.1], [1.0, 0.2, 0.1]])).tolist()
    [1, 0]
    """
    from scipy.optimize import linear_sum_assignment

    matrix = np.asarray(spectrum, dtype=np.float64)
    if matrix.shape[0] > matrix.shape[1]:
        raise SingularSpillover(f"more fluorochromes than detectors cannot be unmixed: the matrix is {matrix.shape}")
    _, places = linear_sum_assignment(matrix, maximize=True)
    return np.asarray(places, dtype=np.int64)


def completed(
    spectrum: NDArray[np.floating], own: Sequence[int], detector_weights: NDArray[np.floating] | None = None
) -> Floats:
    """Return a square matrix whose inverse unmixes: each fluorochrome in its own detector, left-over light elsewhere.

    spectrum: (fluorochromes, detectors); own: a detector for each fluorochrome, none twice. Result: (detectors,
    detectors); the rows of the own detectors are the spectra themselves. Whatever can compensate can then unmix, with
    the same numbers as ``weighted_unmixing``. Raises SingularSpillover if there is no such matrix.

    >>> spectrum, own = np.array([[1.0, 0.5, 0.2]]), [0]
    >>> square = completed(spectrum, own)
    >>> square[0].round(6).tolist()
    [1.0, 0.5, 0.2]
    >>> np.allclose(np.linalg.inv(square)[:, [0]], weighted_unmixing(spectrum))
    True
    """
    matrix = np.asarray(spectrum, dtype=np.float64)
    weights = weighted_unmixing(matrix, detector_weights)
    inverse = np.eye(matrix.shape[1]) - weights @ matrix
    inverse[:, list(own)] = weights
    square = inverse_of(inverse)
    square[list(own)] = matrix  # what it is but for rounding
    return square
