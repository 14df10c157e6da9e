"""Ungateable: what in a file cannot be gated at all: events that are not numbers, detectors that show nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from immunomon.arrays import Mask
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.lazy import CompensatedTable
from immunomon.study.model.trust import Doubt

__all__ = ["Ungateable", "find_ungateable", "saturated"]

# A population of which so large a part lies at the very top of a channel: what lies above cannot be told apart.
_MUCH_AT_TOP = 0.1
_FEWEST_AT_TOP = 20


@dataclass(frozen=True, eq=False)
class Ungateable:
    """What of a file can be gated.

    numbers: (events,) which events are numbers in all that the gates need, None for all; dead: axis -> what its
    detector shows in every event; doubts: about the whole file; is_all_numbers: whether every detector of the matrix
    and every channel with a gate is a number in all events.
    """

    numbers: Mask | None = None
    dead: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()
    is_all_numbers: bool = True


def find_ungateable(raw: EventTable, compensated: EventTable, axes: Sequence[str]) -> Ungateable:
    """Return which events are numbers wherever the gates look, and which axes have a detector that shows nothing.

    raw: as read; compensated: made of it; axes: those of the gates. An event that is not a number, or infinite, in a
    detector that a gated channel is computed from belongs to no population: after compensation that channel is no
    number either. In other channels it stays, and only the medians of those leave it out.

    >>> from immunomon.study.model.channels import Channel
    >>> from immunomon.cytometry.steps.compensate import compensate
    >>> raw = EventTable(np.array([[np.nan, 7.0], [2.0, 7.0], [3.0, 7.0]]), (Channel("A"), Channel("B")))
    >>> found = find_ungateable(raw, compensate(raw, None), ["A", "B"])
    >>> found.numbers.tolist(), found.dead
    ([False, True, True], {'B': 'all 2 events are 7'})
    """
    used: Sequence[int] = range(len(raw.channels))
    beside: Sequence[int] = ()
    if isinstance(compensated, CompensatedTable):
        used, beside = compensated.detectors_of(axes), compensated.recipe.sources
    asked = dict.fromkeys((*used, *beside))
    known = raw.looked_through(asked)
    bad = {
        column: mask
        for column in asked
        if not (known and known[0][column]) and (mask := _not_finite(raw, column)) is not None
    }
    lost = {column: mask for column, mask in bad.items() if column in used}
    good = ~np.logical_or.reduce(list(lost.values())) if lost else None
    dead = {axis: reason for axis in axes if (reason := _dead(raw, axis, good))}
    return Ungateable(good, dead, () if good is None else (_not_numbers(raw, lost, good),), not bad)


def _not_finite(raw: EventTable, column: int) -> Mask | None:
    values = raw.stored([column])[:, column]
    # A sum is a number only if all of its terms are: the costly look is needed in few files.
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(np.sum(values, dtype=np.float64)):
            return None
    mask = ~np.isfinite(values)
    return mask if mask.any() else None


def _not_numbers(raw: EventTable, lost: Mapping[int, Mask], good: Mask) -> Doubt:
    counts = ", ".join(f"{np.count_nonzero(mask)} in {raw.channels[column].detector}" for column, mask in lost.items())
    return Doubt("not_numbers", "", f"{good.size - np.count_nonzero(good)} of {good.size} events left out: {counts}")


def _dead(raw: EventTable, axis: str, good: Mask | None) -> str:
    column = raw.index(axis)
    values = raw.stored([column])[:, column]
    values = values if good is None else values[good]
    if values.size < 2 or values[0] != values[-1]:
        return ""
    return f"all {values.size} events are {float(values[0]):g}" if bool(np.all(values == values[0])) else ""


def saturated(tree: GateTree, raw: EventTable) -> dict[str, tuple[Doubt, ...]]:
    """Return the populations of which many events lie at the very top of a channel of their own gate.

    raw: the events that the gates were placed on, as read. The top is where the events pile up, whatever range the
    file states: no continuous signal has a tenth of its events at its largest value.
    """
    gates = (tree.memberships.get(placed.id) is not None and placed.gate for placed in tree.populations)
    axes = dict.fromkeys(axis for gate in gates if gate for axis in gate.axes)
    known = raw.looked_through([raw.index(axis) for axis in axes])
    tops: dict[str, Mask | None] = {}
    if known is not None:
        tops = {axis: None for axis in axes if known[2][raw.index(axis)] < _FEWEST_AT_TOP and known[2][raw.index(axis)]}
    saturation: dict[str, tuple[Doubt, ...]] = {}
    for population in tree.populations:
        mask = tree.memberships.get(population.id)
        if mask is None or population.gate is None:
            continue
        for axis in population.gate.axes:
            if axis not in tops:
                tops[axis] = _at_top(raw, axis, None if known is None else float(known[1][raw.index(axis)]))
        at_top = {axis: top for axis in population.gate.axes if (top := tops[axis]) is not None}
        counts = {axis: int(np.count_nonzero(top & mask)) for axis, top in at_top.items()}
        total = int(np.count_nonzero(mask)) if counts else 0
        if doubts := tuple(
            Doubt("saturated", axis, f"{100 * count / total:.0f} % of {population.id}")
            for axis, count in counts.items()
            if count >= max(_FEWEST_AT_TOP, _MUCH_AT_TOP * total)
        ):
            saturation[population.id] = doubts
    return saturation


def _at_top(raw: EventTable, axis: str, top: float | None) -> Mask | None:
    """Return which events lie at a channel's largest value, None if hardly any do; top: that value, if it is known."""
    column = raw.index(axis)
    values = raw.stored([column])[:, column]
    if top is None:
        top = np.max(values, where=np.isfinite(values), initial=-np.inf)
    mask = np.asarray(values == top)
    return mask if np.count_nonzero(mask) >= _FEWEST_AT_TOP else None
