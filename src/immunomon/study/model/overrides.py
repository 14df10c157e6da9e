"""What persons decided: which sample, what, who, when, why; and which differences between files a study accepts."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from immunomon.study.model.strategy import GateDeclaration

__all__ = ["AcceptedDifference", "Action", "Override"]

Action = Literal["move-gate", "drop-sample", "accept-warning"]


@dataclass(frozen=True)
class Override:
    """One decision of a person on one sample.

    when: UTC. population, gate, keep: for ``move-gate``, whose gate is put where, and which of its regions the
    population is; in_consensus: whether the moved border has a say in where the other samples' lie. check: for
    ``accept-warning``, the quality check that is accepted; all of them if empty.
    """

    action: Action
    sample: str
    by: str
    when: datetime.datetime
    reason: str
    population: str = ""
    gate: GateDeclaration | None = field(default=None, hash=False)
    keep: str = ""
    check: str = ""
    in_consensus: bool = False

    @property
    def target(self) -> str:
        """What it is about: two overrides of one target would contradict each other.

        >>> utc = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
        >>> Override("drop-sample", "S01_W4", "A. Analyst", utc, "clotted").target
        'drop-sample S01_W4'
        """
        return " ".join(filter(None, (self.action, self.sample, self.population, self.check)))

    @property
    def said(self) -> str:
        """Who decided when and why, in one line."""
        return f"by {self.by} on {self.when.date().isoformat()}: {self.reason}"

    def to_dict(self) -> Mapping[str, Any]:
        """Return the decision as plain data, as it stands in a file of overrides."""
        gate = {} if self.gate is None else {"gate": {"method": self.gate.method, **self.gate.arguments}}
        about = {name: getattr(self, name) for name in ("population", "keep", "check") if getattr(self, name)}
        say = {"in_consensus": True} if self.in_consensus else {}
        when = self.when.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return {
            "action": self.action,
            "sample": self.sample,
            **about,
            **gate,
            **say,
            "reason": self.reason,
            "by": self.by,
            "when": when,
        }


# Differences between a panel's files that a study accepts, each with its reason.


@dataclass(frozen=True)
class AcceptedDifference:
    """A difference between a panel's files that a study accepts, and why: in all files, or in some.

    difference: ``channels``, ``marker-names`` or ``voltages``; panel, batch, sample (its id): "" for all.
    """

    difference: str
    reason: str
    panel: str = ""
    batch: str = ""
    sample: str = ""

    def covers(self, difference: str, *, panel: str, batch: str, sample: str) -> bool:
        """Say whether a difference in a file is accepted.

        >>> AcceptedDifference("voltages", "set daily", batch="1").covers("voltages", panel="p", batch="1", sample="a")
        True
        """
        limits = ((self.panel, panel), (self.batch, batch), (self.sample, sample))
        return difference == self.difference and all(not limit or limit == own for limit, own in limits)
