"""Balance: how many cells each sample gives, so that no patient and no visit speaks louder than the others."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

__all__ = ["shares"]

Key = TypeVar("Key", bound=Hashable)


def shares(available: Mapping[Key, int], total: int) -> dict[Key, int]:
    """Return how many to take of each so that all give the same, and those that have too few give all they have.

    What the poor lack is taken from the others, evenly; a remainder goes to the first ones. Together: ``wanted``, or
    all there is.

    >>> shares({"S01": 10, "S02": 1000, "S03": 1000}, 300)
    {'S01': 10, 'S02': 145, 'S03': 145}
    """
    taken = dict.fromkeys(available, 0)
    left = max(0, min(total, sum(available.values())))
    while left:
        open_ones = [key for key, count in available.items() if taken[key] < count]
        each = max(1, left // len(open_ones))
        for key in open_ones:
            step = min(each, available[key] - taken[key], left)
            taken[key] += step
            left -= step
    return taken
