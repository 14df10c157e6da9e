"""Doubt borders: what a placed gate parts that is no population, and channels that the matrix does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

import numpy as np

from immunomon.arrays import Floats, Ints, Mask
from immunomon.cytometry.kernels.noise import negatives_of
from immunomon.cytometry.kernels.proportions import largest_difference
from immunomon.cytometry.kernels.selection import evenly, median_of, quantile_of
from immunomon.cytometry.model.events import EventTable, RawTable
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.geometry import Interval, Rectangle
from immunomon.study.model.channels import ChannelKind, folded
from immunomon.study.model.strategy import ROOT, GatingStrategy
from immunomon.study.model.trust import Doubt

__all__ = ["doubt_borders", "look_logarithmic"]

_COMPARED = 2000  # events on either side of a border
_FEWEST = 250
_KINDS, _SHARE = 2, 0.15  # of cells besides the parent; least share of each above a border that is none of biology
_OTHERS = 3  # fluorescence channels beside the gate's, or too little is known of the cells
# Two populations differ by 0.25 or more in some channel; chance adds to what is left between two halves of one.
_ALIKE, _CHANCE = 0.08, 0.6

_BRIGHT = 0.97  # quantile of a channel above which its cells are bright
_BRIGHT_SPREADS, _FEWEST_BRIGHT = 20.0, 100
# Bright cells lie so far below 0 in another channel: in spreads of its noise, and in parts of their own brightness.
_BELOW_SPREADS, _BELOW_PART = 3.0, 0.02
_MOST_BELOW = 0.75  # of the bright cells

_CHANNELS, _REACH = 4, 15.0  # how far above its median the brightest of so many linear channels reaches at least


def doubt_borders(tree: GateTree, compensated: EventTable, strategy: GatingStrategy) -> dict[str, tuple[Doubt, ...]]:
    """Return the populations whose gate parts stained cells from unstained ones, or that the matrix spoils.

    tree: placed on the events, of the strategy; compensated: the same events with all markers. Cells on either side of
    such a border are alike in all other channels. So may be subsets that nothing else in the tube tells apart; but what
    takes up no stain is found among all kinds of cells, and leaves shares that no patient has: one of the two must be
    seen. What is wrong with one gate is wrong with its markers: every gate on one of them is doubted.
    """
    doubts: dict[str, tuple[Doubt, ...]] = {}
    wrong = [*_alike(tree, compensated, strategy), *_overcompensated(compensated)]
    for names, doubt in wrong:
        for population in tree.populations:
            gate = population.gate
            if gate is not None and population.placed_by != "person" and names & _names(gate.axes, compensated):
                doubts[population.id] = (*doubts.get(population.id, ()), doubt)
    return doubts


def _names(axes: Iterable[str], events: EventTable) -> set[str]:
    """Return the names of the channels that axes lie on: a strategy may call them by detector, or in other letters."""
    return {events.channels[events.index(axis)].name for axis in axes if events.has(axis)}


def _alike(tree: GateTree, events: EventTable, strategy: GatingStrategy) -> Iterator[tuple[set[str], Doubt]]:
    """Yield the channels of borders that part cells which are alike in every other one, with what speaks for it."""
    for name, parent, axes, sides in _borders(tree):
        others = _others(axes, events)
        rows = [np.flatnonzero(side) for side in sides]
        if not others or min(side.size for side in rows) < _FEWEST:
            continue
        first, second = (events.take(_evenly(side)) for side in rows)
        limit = _ALIKE + _CHANCE * float(np.sqrt(1 / first.count + 1 / second.count))
        largest = _largest(first, second, others, limit)
        if largest >= limit:
            continue
        if besides := _in_all_cells(tree, parent, axes, rows, events) or _unexpected(tree, axes, strategy):
            detail = f"{name}: at most {largest:.2f} between the sides in {len(others)} other channels, and {besides}"
            yield _names(axes, events), Doubt("parts_alike", "", detail)


def _in_all_cells(tree: GateTree, parent: str, axes: set[str], rows: Sequence[Ints], events: EventTable) -> str:
    """Say how much of every other kind of cell lies above a border of one axis, if it is much of each of them."""
    parents = {population.id: population.parent for population in tree.populations}
    groups: list[Ints] = []
    while parent in parents and len(axes) == 1:
        inside, whole = tree.mask(parent), tree.mask(parents[parent])
        if inside is not None and whole is not None and parents[parent] != ROOT:
            groups.append(np.flatnonzero(whole & ~inside))
        parent = parents[parent]
    groups = [group for group in groups if group.size >= _FEWEST]
    if len(groups) < _KINDS:
        return ""
    of_sides, of_groups = (
        [np.asarray(events.take(_evenly(side)).column(*axes), dtype=np.float64) for side in sides]
        for sides in (rows, groups)
    )
    border = min(float(np.max(values)) for values in of_sides)  # of the lower side
    shares = [float(np.mean(values > border)) for values in of_groups]
    return f"{100 * min(shares):.0f} % or more of each other kind of cell lie above it" if min(shares) > _SHARE else ""


def _unexpected(tree: GateTree, axes: set[str], strategy: GatingStrategy) -> str:
    """Say which population of some axes is outside of what the strategy expects."""
    for population in tree.populations:
        expectation, gate = strategy.expected.get(population.id), population.gate
        count, total = tree.size(population.id), tree.size(population.parent)
        if expectation is None or gate is None or not axes & set(gate.axes) or not count or not total:
            continue
        percent = 100.0 * count / total
        if not expectation.low <= percent <= expectation.high:
            expected = f"{expectation.low:g} to {expectation.high:g} % are expected"
            return f"{population.id} is {percent:.3g} % of {population.parent}, {expected}"
    return ""


def _borders(tree: GateTree) -> Iterator[tuple[str, str, set[str], tuple[Mask, Mask]]]:
    """Yield borders with their parent, axes and events on either side: of quadrants each axis, over the other."""
    quadrants: dict[tuple[str, str], list[tuple[Interval, Mask]]] = {}
    for population in tree.populations:
        inside, parent, gate = tree.mask(population.id), tree.mask(population.parent), population.gate
        if inside is None or parent is None or gate is None or population.placed_by == "person":
            continue
        if isinstance(gate, Rectangle):
            for side in gate.sides:
                quadrants.setdefault((population.parent, side.axis), []).append((side, inside))
        elif gate.axes:
            yield population.id, population.parent, set(gate.axes), (inside, parent & ~inside)
    for (parent_id, axis), regions in quadrants.items():
        above = [mask for side, mask in regions if side.low > -np.inf and side.high == np.inf]
        below = [mask for side, mask in regions if side.low == -np.inf and side.high < np.inf]
        if above and below:
            yield (
                f"{axis} of {parent_id}",
                parent_id,
                {axis},
                (np.logical_or.reduce(above), np.logical_or.reduce(below)),
            )


def _others(axes: set[str], events: EventTable) -> list[str]:
    """Return the channels besides those of a border on stains alone; none where too few are left."""
    if len(_stained(axes, events)) < len(axes):
        return []
    columns = {events.index(axis) for axis in axes}
    others = [c for index, c in enumerate(events.channels) if index not in columns and c.kind is not ChannelKind.TIME]
    stained = [channel for channel in others if channel.kind is ChannelKind.FLUORESCENCE]
    return [channel.detector for channel in others] if len(stained) >= _OTHERS else []


def _stained(axes: Iterable[str], events: EventTable) -> set[str]:
    kinds = {axis: events.channels[events.index(axis)].kind for axis in axes if events.has(axis)}
    return {axis for axis, kind in kinds.items() if kind is ChannelKind.FLUORESCENCE}


def _evenly(rows: Ints) -> Ints:
    return rows[evenly(rows.size, _COMPARED)]


def _largest(first: EventTable, second: EventTable, names: Sequence[str], limit: float) -> float:
    """Return by how much two samples differ in the channel that they differ most in, or in the first beyond a limit."""
    largest = 0.0
    for name in names:
        sides = [np.asarray(events.column(name), dtype=np.float64) for events in (first, second)]
        sides = [values[np.isfinite(values)] for values in sides]
        if all(values.size for values in sides):
            largest = max(largest, largest_difference(*sides))
        if largest >= limit:
            break
    return largest


def _overcompensated(events: EventTable) -> Iterator[tuple[set[str], Doubt]]:
    """Yield channels in which the cells that are bright in another one lie far below 0, as no stain can make them."""
    values = _stains(events)

    @cache  # it takes longest, and few channels have to be asked
    def spread_of(name: str) -> float:
        negatives = negatives_of(values[name])
        return negatives.spread if negatives is not None else 0.0

    for source, column in values.items():
        brightest = quantile_of(column, _BRIGHT)
        suspects = _often_below(values, source, brightest)
        if not suspects or not spread_of(source):
            continue
        bright = np.flatnonzero(column > max(brightest, _BRIGHT_SPREADS * spread_of(source)))
        if bright.size < _FEWEST_BRIGHT:
            continue
        brightness = median_of(column[bright])
        for name in suspects:
            upper = quantile_of(values[name][bright], _MOST_BELOW)
            if upper < -max(_BELOW_SPREADS * spread_of(name), _BELOW_PART * brightness):
                percent = 100 * upper / brightness
                detail = f"three quarters of the cells bright in {source} lie below {percent:.0f} % of it"
                yield {name}, Doubt("overcompensated", name, detail)


def _often_below(values: Mapping[str, Floats], source: str, brightest: float) -> list[str]:
    """Return the channels in which enough of a source's brightest cells lie far enough below 0, whatever their noise.

    brightest: the quantile of the source above which all bright cells lie. No other channel can be overcompensated.
    """
    rows, limit = np.flatnonzero(values[source] > brightest), -_BELOW_PART * max(brightest, 0.0)
    others = ((name, column[rows]) for name, column in values.items() if name != source)
    return [name for name, column in others if np.count_nonzero(column < limit) >= _MOST_BELOW * _FEWEST_BRIGHT]


def _stains(events: EventTable) -> dict[str, Floats]:
    """Return the values of some events in each fluorescence channel, by name; of few events nothing."""
    rows = evenly(events.count, 5 * _COMPARED)
    stained = [channel for channel in events.channels if channel.kind is ChannelKind.FLUORESCENCE]
    # A detector that is there twice cannot be named.
    times = Counter(folded(channel.detector) for channel in events.channels)
    stained = [channel for channel in stained if times[folded(channel.detector)] == 1]
    names = [channel.detector for channel in stained]
    if rows.size < _FEWEST_BRIGHT or not stained:
        return {}
    # Of raw events a column at a time is at hand; others are computed for the rows that are asked for.
    sampled = None if isinstance(events, RawTable) else events.take(rows)
    columns = [events.column(name)[rows] if sampled is None else sampled.column(name) for name in names]
    table = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])
    table = table[np.isfinite(table).all(axis=1)]
    return {c.name: table[:, index] for index, c in enumerate(stained)} if len(table) >= _FEWEST_BRIGHT else {}


def look_logarithmic(raw: EventTable) -> tuple[Doubt, ...]:
    """Return a doubt about a file whose numbers look like logarithms: none below 0, none far above the middle.

    raw: as read, after what the file's keywords say of amplifiers. Of few channels or events nothing is said.

    >>> from immunomon.study.model.channels import Channel
    >>> channels = tuple(Channel(f"{name}-A") for name in ("FITC", "PE", "APC", "V450"))
    >>> linear = np.random.default_rng(1).lognormal(6.0, 2.0, (1000, 4))
    >>> look_logarithmic(EventTable(linear, channels))
    ()
    >>> print(look_logarithmic(EventTable(np.log10(1 + linear), channels))[0])
    looks_logarithmic
    """
    values = _stains(raw)
    if len(values) < _CHANNELS or any(float(column.min()) < 0 for column in values.values()):
        return ()
    # Files cut off at 0 are about linear values all the same: what lies there says nothing.
    positive = [column[column > 0] for column in values.values() if np.count_nonzero(column > 0) >= _FEWEST_BRIGHT]
    reach = [quantile_of(column, 0.999) / median_of(column) for column in positive]
    if len(reach) < _CHANNELS or max(reach) >= _REACH:
        return ()
    return (Doubt("looks_logarithmic", "", f"at most {max(reach):.1f} times the median in {len(reach)} channels"),)
