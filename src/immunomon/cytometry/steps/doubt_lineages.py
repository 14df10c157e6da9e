"""Doubt lineages: populations whose cells have two markers that no cell has together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from immunomon.arrays import Mask
from immunomon.cytometry.kernels.selection import evenly
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.geometry import Interval, Rectangle
from immunomon.study.model.channels import ChannelKind
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.trust import Doubt

__all__ = ["doubt_lineages"]

_COMPARED = 2000  # cells that are looked at
_FEWEST = 250
_MOST_BEADS = 0.01  # of the lymphocytes: more than a border lets in by chance

# Markers that no cell has together, and the share that a few doublets, or T cells with CD4 and CD8 (1 to 3 % in most
# people), may come to of the cells that the first one parts.
_EXCLUSIVE = (("CD3", "CD19", 0.03), ("CD4", "CD8", 0.06))


def doubt_lineages(tree: GateTree, compensated: EventTable, strategy: GatingStrategy) -> dict[str, tuple[Doubt, ...]]:
    """Return the populations in which many cells have two markers that no cell has together, by the borders of both.

    Lymphocytes that hold counting beads are doubted, too: what is counted of them would be wrong.
    tree: placed on the events, of the strategy; compensated: the same events with all markers. Counting beads, which
    shine in every channel, are no cells.
    """
    doubts: dict[str, tuple[Doubt, ...]] = {}
    beads = tree.mask(strategy.beads) if strategy.beads else None
    if beads is not None:
        doubts |= _with_beads(tree, beads)
    for name, doubt in _of_two_lineages(tree, compensated, beads):
        doubts[name] = (*doubts.get(name, ()), doubt)
    return doubts


def _with_beads(tree: GateTree, beads: Mask) -> dict[str, tuple[Doubt, ...]]:
    lymphocytes = tree.mask("lymphocytes")
    if lymphocytes is None or not any(population.id == "lymphocytes" for population in tree.populations):
        return {}
    share = float(np.mean(beads[lymphocytes])) if lymphocytes.any() else 0.0
    detail = f"{100 * share:.1f} % of them are counting beads"
    return {"lymphocytes": (Doubt("cloud_contradicted", "", detail),)} if share > _MOST_BEADS else {}


def _of_two_lineages(tree: GateTree, events: EventTable, beads: Mask | None) -> Iterator[tuple[str, Doubt]]:
    for first, second, most in _EXCLUSIVE:
        if not (events.has(first) and events.has(second)):
            continue
        names = [_parted_by(tree, marker) for marker in (first, second)]
        borders = [_lower_end(tree, marker, events) for marker in (first, second)]
        ground = None if names[0] is None else tree.mask(names[0])
        if ground is not None and beads is not None:
            ground = ground & ~beads
        if names[0] is None or ground is None or None in borders or np.count_nonzero(ground) < _FEWEST:
            continue
        rows = np.flatnonzero(ground)
        cells = events.take(rows[evenly(rows.size, _COMPARED)])
        both = [np.asarray(cells.column(m)) > b for m, b in zip((first, second), borders, strict=True)]
        share = float(np.mean(both[0] & both[1]))
        if share > most:
            detail = f"{100 * share:.1f} % of {names[0]} have {first} and {second}, {100 * most:g} % are possible"
            for name in _down_from_scatter(tree, names[0], events):
                yield name, Doubt("two_lineages", "", detail)


def _down_from_scatter(tree: GateTree, name: str, events: EventTable) -> list[str]:
    """Return a population, those above it with gates on stains, and the first one by scatter, which let them in.

    Of all events, which no gate lets in, those that are parted first.
    """
    populations = {population.id: population for population in tree.populations}
    names = [name]
    while names[-1] in populations:
        gate = populations[names[-1]].gate
        if gate is None or not any(_is_stained(axis, events) for axis in gate.axes):
            return names
        names.append(populations[names[-1]].parent)
    return names[:-1] or [population.id for population in tree.populations if population.parent == name]


def _is_stained(axis: str, events: EventTable) -> bool:
    return events.has(axis) and events.channels[events.index(axis)].kind is ChannelKind.FLUORESCENCE


def _regions(tree: GateTree, axis: str) -> Iterator[tuple[str, Interval, Mask]]:
    """Yield the parent, the sides on an axis and the events of the populations that it has a border for."""
    for population in tree.populations:
        gate, mask = population.gate, tree.mask(population.id)
        sides = gate.sides if isinstance(gate, Rectangle) else (gate,) if isinstance(gate, Interval) else ()
        yield from ((population.parent, side, mask) for side in sides if side.axis == axis and mask is not None)


def _parted_by(tree: GateTree, axis: str) -> str | None:
    return next((parent for parent, _, _ in _regions(tree, axis)), None)


def _has_quadrants(tree: GateTree, axis: str) -> bool:
    return any(isinstance(p.gate, Rectangle) and axis in p.gate.axes for p in tree.populations)


def _lower_end(tree: GateTree, axis: str, events: EventTable) -> float | None:
    """Return where the cells above a marker's border begin, as compensated; None if it has none with cells above."""
    for parent, side, mask in _regions(tree, axis):
        whole = tree.mask(parent)
        is_below = side.low == -np.inf
        if np.isfinite(side.low) == np.isfinite(side.high):  # a drawn region's side is no border between two kinds
            continue
        # What is not below a threshold is above it; what is not in a region of quadrants may be anywhere.
        if whole is None or (is_below and _has_quadrants(tree, axis)):
            continue
        rows = np.flatnonzero(whole & ~mask if is_below else mask)
        if rows.size:
            return float(np.min(np.asarray(events.take(rows).column(axis))))
    return None
