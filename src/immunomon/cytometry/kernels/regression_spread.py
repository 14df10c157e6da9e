"""How much each stain widens the others: spillover-spreading coefficients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["spreading_matrix", "spreading_row"]

Floats = NDArray[np.float64]


def spreading_row(
    signal: NDArray[np.floating], positive: NDArray[np.bool_], stain: int, least: int = 20
) -> NDArray[np.float64]:
    """Return how much a stain spreads each compensated signal, in units of the square root of intensity.

    signal: compensated, (events, fluorochromes), of one single-stained tube. Result: (fluorochromes,); 0 for the stain
    itself, NaN if positives or negatives are fewer than ``least``. ``sqrt(sd_positive^2 - sd_negative^2) /
    sqrt(brightness)`` with the standard deviation taken as 84th - 50th percentile. Nguyen et al., Cytometry A
    2013;83A:306.

    >>> signal = np.array([[0.0, -1.0], [0.0, 0.0], [0.0, 1.0], [100.0, -11.0], [100.0, 0.0], [100.0, 11.0]])
    >>> spreading_row(signal, np.array([False, False, False, True, True, True]), 0, least=3).round(3)
    array([0.   , 0.745])
    """
    values = np.asarray(signal, dtype=np.float64)
    bright, dim = values[positive], values[~positive]
    row = np.full(values.shape[1], np.nan)
    if min(bright.shape[0], dim.shape[0]) >= least:
        gain = float(np.median(bright[:, stain]) - np.median(dim[:, stain]))
        widened = _width(bright) ** 2 - _width(dim) ** 2
        if gain > 0:
            row = np.sqrt(np.maximum(widened, 0.0) / gain)
    row[stain] = 0.0
    return row


def _width(values: Floats) -> Floats:
    upper, middle = np.quantile(values, [0.84, 0.5], axis=0)
    return np.asarray(upper - middle)


def spreading_matrix(rows: Sequence[tuple[int, Floats]], fluorochromes: int) -> Floats:
    """Return the mean row of every fluorochrome's controls, (fluorochromes, fluorochromes); NaN where there is none.

    >>> spreading_matrix([(0, np.array([0.0, 2.0])), (0, np.array([0.0, 4.0]))], 2)
    array([[ 0.,  3.],
           [nan, nan]])
    """
    matrix = np.full((fluorochromes, fluorochromes), np.nan)
    for stain in sorted({stain for stain, _ in rows}):
        matrix[stain] = np.mean([row for own_stain, row in rows if own_stain == stain], axis=0)
    return matrix
