"""Gate: place a strategy's gates on one file's events and decide which event is in which population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace

import numpy as np

from immunomon.arrays import Mask
from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import GateTree, PlacedAxis, PlacedPopulation
from immunomon.cytometry.model.geometry import Boolean, Gate
from immunomon.cytometry.model.members import members
from immunomon.cytometry.model.placement import (
    Controls,
    ControlTube,
    GateMethod,
    Nearness,
    Placement,
    WithControls,
    is_movable,
    origins_of,
)
from immunomon.cytometry.model.scales import AnyScale
from immunomon.cytometry.model.settled import Settled
from immunomon.errors import GateNotPlaced, WrongScale
from immunomon.study.model.strategy import ROOT, GatingStrategy, Population
from immunomon.study.model.trust import Doubt, PlacedBy, least_sure

__all__ = ["axes_of", "gate"]

Scales = Mapping[str, AnyScale]


def axes_of(strategy: GatingStrategy) -> tuple[str, ...]:
    """Return the axes that a strategy's gates look at, in order of first use: nothing else need be computed."""
    axes = (axis for population in strategy.populations for axis in gate_method(population.gate).axes)
    return tuple(dict.fromkeys(axes))


def gate(
    events: EventTable,
    strategy: GatingStrategy,
    scales: Scales,
    *,
    settled: Mapping[str, Settled] | None = None,
    placed: Mapping[str, PlacedPopulation] | None = None,
    controls: Controls | None = None,
    among: Mask | None = None,
    dead: Mapping[str, str] | None = None,
    threads: int = 1,
) -> GateTree:
    """Return the strategy placed on the events, with every population's membership.

    events: on the display scale, with all axes of ``axes_of(strategy)``. A gate that cannot be placed costs its own
    population and those below it, with the reason; the others stand. Gates that share a declaration and a parent are
    placed once. settled: population id -> where its gate lies, for gates that were decided outside this sample; placed:
    population id -> the same, for gates that these very events were found to place so.
    controls: the sample's control tubes, whole, on the same scales. among: (events,) the only events that belong to any
    population; all if left out. dead: axis -> what is wrong with its detector; it carries no gate. threads: how many
    share a large file; the result does not depend on it. Raises WrongScale for events on another scale.

    Where a gate is placed depends on nothing but these: no visit and no dose is known here.

    >>> from immunomon.study.model.channels import Channel
    >>> from immunomon.cytometry.model.scales import Logicle
    >>> from immunomon.study.model.strategy import GateDeclaration
    >>> events = EventTable(np.array([[0.2], [0.8]]), (Channel("V450-A", "CD3"),), Scale.DISPLAY)
    >>> declared = GateDeclaration("interval", {"axis": "CD3", "low": 0.5, "units": "display"})
    >>> t_cells = Population("t_cells", "T cells", "root", declared, "inside")
    >>> gate(events, GatingStrategy("s", "S", 1, None, (t_cells,)), {"CD3": Logicle()}).size("t_cells")
    1
    """
    if events.scale is not Scale.DISPLAY:
        raise WrongScale(f"{events.source}: gate needs events on the display scale, got {events.scale} ones")
    with ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
        placer = _Placer(events, scales, pool, settled or {}, placed or {}, controls, among, dead or {})
        for population in strategy.populations:
            placer.place(strategy, population)
    axes = {
        axis: PlacedAxis(channel.detector, scales[axis], channel.range)
        for axis in scales
        for channel in (events.channels[events.index(axis)],)
    }
    return GateTree(strategy.name, events.count, axes, tuple(placer.placed.values()), placer.memberships, among)


