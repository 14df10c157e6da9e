"""What a way to place a gate is, what it returns, and what it may look at beside the sample itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, Protocol, TypeGuard, runtime_checkable

from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import Gate
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.study.model.trust import Doubt, PlacedBy

__all__ = [
    "Anchored",
    "ControlTube",
    "Controls",
    "GateMethod",
    "Movable",
    "Nearness",
    "Overlapping",
    "Placement",
    "Resolved",
    "WithControls",
    "axis_of",
    "is_movable",
    "is_overlapping",
    "is_resolved",
    "origins_of",
]

Scales = Mapping[str, DisplayScale]
Nearness = Literal["run", "batch", "study"]


@dataclass(frozen=True)
class Placement:
    """A gate placed on data: geometry for each of its regions, the numbers it rests on, and a note for people.

    facts: what the placement found, by name (a threshold, a slope, the depth of a valley), on the display scale.
    note: empty when all went as declared; else what was done instead and why. source: what set the gate, in a few
    words (``valley``, ``FMO CD25, fmo_3.fcs``, ``fallback``); empty: the method as declared. errors: the standard
    error of those facts that say where the gate lies, on the display scale; a fact that is not in it has none.
    doubts: what speaks against it. placed_by: coordinate (one of the facts, such as ``x_threshold``) -> what set it;
    a coordinate that is not in it was set by the data if it has an error, else by a person (declared).
    """

    regions: Mapping[str, Gate]
    facts: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    source: str = ""
    errors: Mapping[str, float] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()
    placed_by: Mapping[str, PlacedBy] = field(default_factory=dict)


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


@runtime_checkable
class Movable(Protocol):
    """A gate method whose gate can be put elsewhere: where it lies is said by a few numbers among its facts.

    That is what lets samples agree on a gate: their estimates of the coordinates are brought together, and each
    sample's gate is made again from the outcome.
    """

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of the facts that may be moved, such as ``threshold``; each has an error if it was estimated."""
        ...

    def at(self, facts: Mapping[str, float], scales: Mapping[str, DisplayScale]) -> Mapping[str, Gate]:
        """Return the regions of the gate with these facts: ``at(fit(...).facts, ...)`` are the regions of the fit."""
        ...


@runtime_checkable
class Anchored(Movable, Protocol):
    """A movable gate whose coordinates can be said by their place between two other facts, such as two peaks."""

    @property
    def anchors(self) -> Mapping[str, tuple[str, str]]:
        """Coordinate -> the facts below and above it that it goes with; none, if it goes by itself."""
        ...


@runtime_checkable
class Resolved(Movable, Protocol):
    """A movable gate that knows how finely it can tell where a border ought to lie."""

    @property
    def resolution(self) -> Mapping[str, float]:
        """Coordinate -> standard error, the same in every sample: what no number of events makes smaller."""
        ...


@runtime_checkable
class Overlapping(Movable, Protocol):
    """A movable gate that knows how much of the cells of either side of a border lies on the other at most."""

    @property
    def crossings(self) -> Mapping[str, tuple[str, str]]:
        """Coordinate -> two facts: the share of the cells below that lies above at most; and of those above, below."""
        ...


def _has(method: object, *names: str) -> bool:
    kind: Any = type(method)
    return _class_has(kind, *names)


@cache
def _class_has(kind: type, *names: str) -> bool:
    """Say whether a class has members of all these names; a field without a default is no attribute of its class."""
    fields = (*getattr(kind, "__dataclass_fields__", ()), *getattr(kind, "model_fields", ()))
    return {*names} <= {*dir(kind), *fields}


def is_movable(method: object) -> TypeGuard[Movable]:
    """Say, sooner than ``isinstance``, whether a gate method is ``Movable``: by its class."""
    return _has(method, "coordinates", "at")


def is_resolved(method: object) -> TypeGuard[Resolved]:
    """Say, sooner than ``isinstance``, whether a gate method is ``Resolved``: by its class."""
    return is_movable(method) and _has(method, "resolution")


def is_overlapping(method: object) -> TypeGuard[Overlapping]:
    """Say, sooner than ``isinstance``, whether a gate method is ``Overlapping``: by its class."""
    return is_movable(method) and _has(method, "crossings")


@dataclass(frozen=True, eq=False)
class ControlTube:
    """A control tube as a gate method sees it: its events in the same parent population, on the sample's scales.

    near: whether it is of the sample's own ``run`` (acquired together with it), of its ``batch``, or of the ``study``.
    """

    name: str
    near: Nearness
    events: EventTable


class Controls(Protocol):
    """The control tubes that belong to a sample."""

    def tubes(self, role: str, near: Nearness) -> Sequence[ControlTube]:
        """Return the tubes of a role (``fmo:CD25``, ``unstimulated``, ``isotype``) of that nearness, nearest first."""
        ...


@runtime_checkable
class WithControls(Protocol):
    """A gate method that looks at control tubes beside the sample."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the tubes it looks at."""
        ...

    def fit_with(self, parent: EventTable, scales: Mapping[str, DisplayScale], controls: Controls) -> Placement:
        """Place the gate with the controls at hand; raises GateNotPlaced if the data do not allow it."""
        ...


def axis_of(method: GateMethod, coordinate: str) -> str:
    """Return the axis that a coordinate of a gate lies on; empty if it concerns all of them.

    A gate of two axes names its coordinates ``x_...`` and ``y_...`` where each lies on one of them.
    """
    if len(method.axes) == 1:
        return method.axes[0]
    sides = {"x": 0, "y": 1}
    return method.axes[sides[coordinate[0]]] if len(method.axes) == 2 and coordinate[:2] in ("x_", "y_") else ""


def origins_of(method: GateMethod, placement: Placement) -> dict[str, PlacedBy]:
    """Return what set each coordinate of a placed gate; under '' for a gate that has none.

    >>> from immunomon.cytometry.gates import gate_method
    >>> from immunomon.study.model.strategy import GateDeclaration
    >>> method = gate_method(GateDeclaration("valley", {"axis": "CD3"}))
    >>> origins_of(method, Placement({}, {"threshold": 0.5}, errors={"threshold": 0.01}))
    {'threshold': 'data'}
    """
    looks: object = method
    coordinates = looks.coordinates if is_movable(looks) else ()
    if not coordinates:
        return dict(placement.placed_by) or {"": "data" if placement.facts else "person"}
    set_by: dict[str, PlacedBy] = {name: "data" if name in placement.errors else "person" for name in coordinates}
    return set_by | {name: origin for name, origin in placement.placed_by.items() if name in set_by}
