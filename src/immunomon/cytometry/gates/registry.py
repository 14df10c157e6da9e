"""The registry of gate methods, and how a declaration becomes one."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from immunomon.cytometry.model.placement import GateMethod
from immunomon.errors import GateNotPlaced
from immunomon.registry import Registry
from immunomon.study.model.strategy import GateDeclaration

__all__ = ["GATE_METHODS", "gate_method"]

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
