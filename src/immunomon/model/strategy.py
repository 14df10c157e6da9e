"""Gating strategies as declared: a tree of populations in a biologist's words, before any data is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from immunomon.errors import UnknownName, nearest

__all__ = ["ROOT", "GateDeclaration", "GatingStrategy", "Population", "ScaleDeclaration"]

ROOT = "root"


@dataclass(frozen=True)
class ScaleDeclaration:
    """A display scale as declared; ``w`` may be ``None``, which means: from the data."""

    kind: str = "logicle"
    parameters: tuple[tuple[str, float | None], ...] = ()


@dataclass(frozen=True)
class GateDeclaration:
    """A gate as declared: the name of a registered method and its arguments, as plain data.

    place_on: the population on whose events the gate is placed, where that is not the parent: a threshold for a rare
    subset is surer on the many cells above it. What the gate holds is decided among the parent's events either way.
    """

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)
    place_on: str | None = None


@dataclass(frozen=True)
class Population:
    """A population as declared: an id for machines, a label for people, its parent, and which region of which gate."""

    id: str
    label: str
    parent: str
    gate: GateDeclaration
    keep: str


@dataclass(frozen=True)
class GatingStrategy:
    """A tree of populations, parents before children, with the scales they are gated on and what is reported."""

    name: str
    label: str
    version: int
    panel: str | None
    populations: tuple[Population, ...]
    scales: Mapping[str, ScaleDeclaration] = field(default_factory=dict)
    denominators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def _by_id(self) -> dict[str, Population]:
        return {population.id: population for population in self.populations}

    @property
    def ids(self) -> tuple[str, ...]:
        """The population ids, parents before children."""
        return tuple(population.id for population in self.populations)

    def population(self, population_id: str) -> Population:
        """Return a population by id; raises UnknownName with the nearest id."""
        if population_id not in self._by_id:
            raise UnknownName(
                f"strategy {self.name}: no population '{population_id}'; {nearest(population_id, self._by_id)}"
            )
        return self._by_id[population_id]

    def path(self, population_id: str) -> str:
        """Return the way from the root, such as ``/singlets/live/lymphocytes``.

        >>> gate = GateDeclaration("interval")
        >>> tree = (Population("a", "A", "root", gate, "inside"), Population("b", "B", "a", gate, "inside"))
        >>> GatingStrategy("s", "S", 1, None, tree).path("b")
        '/a/b'
        """
        steps = [population_id]
        while (parent := self.population(steps[-1]).parent) != ROOT:
            steps.append(parent)
        return "/" + "/".join(reversed(steps))

    def ancestors(self, population_id: str) -> tuple[str, ...]:
        """Return the ids from the parent up to the root."""
        return tuple(reversed(self.path(population_id).strip("/").split("/")[:-1]))
