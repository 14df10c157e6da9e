"""Medians by selection, and whether compiled code is at hand to find them."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Ints

__all__ = ["finite_median", "is_compiled_at_hand", "median_of"]

_MANY = 500  # of fewer values a median takes NumPy no longer


def is_compiled_at_hand(values: int = _MANY) -> bool:
    """Say whether so many values are worth compiled code, and it is loaded: that takes longer than a few files do.

    values: by default enough for any compiled code.

    >>> is_compiled_at_hand(10)
    False
    """
    return values >= _MANY and "numba" in sys.modules


def median_of(values: NDArray[np.floating]) -> float:
    """Return the median of values, (events,), to the last bit that of ``numpy.median``.

    >>> median_of(np.array([3.0, 1.0, 2.0, 10.0]))
    2.5
    """
    if values.dtype == np.float64 and is_compiled_at_hand(values.size) and np.isfinite(values.sum()):
        from immunomon.cytometry.kernels.compiled import median

        found = median(np.asarray(values, dtype=np.float64))
        if found != 0.0:  # of 0 and -0 NumPy may choose the other
            return found
    return float(np.median(values))


def finite_median(values: NDArray[np.floating], rows: Ints) -> float | None:
    """Return the median of the finite ones among some values, None if there are none.

    values: (events,); rows: which of them.

    >>> finite_median(np.array([3.0, np.nan, 2.0, 10.0]), np.array([0, 1, 2]))
    2.5
    """
    if values.dtype == np.float64 and is_compiled_at_hand(rows.size):
        from immunomon.cytometry.kernels.compiled import median_of_rows

        found = median_of_rows(np.asarray(values, dtype=np.float64), rows)
        if found != 0.0 and found == found:
            return found
    chosen = values[rows]
    with np.errstate(invalid="ignore", over="ignore"):
        is_all_numbers = np.isfinite(chosen.sum())
    if not is_all_numbers:
        chosen = chosen[np.isfinite(chosen)]
    return median_of(chosen) if chosen.size else None
