"""Quality control: is a file's acquisition fit to be gated, and which of its events are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from immunomon.arrays import Floats, Ints, Mask
from immunomon.cytometry.kernels.acquisition import Stretch, event_bins, rates, stray_stretches, time_bins
from immunomon.cytometry.kernels.event_quality import at_ends, binned_ranks
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.errors import WrongScale
from immunomon.study.model.channels import ChannelKind
from immunomon.study.model.quality import (
    NO_COURSE,
    Check,
    Course,
    Flagged,
    Judged,
    Quality,
    QualityLimits,
    Verdict,
)

__all__ = ["check_quality"]


_FEWEST_TICKS = 20  # fewer different times than this show no flow rate
_FEWEST_EVENTS = 2000  # fewer events than this show no change: their bins would be too few
_SHUFFLED = 0.05  # share of events that come before the one ahead of them
_RESTART = 0.1  # of the whole time; a clock that jitters steps back by less
_MOST_CHANNELS = 256  # no panel has more; a file made to exhaust us may
_SHOWN = 60  # bins of the picture


@dataclass(frozen=True, eq=False)
class _Found:
    """What one kind of check gave: rows for the table, stretches, and what the picture needs."""

    checks: tuple[Check, ...]
    stretches: tuple[Flagged, ...] = ()
    course: Course = NO_COURSE


@dataclass(frozen=True, eq=False)
class _Clock:
    """The file's Time as far as it can be trusted: what to check it by, whether it gives the order, and a rate."""

    check: Check
    time: Floats | None = None
    ordered: bool = False


def check_quality(events: EventTable, limits: QualityLimits) -> Judged:
    """Return the quality of a file's acquisition: margins, flow rate, signals over time, order of Time, events.

    events: raw, all channels of the file in its order. Signals are compared by mean ranks in bins of events, so that no
    scale matters; what is not at the level or the rate of most of the file is flagged. Time that is missing, coarse or
    shuffled is no anomaly: what rests on it cannot be judged. Ideas of flowAI (Monaco et al. 2016, Bioinformatics
    32:2473), PeacoQC (Emmaneel et al. 2022) and flowCut (Meskas et al. 2023). Raises WrongScale for events that are not
    raw.

    >>> from immunomon.study.model.channels import Channel
    >>> rng = np.random.default_rng(0)
    >>> signal, time = rng.lognormal(6, 1, 4000), np.arange(4000.0)
    >>> signal[3000:3400] *= 3
    >>> table = EventTable(np.column_stack([signal, time]), (Channel("PE-A"), Channel("Time")))
    >>> quality = check_quality(table, QualityLimits()).quality
    >>> str(quality.verdict), [(stretch.start, stretch.stop) for stretch in quality.stretches]
    ('warn', [(3000, 3400)])
    """
    if events.scale is not Scale.RAW:
        raise WrongScale(f"{events.source}: judge needs raw events, got {events.scale} ones")
    clock = _clock(events)
    rate, signals = _rate(clock, limits), _signals(events, clock, limits)
    margins, margin_checks = _margins(events, limits)
    stretches = tuple(sorted((*rate.stretches, *signals.stretches), key=lambda s: (s.start, s.stop, s.check)))
    strays = np.zeros(events.count, dtype=np.bool_)
    for stretch in stretches:
        strays[stretch.start : stretch.stop] = True
    flagged = strays | margins
    first = (_enough(events.count, limits), clock.check, *rate.checks)
    checks = (*first, _all_stray(strays, stretches, limits), *signals.checks, *margin_checks)
    course = Course(
        signals.course.edges,
        signals.course.channels,
        signals.course.levels,
        rate.course.rate_edges,
        rate.course.rates,
    )
    quality = Quality(events.count, int(flagged.sum()), checks, stretches, course)
    return Judged(quality, strays, margins)


def _enough(events: int, limits: QualityLimits) -> Check:
    short = events < limits.min_events
    reason = f"too few events: {events}, {limits.min_events} are needed" if short else None
    return Check(
        "events", None, Verdict.FAIL if short else Verdict.PASS, float(events), float(limits.min_events), 0, reason
    )


