"""Events counted for quality control: those at the ends of their ranges, and mean ranks over time."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from immunomon.arrays import Floats, Floats32, Ints, Mask

__all__ = ["at_ends", "binned_ranks"]


@njit(cache=True, nogil=True)
def _highest(values: NDArray[np.floating], out: Floats) -> None:
    for event in range(values.shape[0]):
        for channel in range(values.shape[1]):
            if values[event, channel] > out[channel]:
                out[channel] = values[event, channel]


@njit(cache=True, nogil=True)
def _count(
    values: NDArray[np.floating],
    ends: tuple[Floats, Floats],
    any_end: Mask,
    counts: Ints,
) -> None:
    bottoms, tops = ends
    for event in range(values.shape[0]):
        for channel in range(values.shape[1]):
            value = values[event, channel]
            if value >= tops[channel] or value <= bottoms[channel]:
                any_end[event] = True
                counts[channel] += 1


def at_ends(values: NDArray[np.floating], bottoms: Floats, tops: Floats) -> tuple[Mask, Ints]:
    """Return which events are at an end in any channel, (events,), and how many in each, (channels,).

    values: (events, channels); bottoms, tops: (channels,), infinite where there is none. A value at an end is one at
    or beyond it; where values go beyond the top by more than 1, it is not the top of theirs, and none is at it.

    >>> mask, counts = at_ends(np.array([[0.0, 5.0], [1023.0, 9000.0]]), np.zeros(2), np.full(2, 1023.0))
    >>> mask.tolist(), counts.tolist()
    ([True, True], [2, 0])
    """
    any_end, counts = np.zeros(len(values), dtype=np.bool_), np.zeros(values.shape[1], dtype=np.int64)
    highest = np.full(values.shape[1], -np.inf)
    _highest(values, highest)
    real = np.where(highest <= tops + 1, tops, np.inf)
    _count(values, (np.asarray(bottoms, dtype=np.float64), real), any_end, counts)
    return any_end, counts


# Ranks of many values in little time: a measure of size that no scale and no outlier can bend.

_CODES = 1 << 16
_TOGETHER = 64  # channels whose tables of ranks are in memory at once
_ENOUGH = 50_000  # events that fix the ranks of all: their error is far below that of a bin's mean


@njit(cache=True, nogil=True)
def _key(bits: np.uint32) -> np.uint32:
    # Numbers' order is that of their bits, but for the sign: negatives count backwards, below the positives.
    half = bits >> np.uint32(16)
    return np.uint32(0xFFFF) - half if half >= np.uint32(0x8000) else half + np.uint32(0x8000)


@njit(cache=True, nogil=True)
def _ranks(bits: NDArray[np.uint32], every: int) -> Floats32:
    table = np.zeros((bits.shape[1], _CODES), dtype=np.float32)
    for event in range(0, bits.shape[0], every):
        for channel in range(bits.shape[1]):
            table[channel, _key(bits[event, channel])] += np.float32(1)
    for channel in range(bits.shape[1]):
        before = np.float32(0)
        for code in range(_CODES):
            tied = table[channel, code]
            table[channel, code] = before + np.float32(0.5) * tied
            before += tied
        for code in range(_CODES):
            table[channel, code] /= before
    return table


@njit(cache=True, nogil=True)
def _means(bits: NDArray[np.uint32], edges: Ints, table: Floats32, out: Floats) -> None:
    for stretch in range(edges.size - 1):
        for event in range(edges[stretch], edges[stretch + 1]):
            for channel in range(bits.shape[1]):
                out[stretch, channel] += table[channel, _key(bits[event, channel])]
        for channel in range(bits.shape[1]):
            out[stretch, channel] /= max(edges[stretch + 1] - edges[stretch], 1)


def binned_ranks(values: NDArray[np.floating], edges: Ints) -> Floats:
    """Return the mean rank, from 0 to 1, that each channel's values have in each bin of events.

    values: (events, channels); edges: (bins + 1,) first events of the bins and the end, not falling; result: (bins,
    channels). Equal values share their rank, and values closer than 0.4 to 0.8 % of their size count as equal: the
    upper 16 bits of a float32 are its key, so that ranking is counting, not sorting. Of more than 100,000 events the
    ranks are those among every second, third ... Without any change over time a bin of m events has mean 0.5 and
    standard deviation 1 / sqrt(12 m), whatever the values' distribution (Wilcoxon 1945).

    >>> binned_ranks(np.array([[-1.0], [7.0], [7.0], [100.0]]), np.array([0, 1, 3, 4])).tolist()
    [[0.125], [0.5], [0.875]]
    """
    out = np.zeros((len(edges) - 1, values.shape[1]))
    starts = np.ascontiguousarray(edges, dtype=np.int64)
    for first in range(0, values.shape[1] if len(values) else 0, _TOGETHER):
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and ranks as that
            block = np.ascontiguousarray(values[:, first : first + _TOGETHER], dtype=np.float32)
        bits, means = block.view(np.uint32), np.zeros((len(edges) - 1, block.shape[1]))
        _means(bits, starts, _ranks(bits, max(1, len(values) // _ENOUGH)), means)
        out[:, first : first + _TOGETHER] = means
    return out
