"""Two crossed factors, subjects and batches: sums over their levels, and the inverse of the matrix that joins them."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Protocol

import numpy as np

from immunomon.arrays import Floats, Ints

__all__ = ["Crossed", "LevelInverse"]


_FEW_LEVELS = 96  # up to here the inverse as a full matrix is made sooner than compiled code is loaded
_CROWDED = 200  # neighbours; levels that have more are joined to nearly all others that are left


class LevelInverse(Protocol):
    """The inverse of a matrix over levels: its diagonal, its entry at each sample's two levels, and its product."""

    diagonal: Floats
    cross: Floats

    def times(self, levels: Floats) -> Floats:
        """Return the inverse times a vector over the levels."""
        ...


class Crossed:
    """The levels that samples have of two factors; those of the second are counted on from those of the first.

    first, second: (samples,) labels.

    >>> crossed = Crossed(np.array([7, 7, 9]), np.array([1, 2, 2]))
    >>> crossed.sums(np.array([1.0, 10.0, 100.0])).tolist()
    [11.0, 100.0, 1.0, 110.0]
    >>> inverse = crossed.inverse(np.full(4, 2.0), np.array([1.0, 0.0, 0.0]))  # 2 on the diagonal, 1 at (7, 1)
    >>> inverse.diagonal.round(3).tolist(), inverse.cross.round(3).tolist()
    ([0.667, 0.5, 0.667, 0.5], [-0.333, 0.0, 0.0])
    """

    def __init__(self, first: Ints, second: Ints) -> None:
        names, self.first = np.unique(first, return_inverse=True)
        others, second_levels = np.unique(second, return_inverse=True)
        self.count_first, self.count = names.size, names.size + others.size
        self.second = second_levels + names.size

    def sums(self, values: Floats) -> Floats:
        """Return the sums of the samples' values over each level of either factor."""
        sums = np.bincount(self.first, values, self.count) + np.bincount(self.second, values, self.count)
        return np.asarray(sums, dtype=np.float64)

    def at_samples(self, levels: Floats) -> Floats:
        """Return for each sample the sum of what its two levels have."""
        return np.asarray(levels[self.first] + levels[self.second], dtype=np.float64)

    def inverse(self, diagonal: Floats, cross: Floats) -> LevelInverse:
        """Return the inverse of the symmetric, positive definite matrix over the levels that these make.

        diagonal: (levels,). cross: (samples,), added up at the crossing of each sample's two levels. Memory grows with
        the samples, not with the square of the levels, as long as a level is crossed with few others.
        """
        if self.count <= _FEW_LEVELS:
            return _FullInverse(self, diagonal, cross)
        return _SparseInverse(self.elimination, diagonal, cross)

    @cached_property
    def crossings(self) -> Ints:
        """Where in a full matrix over the levels each sample's two cross, counted through its rows."""
        return np.asarray(self.first * self.count + self.second)

    @cached_property
    def elimination(self) -> _Elimination:
        """In which order to eliminate the levels, and what that joins."""
        return _Elimination.of(self)


class _FullInverse:
    """The inverse as a full matrix, for few levels."""

    def __init__(self, crossed: Crossed, diagonal: Floats, cross: Floats) -> None:
        upper = np.bincount(crossed.crossings, cross, crossed.count**2).reshape(crossed.count, crossed.count)
        matrix = upper + upper.T
        matrix.flat[:: crossed.count + 1] = diagonal
        self._matrix: Floats = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
        self.diagonal: Floats = self._matrix.diagonal().copy()
        self.cross: Floats = self._matrix[crossed.first, crossed.second]

    def times(self, levels: Floats) -> Floats:
        return np.asarray(self._matrix @ levels, dtype=np.float64)


class _SparseInverse:
    """The inverse by its triangular factor, and of its entries only those where the factor has any.

    Sources: Takahashi, Fagan & Chin 1973 (the entries); Davis 2006, Direct Methods for Sparse Linear Systems (the
    factor).
    """

    def __init__(self, pattern: _Elimination, diagonal: Floats, cross: Floats) -> None:
        self._pattern = pattern
        self._pivots = diagonal[pattern.order]
        self._lower = np.bincount(pattern.slots, cross, pattern.rows.size).astype(np.float64)
        _compiled().factorise(pattern.starts, pattern.rows, self._pivots, self._lower)
        own, joint = _compiled().entries_of_inverse(pattern.starts, pattern.rows, self._pivots, self._lower)
        self.diagonal: Floats = own[pattern.position]
        self.cross: Floats = joint[pattern.slots]

    def times(self, levels: Floats) -> Floats:
        pattern = self._pattern
        solved = levels[pattern.order]
        _compiled().solve(pattern.starts, pattern.rows, self._pivots, self._lower, solved)
        return np.asarray(solved[pattern.position], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Elimination:
    """The pattern of a triangular factor.

    order: (levels,), which level is eliminated when; position: (levels,), when a level is. starts, rows: the rows below
    the diagonal of each column, by position, rising. slots: (samples,), where in ``rows`` a sample's two levels cross.
    """

    order: Ints
    position: Ints
    starts: Ints
    rows: Ints
    slots: Ints

    @classmethod
    def of(cls, crossed: Crossed) -> _Elimination:
        order, joined = _least_joined_first(crossed)
        position = np.empty(crossed.count, dtype=np.int64)
        position[order] = np.arange(crossed.count)
        columns = [np.sort(position[members]) for members in joined]
        starts = np.concatenate([[0], np.cumsum([column.size for column in columns])]).astype(np.int64)
        rows = np.concatenate(columns)
        one, other = position[crossed.first], position[crossed.second]
        keys = np.repeat(np.arange(crossed.count), np.diff(starts)) * crossed.count + rows
        slots = np.searchsorted(keys, np.minimum(one, other) * crossed.count + np.maximum(one, other))
        return cls(order, position, starts, rows, slots.astype(np.int64))


def _least_joined_first(crossed: Crossed) -> tuple[Ints, list[Ints]]:
    """Return an order of the levels that joins few others, and what each is joined to when its turn comes.

    The least degree first (Tinney & Walker 1967, Proc IEEE 55:1801); what is left when all have many is taken as joined
    to all.
    """
    neighbours: list[set[int]] = [set() for _ in range(crossed.count)]
    for one, other in zip(crossed.first.tolist(), crossed.second.tolist(), strict=True):
        neighbours[one].add(other)
        neighbours[other].add(one)
    queue = [(len(joined), level) for level, joined in enumerate(neighbours)]
    heapq.heapify(queue)
    left = set(range(crossed.count))
    order: list[int] = []
    columns: list[Ints] = []
    while queue:
        degree, level = heapq.heappop(queue)
        if level not in left or degree != len(neighbours[level]):
            continue  # counted anew since then
        if degree > _CROWDED:
            break
        order.append(level)
        left.discard(level)
        columns.append(_as_ints(neighbours[level]))
        for joined in neighbours[level]:
            neighbours[joined] |= neighbours[level]
            neighbours[joined] -= {joined, level}
            heapq.heappush(queue, (len(neighbours[joined]), joined))
    rest = sorted(left)
    columns += [np.array(rest[number:], dtype=np.int64) for number in range(1, len(rest) + 1)]
    return np.array(order + rest, dtype=np.int64), columns


def _compiled() -> ModuleType:
    """Return the compiled code, which few levels do not need: to load it takes longer than to gate a file."""
    from immunomon.cytometry.kernels import factor

    return factor


def _as_ints(levels: set[int] | Sequence[int]) -> Ints:
    return np.fromiter(levels, dtype=np.int64, count=len(levels))
