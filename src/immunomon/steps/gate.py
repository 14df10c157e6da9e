"""Gate: place a strategy's gates on one file's events and decide which event is in which population."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from immunomon.errors import GateNotPlaced, WrongScale
from immunomon.gates import gate_method
from immunomon.model.events import EventTable, Scale
from immunomon.model.gatetree import GateTree, PlacedAxis, PlacedPopulation
from immunomon.model.geometry import Boolean, Gate
from immunomon.model.members import members
from immunomon.model.placement import Placement
from immunomon.model.scales import AnyScale
from immunomon.model.strategy import GateDeclaration, GatingStrategy, Population

__all__ = ["axes_of", "gate"]

Mask = NDArray[np.bool_]
Scales = Mapping[str, AnyScale]


def axes_of(strategy: GatingStrategy) -> tuple[str, ...]:
    """Return the axes that a strategy's gates look at, in order of first use: nothing else need be computed."""
    found = (axis for population in strategy.populations for axis in gate_method(population.gate).axes)
    return tuple(dict.fromkeys(found))


def gate(events: EventTable, strategy: GatingStrategy, scales: Scales, *, threads: int = 1) -> GateTree:
    """Return the strategy placed on the events, with every population's membership.

    events: on the display scale, with all axes of ``axes_of(strategy)``. A gate that cannot be placed costs its own
    population and those below it, with the reason; the others stand. Gates that share a declaration and a parent are
    placed once. threads: how many share a large file; the result does not depend on it. Raises WrongScale for events
    on another scale.

    >>> from immunomon.model.events import Channel
    >>> from immunomon.model.scales import Logicle
    >>> events = EventTable(np.array([[0.2], [0.8]]), (Channel("V450-A", "CD3"),), Scale.DISPLAY)
    >>> declared = GateDeclaration("interval", {"axis": "CD3", "low": 0.5, "units": "display"})
    >>> t_cells = Population("t_cells", "T cells", "root", declared, "inside")
    >>> gate(events, GatingStrategy("s", "S", 1, None, (t_cells,)), {"CD3": Logicle()}).size("t_cells")
    1
    """
    if events.scale is not Scale.DISPLAY:
        raise WrongScale(f"{events.source}: gate needs events on the display scale, got {events.scale} ones")
    with ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
        placer = _Placer(events, scales, pool)
        placed = tuple(placer.place(strategy, population) for population in strategy.populations)
    axes = {
        axis: PlacedAxis(channel.detector, scales[axis], channel.range)
        for axis in scales
        for channel in (events.channels[events.index(axis)],)
    }
    return GateTree(strategy.name, events.count, axes, placed, placer.memberships)


class _Placer:
    """Places the populations of one file, parents first; what is placed already is kept."""

    def __init__(self, events: EventTable, scales: Scales, pool: Executor | None) -> None:
        self.events, self.scales, self._pool = events, scales, pool
        self.memberships: dict[str, Mask] = {}
        self._placements: dict[tuple[str, str], Placement | GateNotPlaced] = {}
        self._inside: dict[str, EventTable] = {}

    def place(self, strategy: GatingStrategy, population: Population) -> PlacedPopulation:
        result = PlacedPopulation(
            population.id,
            population.label,
            population.parent,
            strategy.path(population.id),
            population.gate.method,
            None,
        )
        parent = self._mask(population.parent)
        if parent is None:
            return replace(result, failure=f"its parent {population.parent} was not placed")
        ground = population.gate.place_on or population.parent
        placed_on = self._mask(ground)
        if placed_on is None:
            return replace(result, failure=f"{ground}, on which it is to be placed, was not placed")
        placement = self._placement(population.gate, ground, placed_on)
        if isinstance(placement, GateNotPlaced):
            return replace(result, failure=str(placement))
        gate_found = placement.regions[population.keep]
        mask = self._members(gate_found, parent)
        if mask is None:
            return replace(result, failure="a population it is made of was not placed")
        self.memberships[population.id] = mask
        return replace(result, gate=gate_found, facts=placement.facts, note=placement.note)

    def _mask(self, population: str) -> Mask | None:
        if population == "root":
            return np.ones(self.events.count, dtype=np.bool_)
        return self.memberships.get(population)

    def _within(self, population: str, mask: Mask) -> EventTable:
        if population not in self._inside:
            self._inside[population] = self.events.take(mask)
        return self._inside[population]

    def _placement(self, declared: GateDeclaration, ground: str, mask: Mask) -> Placement | GateNotPlaced:
        key = (ground, repr((declared.method, sorted(declared.arguments.items()))))
        if key not in self._placements:
            try:
                self._placements[key] = gate_method(declared).fit(self._within(ground, mask), self.scales)
            except GateNotPlaced as error:
                self._placements[key] = error
        return self._placements[key]

    def _members(self, shape: Gate, mask: Mask) -> Mask | None:
        if isinstance(shape, Boolean):
            operands = [self.memberships.get(name) for name in shape.of]
            if any(operand is None for operand in operands):
                return None
            return mask & shape.combine([operand for operand in operands if operand is not None])
        return members(shape, self.events, mask, pool=self._pool)
