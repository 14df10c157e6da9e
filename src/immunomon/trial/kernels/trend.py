"""Does something rise or fall over ordered groups, or over visits? Jonckheere-Terpstra and Page, ties included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from math import comb, factorial, prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immunomon.arrays import Floats, Ints

__all__ = ["MOST_VISITS", "Trend", "arrangements", "jonckheere_terpstra", "jonckheere_terpstra_statistic", "page_trend"]

_MOST_STATES = 20_000
_RANDOM = 20_000


@dataclass(frozen=True)
class Trend:
    """A trend test: statistic, its mean without a trend, p for rising, falling and either, and the smallest p possible.

    floor: of the two-sided p; that of a one-sided one is half of it. exact: whether all arrangements were counted.
    """

    statistic: float
    expected: float
    p_rising: float
    p_falling: float
    floor: float
    exact: bool

    @property
    def p(self) -> float:
        """The two-sided p: twice the smaller of the one-sided ones."""
        return min(1.0, 2 * min(self.p_rising, self.p_falling))


def jonckheere_terpstra_statistic(values: ArrayLike, groups: ArrayLike) -> float:
    """Return the number of pairs from two groups in which the later group has the larger value; an equal pair is half.

    values: (patients,); groups: (patients,) the place of each one's group in the order.

    >>> jonckheere_terpstra_statistic([1, 2, 3, 4], [0, 0, 1, 1])
    4.0
    """
    x, g = np.asarray(values, dtype=np.float64), np.asarray(groups)
    earlier = g[:, None] < g[None, :]
    return float((earlier & (x[:, None] < x[None, :])).sum() + 0.5 * (earlier & (x[:, None] == x[None, :])).sum())


def jonckheere_terpstra(values: ArrayLike, groups: ArrayLike, rng: np.random.Generator | None = None) -> Trend:
    """Return the permutation test for a trend of values over ordered groups.

    values: (patients,), finite; groups: (patients,) whole numbers that give the order. Every assignment of the values
    to groups of these sizes is counted, by adding up the values from the smallest on; if that is too much (more than
    20,000 partial assignments), 20,000 random ones of ``rng`` stand for them. Raises ValueError for numbers that are
    not finite, or a needed rng that is not given. Jonckheere, Biometrika 1954;41:133; Terpstra, Indag Math 1952;14:327.

    >>> trend = jonckheere_terpstra([1, 2, 3, 4, 5, 6, 7, 8, 9], [0, 0, 0, 1, 1, 1, 2, 2, 2])
    >>> round(1 / trend.p_rising)
    1680
    """
    x = np.asarray(values, dtype=np.float64)
    if not np.isfinite(x).all():
        raise ValueError("every value must be a number; leave out the patients who have none")
    places, index = np.unique(np.asarray(groups), return_inverse=True)
    sizes = tuple(np.bincount(index, minlength=places.size).tolist())
    observed = jonckheere_terpstra_statistic(x, index)
    pairs = (x.size**2 - sum(size**2 for size in sizes)) / 2
    if prod(size + 1 for size in sizes) > _MOST_STATES:
        drawn = _random(x, index, rng)
        rising, falling = (((drawn >= observed).sum() + 1), ((drawn <= observed).sum() + 1))
        n = drawn.size + 1
        return Trend(observed, pairs / 2, float(rising / n), float(falling / n), 2 / n, False)
    ties = tuple(np.unique(x, return_counts=True)[1].tolist())
    chance = np.asarray(_distribution(sizes, ties))
    doubled = round(2 * observed)
    ends = np.flatnonzero(chance)
    floor = min(1.0, 2 * float(min(chance[ends[0]], chance[ends[-1]]))) if ends.size else 1.0
    rising, falling = float(chance[doubled:].sum()), float(chance[: doubled + 1].sum())
    return Trend(observed, pairs / 2, min(1.0, rising), min(1.0, falling), floor, True)


def _random(x: Floats, index: NDArray[np.intp], rng: np.random.Generator | None) -> Floats:
    if rng is None:
        raise ValueError("groups as large as these need an rng")
    return np.array([jonckheere_terpstra_statistic(rng.permutation(x), index) for _ in range(_RANDOM)])


@lru_cache(maxsize=256)
def _distribution(sizes: tuple[int, ...], ties: tuple[int, ...]) -> tuple[float, ...]:
    """Return the chance of each doubled statistic 0, 1, 2 ...; ties: how often each value occurs, smallest first."""
    length = sum(sizes) ** 2 - sum(size**2 for size in sizes) + 1
    start = np.zeros(length)
    start[0] = 1.0
    states: dict[tuple[int, ...], Floats] = {(0,) * len(sizes): start}
    for block in ties:
        following: dict[tuple[int, ...], Floats] = {}
        for used, ways in states.items():
            for taken in _shares(block, tuple(size - u for size, u in zip(sizes, used, strict=True))):
                gain = _gain(used, taken)
                key = tuple(u + t for u, t in zip(used, taken, strict=True))
                weight = factorial(block) / prod(factorial(t) for t in taken)
                total = following.setdefault(key, np.zeros(length))
                total[gain:] += weight * ways[: length - gain]
        states = following
    (ways,) = states.values()
    return tuple((ways / ways.sum()).tolist())


def _gain(used: tuple[int, ...], taken: tuple[int, ...]) -> int:
    """Return by how much a block of equal values raises the doubled statistic."""
    pairs = ((i, j) for j in range(len(used)) for i in range(j))
    return sum(2 * used[i] * taken[j] + taken[i] * taken[j] for i, j in pairs)


def _shares(block: int, room: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield every way to share a block of equal values among groups that have so much room left."""
    if len(room) == 1:
        if block <= room[0]:
            yield (block,)
        return
    for first in range(min(block, room[0]) + 1):
        for rest in _shares(block - first, room[1:]):
            yield (first, *rest)