def _clock(events: EventTable) -> _Clock:
    columns = [i for i, channel in enumerate(events.channels) if channel.kind is ChannelKind.TIME]
    if not columns:
        return _Clock(_unjudged("time", "there is no Time channel"))
    time = events.values[:, columns[0]].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        span = float(np.ptp(time)) if time.size > 1 else 0.0
    if not np.isfinite(span) or not span:
        return _Clock(_unjudged("time", "Time stands still"))
    time = (time - time.min()) / span
    steps = np.diff(time)
    back = float(np.mean(steps < 0))
    if back > _SHUFFLED:
        return _Clock(
            _unjudged("time", f"Time is shuffled: {100 * back:.0f} % of the events come too late", 100 * back)
        )
    restarts = int(np.count_nonzero(steps < -_RESTART))
    if restarts:
        again = "once" if restarts == 1 else f"{restarts} times"
        reason = f"Time starts again {again}: several tubes in one file, or a clock that ran over"
        return _Clock(Check("time", None, Verdict.FAIL, float(restarts), 0.0, 0, reason), None, ordered=True)
    return _Clock(Check("time", None, Verdict.PASS, 0.0, 0.0), np.maximum.accumulate(time), ordered=True)


def _unjudged(check: str, reason: str, value: float | None = None) -> Check:
    return Check(check, None, Verdict.UNJUDGED, value, None, 0, reason)


def _rate(clock: _Clock, limits: QualityLimits) -> _Found:
    if clock.time is None:
        return _Found((_unjudged("rate", str(clock.check.reason)),))
    if clock.time.size < _FEWEST_EVENTS:
        return _Found((_unjudged("rate", f"fewer than {_FEWEST_EVENTS} events"),))
    edges = time_bins(clock.time)
    if len(edges) <= _FEWEST_TICKS:
        return _Found(
            (_unjudged("rate", f"Time is coarse: fewer than {_FEWEST_TICKS} steps of it hold enough events"),)
        )
    logs = np.log(rates(clock.time, edges))
    strays = stray_stretches(logs[:, None], float(np.log(limits.rate_factor)), floor=1 / 50**0.5)
    named = tuple(_flag_rate(stray, edges) for stray in strays)
    factors = [float(np.exp(abs(stray.shift[0]))) for stray in strays]
    flagged = sum(stretch.stop - stretch.start for stretch in named)
    verdict = limits.of_percent(100 * flagged / clock.time.size)
    reason = "; ".join(stretch.reason for stretch in named) or None
    check = Check("rate", None, verdict, max(factors, default=1.0), limits.rate_factor, flagged, reason)
    shown, means = _thinned(edges, np.exp(logs - np.median(logs))[:, None])
    return _Found((check,), named, Course(rate_edges=shown, rates=means[0]))


def _flag_rate(stray: Stretch, edges: Ints) -> Flagged:
    start, stop = int(edges[stray.start]), int(edges[stray.stop])
    factor = float(np.exp(abs(stray.shift[0])))
    kind = "clog: flow rate falls" if stray.shift[0] < 0 else "surge: flow rate rises"
    return Flagged(start, stop, "rate", f"{kind} {factor:.1f}-fold in events {start} to {stop}")


def _signals(events: EventTable, clock: _Clock, limits: QualityLimits) -> _Found:
    if not clock.ordered:
        return _Found((_unjudged("signal", str(clock.check.reason)),))
    if events.count < _FEWEST_EVENTS:
        return _Found((_unjudged("signal", f"fewer than {_FEWEST_EVENTS} events"),))
    columns = _measured(events)
    names = [events.channels[i].name for i in columns]
    edges = event_bins(events.count)
    few = len(events.channels) <= _MOST_CHANNELS or not columns
    levels = binned_ranks(events.values if few else events.values[:, : columns[-1] + 1], edges)[:, columns]
    strays = stray_stretches(levels, limits.signal_shift)
    named = tuple(_flag_signal(stray, edges, names, limits) for stray in strays)
    checks = tuple(
        _check_signal(index, names[index], list(zip(strays, named, strict=True)), limits, events.count)
        for index in range(len(names))
    )
    shown, means = _thinned(edges, levels)
    return _Found(checks, named, Course(shown, tuple(names), means))


