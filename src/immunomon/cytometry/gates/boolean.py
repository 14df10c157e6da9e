"""Populations made of other populations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from immunomon.cytometry.gates.registry import GATE_METHODS
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import Boolean
from immunomon.cytometry.model.placement import Placement
from immunomon.cytometry.model.scales import DisplayScale

__all__ = ["BooleanGate"]


@GATE_METHODS.register("boolean")
@dataclass(frozen=True, kw_only=True)
class BooleanGate:
    """The parent's events that are in all (``and``), any (``or``) or none (``not``) of other populations.

    Of any, those that could not be placed are left out, with a note.

    >>> BooleanGate(operator="not", of=("dead",)).references
    ('dead',)
    """

    operator: Literal["and", "or", "not"]
    of: tuple[str, ...]

    @property
    def axes(self) -> tuple[str, ...]:
        """No axes of its own."""
        return ()

    @property
    def references(self) -> tuple[str, ...]:
        """The populations it combines."""
        return self.of

    @property
    def regions(self) -> tuple[str, ...]:
        """One region."""
        return ("inside",)

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:  # noqa: ARG002
        """Return the combination; there is nothing to place."""
        return Placement({"inside": Boolean(self.operator, self.of)})
