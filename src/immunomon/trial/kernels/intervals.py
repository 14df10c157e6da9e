"""How sure a figure is: one patient's change, a share of few subjects, and an estimate without each patient."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["clopper_pearson", "counting_variance", "jackknife_interval", "reference_change"]

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


# How sure a share of so few subjects is: the exact interval.


def clopper_pearson(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the lower and the upper end of the exact interval of ``count / total``, as fractions.

    count, total: subjects with an event, and all; not-a-number for a total of 0. Its coverage is never below the
    confidence. Raises ValueError if a count is negative or above its total. Clopper & Pearson, Biometrika 1934;26:404.

    >>> [round(end, 4) for end in clopper_pearson(0, 9)]
    [0.0, 0.3363]
    """
    from scipy.special import betaincinv

    if not 0 <= count <= total:
        raise ValueError(f"a count lies between 0 and its total, got {count} of {total}")
    if total == 0:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, total - count + 1, tail))
    high = 1.0 if count == total else float(betaincinv(count + 1, total - count, 1 - tail))
    return low, high


# How far an estimate hangs on single patients: what it is without each of them, and the interval that this gives.


def jackknife_interval(estimate: float, without: NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float]:
    """Return the jackknife interval of an estimate, with patients as the replicates.

    without: (patients,) the estimate without each patient; not-a-number with fewer than three of them, or if one of
    these cannot be worked out. Student's interval of the pseudo-values around the estimate. Tukey, Ann Math Stat
    1958;29:614; Miller, Biometrika 1974;61:1.

    >>> x = np.array([0.1, 0.3, 0.5])
    >>> low, high = jackknife_interval(x.mean(), np.array([0.4, 0.3, 0.2]))
    >>> round(low, 3), round(high, 3)  # of a mean it is Student's
    (-0.197, 0.797)
    """
    from scipy.special import stdtrit

    n = without.size
    if n < 3 or not np.isfinite(without).all() or not np.isfinite(estimate):
        return float("nan"), float("nan")
    pseudo = n * estimate - (n - 1) * without
    half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * float(pseudo.std(ddof=1)) / n**0.5
    return float(estimate) - half, float(estimate) + half
