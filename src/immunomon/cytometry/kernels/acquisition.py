"""Acquisition over time: bins of events, flow rates, level changes, and stretches that stray."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from immunomon.arrays import Floats, Ints, Mask

__all__ = [
    "MOST_BINS",
    "Stretch",
    "event_bins",
    "level_changes",
    "noise_of",
    "penalty_of",
    "rates",
    "stray_stretches",
    "time_bins",
    "usual_level",
    "whitened",
]

# Where a series of several channels changes its level: exact partition into stretches of one level each.


@njit(cache=True, nogil=True)
def _partition(sums: Floats, penalty: float, shortest: int) -> Ints:
    bins, channels = sums.shape[0] - 1, sums.shape[1]
    best = np.full(bins + 1, np.inf)
    best[0] = -penalty
    came_from = np.zeros(bins + 1, dtype=np.int64)
    for stop in range(shortest, bins + 1):
        for start in range(stop - shortest + 1):
            if best[start] == np.inf:
                continue
            explained = 0.0
            for channel in range(channels):
                total = sums[stop, channel] - sums[start, channel]
                explained += total * total
            cost = best[start] + penalty - explained / (stop - start)
            if cost < best[stop]:
                best[stop] = cost
                came_from[stop] = start
    return came_from


def level_changes(series: Floats, penalty: float, *, shortest: int = 2) -> Ints:
    """Return the edges of the stretches that a series falls into, first 0 and last its length.

    series: (bins, channels), each channel with noise of variance 1 and none shared between channels; penalty: what a
    further change must save in squared error; shortest: bins in the shortest stretch. Optimal partitioning of Jackson
    et al. 2005 (IEEE Signal Process Lett 12:105): the best of all partitions, in time that grows with bins squared.

    >>> level_changes(np.array([[0.0], [0.1], [0.0], [9.0], [9.1], [9.0]]), 10.0).tolist()
    [0, 3, 6]
    """
    bins = series.shape[0]
    if bins < 2 * shortest:
        return np.array([0, bins], dtype=np.int64)
    sums = np.zeros((bins + 1, series.shape[1]))
    np.cumsum(series - series.mean(axis=0), axis=0, out=sums[1:])
    came_from = _partition(sums, float(penalty), shortest)
    edges = [bins]
    while edges[-1] > 0:
        edges.append(int(came_from[edges[-1]]))
    return np.array(edges[::-1], dtype=np.int64)


def penalty_of(bins: int, channels: int) -> float:
    """Return the penalty by which pure noise is cut in about one series of a hundred.

    A change that is none saves a chi-squared variable; its bound is that of Laurent & Massart 2000 (Ann Stat 28:1302).

    >>> penalty_of(400, 11) > penalty_of(100, 11) > penalty_of(100, 1)
    True
    """
    rare = float(np.log(100.0 * max(bins, 1)))
    return channels + 2 * float(np.sqrt(channels * rare)) + 2 * rare


def noise_of(series: Floats) -> Floats:
    """Return the covariance, (channels, channels), of a series' noise, from how neighbouring bins differ.

    A change of level counts once among all neighbours, and is clipped at four deviations: what changes slowly or
    seldom is not taken for noise. Of few bins the covariances are shrunk, so that channels may outnumber bins.

    >>> rng = np.random.default_rng(0)
    >>> steps = rng.normal(size=(4000, 1)) + np.repeat([0.0, 50.0], 2000)[:, None]
    >>> bool(abs(noise_of(steps)[0, 0] - 1) < 0.1)
    True
    """
    differences = np.diff(series, axis=0) / np.sqrt(2)
    spread = 1.4826 * np.median(np.abs(differences), axis=0)
    spread = np.where(spread > 0, spread, differences.std(axis=0))
    clipped = np.clip(differences, -4 * spread, 4 * spread)
    covariance = clipped.T @ clipped / max(len(differences), 1)
    kept = 1 - min(1.0, max(0.05, 2 * series.shape[1] / max(len(differences), 1)))
    return np.asarray(np.where(np.eye(len(covariance), dtype=bool), covariance, kept * covariance))


def whitened(series: Floats, noise: Floats) -> Floats:
    """Return the series with noise of variance 1 that its channels do not share; a channel without noise becomes 0.

    series: (bins, channels); noise: (channels, channels).

    >>> whitened(np.array([[2.0, 5.0]]), np.diag([4.0, 0.0])).tolist()
    [[1.0, 0.0]]
    """
    scale = np.sqrt(np.diag(noise))
    live = scale > 0
    out = np.zeros_like(series)
    if live.any():
        correlation = noise[np.ix_(live, live)] / np.outer(scale[live], scale[live])
        variances, directions = np.linalg.eigh(correlation)
        turned = (directions / np.sqrt(np.maximum(variances, 1e-6))) @ directions.T
        out[:, live] = series[:, live] / scale[live] @ turned
    return out


MOST_BINS = 400
_EVENTS_IN_BIN = 50


class Stretch(NamedTuple):
    """Bins (half-open) that are not at the usual level: how far off at most, in which channels, and of what shape.

    shift: (channels,), signed, the largest of the stretch; drifts: whether the level slides rather than jumps.
    """

    start: int
    stop: int
    shift: Floats
    drifts: bool


def event_bins(events: int) -> Ints:
    """Return the first event of each bin, and the end: at most 400 bins of equal numbers, none below 50 events.

    >>> event_bins(1000)[[0, 1, -1]].tolist(), len(event_bins(1_000_000)) - 1
    ([0, 50, 1000], 400)
    """
    bins = max(1, min(MOST_BINS, events // _EVENTS_IN_BIN))
    return np.linspace(0, events, bins + 1).round().astype(np.int64)


def time_bins(time: Floats) -> Ints:
    """Return bins like ``event_bins`` whose edges lie where Time steps on, so that none cuts a tick in two.

    time: (events,), not falling. The last, incomplete tick is left out. Fewer edges come back where Time is coarse.

    >>> time_bins(np.repeat([0.0, 1.0, 2.0, 3.0], 40)).tolist()
    [0, 80, 120]
    """
    steps = np.flatnonzero(np.diff(time) > 0) + 1
    if not steps.size:
        return np.array([0], dtype=np.int64)
    boundaries = event_bins(len(time))[1:]
    places = np.searchsorted(steps, boundaries)
    inside = places < steps.size
    edges = np.unique(np.append(steps[places[inside]], steps[-1]))
    return np.concatenate([[0], edges]).astype(np.int64)


def rates(time: Floats, edges: Ints) -> Floats:
    """Return the events in each bin by the time it took, (bins,); time: (events,), not falling, stepping at each edge.

    >>> rates(np.array([0.0, 0.0, 1.0, 3.0]), np.array([0, 2, 3])).tolist()
    [2.0, 0.5]
    """
    return np.asarray(np.diff(edges) / np.diff(time[edges].astype(np.float64)))


def usual_level(series: Floats, edges: Ints, tolerance: float) -> Floats:
    """Return the level that most bins share: the mean of the largest group of stretches that lie close together.

    series: (bins, channels); edges: of the stretches; tolerance: how far apart, in the channel where it is most, two
    levels of one group may be. The idea of PeacoQC's largest group of bins (Emmaneel et al. 2022, Cytometry A 101:325).

    >>> usual_level(np.array([[0.0], [0.0], [5.0], [0.2], [0.2]]), np.array([0, 2, 3, 5]), 1.0).tolist()
    [0.1]
    """
    sizes = np.diff(edges)
    levels = np.add.reduceat(series, edges[:-1], axis=0) / sizes[:, None]
    alike = np.abs(levels[:, None, :] - levels[None, :, :]).max(axis=2) <= tolerance
    group = alike[int(np.argmax(alike @ sizes))]
    return np.asarray((levels[group] * sizes[group, None]).sum(axis=0) / sizes[group].sum())


def stray_stretches(series: Floats, tolerance: float, *, floor: float = 0.0) -> list[Stretch]:
    """Return the stretches of a series that are further from its usual level than a tolerance in some channel.

    series: (bins, channels); floor: the least standard deviation that a channel's noise can have. The series is cut
    where its level changes beyond noise, as flowCut (Meskas et al. 2023, Cytometry A 103:71) compares segments; of
    a stretch that slides away from the usual level, the beginning of the slide is found too, though it is small.

    >>> noise = np.random.default_rng(0).normal(0, 0.01, (100, 3))
    >>> step = 0.2 * (np.arange(100) >= 90)[:, None]
    >>> stray_stretches(noise, 0.08), [stretch[:2] for stretch in stray_stretches(noise + step, 0.08)]
    ([], [(90, 100)])
    """
    bins, channels = series.shape
    if bins < 4 or not channels:
        return []
    noise = noise_of(series)
    noise[np.diag_indices(channels)] = np.maximum(np.diag(noise), floor**2)
    edges = level_changes(whitened(series, noise), penalty_of(bins, channels))
    usual = usual_level(series, edges, tolerance)
    off = series - usual
    levels = np.add.reduceat(off, edges[:-1], axis=0) / np.diff(edges)[:, None]
    stray = np.repeat(np.abs(levels).max(axis=1) > tolerance, np.diff(edges))
    stretches = []
    for start, stop in _runs(stray):
        inside = levels[(edges[:-1] >= start) & (edges[1:] <= stop)]
        shift = np.take_along_axis(inside, np.abs(inside).argmax(axis=0)[None, :], axis=0)[0]
        stretches.append(_with_slides(off, noise, Stretch(start, stop, shift, False), stray))
    return stretches


def _runs(flags: Mask) -> list[tuple[int, int]]:
    changes = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in zip(changes[::2], changes[1::2], strict=True)]


def _with_slides(off: Floats, noise: Floats, stretch: Stretch, stray: Mask) -> Stretch:
    """Return the stretch from where it begins to slide away until it has slid back, if that fits better than jumps."""
    variances = np.diag(noise)
    weights = np.divide(stretch.shift, variances, out=np.zeros_like(variances), where=variances > 0)
    one_line = off @ weights / max(float(stretch.shift @ weights), 1e-12)
    stray_bins = np.flatnonzero(stray)
    before, after = stray_bins[stray_bins < stretch.start], stray_bins[stray_bins >= stretch.stop]
    # A slide begins before it is seen, but not before as much again: the rest of the run is the usual, not a slide.
    length = stretch.stop - stretch.start
    low = max(int(before[-1]) + 1 if before.size else 0, stretch.start - length)
    high = min(int(after[0]) if after.size else len(off), stretch.stop + length)
    # Only the nearer half is looked at: what levels off later began no earlier for that.
    middle = (stretch.start + stretch.stop) // 2
    start, stop, drifts = stretch.start, stretch.stop, False
    if low < start:
        slide = _slide(one_line[low:middle], start - low)
        start, drifts = (start, False) if slide is None else (low + slide, True)
    if high > stop:
        slide = _slide(one_line[middle:high][::-1], high - stop)
        stop, drifts = (stop, drifts) if slide is None else (high - slide, True)
    return Stretch(start, stop, stretch.shift, drifts)


def _slide(line: Floats, jump: int) -> int | None:
    """Return where a line leaves 0 for a steady slide to its end, or None if a jump at that place fits it better."""
    places = np.arange(len(line))
    ramps = np.maximum(places[None, :] + 0.5 - np.arange(len(line))[:, None], 0.0)
    slopes = ramps @ line / np.maximum((ramps**2).sum(axis=1), 1e-12)
    saved_by_slides = slopes * (ramps @ line)
    best = int(np.argmax(saved_by_slides))
    saved_by_jump = (len(line) - jump) * float(line[jump:].mean()) ** 2
    return best if saved_by_slides[best] > saved_by_jump else None
