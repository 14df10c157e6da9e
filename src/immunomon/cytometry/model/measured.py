"""What is measured on one file, and how one file's work ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from immunomon.study.model.study import Sample
from immunomon.study.model.trust import Doubt, PlacedBy, doubts_from

__all__ = ["Measured", "SampleResult"]


@dataclass(frozen=True)
class Measured:
    """Counts and medians of one file.

    events: of the whole file; None where counts were imported that do not say. counts: population id -> events, None
    if its gate was not placed. medians: population id -> marker -> median of the compensated intensity, None if the
    population is empty. methods, failures: population id -> how it was gated, or
    why it was not. detectors: marker -> detector. gate_errors: population id -> denominator -> standard error of the
    log-odds from where the gates lie; border_errors: the same from how finely it can be told where their borders ought
    to lie. sources, notes: population id -> what set its gate, and what was done instead.
    outliers: populations whose own estimate of the gate was out of line with the other samples' and not followed.
    doubts: population id -> what speaks against its gate; of ``root``, against the file. placed_by: population id ->
    what set the least sure coordinate of its gate. fingerprint: of the events as they were acquired, by which the same
    tube is known under another name; empty if they tell too little. percents: population id -> percent of its parent
    that was imported without counts.
    """

    events: int | None
    counts: Mapping[str, int | None]
    medians: Mapping[str, Mapping[str, float | None]]
    methods: Mapping[str, str]
    failures: Mapping[str, str] = field(default_factory=dict)
    detectors: Mapping[str, str] = field(default_factory=dict)
    gate_errors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    border_errors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    outliers: tuple[str, ...] = ()
    doubts: Mapping[str, tuple[Doubt, ...]] = field(default_factory=dict)
    placed_by: Mapping[str, PlacedBy] = field(default_factory=dict)
    fingerprint: str = ""
    percents: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the measurements as plain data."""
        return {
            "events": self.events,
            "counts": dict(self.counts),
            "medians": {population: dict(values) for population, values in self.medians.items()},
            "methods": dict(self.methods),
            "failures": dict(self.failures),
            "detectors": dict(self.detectors),
            "gate_errors": {name: dict(errors) for name, errors in self.gate_errors.items()},
            "border_errors": {name: dict(errors) for name, errors in self.border_errors.items()},
            "sources": dict(self.sources),
            "notes": dict(self.notes),
            "outliers": list(self.outliers),
            "doubts": {population: [doubt.to_dict() for doubt in doubts] for population, doubts in self.doubts.items()},
            "placed_by": dict(self.placed_by),
            "fingerprint": self.fingerprint,
            **({"percents": dict(self.percents)} if self.percents else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Measured:
        """Return the measurements that ``to_dict`` wrote.

        >>> one = Measured(10, {"cd4": 5}, {"cd4": {"CD25": 100.5}}, {"cd4": "valley"})
        >>> Measured.from_dict(one.to_dict()) == one
        True
        """
        doubts = {population: doubts_from(stored) for population, stored in data.get("doubts", {}).items()}
        return cls(**{**data, "outliers": tuple(data.get("outliers", ())), "doubts": doubts})


@dataclass(frozen=True)
class SampleResult:
    """How the work on one file of the sample list ended: gated, kept as a control, or failed with a reason."""

    sample: Sample
    status: str
    sha256: str | None = None
    strategy: str | None = None
    reason: str | None = None
    measured: Measured | None = None
    events: int | None = None
