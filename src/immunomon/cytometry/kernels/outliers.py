"""Values out of line: alone in their group, beside other files', against control limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from immunomon.arrays import Floats, Ints, Mask

__all__ = ["LEVELS", "RULES", "Reach", "Rule", "broken_rules", "control_limits", "reach_beside", "standing_alone"]

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
) -> tuple[Mask, Floats]:
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
    return np.asarray(values - _median_of_others(values))


def _median_of_others(values: Floats) -> Floats:
    """Return for each of (n,) finite values, n > 1, the median of all others; sorted once for all of them."""
    order = np.argsort(values, kind="stable")
    ordered, rank = values[order], np.empty(values.size, dtype=np.intp)
    rank[order] = np.arange(values.size)
    # The k-th of the others is the k-th of all, or the one after it from the value itself on.
    low, high = (values.size - 2) // 2, (values.size - 1) // 2
    return np.asarray((ordered[low + (low >= rank)] + ordered[high + (high >= rank)]) / 2)


def _spread_of_others(values: Floats, middle: Floats) -> Floats:
    """Return the median distance of all others from their median, (n,); middle: that median, beside each value."""
    spread = np.empty(values.size)
    for median in np.unique(middle):  # three at most: without a value, the median moves by one place
        own = middle == median
        spread[own] = _median_of_others(np.abs(values - median))[own]
    return spread


# How far the events of one file reach on a marker, beside those of the others: stains that failed, high negatives.

# Quantiles by which a file's reach is told: two of the negative side, two of the positive side.
LEVELS = (0.05, 0.25, 0.95, 0.99)

_FEWEST_OTHERS = 3
_BEYOND = 6.0
_LEAST = 0.15  # display scale of a length of 1: on four and a half decades, a fifth of the brightness
_MARGIN = 0.05


@dataclass(frozen=True, eq=False)
class Reach:
    """Which files' positives lie too low and whose negatives too high, and by how much (display scale), (files,) each.

    short, raised: how far the file's upper quantile lies below, its lower ones above, the median of the others'.
    """

    is_weak: Mask
    is_shifted: Mask
    short: Floats
    raised: Floats


def reach_beside(quantiles: Floats) -> Reach:
    """Return which of a panel's files reach less far up on a marker than the others, or lie higher altogether.

    quantiles: (files, 4), those of ``LEVELS`` of the same parent population on one display scale; not a number where
    there is none. A file's stain is weak if its 99 % quantile lies far below that of the others (by 0.15 and six robust
    standard deviations) and even below their 95 % quantile, so that positives are missing, not merely few. Negatives
    are shifted if both lower quantiles lie as far above the others'. Files with fewer than three others are not judged.

    >>> files = np.tile([0.1, 0.12, 0.6, 0.7], (5, 1))
    >>> files[2] = [0.1, 0.12, 0.2, 0.25]
    >>> np.flatnonzero(reach_beside(files).is_weak).tolist()
    [2]
    """
    files = np.flatnonzero(np.isfinite(quantiles).all(axis=1))
    distance, limit = np.full(quantiles.shape, np.nan), np.full(quantiles.shape, np.inf)
    missing = np.zeros(len(quantiles), dtype=np.bool_)
    known = quantiles[files]
    if files.size > _FEWEST_OTHERS:
        middle = np.apply_along_axis(_median_of_others, 0, known)
        spread = np.column_stack([_spread_of_others(*columns) for columns in zip(known.T, middle.T, strict=True)])
        distance[files] = known - middle
        limit[files] = np.maximum(_LEAST, _BEYOND * _NORMAL * spread)
        missing[files] = known[:, 3] < middle[:, 2] - _MARGIN
    with np.errstate(invalid="ignore"):
        is_weak = missing & (distance[:, 3] < -limit[:, 3])
        is_shifted = np.all(distance[:, :2] > limit[:, :2], axis=1)
    return Reach(np.asarray(is_weak), np.asarray(is_shifted), -distance[:, 3], distance[:, 1])


# Westgard's rules: what in a series of control values says that a measurement is no longer what it was.

# In the order of the paper; the first is a warning, the others reject.
RULES: tuple[str, ...] = ("1_2s", "1_3s", "2_2s", "R_4s", "4_1s", "10_x")


def control_limits(values: Floats, *, establish: int | None = None) -> tuple[Floats, Floats]:
    """Return the mean and the standard deviation that each value of a series is judged by, both (values,).

    values: in order of time, without gaps. establish: how many values at the start set the limits of all; None for all
    of them, where each value is judged by the others, without itself (leave one out). A value among the first
    ``establish`` is judged without itself too. NaN where fewer than two values are left to judge by.

    >>> mean, sd = control_limits(np.array([1.0, 2.0, 3.0, 9.0]), establish=3)
    >>> mean.tolist(), sd.round(3).tolist()
    ([2.5, 2.0, 1.5, 2.0], [0.707, 1.414, 0.707, 1.0])
    """
    first = values.size if establish is None else min(establish, values.size)
    mean, sd = np.full(values.size, np.nan), np.full(values.size, np.nan)
    if first >= 3:
        places = np.arange(first - 1) + (np.arange(first - 1) >= np.arange(first)[:, None])
        other_values = values[places]  # (first, first - 1): each row without its own value
        mean[:first], sd[:first] = other_values.mean(axis=1), other_values.std(axis=1, ddof=1)
    if first >= 2:
        mean[first:], sd[first:] = values[:first].mean(), values[:first].std(ddof=1)
    return mean, sd


def broken_rules(z: Floats) -> dict[str, Mask]:
    """Return for each of ``RULES`` at which values of a series it is broken, (values,) of bool.

    z: deviations from the mean in standard deviations, in order of time; NaN breaks nothing and interrupts runs. A rule
    about several values is broken at the last of them. 1_2s: beyond 2 SD; 1_3s: beyond 3 SD; 2_2s: two in a row beyond
    2 SD on one side; R_4s: of two in a row one above +2 SD, the other below -2 SD; 4_1s: four in a row beyond 1 SD on
    one side; 10_x: ten in a row on one side of the mean. Westgard, Barry, Hunt and Groth 1981, Clin Chem 27:493.

    >>> {name: np.flatnonzero(found).tolist() for name, found in broken_rules(np.array([0.0, 2.5, -2.2, 3.1])).items()}
    {'1_2s': [1, 2, 3], '1_3s': [3], '2_2s': [], 'R_4s': [2, 3], '4_1s': [], '10_x': []}
    """
    with np.errstate(invalid="ignore"):
        high, low = z > 2, z < -2
        crossed = np.zeros(z.size, dtype=np.bool_)
        crossed[1:] = (high[1:] & low[:-1]) | (low[1:] & high[:-1])
        return {
            "1_2s": high | low,
            "1_3s": np.abs(z) > 3,
            "2_2s": _in_a_row(high, 2) | _in_a_row(low, 2),
            "R_4s": crossed,
            "4_1s": _in_a_row(z > 1, 4) | _in_a_row(z < -1, 4),
            "10_x": _in_a_row(z > 0, 10) | _in_a_row(z < 0, 10),
        }


def _in_a_row(true: Mask, length: int) -> Mask:
    """Say where a value is the last of at least ``length`` true ones in a row."""
    runs = np.zeros(true.size, dtype=np.bool_)
    if true.size >= length:
        runs[length - 1 :] = np.lib.stride_tricks.sliding_window_view(true, length).all(axis=1)
    return runs
