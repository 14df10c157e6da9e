"""Unmixing: the true signal of each fluorochrome from what the detectors saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Ints
from immunomon.cytometry.kernels.selection import is_compiled_at_hand
from immunomon.errors import SingularSpillover

__all__ = ["inverse_of", "mix", "unmix", "weighted"]

# Beyond this condition number a float32 measurement keeps no digit of the true signal.
_WORST_CONDITION = 1e6
_PIECE = 4096  # events: their terms stay in the processor's cache


def inverse_of(spillover: NDArray[np.floating]) -> Floats:
    """Return the inverse of a spillover matrix, in float64.

    spillover: (fluorochromes, detectors), square. Raises SingularSpillover if it has no usable inverse.

    >>> inverse_of(np.array([[1.0, 0.5], [0.0, 1.0]]))
    array([[ 1. , -0.5],
           [ 0. ,  1. ]])
    """
    matrix = np.asarray(spillover, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise SingularSpillover(f"a spillover matrix is square; this one is {matrix.shape}")
    if not np.isfinite(matrix).all() or np.linalg.cond(matrix) > _WORST_CONDITION:
        raise SingularSpillover("the spillover matrix has no inverse: two fluorochromes have the same spectrum in it")
    return np.asarray(np.linalg.inv(matrix))


def unmix(
    observed: NDArray[np.floating], spillover: NDArray[np.floating], fluorochromes: Sequence[int] | None = None
) -> Floats:
    """Solve ``true @ spillover = observed`` for the true signal, of all fluorochromes or of some.

    observed: (events, detectors); spillover: (detectors, detectors), row = fluorochrome, diagonal 1;
    fluorochromes: which of them, all if None. Result: (events, fluorochromes), float64, each column contiguous. Raises
    SingularSpillover if the matrix has no inverse. Bagwell & Adams, Ann N Y Acad Sci 1993;677:167.

    >>> unmix(np.array([[10.0, 1.0]]), np.array([[1.0, 0.1], [0.0, 1.0]]))
    array([[10.,  0.]])
    """
    inverse = inverse_of(spillover)
    columns = range(inverse.shape[1]) if fluorochromes is None else fluorochromes
    result = np.empty((len(columns), np.shape(observed)[0]))
    for row, column in enumerate(columns):
        result[row] = weighted(observed, range(inverse.shape[0]), inverse[:, column])
    return result.T


def weighted(
    values: NDArray[np.floating],
    columns: Sequence[int],
    weights: Floats,
    *,
    rows: Ints | None = None,
) -> Floats:
    """Return the weighted sum of some columns, for all events or for some.

    values: (events, channels); weights: one a column; rows: which events. Result: float64. The terms are added in the
    order given, so that an event's sum is the same to the last bit whoever else is asked with it, which a product of
    matrices does not promise.

    >>> weighted(np.array([[1.0, 2.0], [3.0, 4.0]]), [0, 1], np.array([1.0, 10.0]), rows=np.array([1]))
    array([43.])
    """
    places = np.asarray(columns, dtype=np.int64)
    if is_compiled_at_hand() and values.dtype in (np.float32, np.float64):
        from immunomon.cytometry.kernels.compiled import weighted_sums

        return weighted_sums(values, places, weights, rows)
    return _weighted(values, places, weights, rows)


def _weighted(values: NDArray[np.floating], places: Ints, weights: Floats, rows: Ints | None) -> Floats:
    """Return what ``compiled.weighted_sums`` returns, without compiled code."""
    count = values.shape[0] if rows is None else rows.size
    total = np.zeros(count)
    with np.errstate(invalid="ignore", over="ignore"):  # what is not a number stays so
        for begin in range(0, count, _PIECE):
            part = slice(begin, begin + _PIECE)
            part_values = values[part] if rows is None else values[rows[part]]
            for term in part_values.T[places].astype(np.float64) * weights[:, None]:
                total[part] += term
    return total


def mix(true: NDArray[np.floating], spillover: NDArray[np.floating]) -> Floats:
    """Return what the detectors see of a true signal; ``unmix`` undoes it.

    true: (events, fluorochromes); spillover: (fluorochromes, detectors). Result: (events, detectors).

    >>> mix(np.array([[10.0, 0.0]]), np.array([[1.0, 0.1], [0.0, 1.0]]))
    array([[10.,  1.]])
    """
    return np.asarray(true, dtype=np.float64) @ np.asarray(spillover, dtype=np.float64)
