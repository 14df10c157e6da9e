"""Medians and quantiles by selection, whether compiled code is at hand to find them, and rows taken evenly."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Ints

__all__ = ["evenly", "finite_median", "is_compiled_at_hand", "median_of", "quantile_of", "quantiles_at"]

_SORTED = 4096  # values: up to here they are sorted sooner than selected


def is_compiled_at_hand() -> bool:
    """Say whether compiled code is loaded: that takes longer than a few files do."""
    return "numba" in sys.modules


def evenly(events: int, at_most: int) -> Ints:
    """Return places evenly over a file, all if there are few: the same ones for the same file.

    >>> evenly(5, at_most=2).tolist()
    [0, 4]
    """
    return np.linspace(0, max(events - 1, 0), min(events, at_most)).astype(np.int64)


def median_of(values: NDArray[np.floating]) -> float:
    """Return the median of values, (events,), to the last bit that of ``numpy.median``.

    >>> median_of(np.array([3.0, 1.0, 2.0, 10.0]))
    2.5
    """
    if values.dtype == np.float64 and values.size and is_compiled_at_hand() and np.isfinite(values.sum()):
        from immunomon.cytometry.kernels.compiled import median

        found = median(np.ascontiguousarray(values))
        if found != 0.0:  # of 0 and -0 NumPy may choose the other
            return found
    return float(np.median(values))


def finite_median(values: NDArray[np.floating], rows: Ints) -> float | None:
    """Return the median of the finite ones among some values, None if there are none.

    values: (events,); rows: which of them.

    >>> finite_median(np.array([3.0, np.nan, 2.0, 10.0]), np.array([0, 1, 2]))
    2.5
    """
    if values.dtype == np.float64 and is_compiled_at_hand():
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


def quantile_of(values: NDArray[np.floating], level: float) -> float:
    """Return a quantile of values, (events,), to the last bit that of ``numpy.quantile``.

    >>> quantile_of(np.array([3.0, 1.0, 2.0]), 0.25)
    1.5
    """
    found = _quantiles(values, (level,))
    return float(np.quantile(values, level)) if found is None else found[0]


def quantiles_at(values: NDArray[np.floating], levels: Sequence[float]) -> list[float]:
    """Return some quantiles of values, (events,), to the last bit those of ``numpy.quantile``; levels: from 0 to 1.

    >>> quantiles_at(np.array([3.0, 1.0, 2.0]), [0.0, 0.75])
    [1.0, 2.5]
    """
    found = _quantiles(values, levels)
    return [float(value) for value in np.quantile(values, levels)] if found is None else found


def _quantiles(values: NDArray[np.floating], levels: Sequence[float]) -> list[float] | None:
    """Return the quantiles as ``numpy.quantile`` makes them; None where it may choose otherwise."""
    if values.dtype != np.float64 or not values.size:
        return None
    ranks = [(values.size - 1) * float(level) for level in levels]
    lower = [min(int(rank), values.size - 1) for rank in ranks]
    ordered = _ordered(values, lower)
    found = [_between(ordered, low, rank - low) for rank, low in zip(ranks, lower, strict=True)]
    is_plain = ordered[-1] == ordered[-1] and all(value != 0.0 for value in found)  # no NaN, and neither 0 nor -0
    return found if is_plain else None


def _ordered(values: NDArray[np.floating], ranks: Sequence[int]) -> Floats:
    """Return the values in such an order that those of the ranks, the ones after them, and the last are in place."""
    if values.size <= _SORTED:
        return np.sort(values)
    last = values.size - 1
    return np.partition(values, sorted({*ranks, *(min(rank + 1, last) for rank in ranks), last}))


def _between(ordered: Floats, rank: int, share: float) -> float:
    lower, upper = float(ordered[rank]), float(ordered[min(rank + 1, ordered.size - 1)])
    way = upper - lower
    return upper - way * (1 - share) if share >= 0.5 else lower + way * share
