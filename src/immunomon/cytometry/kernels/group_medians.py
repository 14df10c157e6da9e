"""Medians of one column in many groups of events at once, compiled; each is NumPy's, to the last bit.

Values are counted by the first 16 bits of a float32, which order them roughly, and by which groups they are in; only
those in the bins that a median lies in are looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from immunomon.arrays import Floats, Ints, Mask
from immunomon.cytometry.kernels.compiled import middle

__all__ = ["group_medians", "membership_codes"]

_MOST_CODES = 256  # combinations of groups that are counted apart
_MOST_GROUPS = 64  # a bit each
_TILE = 1024


def membership_codes(groups: Sequence[Mask]) -> tuple[NDArray[np.uint16], Mask] | None:
    """Return of each event a number that says in which groups it is, and what the numbers mean; None for too many.

    groups: (events,) each. Result: (events,), and (numbers, groups).

    >>> codes, inside = membership_codes([np.array([True, True, False]), np.array([False, True, False])])
    >>> inside[codes].tolist()
    [[True, False], [True, True], [False, False]]
    """
    if not 0 < len(groups) <= _MOST_GROUPS:
        return None
    codes = np.zeros(groups[0].size, dtype=np.uint16)
    inside = np.zeros((1, 0), dtype=np.bool_)
    for group in groups:
        numbers = np.full(2 * len(inside), -1)
        held = _split(codes, group, numbers)
        if held > _MOST_CODES:
            return None
        known = np.flatnonzero(numbers >= 0)
        extended = np.empty((held, inside.shape[1] + 1), dtype=np.bool_)
        extended[numbers[known], :-1], extended[numbers[known], -1] = inside[known // 2], known % 2
        inside = extended
    return codes, inside


@njit(cache=True, nogil=True, error_model="numpy")
def _split(codes: NDArray[np.uint16], group: Mask, numbers: Ints) -> int:
    """Give events of one number that differ in one more group numbers of their own; return how many there are."""
    held = 0
    for i in range(codes.size):
        pair = 2 * np.int64(codes[i]) + group[i]
        if numbers[pair] < 0:
            numbers[pair] = held
            held += 1
        codes[i] = numbers[pair]
    return held


def group_medians(values: Floats, codes: NDArray[np.uint16], inside: Mask) -> Floats:
    """Return the median of each group's values, (groups,); not-a-number for an empty group.

    values: (events,), of which all are not-a-number where one is not finite; codes, inside: of ``membership_codes``.

    >>> codes, inside = membership_codes([np.array([True, True, False]), np.array([True, True, True])])
    >>> group_medians(np.array([1.0, 2.0, 7.0]), codes, inside).tolist()
    [1.5, 2.0]
    """
    medians = np.full(inside.shape[1], np.nan)
    bins = np.empty(values.size, dtype=np.uint16)
    held = _bins(values, bins)
    if held:
        _group_medians(values, codes, inside, bins, held, medians)
    return medians


@njit(cache=True, nogil=True, error_model="numpy")
def _bins(values: Floats, bins: NDArray[np.uint16]) -> int:
    """Put the number of each value's bin, in the order of the values; return how many there are, 0 of no numbers."""
    rounded = np.empty(_TILE, dtype=np.float32)
    bits, is_used = rounded.view(np.int32), np.zeros(1 << 16, dtype=np.bool_)
    is_all_numbers = True
    for begin in range(0, values.size, _TILE):
        part, keys = values[begin : begin + _TILE], bins[begin : begin + _TILE]
        for i in range(part.size):
            rounded[i] = part[i]
            is_all_numbers &= abs(part[i]) < np.inf
        for i in range(part.size):
            # Of two numbers the larger has the larger bits, once those of what is negative are turned over.
            keys[i] = np.uint16((bits[i] ^ ((bits[i] >> 31) | np.int32(-(2**31)))) >> 16)
        for i in range(part.size):
            is_used[keys[i]] = True
    numbers, held = np.empty(1 << 16, dtype=np.uint16), 0
    for key in range(1 << 16):
        numbers[key] = held
        held += is_used[key]
    for i in range(bins.size):
        bins[i] = numbers[bins[i]]
    return held if is_all_numbers else 0


@njit(cache=True, nogil=True, error_model="numpy")
def _group_medians(
    values: Floats, codes: NDArray[np.uint16], inside: Mask, bins: NDArray[np.uint16], held: int, medians: Floats
) -> None:
    counts, wanted = (
        np.zeros((inside.shape[0], held), dtype=np.int32),
        np.zeros((inside.shape[0], held), dtype=np.uint64),
    )
    for i in range(bins.size):
        counts[codes[i], bins[i]] += 1
    groups = inside.shape[1]
    sizes, ranks, ends = np.zeros(groups, np.int64), np.zeros(groups, np.int64), np.zeros(groups + 1, np.int64)
    of_bin = np.empty(held, dtype=np.int64)
    for group in range(groups):
        of_bin[:] = 0
        for code in range(inside.shape[0]):
            if inside[code, group]:
                for k in range(held):
                    of_bin[k] += counts[code, k]
        sizes[group] = of_bin.sum()
        upper, lower = sizes[group] // 2, (sizes[group] - 1) // 2
        before = asked = 0
        for k in range(held):
            if of_bin[k] and before <= upper and before + of_bin[k] > lower:
                ranks[group] = ranks[group] if asked else upper - before
                asked += of_bin[k]
                for code in range(inside.shape[0]):
                    if inside[code, group]:
                        wanted[code, k] |= np.uint64(1) << np.uint64(group)
            before += of_bin[k]
        ends[group + 1] = ends[group] + asked
    room, place = np.empty(ends[groups] + 1), ends[:groups].copy()
    for i in range(values.size):
        waiting, group = wanted[codes[i], bins[i]], 0
        while waiting:
            if waiting & np.uint64(1):
                room[place[group]] = values[i]
                place[group] += 1
            waiting >>= np.uint64(1)
            group += 1
    for group in range(groups):
        if sizes[group]:
            asked = ends[group + 1] - ends[group]
            medians[group] = middle(room[ends[group] :], asked, ranks[group], sizes[group] % 2 == 0)
