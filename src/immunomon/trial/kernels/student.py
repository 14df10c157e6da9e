"""Student's t for a mean over patients, and the change that a number of patients can detect with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["MeanChange", "detectable_change", "mean_change", "t_power"]


@dataclass(frozen=True)
class MeanChange:
    """A mean with its interval and two-sided p; what fewer than two patients cannot give is not-a-number."""

    n: int
    mean: float
    sd: float
    low: float
    high: float
    p: float


def mean_change(changes: ArrayLike, confidence: float = 0.95) -> MeanChange:
    """Return the mean of changes over patients, Student's interval and test of no change.

    changes: (patients,), finite. Student, Biometrika 1908;6:1.

    >>> found = mean_change([0.1, 0.3, 0.5])
    >>> round(found.low, 3), round(found.high, 3), round(found.p, 3)
    (-0.197, 0.797, 0.122)
    """
    from scipy.special import stdtr, stdtrit

    x = np.asarray(changes, dtype=np.float64)
    nan = float("nan")
    if x.size < 2:
        return MeanChange(x.size, float(x[0]) if x.size else nan, nan, nan, nan, nan)
    mean, sd = float(x.mean()), float(x.std(ddof=1))
    error = sd / np.sqrt(x.size)
    half = float(stdtrit(x.size - 1, 0.5 + confidence / 2)) * error
    p = float(2 * stdtr(x.size - 1, -abs(mean) / error)) if error > 0 else float(mean == 0)
    return MeanChange(x.size, mean, sd, float(mean - half), float(mean + half), p)


def t_power(change: float, sd: float, *, n: int, alpha: float = 0.05, extra_freedom: float = 0.0) -> float:
    """Return the power of a two-sided t test of n patients' changes.

    change, sd: mean and standard deviation between patients, on one scale. extra_freedom: what a moderated t borrows
    from other populations.

    >>> round(t_power(np.log(1.5), 0.3536, n=9), 2)
    0.85
    """
    from scipy.special import stdtrit
    from scipy.stats import nct

    if n < 2 or sd <= 0:
        return float("nan")
    freedom = min(n - 1 + extra_freedom, 1e6)
    shift = abs(change) / sd * np.sqrt(n)
    edge = float(stdtrit(freedom, 1 - alpha / 2))
    return float(nct.sf(edge, freedom, shift) + nct.cdf(-edge, freedom, shift))


def detectable_change(
    sd: float, *, n: int, power: float = 0.8, alpha: float = 0.05, extra_freedom: float = 0.0
) -> float:
    """Return the smallest mean change that n patients detect with this power; not-a-number for fewer than two.

    sd: standard deviation of the changes between patients; the result is on its scale.

    >>> round(detectable_change(0.3536, n=9), 3)
    0.377
    """
    if n < 2 or not sd > 0:
        return float("nan")
    low, high = 0.0, sd
    while t_power(high, sd, n=n, alpha=alpha, extra_freedom=extra_freedom) < power:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if t_power(middle, sd, n=n, alpha=alpha, extra_freedom=extra_freedom) < power:
            low = middle
        else:
            high = middle
    return high