def arrangements(sizes: tuple[int, ...]) -> int:
    """Return in how many ways patients can be shared among groups of these sizes.

    >>> arrangements((3, 3, 3))
    1680
    """
    total, ways = 0, 1
    for size in sizes:
        total += size
        ways *= comb(total, size)
    return ways


# Do values rise or fall over the visits within patients? Page's trend test, exact, ties included.

MOST_VISITS = 8


def page_trend(values: ArrayLike) -> Trend:
    """Return Page's test for a trend over visits, against any order of the visits within each patient being as likely.

    values: (patients, visits) in the order of the visits, finite; 2 to 8 visits. Exact: the distribution of each
    patient's ``sum(visit number * rank)`` over all orders, added up over patients; equal values share their rank.
    Raises ValueError for other shapes or numbers that are not finite. Page, J Am Stat Assoc 1963;58:216.

    >>> page_trend([[1.0, 2.0, 3.0], [1.5, 2.5, 4.0]]).p_rising == 1 / 36
    True
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 2 or not 2 <= x.shape[1] <= MOST_VISITS or x.shape[0] == 0:
        raise ValueError(f"Page's test needs patients x visits, with 2 to {MOST_VISITS} visits, got {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("every value must be a number; leave out the patients who lack a visit")
    # Twice the rank is whole even where ranks are shared.
    doubled = np.array([_doubled_ranks(row) for row in x])
    weights = np.arange(1, x.shape[1] + 1)
    observed = int((doubled * weights).sum())
    chance, least = np.ones(1), 0
    for row in doubled:
        first, probabilities = _one_patient(tuple(sorted(row.tolist())))
        chance, least = np.convolve(chance, np.asarray(probabilities)), least + first
    offset, ends = observed - least, np.flatnonzero(chance > 0)
    floor = min(1.0, 2 * float(min(chance[ends[0]], chance[ends[-1]])))
    expected = float(x.shape[0] * weights.sum() * (x.shape[1] + 1) / 2)
    rising, falling = float(chance[offset:].sum()), float(chance[: offset + 1].sum())
    return Trend(observed / 2, expected, min(1.0, rising), min(1.0, falling), floor, True)


def _doubled_ranks(row: Floats) -> Ints:
    below = (row[None, :] < row[:, None]).sum(axis=1)
    equal = (row[None, :] == row[:, None]).sum(axis=1)
    return np.asarray(2 * below + equal + 1, dtype=np.int64)


@lru_cache(maxsize=256)
def _one_patient(doubled: tuple[int, ...]) -> tuple[int, tuple[float, ...]]:
    """Return the least doubled statistic of one patient, and the chance of it and each larger one."""
    orders = np.array(list(permutations(doubled)), dtype=np.int64)
    sums = orders @ np.arange(1, len(doubled) + 1)
    least = int(sums.min())
    counts = np.bincount(sums - least)
    return least, tuple((counts / counts.sum()).tolist())
