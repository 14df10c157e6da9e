"""A sparse symmetric matrix as L D L', by the pattern of L: factorised, solved, and its inverse where L has entries."""

from __future__ import annotations

import numpy as np
from numba import njit

from immunomon.arrays import Floats, Ints

__all__ = ["entries_of_inverse", "factorise", "solve"]


# starts, rows: the rows below the diagonal of each column, rising; pivots: the diagonal; lower: the entries of rows.


@njit(cache=True, nogil=True)
def factorise(starts: Ints, rows: Ints, pivots: Floats, lower: Floats) -> None:
    """Turn a matrix's diagonal and lower triangle, in place, into those of its factor L D L'."""
    for column in range(starts.size - 1):
        begin, end = starts[column], starts[column + 1]
        for one in range(begin, end):
            row = rows[one]
            share = lower[one] / pivots[column]
            pivots[row] -= share * lower[one]
            slot = starts[row]
            if starts[row + 1] - slot == end - one - 1:  # joined to the same: nothing to look for
                for offset in range(end - one - 1):
                    lower[slot + offset] -= share * lower[one + 1 + offset]
                continue
            for other in range(one + 1, end):
                while rows[slot] != rows[other]:
                    slot += 1
                lower[slot] -= share * lower[other]
        for one in range(begin, end):
            lower[one] /= pivots[column]


@njit(cache=True, nogil=True)
def entries_of_inverse(starts: Ints, rows: Ints, pivots: Floats, lower: Floats) -> tuple[Floats, Floats]:
    """Return the inverse's diagonal, and its entries where the factor has any."""
    own, joint = np.empty(pivots.size), np.empty(lower.size)
    sums = np.zeros(pivots.size)
    for column in range(pivots.size - 1, -1, -1):
        begin, end = starts[column], starts[column + 1]
        for one in range(begin, end):
            sums[one - begin] = 0.0
        for one in range(begin, end):
            row = rows[one]
            sums[one - begin] += lower[one] * own[row]
            slot = starts[row]
            if starts[row + 1] - slot == end - one - 1:
                for offset in range(end - one - 1):
                    sums[one - begin] += lower[one + 1 + offset] * joint[slot + offset]
                    sums[one + 1 - begin + offset] += lower[one] * joint[slot + offset]
                continue
            for other in range(one + 1, end):
                while rows[slot] != rows[other]:
                    slot += 1
                sums[one - begin] += lower[other] * joint[slot]
                sums[other - begin] += lower[one] * joint[slot]
        own[column] = 1.0 / pivots[column]
        for one in range(begin, end):
            joint[one] = -sums[one - begin]
            own[column] -= lower[one] * joint[one]
    return own, joint


@njit(cache=True, nogil=True)
def solve(starts: Ints, rows: Ints, pivots: Floats, lower: Floats, right: Floats) -> None:
    """Solve L D L' x = right, in place."""
    for column in range(pivots.size):
        for slot in range(starts[column], starts[column + 1]):
            right[rows[slot]] -= lower[slot] * right[column]
    for column in range(pivots.size - 1, -1, -1):
        right[column] /= pivots[column]
        for slot in range(starts[column], starts[column + 1]):
            right[column] -= lower[slot] * right[rows[slot]]
