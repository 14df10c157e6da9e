"""What a way to place a gate is, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from immunomon.model.events import EventTable
from immunomon.model.geometry import Gate
from immunomon.model.scales import DisplayScale

__all__ = ["GateMethod", "Placement"]


@dataclass(frozen=True)
class Placement:
    """A gate placed on data: geometry for each of its regions, the numbers it rests on, and a note for people.

    facts: what the placement found, by name (a threshold, a slope, the depth of a valley), on the display scale.
    note: empty when all went as declared; else what was done instead and why.
    """

    regions: Mapping[str, Gate]
    facts: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@runtime_checkable
class GateMethod(Protocol):
    """A way to place a gate: a frozen dataclass of parameters, with the axes it needs and the regions it makes."""

    @property
    def axes(self) -> tuple[str, ...]:
        """The markers, detectors or scatter channels it looks at."""
        ...

    @property
    def references(self) -> tuple[str, ...]:
        """The ids of other populations it is made of (boolean gates)."""
        ...

    @property
    def regions(self) -> tuple[str, ...]:
        """The names of the regions it makes; ``keep`` picks one."""
        ...

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:
        """Place the gate on the parent's events (display scale); raises GateNotPlaced if the data do not allow it."""
        ...
