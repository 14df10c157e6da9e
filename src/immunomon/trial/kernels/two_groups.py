"""Two groups of patients side by side: difference of means, its intervals, and an exact permutation test."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from immunomon.arrays import Floats, Mask

__all__ = ["Difference", "difference_of_means", "welch_interval"]

_MOST = 50_000  # divisions that are counted one by one
_SAMPLED = 20_000


@dataclass(frozen=True)
class Difference:
    """Mean of the first group minus mean of the second, Welch's interval, the exact one, and the permutation test.

    low, high: not-a-number with fewer than two in a group. exact_low, exact_high: not-a-number where so few patients
    cannot give the confidence asked; exact_confidence is what the interval has, or the most they could give. p: the
    two-sided permutation p, floor the smallest there could be; not-a-number with nobody in a group.
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    exact_low: float
    exact_high: float
    exact_confidence: float
    p: float
    floor: float


def difference_of_means(
    first: Floats, second: Floats, rng: np.random.Generator, confidence: float = 0.95
) -> Difference:
    """Return how two groups differ; first, second: (patients,), finite.

    Every way to divide the patients in groups of these sizes is counted, up to 50,000; beyond, 20,000 are drawn. The
    exact interval holds every shift that the permutation test does not reject: its ends are differences of means of
    equally many patients of both groups. Sources: Welch, Biometrika 1947;34:28; Pitman, Suppl J R Stat Soc 1937;4:119;
    Pagano & Tritchler, J Am Stat Assoc 1983;78:435 (the interval).

    >>> found = difference_of_means(np.array([3.0, 4.0, 5.0]), np.array([1.0, 2.0]), np.random.default_rng(1))
    >>> found.difference, found.p, found.floor, round(found.exact_confidence, 2)
    (2.5, 0.2, 0.1, 0.8)
    """
    n, m = first.size, second.size
    nan = float("nan")
    if not n or not m:
        return Difference(n, m, nan, nan, nan, nan, nan, nan, nan, nan)
    difference = float(first.mean() - second.mean())
    low, high = welch_interval(first, second, confidence)
    picks, exact = _divisions(n, n + m, rng)
    together = np.concatenate([first, second])
    ends = _exact_ends(together, picks, n, confidence=confidence)
    p, floor = _permuted(together, picks, n, exact=exact)
    return Difference(n, m, difference, low, high, *ends, p, floor)


def welch_interval(first: Floats, second: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Return Welch's interval of the difference of means; not-a-number with fewer than two in a group.

    >>> [round(end, 3) for end in welch_interval(np.array([3.0, 4.0, 5.0]), np.array([1.0, 2.0]))]
    [0.012, 4.988]
    """
    from scipy.special import stdtrit

    n, m = first.size, second.size
    if min(n, m) < 2:
        return float("nan"), float("nan")
    parts = np.array([first.var(ddof=1) / n, second.var(ddof=1) / m])
    if parts.sum() <= 0:
        return float("nan"), float("nan")
    freedom = parts.sum() ** 2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1))
    half = float(stdtrit(freedom, 0.5 + confidence / 2) * np.sqrt(parts.sum()))
    middle = float(first.mean() - second.mean())
    return middle - half, middle + half


def _divisions(n: int, total: int, rng: np.random.Generator) -> tuple[Mask, bool]:
    """Return who is in the first group, (divisions, patients), the division at hand first, and if these are all."""
    ways = comb(total, n)
    exact = ways <= _MOST
    if exact:
        picks = np.array(list(combinations(range(total), n)))
    else:
        picks = np.vstack([np.arange(n), np.argsort(rng.random((_SAMPLED, total)), axis=1)[:, :n]])
    inside = np.zeros((len(picks), total), dtype=np.bool_)
    inside[np.arange(len(picks))[:, None], picks] = True
    return inside, exact


def _permuted(x: Floats, inside: Mask, n: int, *, exact: bool) -> tuple[float, float]:
    """Return how many divisions are as far from the middle as the one at hand, and the least share there can be."""
    away = np.abs(inside @ x - n * x.mean())
    # With groups of equal size each division has a mirror image that is as far away.
    least = 2 if exact and 2 * n == x.size else 1
    return float(np.mean(away >= away[0] - 1e-9 * (np.abs(x).sum() + 1e-300))), least / len(inside)


def _exact_ends(x: Floats, inside: Mask, n: int, *, confidence: float) -> tuple[float, float, float]:
    """Return the ends of the interval of shifts that are not rejected, and its confidence."""
    regrouped = inside[1:]
    left, come = ~regrouped[:, :n], regrouped[:, n:]  # who leaves the first group for whom
    moved = left.sum(axis=1)
    kept = moved > 0  # a random division may be the one at hand
    shifts = np.sort((left[kept] @ x[:n] - come[kept] @ x[n:]) / moved[kept])
    ways = len(shifts) + 1
    rank = int((1 - confidence) / 2 * ways + 1e-9)
    reached = 1 - 2 * max(rank, 1) / ways
    if rank < 1 or not shifts.size:
        return float("nan"), float("nan"), max(reached, 0.0)
    return float(shifts[rank - 1]), float(shifts[-rank]), reached
