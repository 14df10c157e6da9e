"""Weigh a border: what hardly depends on where a doubtful one lies, or on what it lets in at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.kernels.density import modes_of, profile_of
from immunomon.cytometry.kernels.selection import quantile_of
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree, PlacedPopulation
from immunomon.cytometry.model.geometry import Boolean, Interval
from immunomon.cytometry.model.members import members
from immunomon.cytometry.model.noise import noise_on
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.study.model.channels import ChannelKind
from immunomon.study.model.strategy import ROOT, GatingStrategy
from immunomon.study.model.trust import Doubt, withholding

__all__ = ["weigh_borders"]

Masks = Mapping[str, Mask]
# A share of the parent that changes by no more than this part of itself does not depend on a border.
_HARDLY = 0.1
_DIMMEST, _NOISE = 0.05, 2.5  # a quantile that lies so many spreads of the noise above 0: all cells take the dye
_BANDWIDTH, _UNEVEN = 0.02, 0.25  # of the display scale; of the events, by how many one side of the peak has more
_FEWEST = 50  # events of a population, of which half of what the gate keeps is to hold a share


def weigh_borders(
    tree: GateTree, events: EventTable, strategy: GatingStrategy, *, scales: Mapping[str, DisplayScale]
) -> dict[str, tuple[Doubt, ...]]:
    """Return the populations that hardly depend on a gate in doubt, with a remark for each such gate.

    tree: of the strategy, placed on ``events``, which are on the display scale. ``hardly_moved``: a threshold that is a
    fallback and cuts through cells which all take the dye (viability) may lie anywhere between two extremes: at one it
    keeps all of its parent, at the other half of what it keeps now, the half that lies farther from it. Where cells do
    not take the dye the stain may have failed, and in an uneven peak dead cells may hide: nothing is said.
    ``small_part``: a gate that reaches a population through a boolean gate alone may keep all of its parent or nothing,
    whatever speaks against it. Where a population's share of all that it is reported of is the same at both extremes,
    to a tenth of itself and what chance adds, nothing in between matters to it.
    """
    remarks: dict[str, tuple[Doubt, ...]] = {}
    for doubtful in tree.populations:
        for code, extremes in _ways(tree, doubtful, events, scales):
            for population, about, detail in _unmoved(tree, doubtful.id, extremes, events, strategy):
                remarks[population] = (*remarks.get(population, ()), Doubt(code, about, detail))
    return remarks


def _ways(
    tree: GateTree, doubtful: PlacedPopulation, events: EventTable, scales: Mapping[str, DisplayScale]
) -> Iterator[tuple[str, tuple[Mask, Mask]]]:
    """Yield each remark that may be made of a gate in doubt, with the two extremes of what the gate may keep."""
    if any(doubt.code == "fallback_alone" for doubt in doubtful.doubts) and (
        extremes := _extremes(tree, doubtful, events, scales)
    ):
        yield "hardly_moved", extremes
    parent = tree.mask(doubtful.parent)
    if withholding(doubtful.doubts) and parent is not None:
        yield "small_part", (parent, np.zeros_like(parent))


def _extremes(
    tree: GateTree, doubtful: PlacedPopulation, events: EventTable, scales: Mapping[str, DisplayScale]
) -> tuple[Mask, Mask] | None:
    """Return what a threshold keeps at its two extremes; None where the gate is none, or cells do not take the dye."""
    parent, kept, gate = tree.mask(doubtful.parent), tree.mask(doubtful.id), doubtful.gate
    if parent is None or kept is None or not isinstance(gate, Interval) or not kept.any():
        return None
    rows = np.flatnonzero(parent)
    values = np.asarray(events.take(rows).column(gate.axis), dtype=np.float64)
    if not _is_taken_up(values, gate.axis, events, scales):
        return None
    middle = float(np.median(values[kept[rows]]))
    farther = values <= middle if np.isfinite(gate.high) else values >= middle
    half = np.zeros_like(parent)
    half[rows[farther]] = True
    return parent, half & kept


def _is_taken_up(values: Floats, axis: str, events: EventTable, scales: Mapping[str, DisplayScale]) -> bool:
    """Say whether all cells take the dye, and show one peak of it, as heavy on either side.

    values: of the events that the threshold divides, display scale. Two kinds in one uneven peak are not told apart.
    """
    values, pooled = values[np.isfinite(values)], noise_on(scales, axis)
    is_dye = events.channels[events.index(axis)].kind is ChannelKind.FLUORESCENCE
    if not is_dye or pooled is None or not pooled.spread or values.size < _FEWEST:
        return False
    dimmest = float(scales[axis].inverse(np.array([quantile_of(values, _DIMMEST)]))[0])
    peak = max(modes_of(profile_of(values, _BANDWIDTH)), key=lambda mode: mode.height).position
    uneven = abs(np.count_nonzero(values >= peak) - np.count_nonzero(values < peak)) / values.size
    return bool(dimmest > _NOISE * pooled.spread and uneven <= _UNEVEN)


def _unmoved(
    tree: GateTree, doubtful: str, extremes: tuple[Mask, Mask], events: EventTable, strategy: GatingStrategy
) -> Iterator[tuple[str, str, str]]:
    """Yield the populations that rest on a gate and are the same at both of its extremes, and in words how much so.

    Beside each stands the gate, or ``gate of denominator`` where this holds of some of its shares only.
    """
    everything = np.ones(tree.count, dtype=np.bool_)
    most, least = ({ROOT: everything, **tree.memberships, doubtful: mask} for mask in extremes)
    touched = _touched(tree, doubtful, strategy)
    if not extremes[1].any() and not any(touched.values()):
        return  # what merely lies below a gate is nothing without it
    for masks in (least, most):
        for population, operands in touched.items():
            masks[population.id] = _again(population, operands, masks, events)
        if all(np.count_nonzero(least[population.id]) < _FEWEST for population in touched):
            return
    for population in (each for each in touched if each.id in tree.memberships):
        few = int(np.count_nonzero(least[population.id]))
        if few < _FEWEST:
            continue
        denominators = dict.fromkeys((population.parent, *strategy.denominators.get(population.id, ())))
        shares = {
            name: [_share(masks, population.id, tree, name) for masks in (tree.memberships, most, least)]
            for name in denominators
        }
        alike = [name for name, (now, *later) in shares.items() if all(_alike(now, other, few) for other in later)]
        # Of all of them at once, or each of its own: the share of what is itself moved may move more.
        for name in alike[:1] if len(alike) == len(shares) else alike:
            now, wide, narrow = (f"{100 * share:.3g} %" for share in shares[name])
            part = f"{narrow} {'in half of it' if extremes[1].any() else 'without what it keeps'}"
            about = doubtful if len(alike) == len(shares) else f"{doubtful} of {name}"
            yield population.id, about, f"{now} of {name}, {wide} without that gate, {part}"


def _touched(tree: GateTree, doubtful: str, strategy: GatingStrategy) -> dict[PlacedPopulation, tuple[str, ...]]:
    """Return the populations below a gate, and those made of such a one, with what each is made of, in their order.

    Populations that were not placed are among them: in the union of others they would have a part.
    """
    names, touched = {doubtful}, {}
    for population in tree.populations:
        declared = strategy.population(population.id).gate
        operands = gate_method(declared).references if isinstance(population.gate, Boolean) else ()
        if names & {population.parent, *operands}:
            names.add(population.id)
            touched[population] = operands
    return touched


def _again(population: PlacedPopulation, operands: Sequence[str], masks: Masks, events: EventTable) -> Mask:
    """Return a population's events where those of populations above it are others; at most, if it was not placed."""
    parent, gate = masks[population.parent], population.gate
    if isinstance(gate, Boolean):
        left_out = [masks[name] for name in operands if name in masks and name not in gate.of]
        inside = np.logical_or.reduce([gate.combine([masks[name] for name in gate.of]), *left_out])
        return np.asarray(parent & inside)
    return parent if gate is None else members(gate, events, parent)


def _share(masks: Masks, population: str, tree: GateTree, denominator: str) -> float:
    whole = masks[denominator] if denominator in masks else tree.mask(denominator)
    return np.count_nonzero(masks[population]) / np.count_nonzero(whole) if whole is not None and whole.any() else 0.0


def _alike(now: float, extreme: float, events: int) -> bool:
    """Say whether a share is the same at an extreme; events: half of those that it is of, which alone add chance."""
    return abs(extreme - now) <= (_HARDLY + float(np.sqrt(1 / (2 * events)))) * now
