"""Gates within gates: an argument of a gate method that is itself a gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from immunomon.cytometry.gates.registry import gate_method
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.placement import Controls, GateMethod, Placement, WithControls
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.errors import GateNotPlaced, UnknownName
from immunomon.study.model.strategy import GateDeclaration

__all__ = ["NestedGate", "fit_nested", "roles_of"]


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
