"""One gated file in memory, its events counted again while a gate of it is dragged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.geometry import Boolean, Gate
from immunomon.cytometry.model.scales import AnyScale
from immunomon.runs.gated import Gated
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import ROOT

__all__ = ["Counted", "OpenSample", "open_sample"]


@dataclass(frozen=True)
class Counted:
    """The events of a population and of its parent."""

    count: int
    parent_count: int

    @property
    def percent(self) -> float | None:
        """The percentage of the parent, None of an empty one."""
        return 100.0 * self.count / self.parent_count if self.parent_count else None


@dataclass(frozen=True, eq=False)
class OpenSample:
    """A sample's coordinates on the display scale, axis by axis, with the memberships of its placed gates."""

    columns: Mapping[str, Floats]
    scales: Mapping[str, AnyScale]
    tree: GateTree

    def recount(self, moved: Mapping[str, Gate]) -> dict[str, Counted]:
        """Return the counts of the moved populations and of all below them: the gates below stay where they are.

        moved: population id -> its gate, on the display scale.
        """
        memberships: dict[str, Mask | None] = {}
        counts: dict[str, Counted] = {}
        for population in self.tree.populations:
            gate = moved.get(population.id, population.gate)
            touched = population.id in moved or population.parent in memberships or _rests(gate, memberships)
            if not touched:
                continue
            parent = self._mask(population.parent, memberships)
            mask = None if gate is None or parent is None else self._members(gate, parent, memberships)
            memberships[population.id] = mask
            if mask is not None and parent is not None:
                counts[population.id] = Counted(int(np.count_nonzero(mask)), int(np.count_nonzero(parent)))
        return counts

    def _mask(self, population: str, memberships: Mapping[str, Mask | None]) -> Mask | None:
        return memberships[population] if population in memberships else self.tree.mask(population)

    def _members(self, gate: Gate, parent: Mask, memberships: Mapping[str, Mask | None]) -> Mask | None:
        if isinstance(gate, Boolean):
            operands = [self._mask(name, memberships) for name in gate.of]
            known = [operand for operand in operands if operand is not None]
            return parent & gate.combine(known) if len(known) == len(operands) else None
        rows = np.flatnonzero(parent)
        names = tuple(dict.fromkeys(gate.axes))
        inside = np.column_stack([self.columns[name][rows] for name in names])
        result = np.zeros(parent.size, dtype=np.bool_)
        result[rows] = gate.contains(EventTable.adopt(inside, tuple(map(Channel, names)), Scale.DISPLAY))
        return result


def open_sample(gated: Gated, scales: Mapping[str, AnyScale]) -> OpenSample:
    """Return a gated file with its coordinates; scales: of the axes of its gates, those that it has are used."""
    columns = {
        axis: scale.apply(np.asarray(gated.compensated.column(axis), dtype=np.float64))
        for axis, scale in scales.items()
        if gated.compensated.has(axis)
    }
    return OpenSample(columns, scales, gated.tree)


def _rests(gate: Gate | None, memberships: Mapping[str, Mask | None]) -> bool:
    return isinstance(gate, Boolean) and any(name in memberships and name != ROOT for name in gate.of)
