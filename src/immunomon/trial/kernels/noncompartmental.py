"""Non-compartmental analysis of one course: area under it, its last slope, and what stands for values not quantified.

Gabrielsson & Weiner, Pharmacokinetic and Pharmacodynamic Data Analysis, 5th ed., ch. 2.8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from immunomon.arrays import Floats

__all__ = ["LastSlope", "PowerModel", "area_to_last", "last_slope", "power_model", "proportional_bounds", "with_limits"]

_AS_GOOD = 1e-4  # a slope over more points is preferred if its adjusted R2 is smaller by no more

_NOTHING = 1e-12  # of the value before it: as good as 0, to which no logarithm falls


@dataclass(frozen=True)
class LastSlope:
    """The last slope of a course: rate per hour (positive when it falls), adjusted R2, its points and their times."""

    rate: float
    adjusted_r2: float
    points: int
    first: float
    last: float


def with_limits(
    times: ArrayLike, values: ArrayLike, limits: ArrayLike, rules: tuple[str, str, str] = ("zero", "omit", "omit")
) -> tuple[Floats, Floats]:
    """Return times and values in which a rule stands for each value below quantification.

    times: (points,), rising; values: not-a-number where not quantified; limits: of quantification, may be not-a-number.
    rules: for leading values (before the first quantified one), embedded and trailing ones: ``zero``, ``half`` (of the
    limit) or ``omit``. A course without any quantified value is leading as a whole.

    >>> with_limits([0, 1, 2, 3, 4], [np.nan, 5, np.nan, 3, np.nan], [2] * 5)
    (array([0., 1., 3.]), array([0., 5., 3.]))
    """
    t, x = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64).copy()
    limit = np.asarray(limits, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(x))
    first, last = (int(known[0]), int(known[-1])) if known.size else (x.size, x.size)
    for index in np.flatnonzero(np.isnan(x)):
        rule = rules[0] if index < first else rules[1] if index < last else rules[2]
        x[index] = {"zero": 0.0, "half": limit[index] / 2, "omit": np.nan}[rule]
    kept = ~np.isnan(x)
    return t[kept], x[kept]


def area_to_last(times: ArrayLike, values: ArrayLike) -> float:
    """Return the area under a course up to its last value above 0: linear while it rises, logarithmic while it falls.

    times: (points,), rising; values: (points,), at least 0. 0 if no value is above 0.

    >>> round(area_to_last([0, 1, 2], [0, 10, 5]), 4)
    12.2135
    """
    t, x = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
    above = np.flatnonzero(x > 0)
    if above.size == 0:
        return 0.0
    t, x = t[: above[-1] + 1], x[: above[-1] + 1]
    area = 0.0
    for width, left, right in zip(np.diff(t), x[:-1], x[1:], strict=True):
        falls = _NOTHING * left < right < left
        area += width * ((left - right) / math.log(left / right) if falls else (left + right) / 2)
    return float(area)


def last_slope(times: ArrayLike, values: ArrayLike, fewest: int = 3) -> LastSlope | None:
    """Return the last slope of a course by the best adjusted R2, or None if there is none.

    times, values: (points,). Straight lines are put through the logarithms of the last ``fewest`` values above 0, of
    one more, and so on, back to the first after the highest. Of those that fall and whose adjusted R2 is within 0.0001
    of the best, the one with most points is taken.

    >>> slope = last_slope([0, 1, 2, 3, 4], [0, 8, 4, 2, 1])
    >>> round(slope.rate, 4), slope.points
    (0.6931, 3)
    """
    t, x = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.size == 0:
        return None
    after = np.arange(x.size) > int(np.argmax(x))
    t, x = t[after & (x > 0)], x[after & (x > 0)]
    lines = [line for n in range(fewest, t.size + 1) if (line := _line(t[-n:], np.log(x[-n:]))) is not None]
    if not lines:
        return None
    best = max(line.adjusted_r2 for line in lines)
    return max((line for line in lines if line.adjusted_r2 >= best - _AS_GOOD), key=lambda line: line.points)


def _line(t: Floats, logs: Floats) -> LastSlope | None:
    """Return a falling least-squares line through points, or None if it does not fall."""
    n = t.size
    spread = float(np.sum((t - t.mean()) ** 2))
    if spread == 0:
        return None
    slope = float(np.sum((t - t.mean()) * (logs - logs.mean()))) / spread
    total = float(np.sum((logs - logs.mean()) ** 2))
    if slope >= 0 or total == 0:
        return None
    r2 = slope * slope * spread / total
    return LastSlope(-slope, 1 - (1 - r2) * (n - 1) / (n - 2), n, float(t[0]), float(t[-1]))


# Does exposure rise as the dose does: the power model, and the bounds of what counts as proportional.


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
