"""Exact test of paired changes: without an effect, each patient's change is as likely to be the other way round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from immunomon.arrays import Floats

__all__ = ["MOST_EXACT", "SignFlip", "sign_arrangements", "sign_flip", "sign_flip_floor"]

MOST_EXACT = 20
_TIE = 1e-9  # relative: sums that differ by rounding only are equal
_RANDOM = 100_000


@dataclass(frozen=True)
class SignFlip:
    """The result of a sign-flip test: two-sided p, the smallest p there could be, and over how many arrangements.

    exact: whether all arrangements were looked at, or a random part of them.
    """

    p: float
    floor: float
    arrangements: int
    exact: bool


def sign_flip_floor(n: int) -> float:
    """Return the smallest two-sided p that n patients can reach: two arrangements of ``2 ** n``.

    >>> [sign_flip_floor(n) for n in (3, 6, 9)]
    [0.25, 0.03125, 0.00390625]
    """
    return min(1.0, 2.0 ** (1 - n)) if n > 0 else 1.0


def sign_flip(changes: ArrayLike, rng: np.random.Generator | None = None) -> SignFlip:
    """Return the two-sided sign-flip test of no change, by the mean.

    changes: (patients,) one change each, finite. All ``2 ** n`` arrangements up to 20 patients; beyond, 100,000 random
    ones of ``rng``, the one observed counted with them. Raises ValueError for numbers that are not finite, or more
    than 20 patients without an rng. Fisher, The Design of Experiments, 1935.

    >>> sign_flip([0.4, 0.5, 0.1]).p
    0.25
    """
    x = np.asarray(changes, dtype=np.float64)
    if not np.isfinite(x).all():
        raise ValueError("every change must be a number; leave out the patients who have none")
    if x.size == 0:
        return SignFlip(1.0, 1.0, 1, True)
    exact = x.size <= MOST_EXACT
    sums = _all_sums(x) if exact else _random_sums(x, rng)
    edge = abs(float(x.sum())) - _TIE * float(np.abs(x).sum())
    extreme = int((np.abs(sums) >= edge).sum())
    # The arrangement observed is one of the random ones, so that p is never 0 and the test never too eager.
    p = extreme / sums.size if exact else (extreme + 1) / (sums.size + 1)
    floor = sign_flip_floor(x.size) if exact else 1 / (sums.size + 1)
    return SignFlip(p, floor, sums.size, exact)


def sign_arrangements(n: int, rng: np.random.Generator | None = None) -> Floats:
    """Return signs, one arrangement a row, the observed one first; their mirror images are left out.

    Result: (arrangements, n) of 1 and -1. Up to 18 patients all ``2 ** (n - 1)``, beyond
    20,000 random ones of ``rng``. Raises ValueError if an rng is needed and not given.

    >>> sign_arrangements(2)
    array([[ 1.,  1.],
           [ 1., -1.]])
    """
    if n <= 18:
        codes = np.arange(2 ** max(n - 1, 0))[:, None]
        bits = (codes >> np.arange(max(n - 1, 0))[None, ::-1]) & 1
        return np.hstack([np.ones((codes.size, min(n, 1))), 1.0 - 2.0 * bits])
    if rng is None:
        raise ValueError("more than 18 patients need an rng")
    drawn = 1.0 - 2.0 * rng.integers(0, 2, size=(20_000, n))
    drawn[0] = 1.0
    return np.asarray(drawn, dtype=np.float64)


def _all_sums(x: Floats) -> Floats:
    sums = np.zeros(1)
    for change in x:
        sums = np.concatenate([sums + change, sums - change])
    return sums


def _random_sums(x: Floats, rng: np.random.Generator | None) -> Floats:
    if rng is None:
        raise ValueError(f"more than {MOST_EXACT} patients need an rng")
    parts = [(1.0 - 2.0 * rng.integers(0, 2, size=(_RANDOM // 10, x.size))) @ x for _ in range(10)]
    return np.concatenate(parts)
