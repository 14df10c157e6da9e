"""The tables of truth beside a simulated trial: what its files hold, and whom they are of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from immunomon.assurance.simulate.biology import Frequencies
from immunomon.assurance.simulate.protocol import Patient
from immunomon.assurance.simulate.tables import Row
from immunomon.assurance.simulate.truth import Truth
from immunomon.assurance.simulate.tubes import Tube

__all__ = ["BRIDGE_COLUMNS", "Outcome", "bridge_frequency_rows", "frequency_rows", "quality_rows", "subject_rows"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is kept of a finished file: figures, no events."""

    tube: Tube
    parents: dict[str, str]
    percents: dict[str, float]
    expected: Frequencies
    anomaly_kind: str
    anomaly_percent: float

    @classmethod
    def of(cls, tube: Tube, truth: Truth, expected: Frequencies) -> Outcome:
        """Return the figures of a file's truth."""
        parents = dict(zip(truth.names, truth.parents, strict=True))
        spoiled = 100 * float(truth.anomaly.mean())
        return cls(tube, parents, truth.percent_of_parent(), expected, truth.anomaly_kind, spoiled)

    def rows(self, about: Row) -> list[Row]:
        """Return one row a population: as it came out in the file's events, as drawn, and the effect built in."""
        effect = self.tube.effect or {}
        return [
            {
                **about,
                "panel": self.tube.layout.name,
                "population": name,
                "parent": self.parents[name],
                "percent_of_parent": "" if math.isnan(percent) else f"{percent:.6f}",
                "expected_percent": f"{100 * self.expected[name]:.6f}",
                "log_odds_effect": f"{effect.get(name, 0.0):.6f}",
                "file": self.tube.file,
            }
            for name, percent in self.percents.items()
        ]


def frequency_rows(outcomes: Iterable[Outcome]) -> list[Row]:
    """Return truth/frequencies.csv: every population of every patient's file."""
    rows: list[Row] = []
    for outcome in outcomes:
        tube = outcome.tube
        if tube.patient and tube.visit:
            rows += outcome.rows({"subject": tube.patient.id, "visit": tube.visit.label})
    return rows


BRIDGE_COLUMNS: tuple[str, ...] = (
    *("batch", "panel", "population", "parent", "percent_of_parent", "expected_percent", "log_odds_effect", "file"),
)


def bridge_frequency_rows(outcomes: Iterable[Outcome]) -> list[Row]:
    """Return truth/bridge_frequencies.csv: every population of every bridge sample."""
    return [
        row
        for outcome in outcomes
        if not outcome.tube.patient
        for row in outcome.rows({"batch": outcome.tube.batch.name})
    ]


def quality_rows(outcomes: Iterable[Outcome]) -> list[Row]:
    """Return truth/quality.csv: what went wrong in the acquisition of each file, and how much of it is spoiled."""
    return [
        {
            "file": outcome.tube.file,
            "anomaly_kind": outcome.anomaly_kind,
            "anomaly_percent": f"{outcome.anomaly_percent:.3f}",
        }
        for outcome in outcomes
    ]


def subject_rows(patients: Iterable[Patient], factors: dict[str, float]) -> list[Row]:
    """Return truth/subjects.csv: who responds, whose B cells are depleted, and the factor on the dose's effect."""
    return [
        {
            "subject": patient.id,
            "dose_group": patient.group.name,
            "responder": str(patient.responder).lower(),
            "b_depleted": str(patient.flags["recent_rituximab"]).lower(),
            "effect_factor": f"{factors[patient.id]:g}",
        }
        for patient in patients
    ]
