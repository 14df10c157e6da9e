"""Does exposure rise as the dose does: the power model, and the bounds of what counts as proportional."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["PowerModel", "power_model", "proportional_bounds"]


@dataclass(frozen=True)
class PowerModel:
    """The exponent of ``value = a x dose^slope`` with its interval; n: subjects, doses: different ones."""

    slope: float
    low: float
    high: float
    n: int
    doses: int


def power_model(doses: ArrayLike, values: ArrayLike, confidence: float = 0.9) -> PowerModel | None:
    """Return the power model of values over doses, or None with fewer than 3 values or 2 different doses.

    doses, values: (subjects,), above 0. Least squares of logarithms with Student's interval. Gough et al., Drug Inf J
    1995;29:1039; Smith et al., Pharm Res 2000;17:1278.

    >>> found = power_model([1, 1, 2, 2], [10, 12, 20, 24])
    >>> round(found.slope, 3), found.low < 1 < found.high
    (1.0, True)
    """
    from scipy.special import stdtrit

    x, y = np.log(np.asarray(doses, dtype=np.float64)), np.log(np.asarray(values, dtype=np.float64))
    different = int(np.unique(x).size)
    if x.size < 3 or different < 2:
        return None
    spread = float(np.sum((x - x.mean()) ** 2))
    slope = float(np.sum((x - x.mean()) * (y - y.mean()))) / spread
    rest = y - y.mean() - slope * (x - x.mean())
    error = float(np.sqrt(np.sum(rest**2) / (x.size - 2) / spread))
    half = float(stdtrit(x.size - 2, 0.5 + confidence / 2)) * error
    return PowerModel(slope, slope - half, slope + half, int(x.size), different)


def proportional_bounds(dose_ratio: float, acceptance: tuple[float, float] = (0.8, 1.25)) -> tuple[float, float]:
    """Return between which slopes exposure counts as proportional over a range of doses.

    dose_ratio: highest / lowest dose, above 1. Smith et al., Pharm Res 2000;17:1278.

    >>> [round(bound, 3) for bound in proportional_bounds(4)]
    [0.839, 1.161]
    """
    if dose_ratio <= 1:
        raise ValueError(f"the range of doses must be above 1, got {dose_ratio}")
    low, high = (1 + float(np.log(end) / np.log(dose_ratio)) for end in acceptance)
    return low, high
