"""The Hodges-Lehmann estimate of a typical change, with the exact interval of the signed-rank test."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from immunomon.arrays import Floats

__all__ = ["HodgesLehmann", "hodges_lehmann", "signed_rank_counts"]


@dataclass(frozen=True)
class HodgesLehmann:
    """Estimate, interval, and the confidence that the interval really has.

    low, high: not-a-number where so few patients cannot give the confidence asked; ``confidence`` is then the most
    that they could give.
    """

    estimate: float
    low: float
    high: float
    confidence: float


@lru_cache(maxsize=64)
def signed_rank_counts(n: int) -> tuple[float, ...]:
    """Return how many of the ``2 ** n`` sign arrangements give each signed-rank sum 0 .. n(n+1)/2.

    Wilcoxon, Biometrics Bulletin 1945;1:80.

    >>> signed_rank_counts(3)
    (1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0)
    """
    counts = np.zeros(n * (n + 1) // 2 + 1)
    counts[0] = 1.0
    for rank in range(1, n + 1):
        counts[rank:] = counts[rank:] + counts[: counts.size - rank]
    return tuple(counts.tolist())


def hodges_lehmann(changes: ArrayLike, confidence: float = 0.95) -> HodgesLehmann:
    """Return the median of the pairwise means of changes, with the shortest exact interval of at least ``confidence``.

    changes: (patients,), finite; they are taken to be spread evenly about their centre. Five patients or fewer cannot
    give 95 %. Raises ValueError without patients or for a confidence outside (0, 1). Hodges & Lehmann, Ann Math Stat
    1963;34:598.

    >>> hodges_lehmann([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    HodgesLehmann(estimate=0.35, low=0.1, high=0.6, confidence=0.96875)
    >>> hodges_lehmann([0.1, 0.2, 0.6]).confidence
    0.75
    """
    x = np.asarray(changes, dtype=np.float64)
    if x.size == 0 or not np.isfinite(x).all():
        raise ValueError("a Hodges-Lehmann estimate needs at least one change, and every one a number")
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence lies between 0 and 1, got {confidence}")
    walsh = np.sort(_pairwise_means(x))
    depth, reached = _depth(x.size, confidence)
    estimate = float(np.round(np.median(walsh), 12))
    if depth == 0:
        return HodgesLehmann(estimate, float("nan"), float("nan"), reached)
    return HodgesLehmann(estimate, float(walsh[depth - 1]), float(walsh[-depth]), reached)


def _pairwise_means(x: Floats) -> Floats:
    first, second = np.triu_indices(x.size)
    return np.asarray((x[first] + x[second]) / 2, dtype=np.float64)


def _depth(n: int, confidence: float) -> tuple[int, float]:
    """Return which pairwise mean from either end is the limit (0: none is), and the confidence that gives."""
    if n > 60:  # the counts would leave the range of float64; the normal limit is exact enough there
        from statistics import NormalDist

        mean, sd = n * (n + 1) / 4, (n * (n + 1) * (2 * n + 1) / 24) ** 0.5
        return max(1, int(mean - NormalDist().inv_cdf(0.5 + confidence / 2) * sd)), confidence
    below = np.cumsum(signed_rank_counts(n)) / 2.0**n
    depth = int(np.searchsorted(below, (1 - confidence) / 2 + 1e-12, side="right"))
    return depth, float(1 - 2 * below[max(depth, 1) - 1])
