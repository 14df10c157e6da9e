"""Values that are known to within a bound, and exactly where that does not decide: most questions need few of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Floats32, Mask, Rows

__all__ = ["RoughValues", "all_of", "difference_of", "ends_of", "larger_than", "outside_of", "some_of"]


@dataclass(frozen=True, eq=False)
class RoughValues:
    """Values of which each is known to within a bound; every answer is that of the exact values, to the last bit.

    rough: (values,), not-a-number where a value is known exactly only; bound: how far it may be from the exact value;
    exact: rows -> exact values, finite.

    >>> exact = np.array([0.1, 0.4, 0.7])
    >>> values = RoughValues((exact + 1e-4).astype(np.float32), 2e-4, lambda rows: exact[rows])
    >>> values.ends, values.above(0.4), values.counted(0.0, 0.8, 2)[0].tolist()
    ((0.1, 0.7), 1, [1.0, 2.0])
    """

    rough: Floats32
    bound: float
    exact: Callable[[Rows], Floats]

    @property
    def size(self) -> int:
        """How many there are."""
        return self.rough.size

    @cached_property
    def all(self) -> Floats:
        """All of them, exactly."""
        return self.exact(np.arange(self.size))

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The least and the largest of them; there must be one at least."""
        from immunomon.cytometry.kernels.rough_compiled import near_ends

        candidates = self.exact(near_ends(self.rough, self.bound))
        return float(candidates.min()), float(candidates.max())

    def above(self, place: float) -> int:
        """Return how many are larger than a place."""
        from immunomon.cytometry.kernels.rough_compiled import sides_of

        _, above, doubtful = sides_of(self.rough, self.bound, place)
        return above + int(np.count_nonzero(self.exact(doubtful) > place))

    def below(self, place: float) -> int:
        """Return how many are less than a place."""
        from immunomon.cytometry.kernels.rough_compiled import sides_of

        below, _, doubtful = sides_of(self.rough, self.bound, place)
        return below + int(np.count_nonzero(self.exact(doubtful) < place))

    def counted(self, low: float, high: float, bins: int) -> tuple[Floats, Floats]:
        """Return the counts in equal bins and the bins' edges, as ``density_compiled.bin_counts`` does.

        low, high: no value lies outside; the bins' edges must all differ.
        """
        from immunomon.cytometry.kernels.density_compiled import bin_counts
        from immunomon.cytometry.kernels.rough_compiled import rough_counts

        exact_counts, edges = bin_counts(np.empty(0), low, high, bins)
        counts, doubtful = rough_counts(self.rough, self.bound, edges)
        if doubtful.size:
            exact_counts, _ = bin_counts(self.exact(doubtful), low, high, bins)
        return counts + exact_counts, edges


def ends_of(values: NDArray[np.floating] | RoughValues) -> tuple[float, float]:
    """Return the least and the largest of finite values; there must be one at least.

    >>> ends_of(np.array([3.0, 1.0]))
    (1.0, 3.0)
    """
    return values.ends if isinstance(values, RoughValues) else (float(values.min()), float(values.max()))


def outside_of(values: NDArray[np.floating] | RoughValues, low: float, high: float) -> tuple[int, int]:
    """Return how many of finite values are less than ``low``, and how many larger than ``high``.

    >>> outside_of(np.array([0.0, 1.0, 2.0, 3.0]), 1.0, 1.5)
    (1, 2)
    """
    if isinstance(values, RoughValues):
        return values.below(low), values.above(high)
    return int(np.count_nonzero(values < low)), int(np.count_nonzero(values > high))


def some_of(values: Floats | RoughValues, rows: Rows) -> Floats:
    """Return the values at some rows, exactly.

    >>> some_of(np.array([3.0, 1.0]), np.array([1])).tolist()
    [1.0]
    """
    return values.exact(rows) if isinstance(values, RoughValues) else values[rows]


def all_of(values: Floats | RoughValues) -> Floats:
    """Return all values, exactly.

    >>> all_of(np.array([3.0, 1.0])).tolist()
    [3.0, 1.0]
    """
    return values.all if isinstance(values, RoughValues) else values


def larger_than(values: Floats | RoughValues, place: float) -> Mask:
    """Return which values are larger than a place, (values,).

    >>> larger_than(np.array([3.0, 1.0]), 2.0).tolist()
    [True, False]
    """
    if not isinstance(values, RoughValues):
        return values > place
    larger = values.rough > np.float64(place)
    doubtful = np.flatnonzero(~(np.abs(values.rough - np.float64(place)) > values.bound))
    larger[doubtful] = values.exact(doubtful) > place
    return np.asarray(larger)


def difference_of(upper: Floats | RoughValues, lower: Floats | RoughValues, slope: float) -> Floats | RoughValues:
    """Return ``upper - slope * lower``, (values,): known as well as both are.

    >>> difference_of(np.array([3.0, 1.0]), np.array([1.0, 1.0]), 2.0).tolist()
    [1.0, -1.0]
    """
    if not (isinstance(upper, RoughValues) and isinstance(lower, RoughValues)):
        return np.asarray(all_of(upper) - slope * all_of(lower))
    rough = upper.rough.astype(np.float64) - slope * lower.rough
    known = np.abs(rough[np.isfinite(rough)])
    rounding = 2.0**-23 * float(known.max(initial=0.0))  # twice what float32 rounds off, and float64 beside it
    bound = (upper.bound + abs(slope) * lower.bound) * (1 + 1e-9) + rounding
    return RoughValues(rough.astype(np.float32), bound, lambda rows: upper.exact(rows) - slope * lower.exact(rows))
