"""Where a gate lies once more than the sample's own events had a say: other samples, or a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from immunomon.cytometry.model.events import EventTable
from immunomon.study.model.strategy import GateDeclaration
from immunomon.study.model.trust import Doubt, PlacedBy, doubts_from

__all__ = ["MOVED_BY", "Belonging", "Estimate", "Settled"]

MOVED_BY = "moved by "  # how the source of a gate begins that a person put elsewhere in one sample


@dataclass(frozen=True)
class Belonging:
    """All that placement may know of a sample: who it is from and what it was run with, as labels without meaning.

    is_reference: whether gates of its subject with ``fit: baseline`` are placed on it. Neither the visit nor the dose
    is here, so that no gate can lean on them.
    """

    subject: str
    batch: str
    is_reference: bool = False


@dataclass(frozen=True, eq=False)
class Estimate:
    """Where one sample's own events put one gate.

    gate: the gate's id in its strategy; facts, errors, source, note, doubts: as in a Placement; failure: why there is
    none; placed_by: coordinate -> what set it. reach: fluorescence axis -> quantiles (``kernels.outliers.LEVELS``) of
    the events that the gate divides, on the display scale.
    ground: events it was placed on (display scale, at most some thousands), where others are to be placed on them too.
    """

    gate: str
    facts: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    note: str = ""
    failure: str = ""
    ground: EventTable | None = None
    doubts: tuple[Doubt, ...] = ()
    placed_by: Mapping[str, PlacedBy] = field(default_factory=dict)
    reach: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate as plain data, without its events."""
        names = ("gate", "facts", "errors", "source", "note", "failure", "placed_by", "reach")
        plain = {name: dict(value) if isinstance(value := getattr(self, name), Mapping) else value for name in names}
        return {**plain, "doubts": [doubt.to_dict() for doubt in self.doubts]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], ground: EventTable | None = None) -> Estimate:
        """Return the estimate that ``to_dict`` wrote.

        >>> one = Estimate("cd4", {"threshold": 0.5}, {"threshold": 0.01}, "valley")
        >>> Estimate.from_dict(one.to_dict()).facts
        {'threshold': 0.5}
        """
        return cls(**{**data, "doubts": doubts_from(data.get("doubts", ()))}, ground=ground)


@dataclass(frozen=True)
class Settled:
    """Where a gate lies, decided outside the sample: by facts that its method makes it from, or as a finished shape.

    own_weight: how much of the sample's own estimate is in it, 0 to 1; outlier: whether its own estimate was put aside
    because it was too far from what the others say. instead: another gate, declared, whose region ``keep`` is the
    population's from now on. doubts, placed_by: as in a Placement, once the others had their say.
    """

    facts: Mapping[str, float] = field(default_factory=dict, hash=False)
    errors: Mapping[str, float] = field(default_factory=dict, hash=False)
    source: str = ""
    note: str = ""
    own_weight: float | None = None
    outlier: bool = False
    instead: GateDeclaration | None = None
    keep: str = ""
    doubts: tuple[Doubt, ...] = ()
    placed_by: Mapping[str, PlacedBy] = field(default_factory=dict, hash=False)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "facts": dict(self.facts),
            "errors": dict(self.errors),
            "source": self.source,
            "note": self.note,
            "own_weight": self.own_weight,
            "outlier": self.outlier,
            "instead": None if self.instead is None else {"method": self.instead.method, **self.instead.arguments},
            "keep": self.keep,
            "doubts": [doubt.to_dict() for doubt in self.doubts],
            "placed_by": dict(self.placed_by),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Settled:
        """Return what ``to_dict`` wrote.

        >>> one = Settled({"threshold": 0.5}, source="consensus", own_weight=0.8)
        >>> Settled.from_dict(one.to_dict()) == one
        True
        """
        call = dict(data.get("instead") or {})
        instead = GateDeclaration(call.pop("method"), call) if call else None
        return cls(**{**data, "instead": instead, "doubts": doubts_from(data.get("doubts", ()))})
