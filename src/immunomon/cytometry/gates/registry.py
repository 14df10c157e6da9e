"""The registry of gate methods, what they have in common, and gates within gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Annotated, Any

import numpy as np
from pydantic import PlainValidator, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.grid import Grid, grid_of
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.placement import Controls, GateMethod, Placement, WithControls
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.errors import GateNotPlaced, UnknownName
from immunomon.registry import Registry
from immunomon.study.model.strategy import GateDeclaration

__all__ = ["GATE_METHODS", "Alone", "NestedGate", "OneRegion", "TwoAxes", "fit_nested", "gate_method", "roles_of"]

GATE_METHODS: Registry[type[GateMethod]] = Registry("gate method", group="immunomon.gate_methods")


@cache
def _adapter(method: type[GateMethod]) -> TypeAdapter[Any]:
    return TypeAdapter(method)


@lru_cache(maxsize=4096)
def gate_method(declaration: GateDeclaration) -> GateMethod:
    """Return the gate method that a declaration names, with its arguments.

    Raises UnknownName for a method that is not registered, GateNotPlaced for arguments that do not fit (a strategy
    that was read from YAML has been checked for both).

    >>> gate_method(GateDeclaration("interval", {"axis": "CD3", "low": 1000})).axes
    ('CD3',)
    """
    method = GATE_METHODS[declaration.method]
    try:
        made: GateMethod = _adapter(method).validate_python(dict(declaration.arguments))
    except ValidationError as error:
        raise GateNotPlaced(f"gate method {declaration.method}: {error.errors()[0]['msg']}") from error
    return made


# What several gate methods have in common: no operands, one region, two axes.


class Alone:
    """A method that looks at events only, not at other populations."""

    @property
    def references(self) -> tuple[str, ...]:
        """No other populations."""
        return ()


class OneRegion(Alone):
    """A method whose gate has an inside and nothing else to choose."""

    @property
    def regions(self) -> tuple[str, ...]:
        """One region."""
        return ("inside",)


class TwoAxes:
    """A method that lies on an axis ``x`` and an axis ``y``."""

    x: str
    y: str

    @property
    def axes(self) -> tuple[str, ...]:
        """The two axes."""
        return (self.x, self.y)

    def points_of(self, parent: EventTable) -> Floats:
        """Return where the events lie on the two axes, (events, 2), without those that are not finite."""
        points = np.column_stack([np.asarray(parent.column(axis), dtype=np.float64) for axis in (self.x, self.y)])
        return points[np.isfinite(points).all(axis=1)]

    def require(self, events: int, least: int) -> None:
        """Raise GateNotPlaced if there are fewer events than the gate needs."""
        if events < least:
            raise GateNotPlaced(f"{self.x} x {self.y}: only {events} events, {least} are needed")

    def grid_over(self, x: Floats, y: Floats, bins: int, reach: Floats | None = None) -> Grid:
        """Return points on a grid, as ``grid_of`` does; reach: some of them, (events, 2).

        Raises GateNotPlaced for points without extent.
        """
        try:
            return grid_of(x, y, bins, reach=None if reach is None else (reach[:, 0], reach[:, 1]))
        except ValueError as error:
            raise GateNotPlaced(f"{self.x} x {self.y}: {error}") from error


# Gates within gates: an argument of a gate method that is itself a gate.


def _made(value: object) -> GateMethod:
    if isinstance(value, Mapping) and isinstance(value.get("method"), str):
        arguments = {str(key): argument for key, argument in value.items() if key != "method"}
        try:
            return gate_method(GateDeclaration(value["method"], arguments))
        except (GateNotPlaced, UnknownName) as error:
            raise PydanticCustomError("nested_gate", "{problem}", {"problem": str(error)}) from error
    if isinstance(value, GateMethod):
        return value
    raise PydanticCustomError("nested_gate", "a gate needs 'method: ...', the name of a gate method")


_METHOD = {"type": "string", "description": "The gate method; the other keys are its arguments."}
_SCHEMA = {"type": "object", "properties": {"method": _METHOD}, "required": ["method"]}
NestedGate = Annotated[GateMethod, PlainValidator(_made), WithJsonSchema(_SCHEMA)]


def roles_of(methods: Sequence[GateMethod | None]) -> tuple[str, ...]:
    """Return the roles of the control tubes that any of the methods looks at, each once."""
    roles: list[str] = []
    for method in methods:
        looks: object = method
        roles += looks.roles if isinstance(looks, WithControls) else ()
    return tuple(dict.fromkeys(roles))


def fit_nested(
    method: GateMethod, parent: EventTable, scales: Mapping[str, DisplayScale], *, controls: Controls | None
) -> Placement:
    """Place a gate, with the controls if it looks at any and there are some; raises GateNotPlaced as it does."""
    looks: object = method
    if controls is not None and isinstance(looks, WithControls):
        return looks.fit_with(parent, scales, controls)
    return method.fit(parent, scales)