def _measured(events: EventTable) -> list[int]:
    """Return the columns that a cell's signals are in: neither Time nor a counter that only rises."""
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.diff(events.values[:_FEWEST_EVENTS], axis=0)
    counter: Mask = np.any(steps > 0, axis=0) & ~np.any(steps < 0, axis=0)
    # HDR- is what a MACSQuant calls its own channels: event numbers, time, volume drawn.
    measured = [
        i
        for i, channel in enumerate(events.channels)
        if channel.kind is not ChannelKind.TIME and not counter[i] and not channel.detector.startswith("HDR-")
    ]
    return measured[:_MOST_CHANNELS]


def _flag_signal(stray: Stretch, edges: Ints, names: Sequence[str], limits: QualityLimits) -> Flagged:
    start, stop = int(edges[stray.start]), int(edges[stray.stop])
    hit = [name for name, shift in zip(names, stray.shift, strict=True) if abs(shift) > limits.signal_shift]
    where = ", ".join(hit[:3]) + (f" and {len(hit) - 3} more" if len(hit) > 3 else "")
    kind = "drift" if stray.drifts else "step"
    return Flagged(start, stop, kind, f"{kind} of {where} in events {start} to {stop}")


def _check_signal(
    index: int,
    name: str,
    strays: Sequence[tuple[Stretch, Flagged]],
    limits: QualityLimits,
    events: int,
) -> Check:
    mine = [(s, f) for s, f in strays if abs(s.shift[index]) > limits.signal_shift]
    flagged = sum(f.stop - f.start for _, f in mine)
    value = max((abs(float(s.shift[index])) for s, _ in strays), default=0.0)
    reason = "; ".join(f"{f.check} in events {f.start} to {f.stop}" for _, f in mine)
    verdict = limits.of_percent(100 * flagged / events)
    return Check("signal", name, verdict, value, limits.signal_shift, flagged, reason or None)


def _margins(events: EventTable, limits: QualityLimits) -> tuple[Mask, list[Check]]:
    """Return the events at the top of a channel's range, or at the bottom of a scatter channel's."""
    kinds = np.array([channel.kind.value for channel in events.channels])
    # The negatives of a dim marker may well lie at 0; a cell without scatter is none.
    bottoms = np.where(kinds == ChannelKind.SCATTER.value, 0.0, -np.inf)
    tops = np.array([channel.range - 1 for channel in events.channels])
    mask, numbers = at_ends(events.values, bottoms, np.where(kinds == ChannelKind.TIME.value, np.inf, tops))
    checks = []
    for channel, number in zip(events.channels, numbers.tolist(), strict=True):
        if channel.kind is ChannelKind.TIME:
            continue
        percent = 100 * number / max(events.count, 1)
        high = percent > limits.margin_percent
        reason = f"{percent:.1f} % of the events at the end of {channel.name}'s range" if high else None
        verdict = (Verdict.FAIL if percent > limits.fail_percent else Verdict.WARN) if high else Verdict.PASS
        checks.append(Check("margin", channel.name, verdict, percent, limits.margin_percent, number, reason))
    return mask, checks


def _all_stray(strays: Mask, stretches: Sequence[Flagged], limits: QualityLimits) -> Check:
    number = int(np.count_nonzero(strays))
    percent = 100 * number / max(strays.size, 1)
    verdict = limits.of_percent(percent)
    # A clog bends the signals too: it is named first.
    ordered = sorted(stretches, key=lambda stretch: stretch.check != "rate")
    why = "; ".join(stretch.reason for stretch in ordered[:3])
    more = f"; and {len(stretches) - 3} more" if len(stretches) > 3 else ""
    reason = None if verdict is Verdict.PASS else f"{percent:.1f} % of the events are off the usual course: {why}{more}"
    return Check("course", None, verdict, percent, limits.warn_percent, number, reason)


def _thinned(edges: Ints, series: Floats) -> tuple[tuple[int, ...], tuple[tuple[float, ...], ...]]:
    """Return at most so many bins as a picture shows: their edges, and each channel's means."""
    bins = len(series)
    kept = np.unique(np.linspace(0, bins, min(bins, _SHOWN) + 1).round().astype(np.int64))
    means = np.add.reduceat(series, kept[:-1], axis=0) / np.diff(kept)[:, None]
    return tuple(edges[kept].tolist()), tuple(tuple(row) for row in means.T.round(4).tolist())
