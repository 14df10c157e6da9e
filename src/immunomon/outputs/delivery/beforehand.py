"""What would keep a study from being delivered in CDISC's formats, as far as its own files tell, before any run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from immunomon.errors import BadSpec
from immunomon.outputs.conformance.check import check_received
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.registry import RULES
from immunomon.outputs.conformance.table import Column, Table
from immunomon.outputs.delivery.adam import subject_level
from immunomon.outputs.delivery.assessments import Assessments
from immunomon.outputs.delivery.cp import cell_phenotypes, cp_records
from immunomon.outputs.delivery.dataset import Dataset
from immunomon.outputs.delivery.findings import assays_without_codes
from immunomon.outputs.delivery.frames import filled
from immunomon.outputs.delivery.mapping import CpMap, Quantity, load_cp_map
from immunomon.outputs.delivery.measured import Measurement
from immunomon.outputs.delivery.sdtm import study_domains
from immunomon.outputs.delivery.special import subject_visits
from immunomon.outputs.delivery.trial import Trial, trial_of
from immunomon.outputs.delivery.xpt import xpt_problems
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import RoleKind, Sample, Study
from immunomon.trial.specs.assessment_tables import read_assessment_files

__all__ = ["delivery_problems"]

_LYMPHOCYTES = "lymphocytes"


def delivery_problems(study: Study, samples: Sequence[Sample], strategies: Mapping[str, GatingStrategy]) -> list[str]:
    """Return what ``immunomon deliver --as sdtm`` would stop at, or ``check-delivery`` call an error, with remedies.

    strategies: by panel. Tests that the map lacks, codes of assays, and names, labels and texts that SAS transport
    files cannot hold; nothing if a file of the study is wrong in itself, which ``immunomon check`` says.
    """
    try:
        cp_map = load_cp_map(study.folder, study.panels)
    except BadSpec as error:
        return [str(problem) for problem in error.problems]
    assessments = read_assessment_files(study.folder, study.first_infusions, study.assessments.laboratory)
    if assessments.problems:
        return []
    trial = trial_of(_record(study), assessments, cp_map.spec.sponsor, study.protocol)
    lacking = [*_unmapped(cp_map, study, samples, strategies), *assays_without_codes(trial, assessments)]
    if lacking:
        return lacking
    of_study = _datasets(trial, assessments, samples)
    cells = cell_phenotypes(cp_records(_planned(study, samples, strategies), cp_map, trial))
    unfit = [
        f"dataset {dataset.name}: {problem}; change it where it comes from"
        for dataset in (*of_study, cells)
        for problem in xpt_problems(dataset)
    ]
    return [*unfit, *_broken_rules(of_study)]


def _record(study: Study) -> dict[str, Any]:
    """Return a study as the record of a run holds it."""
    record = {name: getattr(study, name) for name in ("name", "title", "site", "country")}
    for name in ("dose_groups", "cohorts", "subjects", "visits"):
        record[name] = [asdict(entry) for entry in getattr(study, name)]
    for subject in record["subjects"]:
        subject["infusion_dates"] = [date.isoformat() for date in subject["infusion_dates"]]
    return record


def _unmapped(
    cp_map: CpMap, study: Study, samples: Sequence[Sample], strategies: Mapping[str, GatingStrategy]
) -> list[str]:
    try:
        cp_map.refuse_unmapped(sample.quantity for sample in _planned(study, samples, strategies))
    except BadSpec as error:
        return [str(problem) for problem in error.problems]
    return []


def _planned(
    study: Study, samples: Sequence[Sample], strategies: Mapping[str, GatingStrategy]
) -> Iterator[Measurement]:
    """Yield what a run will measure of each subject's tube, without values."""
    subjects = {subject.id for subject in study.subjects}
    for sample in samples:
        strategy = strategies.get(sample.panel)
        if strategy is None or sample.role.kind is not RoleKind.SAMPLE or sample.subject not in subjects:
            continue
        counted = sample.lymphocytes_per_ul is not None or sample.beads_added is not None
        labels = {population.id: population.label for population in strategy} | {"root": "all events"}
        for quantity in _quantities(strategy, sample.panel, counted=counted):
            yield Measurement(
                quantity=quantity,
                subject=sample.subject,
                visit=sample.visit,
                sample_id=sample.id,
                role="sample",
                label=labels[quantity.population],
                denominator_label=labels.get(quantity.denominator, quantity.denominator),
                value=None,
                status="not done",
                reason="not run yet",
                date=None if sample.collection_date is None else sample.collection_date.isoformat(),
                path=strategy.path(quantity.population),
            )


def _quantities(strategy: GatingStrategy, panel: str, *, counted: bool) -> Iterator[Quantity]:
    for population in strategy:
        for denominator in strategy.denominators_of(population.id):
            yield Quantity(panel, population.id, "percent", denominator)
        if counted and _LYMPHOCYTES in (population.id, *strategy.ancestors(population.id)):
            yield Quantity(panel, population.id, "cells_per_ul")


def _datasets(trial: Trial, assessments: Assessments, samples: Sequence[Sample]) -> list[Dataset]:
    """Return the datasets that are made of the study's own files and have records."""
    rows = [
        {
            "sample_id": sample.id,
            "subject": sample.subject or None,
            "visit": sample.visit,
            "role": "sample" if sample.role.kind is RoleKind.SAMPLE else "control",
            "collection_date": None if sample.collection_date is None else sample.collection_date.isoformat(),
            "lymphocytes_per_ul": sample.lymphocytes_per_ul,
        }
        for sample in samples
    ]
    made = study_domains(trial, assessments, rows)
    visits = filled("SV", subject_visits(trial, [made[name] for name in made if name not in {"TV", "DM"}]))
    return [dataset for dataset in (*made.values(), visits, subject_level(trial)) if len(dataset)]


def _broken_rules(datasets: Sequence[Dataset]) -> list[str]:
    """Return the errors that ``immunomon check-delivery`` would find in these datasets."""
    # Rules of Define-XML look at what only a delivery has.
    rules = [rule for rule in RULES.values() if not rule.number.startswith("DX")]
    report = check_received(Received(Path(), tables=tuple(map(_received, datasets))), rules)
    return [
        f"dataset {' '.join(filter(None, (breach.where, breach.record)))}: {breach.message} (rule {breach.rule}); "
        f"{breach.remedy}"
        for breach in report.of("error")
    ]


def _received(dataset: Dataset) -> Table:
    columns = tuple(
        Column(
            variable.name, variable.label, variable.is_number, "Num" if variable.is_number else "Char", variable.length
        )
        for variable in dataset.variables
    )
    rows = tuple(tuple(None if cell == "" else cell for cell in row) for row in dataset.rows)
    return Table(dataset.name, f"sdtm/{dataset.name.lower()}.xpt", "xpt", columns, rows, dataset.label)
