"""How far an estimate hangs on single patients: what it is without each of them, and the interval that this gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["jackknife_interval"]


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
