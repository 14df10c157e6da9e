"""All that a delivery's tables are made of, read and worked out once."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from immunomon.errors import BadSpec, DeliveryFailed
from immunomon.files import file_digest
from immunomon.outputs.delivery.assessments import Assessments, read_assessments
from immunomon.outputs.delivery.mapping import CpMap, load_cp_map
from immunomon.outputs.delivery.measured import Measurement, measurements
from immunomon.outputs.delivery.source import RunSource, read_source, records_of
from immunomon.outputs.delivery.trial import Trial, trial_of
from immunomon.study.model.endpoints import AssessmentRules
from immunomon.study.model.study import Study
from immunomon.study.model.uses import uses_in
from immunomon.study.specs.study import load_study

__all__ = ["Content", "read_content"]


@dataclass(frozen=True, eq=False)
class Content:
    """A run with its trial, its measurements, the other assessments, and the map to CDISC's tests.

    rules: the study's definitions of response and the rest; None if its file is not at hand.
    """

    source: RunSource
    trial: Trial
    assessments: Assessments
    cp_map: CpMap
    measurements: tuple[Measurement, ...] = field(repr=False)
    rules: AssessmentRules | None = None

    @functools.cached_property
    def samples(self) -> dict[str, dict[str, Any]]:
        """The rows of the table of samples by sample id."""
        return self.source.samples

    @functools.cached_property
    def changes(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """The rows of the table of changes by subject, visit, panel, quantity, population and denominator."""
        names = ("subject", "visit", "panel", "quantity", "population", "denominator")
        rows = records_of(self.source.tables["changes"])
        return {tuple(str(row[name] or "") for name in names): row for row in rows}

    def baseline_of(self, change: Mapping[str, Any]) -> float | None:
        """Return the baseline of a row of changes, if it may be reported itself."""
        label = self.trial.baseline.label if self.trial.baseline else ""
        names = ("panel", "quantity", "population", "denominator")
        baseline = self.changes.get((str(change["subject"]), label, *(str(change[name] or "") for name in names)), {})
        return None if baseline.get("status") != "ok" else float(baseline["value"])

    @functools.cached_property
    def population_rows(self) -> list[dict[str, Any]]:
        """The rows of the table of populations."""
        return records_of(self.source.tables["populations"])

    @functools.cached_property
    def links(self) -> Mapping[str, dict[str, str]]:
        """For each sample that a number is from: digests of its gates and of its FCS file."""
        named = sorted({measurement.sample_id for measurement in self.measurements if measurement.sample_id})
        return {
            name: {"gates": self.source.gates_digest(name), "fcs": str(self.samples[name]["sha256"] or "")}
            for name in named
        }


def read_content(run: Path, study: Path | None = None) -> Content:
    """Read a run folder and its study's other assessments and map; raises DeliveryFailed or BadSpec."""
    source = read_source(run, study)
    cp_map = load_cp_map(source.study_folder, uses_in(source.study))
    _refuse_changed_strategies(source, cp_map)
    subjects = [str(subject["id"]) for subject in source.study["subjects"]]
    declared = _declared(source.study_folder)
    analytes = declared.assessments.laboratory if declared else None
    assessments = read_assessments(source.study_folder, subjects, analytes)
    medians = [quantity for quantity in cp_map.tests if quantity.statistic == "median_intensity"]
    trial = trial_of(source.study, assessments, cp_map.spec.sponsor, declared.protocol if declared else None)
    rules = declared.assessments if declared else None
    return Content(source, trial, assessments, cp_map, tuple(measurements(source, medians)), rules)


def _refuse_changed_strategies(source: RunSource, cp_map: CpMap) -> None:
    """Raise DeliveryFailed for a strategy of the study that is not the one that the run gated by.

    Steps of CPGATDEF and marker strings are made of it, and must be those of the gates whose numbers leave.
    """
    recorded = source.record.get("inputs") or {}
    for path in sorted(set(cp_map.strategy_files.values())):
        name = f"gating/{path.name}"
        is_own = source.study_folder is not None and path.parent == source.study_folder / "gating"
        was_read = name in recorded or f"shipped:gating/{path.stem}.yaml" in recorded
        if is_own and was_read and recorded.get(name) != file_digest(path):
            what = "it is not the strategy that the run gated by, and steps and marker strings are made of it"
            raise DeliveryFailed(f"{path}: {what}; put that file back, or run the study again: immunomon run")


def _declared(folder: Path | None) -> Study | None:
    """Return the study as its file declares it now; None if it is not at hand, which the manifest says elsewhere."""
    try:
        return None if folder is None else load_study(folder)
    except BadSpec:
        return None
