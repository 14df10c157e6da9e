"""Values of which one stands alone among its group: a patient's visits, a visit's tubes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rule", "standing_alone"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_ENOUGH = 10  # values: of fewer, one that stands alone widens what counts as usual
_NORMAL = 1.4826  # standard deviation of a normal distribution over its median absolute deviation


@dataclass(frozen=True)
class Rule:
    """When a value stands alone.

    others: how many other values a group must have; least: the smallest distance that counts; beyond: how many robust
    standard deviations it must exceed; floor: the smallest standard deviation that is believed; usual: the one assumed
    where fewer than ten values are known.
    """

    others: int
    least: float
    floor: float
    usual: float
    beyond: float = 6.0


def standing_alone(
    values: Floats,
    errors: Floats,
    groups: Ints,
    rule: Rule,
) -> tuple[NDArray[np.bool_], Floats]:
    """Return which values stand alone in their group, and how far each lies from the median of its group's others.

    values, errors: (n,), log-odds with their standard errors; not a number where there is none. groups: (n,) labels.
    A value stands alone if it lies farther from the others' median than the rule allows. The standard deviation is that
    of all groups' values (1.4826 x median absolute distance), with the value's own error. Of a group the farthest goes
    first, and is no evidence for the rest; of two that contradict each other, both stand alone. Hampel 1974, J Am Stat
    Assoc 69:383.

    >>> values = np.array([0.0, 0.1, 3.0, 0.1, 1.0, 1.1, 1.2])
    >>> rule = Rule(others=2, least=0.5, floor=0.15, usual=0.3)
    >>> alone, distance = standing_alone(values, np.zeros(7), np.array([0, 0, 0, 0, 1, 1, 1]), rule)
    >>> np.flatnonzero(alone).tolist(), round(float(distance[2]), 2)
    ([2], 2.9)
    """
    alone = np.zeros(values.size, dtype=np.bool_)
    distance = np.full(values.size, np.nan)
    members = [np.flatnonzero((groups == group) & np.isfinite(values)) for group in np.unique(groups)]
    members = [rows for rows in members if rows.size > rule.others]
    for rows in members:
        distance[rows] = _from_others(values[rows])
    known = np.abs(distance[np.isfinite(distance)])
    spread = max(rule.floor, _NORMAL * float(np.median(known))) if known.size >= _ENOUGH else rule.usual
    limit = np.maximum(rule.least, rule.beyond * np.hypot(spread, np.nan_to_num(errors)))
    for rows in members:
        left = rows
        while left.size > rule.others:
            now = _from_others(values[left])
            excess = np.where(np.abs(now) > limit[left], np.abs(now), 0.0)
            if not excess.any():
                break
            farthest = excess >= excess.max() - 1e-12
            alone[left[farthest]], distance[left[farthest]] = True, now[farthest]
            left = left[~farthest]
    return alone, distance


def _from_others(values: Floats) -> Floats:
    return np.array([value - np.median(np.delete(values, index)) for index, value in enumerate(values)])
