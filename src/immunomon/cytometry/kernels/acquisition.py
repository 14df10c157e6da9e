"""A run of the cytometer in bins of events: where its signals or its flow rate leave their usual level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from immunomon.cytometry.kernels.segments import level_changes, noise_of, penalty_of, whitened

__all__ = ["MOST_BINS", "Stretch", "event_bins", "rates", "stray_stretches", "time_bins", "usual_level"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

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


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    changes = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in zip(changes[::2], changes[1::2], strict=True)]


def _with_slides(off: Floats, noise: Floats, stretch: Stretch, stray: NDArray[np.bool_]) -> Stretch:
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
