"""A chain of ways to place one gate: the first that the data and the controls allow is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import Field

from immunomon.cytometry.gates.registry import GATE_METHODS, NestedGate, fit_nested, roles_of
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import Gate
from immunomon.cytometry.model.placement import Controls, GateMethod, Movable, Placement
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.errors import GateNotPlaced

__all__ = ["FirstOf"]


@GATE_METHODS.register("first_of")
@dataclass(frozen=True, kw_only=True)
class FirstOf:
    """The first of several gates that can be placed; which one it was is recorded, and why those before it were not.

    of: the gates in order, each with its method, all with the same axes and the same regions: for example the FMO tube
    of the run, then one of the batch, aligned, then a valley, then a tail.
    """

    paper: ClassVar[str] = "Finak et al. 2014, PLoS Comput Biol 10:e1003806 (gates by hierarchy of methods)"

    of: Annotated[tuple[NestedGate, ...], Field(description="The gates, in the order in which they are tried.")]

    def __post_init__(self) -> None:
        if len(self.of) < 2:
            raise ValueError(f"'of' needs at least 2 gates, got {len(self.of)}")
        first = self.of[0]
        for method in self.of[1:]:
            if method.axes != first.axes or method.regions != first.regions or _moving(method) != _moving(first):
                raise ValueError("all gates of 'of' must have the same axes, the same regions and the same coordinates")
            if method.references or first.references:
                raise ValueError("a gate made of other populations cannot be one of several")

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes that all of them have."""
        return self.of[0].axes

    @property
    def references(self) -> tuple[str, ...]:
        """No other populations."""
        return ()

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that all of them have."""
        return self.of[0].regions

    @property
    def roles(self) -> tuple[str, ...]:
        """The control tubes that any of them looks at."""
        return roles_of(self.of)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """What says where each of them lies."""
        return _moving(self.of[0])

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:
        """Place the first gate that can be placed without controls; raises GateNotPlaced if none can."""
        return self._fit(parent, scales, None)

    def fit_with(self, parent: EventTable, scales: Mapping[str, DisplayScale], controls: Controls) -> Placement:
        """Place the first gate that can be placed; raises GateNotPlaced, with all reasons, if none can."""
        return self._fit(parent, scales, controls)

    def _fit(self, parent: EventTable, scales: Mapping[str, DisplayScale], controls: Controls | None) -> Placement:
        reasons: list[str] = []
        doubts: list[object] = []
        for number, method in enumerate(self.of):
            try:
                placement = fit_nested(method, parent, scales, controls=controls)
            except GateNotPlaced as error:
                reasons.append(str(error))
                doubts += error.doubts
                continue
            facts = {**placement.facts, "set_by": float(number)}
            note = "; ".join((*reasons, placement.note) if placement.note else reasons)
            return replace(placement, facts=facts, note=note)
        raise GateNotPlaced("; ".join(reasons), doubts)

    def at(self, facts: Mapping[str, float], scales: Mapping[str, DisplayScale]) -> Mapping[str, Gate]:
        """Return the regions of the gate with these facts; ``set_by`` says which of the gates it is."""
        method: object = self.of[int(facts.get("set_by", 0.0))]
        if not isinstance(method, Movable):
            raise GateNotPlaced("a gate that was declared cannot be moved")
        return method.at(facts, scales)


def _moving(method: GateMethod) -> tuple[str, ...]:
    looks: object = method
    return looks.coordinates if isinstance(looks, Movable) else ()
