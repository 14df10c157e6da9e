"""Measure noise: what a file's negatives look like, and what the files of a panel have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from immunomon.cytometry.kernels.noise import negatives_of, pooled_spread
from immunomon.cytometry.kernels.selection import evenly, quantiles_at
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.noise import ChannelNoise, MarkerNoise, NoiseBook
from immunomon.study.model.channels import Channel, ChannelKind

__all__ = ["EVENTS", "book_of", "measure_noise", "pool_noise"]

EVENTS = 10_000  # of a file that are looked at
# More than one event in a thousand so far above $PnR: the keyword is not the range.
_BEYOND = 2.0
# No scale of 4.5 decades shows negatives that lie so far below its top, nor a file that ends so far below it.
_DECADES, _EMPTY = 4.5, 100.0
_MIDDLE_STEP = 0.5  # spreads
_LEAST_SHARE = 0.25  # of the files must show noise below 0, or it is chance


def measure_noise(events: EventTable, names: Iterable[str]) -> tuple[ChannelNoise, ...]:
    """Return what a file shows of its fluorescence channels among the names; those it lacks are left out.

    events: compensated; of many, EVENTS are looked at, evenly over the file.

    >>> from immunomon.cytometry.model.events import Scale
    >>> values = np.random.default_rng(1).normal(0.0, 100.0, (5000, 1))
    >>> found = measure_noise(EventTable(values, (Channel("PE-A", "CD25"),), Scale.COMPENSATED), ["CD25"])[0]
    >>> found.name, abs(found.spread - 100) < 10
    ('CD25', True)
    """
    present = [name for name in names if events.has(name)]
    channels = {name: events.channels[events.index(name)] for name in present}
    fluorescence = {name: channel for name, channel in channels.items() if channel.kind is ChannelKind.FLUORESCENCE}
    sampled = events.take(evenly(events.count, EVENTS)) if events.count > EVENTS else events
    noise_of_channels = [_channel(channel, np.asarray(sampled.column(name))) for name, channel in fluorescence.items()]
    return tuple(dict.fromkeys(noise_of_channels))


def _channel(channel: Channel, values: NDArray[np.floating]) -> ChannelNoise:
    finite = np.asarray(values, dtype=np.float64)[np.isfinite(values)]
    if not finite.size:
        return ChannelNoise(channel.name, channel.range, 0.0, 0.0, 0.0, 0.0, 0.0)
    bright, top = quantiles_at(finite, [0.995, 0.999])
    constant = finite.size > 1 and bool(finite.min() == finite.max())
    negatives = None if constant else negatives_of(finite)
    middle, spread, low = (negatives.middle, negatives.spread, negatives.low) if negatives else (0.0, 0.0, 0.0)
    return ChannelNoise(channel.name, channel.range, middle, spread, low, bright, top, constant)


def pool_noise(files: Iterable[Sequence[ChannelNoise]]) -> dict[tuple[str, float], MarkerNoise]:
    """Return what the files of one panel have in common on each marker, for each range apart.

    The top of a scale is the range, or where the data lie plainly above it, the power of two above them. Where no file
    shows a marker's negatives, the noise is taken to be that of the panel's other markers at that range (median), and
    the number of files is 0.

    >>> one, two = (ChannelNoise("CD25", 262144.0, 5.0, spread, 150.0, 900.0, 5e4) for spread in (100.0, 110.0))
    >>> pool_noise([[one], [two]])
    {('CD25', 262144.0): MarkerNoise(top=262144.0, spread=100.0, middle=0.0, files=2)}
    """
    by_marker: dict[tuple[str, float], list[ChannelNoise]] = {}
    for file in files:
        for channel in file:
            by_marker.setdefault((channel.name, channel.range), []).append(channel)
    book = {key: _pooled(channels) for key, channels in sorted(by_marker.items())}
    return {key: noise if noise.spread is not None else _like_others(key, noise, book) for key, noise in book.items()}


def _pooled(channels: Sequence[ChannelNoise]) -> MarkerNoise:
    measured = [channel for channel in channels if channel.measured]
    if len(measured) < _LEAST_SHARE * len(channels):
        measured = []
    spread = pooled_spread(
        np.array([channel.spread for channel in measured]), np.array([channel.low for channel in measured])
    )
    known = _rounded(spread) if measured else None
    top = _top(channels[0].range, max(channel.top for channel in channels), known)
    if known is None:
        return MarkerNoise(top)
    middle = float(np.median([np.clip(channel.middle, -known, 3.0 * known) for channel in measured])) / known
    return MarkerNoise(top, known, known * round(middle / _MIDDLE_STEP) * _MIDDLE_STEP, len(measured))


def _rounded(spread: float) -> float:
    """Return a spread rounded to tenths of a decade: one file more seldom moves a gate."""
    return float(f"{10.0 ** (round(np.log10(spread) * 10) / 10):.4g}")


def _top(declared: float, highest: float, noise: float | None) -> float:
    """Return the intensity that a scale ends at: the range, unless the data show that it is another."""
    of_data = float(2.0 ** np.ceil(np.log2(max(highest, 1.0))))
    if not np.isfinite(declared) or declared <= 1.0 or highest > _BEYOND * declared:
        return of_data
    least = (noise or 0.0) * 10.0**_DECADES
    return max(of_data, least) if least and least < declared and of_data * _EMPTY < declared else declared


def _like_others(key: tuple[str, float], noise: MarkerNoise, book: NoiseBook) -> MarkerNoise:
    spreads = [
        marker_noise.spread
        for (_, range_), marker_noise in book.items()
        if range_ == key[1] and marker_noise.spread is not None
    ]
    return MarkerNoise(noise.top, float(np.median(spreads)) if spreads else None, 0.0, 0)


def book_of(events: EventTable, names: Iterable[str]) -> NoiseBook:
    """Return what one file says alone, where there are no others to pool it with."""
    return pool_noise([measure_noise(events, names)])
