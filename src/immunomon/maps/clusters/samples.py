"""Samples: which files of a run are clustered, with the gates that the run placed on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.model.noise import NoiseBook
from immunomon.cytometry.model.placed import placed_from_run
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.specs.strategy import load_in_use
from immunomon.errors import ImmunomonError
from immunomon.files import file_digest
from immunomon.maps.clusters.cells import Job
from immunomon.runs.opened import Run
from immunomon.runs.scaling import books_of_record, with_placed_scales
from immunomon.study.model.fcs import Reading
from immunomon.study.model.panel import MarkerKind, Panel
from immunomon.study.model.strategy import ROOT, GatingStrategy
from immunomon.study.model.study import RoleKind, Study
from immunomon.study.specs.data_folders import path_of_sample
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study

__all__ = ["Source", "source_of"]

_LIKELY_ROOTS = ("lymphocytes", "live", "singlets")


@dataclass(frozen=True, eq=False)
class Source:
    """What is clustered: the study, panel and strategy, the population within, the markers, and the samples to read.

    typed, state: markers that cluster, and markers that are compared. book: what the run's files of the panel show of
    their noise, from which the markers' scales come. beads: sample id -> counting beads that may be used, as gated.
    """

    study: Study
    panel: Panel
    strategy: GatingStrategy
    within: str
    typed: tuple[str, ...]
    state: tuple[str, ...]
    jobs: tuple[Job, ...]
    book: NoiseBook = field(default_factory=dict)
    beads: Mapping[str, int] = field(default_factory=dict)


def source_of(run: Run, panel: str | None, within: str | None) -> Source:
    """Return what there is to cluster in a run, samples in the order of their ids.

    panel: default the study's first; within: default lymphocytes, or what comes nearest. Raises UnknownName for a panel
    or population that is not there, ImmunomonError if a file is not the one that the run gated or there is none.
    """
    name = run.known_panel(panel)
    study = load_study(run.study_file)
    panels, strategies = load_in_use(study, methods=GATE_METHODS)
    # Results of a tube that several strategies look at are called by the use, not by the tube's panel.
    loaded_panel, strategy = replace(panels[name], name=name), strategies[name]
    typed = tuple(marker.name for marker in loaded_panel.markers if marker.kind is MarkerKind.TYPE)
    state = tuple(marker.name for marker in loaded_panel.markers if marker.kind is MarkerKind.STATE)
    if len(typed) < 2:
        raise ImmunomonError(
            f"panel {name}: it has {len(typed)} markers of kind 'type', two at least are needed; see kind in the panel"
        )
    jobs, books = _jobs(run, study, name), books_of_record(run.record)
    if name not in books:  # a run of before its scales were recorded
        strategy = with_placed_scales(strategy, jobs[0].placed)
    return Source(
        study,
        loaded_panel,
        strategy,
        _within(strategy, within),
        _ordered(typed, strategy),
        state,
        jobs,
        books.get(name, {}),
        _beads(run, strategy),
    )


def _beads(run: Run, strategy: GatingStrategy) -> dict[str, int]:
    populations = run.table("populations")
    rows = populations[(populations["population"] == strategy.beads) & populations["reportable"]]
    return dict(zip(rows["sample_id"], rows["count"].astype(int).tolist(), strict=True))


def _within(strategy: GatingStrategy, named: str | None) -> str:
    if named is None:
        return next((name for name in _LIKELY_ROOTS if name in strategy.ids), ROOT)
    return named if named == ROOT else strategy.population(named).id


def _ordered(markers: tuple[str, ...], strategy: GatingStrategy) -> tuple[str, ...]:
    """Return markers in the order in which the strategy asks for them, lineage first; the others after them."""
    declared = [
        str(value).casefold()
        for population in strategy
        for value in population.gate.arguments.values()
        if isinstance(value, str)
    ]
    position = {marker: declared.index(marker.casefold()) for marker in markers if marker.casefold() in declared}
    return tuple(sorted(markers, key=lambda marker: (position.get(marker, len(declared)), markers.index(marker))))


def _jobs(run: Run, study: Study, panel: str) -> tuple[Job, ...]:
    files = {file["sample_id"]: file for file in run.record["files"] if file["status"] == "gated"}
    samples_file = study.folder / study.samples_file
    out = []
    for sample in sorted(load_samples(samples_file, study), key=lambda sample: sample.id):
        if (
            sample.panel != panel
            or sample.id not in files
            or sample.role.kind not in (RoleKind.SAMPLE, RoleKind.BRIDGE)
        ):
            continue
        path = path_of_sample(study, sample.file)
        result = run.result(sample.id)
        if result is None or "gates" not in result or not _is_as_gated(path, str(files[sample.id]["sha256"])):
            raise ImmunomonError(
                f"{path}: it is not the file that the run gated, or its result is missing; run the study again: "
                f"immunomon run {run.study_folder} --out {run.folder}"
            )
        spillover = SpilloverMatrix.from_record(result["spillover"])
        out.append(
            Job(sample, path, placed_from_run(result["gates"], spillover), spillover, Reading.from_record(result))
        )
    if not any(_is_patients(job) for job in out):
        raise ImmunomonError(f"{run.folder}: no sample of the panel '{panel}' was gated; see its samples table for why")
    return tuple(out)


def _is_as_gated(path: Path, sha256: str) -> bool:
    return path.is_file() and file_digest(path) == sha256


def _is_patients(job: Job) -> bool:
    return job.sample.role.kind is RoleKind.SAMPLE and bool(job.sample.subject and job.sample.visit)
