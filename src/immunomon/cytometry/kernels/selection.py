"""Medians by selection, and whether compiled code is at hand to find them."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_compiled_at_hand", "median_of"]

_MANY = 500  # of fewer values a median takes NumPy no longer


def is_compiled_at_hand(values: int) -> bool:
    """Say whether so many values are worth compiled code, and it is loaded: that takes longer than a few files do.

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
