"""How sure one patient's change is: counting, gate and assay, on the scale of the analysis."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["counting_variance", "reference_change"]

Floats = NDArray[np.float64]


def counting_variance(count: ArrayLike, total: ArrayLike) -> Floats:
    """Return the variance of log-odds from counting events alone: ``1 / (count + 0.5) + 1 / (total - count + 0.5)``.

    count, total: events, shapes that broadcast; not-a-number passes through. Gart & Zweifel, Biometrika 1967;54:181.

    >>> counting_variance(99.5, 1e9).round(4)
    np.float64(0.01)
    """
    x, n = np.asarray(count, dtype=np.float64), np.asarray(total, dtype=np.float64)
    inside = np.where(n >= x, n - x, np.nan)
    return np.asarray(1 / (x + 0.5) + 1 / (inside + 0.5), dtype=np.float64)


def reference_change(assay_cv: ArrayLike, person_cv: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Return by which factors two values of an unchanged person may differ: the lower and the upper.

    assay_cv, person_cv: coefficients of variation as fractions, of the assay and of the person from day to day. Both
    are taken as log-normal, so that the limits are not symmetric. Fokkema et al., Clin Chem 2006;52:1602.

    >>> low, high = reference_change(0.10, 0.15)
    >>> round(float(low), 2), round(float(high), 2)
    (0.61, 1.64)
    """
    variance = np.log1p(np.square(assay_cv)) + np.log1p(np.square(person_cv))
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * np.sqrt(2 * variance)
    return np.asarray(np.exp(-half)), np.asarray(np.exp(half))