class _Placer:
    """Places the populations of one file, parents first; what is placed already is kept."""

    def __init__(
        self,
        events: EventTable,
        scales: Scales,
        pool: Executor | None,
        settled: Mapping[str, Settled],
        already: Mapping[str, PlacedPopulation],
        controls: Controls | None,
        among: Mask | None,
        dead: Mapping[str, str],
    ) -> None:
        self.events, self.scales, self._pool, self._settled = events, scales, pool, settled
        self._already, self._controls, self._dead = already, controls, dead
        self._all = np.ones(events.count, dtype=np.bool_) if among is None else among
        self.memberships: dict[str, Mask] = {}
        self.placed: dict[str, PlacedPopulation] = {}
        self._placements: dict[str, Placement | GateNotPlaced] = {}
        self._inside: dict[str, EventTable] = {}
        self._axes: dict[str, tuple[str, ...]] = {}

    def place(self, strategy: GatingStrategy, population: Population) -> None:
        path = strategy.path(population.id)
        blank = PlacedPopulation(population.id, population.label, population.parent, path, population.gate.method, None)
        self.placed[population.id] = self._found(strategy, population, blank)

    def _found(self, strategy: GatingStrategy, population: Population, blank: PlacedPopulation) -> PlacedPopulation:
        parent = self._mask(population.parent)
        if parent is None:
            return replace(blank, failure=f"its parent {population.parent} was not placed")
        method = gate_method(population.gate)
        silent = [Doubt("dead_detector", axis, self._dead[axis]) for axis in method.axes if axis in self._dead]
        if silent:
            reasons = (f"{doubt.axis}: the detector shows nothing, {doubt.detail}" for doubt in silent)
            return replace(blank, failure="; ".join(reasons), doubts=tuple(silent))
        already = self._already.get(population.id)
        if already is not None and not isinstance(already.gate, Boolean):
            return self._as_before(strategy, population, already, parent)
        decided = self._settled.get(population.id)
        placement = self._moved(population, decided) if decided else self._placement(strategy, population)
        if isinstance(placement, GateNotPlaced):
            about = tuple(doubt for doubt in placement.doubts if isinstance(doubt, Doubt))
            return replace(blank, failure=str(placement), doubts=about)
        shape = placement.regions[population.keep]
        missing = [name for name in shape.of if name not in self.memberships] if isinstance(shape, Boolean) else []
        if isinstance(shape, Boolean) and missing and shape.operator == "or" and len(missing) < len(shape.of):
            shape = Boolean("or", tuple(name for name in shape.of if name not in missing))
            placement = replace(placement, note=f"without {', '.join(missing)}, which could not be placed")
        mask = self._members(shape, parent, strategy, population)
        if mask is None:
            return replace(blank, failure="a population it is made of was not placed")
        self.memberships[population.id] = mask
        placed = replace(
            blank,
            gate=shape,
            facts=placement.facts,
            errors=placement.errors,
            note=placement.note,
            source=placement.source or population.gate.method,
            doubts=placement.doubts,
            origins=self._origins(method, placement, shape),
        )
        return placed if decided is None else replace(placed, own_weight=decided.own_weight, outlier=decided.outlier)

    def _as_before(
        self, strategy: GatingStrategy, population: Population, already: PlacedPopulation, parent: Mask
    ) -> PlacedPopulation:
        if already.gate is not None:
            mask = self._members(already.gate, parent, strategy, population)
            assert mask is not None, "only boolean gates are made of other populations"
            self.memberships[population.id] = mask
        return already

    def _origins(self, method: GateMethod, placement: Placement, shape: Gate) -> dict[str, PlacedBy]:
        if isinstance(shape, Boolean):  # it has no border of its own
            return {"": least_sure(self.placed[name].placed_by for name in shape.of)}
        return origins_of(method, placement)

    def _mask(self, population: str) -> Mask | None:
        return self._all if population == ROOT else self.memberships.get(population)

    def _within(self, population: str, mask: Mask) -> EventTable:
        if population not in self._inside:
            self._inside[population] = self.events.take(mask)
        return self._inside[population]

    def _moved(self, population: Population, decided: Settled) -> Placement | GateNotPlaced:
        if decided.instead is not None:
            declared = gate_method(decided.instead).fit(self.events, self.scales)  # declared: it looks at no event
            only = {population.keep: declared.regions[decided.keep]}
            return Placement(only, {}, decided.note, decided.source, {}, decided.doubts, decided.placed_by)
        method = gate_method(population.gate)
        if not is_movable(method):
            return GateNotPlaced(f"a gate of method {population.gate.method} cannot be moved")
        regions = method.at(decided.facts, self.scales)
        about = (decided.note, decided.source, decided.errors, decided.doubts, decided.placed_by)
        return Placement(regions, decided.facts, *about)

    def _placement(self, strategy: GatingStrategy, population: Population) -> Placement | GateNotPlaced:
        key = strategy.gate_id(population.id)
        if key not in self._placements:
            try:
                self._placements[key] = self._fit(population)
            except GateNotPlaced as error:
                self._placements[key] = error
        return self._placements[key]

    def _fit(self, population: Population) -> Placement:
        ground = population.gate.place_on or population.parent
        mask = self._mask(ground)
        if mask is None:
            raise GateNotPlaced(f"{ground}, on which it is to be placed, was not placed")
        method, within = gate_method(population.gate), self._within(ground, mask)
        if isinstance(method, WithControls):
            return method.fit_with(within, self.scales, _Narrowed(self._controls, self, ground))
        return method.fit(within, self.scales)

    def _soon(self, strategy: GatingStrategy, parent: str) -> tuple[str, ...]:
        """Return the axes of all gates on a population: computed in one pass if at all."""
        if parent not in self._axes:
            gates = (gate_method(child.gate) for child in strategy.populations if child.parent == parent)
            self._axes[parent] = tuple(dict.fromkeys(axis for method in gates for axis in method.axes))
        return self._axes[parent]

    def _members(self, shape: Gate, mask: Mask, strategy: GatingStrategy, population: Population) -> Mask | None:
        if isinstance(shape, Boolean):
            operands = [self.memberships.get(name) for name in shape.of]
            if any(operand is None for operand in operands):
                return None
            return mask & shape.combine([operand for operand in operands if operand is not None])
        taken = self._inside.get(population.parent)
        soon = self._soon(strategy, population.parent)
        return members(shape, self.events, mask, pool=self._pool, soon=soon, taken=taken)


class _Narrowed:
    """The control tubes cut down to the population that a gate is placed on, by the sample's own gates above it."""

    def __init__(self, controls: Controls | None, placer: _Placer, ground: str) -> None:
        self._controls, self._placer, self._ground = controls, placer, ground

    def tubes(self, role: str, near: Nearness) -> Sequence[ControlTube]:
        if self._controls is None:
            return ()
        whole = self._controls.tubes(role, near)
        return tuple(replace(tube, events=tube.events.take(self._mask(tube.events, self._ground))) for tube in whole)

    def _mask(self, events: EventTable, population: str) -> Mask:
        if population == ROOT:
            return np.ones(events.count, dtype=np.bool_)
        placed = self._placer.placed[population]
        parent, shape = self._mask(events, placed.parent), placed.gate
        if isinstance(shape, Boolean):
            return parent & shape.combine([self._mask(events, name) for name in shape.of])
        return parent if shape is None else members(shape, events, parent)
