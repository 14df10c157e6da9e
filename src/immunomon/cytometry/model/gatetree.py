"""A strategy placed on one file: geometry, what it rests on, and which events are in which population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from immunomon.arrays import Mask
from immunomon.cytometry.model.geometry import Gate, gate_to_dict
from immunomon.cytometry.model.scales import AnyScale, scale_to_dict
from immunomon.study.model.strategy import ROOT
from immunomon.study.model.trust import Doubt, PlacedBy, least_sure

__all__ = ["GateTree", "PlacedAxis", "PlacedPopulation", "kept_events"]


@dataclass(frozen=True)
class PlacedAxis:
    """An axis of a placed gate: the detector behind it, the scale its coordinates are on, the cytometer's range."""

    detector: str
    scale: AnyScale
    range: float = 262144.0


@dataclass(frozen=True)
class PlacedPopulation:
    """A population with its gate placed; ``failure`` says why there is none, ``note`` what was done instead.

    facts, errors, source: what the placement found, the standard errors of what says where the gate lies, and what set
    it. own_weight, outlier: where other samples had a say, see ``Settled``. doubts: what speaks against the gate;
    origins: coordinate -> what set it ('' for a gate that has none).
    """

    id: str
    label: str
    parent: str
    path: str
    method: str
    gate: Gate | None
    facts: Mapping[str, float] = field(default_factory=dict, hash=False)
    note: str = ""
    failure: str = ""
    source: str = ""
    errors: Mapping[str, float] = field(default_factory=dict, hash=False)
    own_weight: float | None = None
    outlier: bool = False
    doubts: tuple[Doubt, ...] = ()
    origins: Mapping[str, PlacedBy] = field(default_factory=dict, hash=False)

    @property
    def placed_by(self) -> PlacedBy:
        """What set the least sure of the gate's coordinates: a person if none is known, ``none`` without a gate."""
        return "none" if self.gate is None else least_sure(self.origins.values() or ["person"])

    def to_dict(self) -> dict[str, Any]:
        """Return the placed population as plain data."""
        return {
            "population": self.id,
            "label": self.label,
            "parent": self.parent,
            "path": self.path,
            "method": self.method,
            "gate": None if self.gate is None else gate_to_dict(self.gate),
            "facts": dict(self.facts),
            "note": self.note,
            "failure": self.failure,
            "source": self.source,
            "errors": dict(self.errors),
            "own_weight": self.own_weight,
            "outlier": self.outlier,
            "placed_by": self.placed_by,
            "origins": dict(self.origins),
            "doubts": [doubt.to_dict() for doubt in self.doubts],
        }


@dataclass(frozen=True, eq=False)
class GateTree:
    """Placed gates and memberships of one file.

    memberships: population id -> (events,) of bool; a population whose gate was not placed has none. among: (events,)
    the only events that belong to any population, None for all.
    """

    strategy: str
    count: int
    axes: Mapping[str, PlacedAxis]
    populations: tuple[PlacedPopulation, ...]
    memberships: Mapping[str, Mask]
    among: Mask | None = None

    def mask(self, population: str) -> Mask | None:
        """Return which events are in a population (``root``: all not left out), or None if it was not placed."""
        if population == ROOT:
            return np.ones(self.count, dtype=np.bool_) if self.among is None else self.among
        return self.memberships.get(population)

    def size(self, population: str) -> int | None:
        """Return the number of events in a population (``root``: all not left out), or None if it was not placed."""
        if population == ROOT:
            return self.count if self.among is None else int(np.count_nonzero(self.among))
        mask = self.memberships.get(population)
        return None if mask is None else int(np.count_nonzero(mask))

    def gates_to_dict(self) -> dict[str, Any]:
        """Return the placed gates with their axes as plain data: what is kept of a file beside its counts.

        ``excluded``, only where events were left out: their ranges, first (included) to last (not included).
        """
        axes = {
            name: {"detector": axis.detector, "range": axis.range, "scale": scale_to_dict(axis.scale)}
            for name, axis in sorted(self.axes.items())
        }
        plain = {"strategy": self.strategy, "axes": axes, "populations": [p.to_dict() for p in self.populations]}
        return plain if self.among is None else {**plain, "excluded": _ranges(~self.among)}


def _ranges(mask: Mask) -> list[list[int]]:
    changes = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [list(pair) for pair in changes.reshape(-1, 2).tolist()]


def kept_events(excluded: Sequence[Sequence[int]], events: int) -> Mask | None:
    """Return which events belong to root where ranges of them were left out; None if none was.

    >>> kept_events([[1, 3]], 4).tolist()
    [True, False, False, True]
    """
    if not excluded:
        return None
    kept = np.ones(events, dtype=np.bool_)
    for start, stop in excluded:
        kept[start:stop] = False
    return kept
