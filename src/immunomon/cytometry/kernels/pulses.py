"""How well two measures of the same pulses go together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["rank_agreement"]

Floats = NDArray[np.float64]


def rank_agreement(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return Spearman's rank correlation of two columns, (events,) each; not-a-number if one does not vary.

    Equal values get neighbouring ranks, which for measurements of many levels changes nothing.

    >>> round(rank_agreement(np.array([1.0, 2.0, 30.0]), np.array([5.0, 6.0, 7.0])), 6)
    1.0
    """
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    ranks = [np.argsort(np.argsort(column, kind="stable"), kind="stable") for column in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
