"""Cluster a run: a map on all cells of a panel, its metaclusters named, counted, compared with baseline and ranked."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from immunomon.arrays import Floats, Floats32
from immunomon.files import write_whole
from immunomon.maps.clusters.abundance import tables_of
from immunomon.maps.clusters.cells import HIGHEST, LOWEST, Gathered, gather, ranges_of
from immunomon.maps.clusters.counting import BINS, Tally, tally_all
from immunomon.maps.clusters.mapping import APART, MapSettings, TrainedMap, train_map
from immunomon.maps.clusters.naming import Border, Overlap, borders_of, overlap_of, phenotype
from immunomon.maps.clusters.ranking import counted_of, rank, series_of
from immunomon.maps.clusters.samples import Source, source_of
from immunomon.maps.clusters.workers import workers
from immunomon.maps.model.tables import EXPLORATORY, METACLUSTERS
from immunomon.runs.folder import RunFolder, write_json
from immunomon.runs.jobs import default_jobs
from immunomon.runs.opened import Run, open_run
from immunomon.study.model.arms import about_control
from immunomon.study.model.strategy import ROOT
from immunomon.study.model.study import RoleKind

__all__ = ["CLUSTERS_FORMAT", "Clustering", "cluster_run"]

CLUSTERS_FORMAT = "immunomon.clusters/1"
_LIBRARIES = ("numpy", "numba", "pandas")
_NOTES = (
    "Exploratory: these metaclusters were made from the cells they are counted in; nothing here confirms an effect.",
    "Cells are not replicates, patients are; batches are not corrected for.",
    "Numbers of metaclusters mean nothing in another run; phenotypes and the overlap with gates do.",
)
Progress = Callable[[str, int, int, int], None]


@dataclass(frozen=True, eq=False)
class Clustering:
    """What a clustering left: its folder, its record, and its tables by name."""

    folder: Path
    record: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]


def cluster_run(
    run: Path,
    panel: str | None = None,
    *,
    within: str | None = None,
    settings: MapSettings | None = None,
    study: Path | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> Clustering:
    """Cluster all cells of a panel's samples and write tables, map and each cell's metacluster into the run.

    panel: default the study's first; within: the population that is clustered, default lymphocytes; out: default
    ``RUN/clusters/<panel>``. The panel's type markers cluster, its state markers are compared. The same run, settings
    and seed give the same bytes, whoever does the work. Raises UnknownName for a panel or population that is
    not there, ImmunomonError if there is no run, its files have changed since, or there are too few cells.
    """
    chosen, report = settings or MapSettings(jobs=default_jobs()), progress or (lambda *_: None)
    if chosen.scheduler:  # a cluster's workers stand in other folders
        run, study, out = run.resolve(), study and study.resolve(), out and out.resolve()
    opened = open_run(run, study)
    source = source_of(opened, panel, within)
    folder = out or opened.folder / "clusters" / source.panel.name
    folder.mkdir(parents=True, exist_ok=True)
    with (
        workers(chosen.jobs, chosen.scheduler) as pool,
        tempfile.TemporaryDirectory(prefix=".cells-", dir=folder, ignore_cleanup_errors=True) as scratch,
    ):
        gathered = gather(
            source.jobs,
            Path(scratch),
            panel=source.panel,
            strategy=source.strategy,
            within=source.within,
            markers=(source.typed, source.state),
            book=source.book,
            pool=pool,
            progress=lambda done, total: report("gating", done, total, 0),
        )
        report("mapping", 0, 2, 0)
        patients = [sample_cells for sample_cells in gathered if sample_cells.sample.role.kind is RoleKind.SAMPLE]
        histograms = np.sum([sample_cells.histograms for sample_cells in patients], axis=0)
        ranges = ranges_of(histograms)
        trained = train_map([_part(sample_cells, ranges) for sample_cells in patients], chosen)
        report("mapping", 1, 2, 0)
        below = _below(source)
        tallies = tally_all(gathered, trained, ranges, below=below, folder=folder, pool=pool)
        report("mapping", 2, 2, 0)
    borders = borders_of(source.typed, histograms, [sample_cells.thresholds for sample_cells in patients])
    tables = _tables(source, trained, tallies, borders)
    record = _record(opened, source, chosen, trained=trained, ranges=ranges, borders=borders, tallies=tallies)
    return _write(folder, tables, record, trained)


def _part(gathered: Gathered, ranges: Floats) -> Callable[[], Floats32]:
    return lambda: (gathered.display() / ranges).astype(np.float32)


def _below(source: Source) -> tuple[str, ...]:
    strategy, within = source.strategy, source.within
    return tuple(name for name in strategy.ids if within == ROOT or within in strategy.ancestors(name))


def _names(count: int) -> list[str]:
    return [f"mc{number:02d}" for number in range(1, count + 1)]


def _tables(
    source: Source, trained: TrainedMap, tallies: Sequence[Tally], borders: Sequence[Border]
) -> dict[str, pd.DataFrame]:
    patients = [tally for tally in tallies if tally.gathered.sample.role.kind is RoleKind.SAMPLE]
    names = _names(trained.count)
    labels = _labels(names, patients, borders)
    counted = [counted_of(tally, names, source.state) for tally in tallies]
    tables = {"metaclusters": _metaclusters(trained, patients, labels)}
    tables |= tables_of(
        counted,
        labels,
        within=source.within,
        study=source.study,
        strategy=source.strategy,
        panel=source.panel,
        beads=source.beads,
    )
    # Changes are counted from the baseline, and from nothing in its place.
    has_changes = source.study.baseline is not None and len(source.study.visits) > 1
    tables["exploratory"] = rank(series_of(source, patients), labels) if has_changes else EXPLORATORY.frame([])
    return tables


def _labels(names: Sequence[str], tallies: Sequence[Tally], borders: Sequence[Border]) -> dict[str, str]:
    whole = np.sum([tally.histograms for tally in tallies], axis=0)
    centres = LOWEST + (np.arange(BINS) + 0.5) * (HIGHEST - LOWEST) / BINS
    labels = {}
    for name, histograms in zip(names, whole, strict=True):
        shares = np.cumsum(histograms, axis=1) / np.maximum(histograms.sum(axis=1, keepdims=True), 1)
        medians = centres[(shares >= 0.5).argmax(axis=1)]
        labels[name] = phenotype(medians, borders)
    return labels


def _metaclusters(trained: TrainedMap, tallies: Sequence[Tally], labels: Mapping[str, str]) -> pd.DataFrame:
    counts = np.sum([tally.counts for tally in tallies], axis=0)
    populations = list(dict.fromkeys(name for tally in tallies for name in tally.shared))
    zero = np.zeros(trained.count, dtype=np.int64)
    shared = {name: np.sum([tally.shared.get(name, zero) for tally in tallies], axis=0) for name in populations}
    sizes = {name: sum(tally.sizes.get(name, 0) for tally in tallies) for name in populations}
    gated = np.sum([tally.gated for tally in tallies], axis=0)
    rows = []
    for k, (name, label) in enumerate(labels.items()):
        own = {population: int(common[k]) for population, common in shared.items()}
        overlap = overlap_of(own, sizes, cells=int(counts[k]), gated=int(gated[k]))
        rows.append(
            {
                "metacluster": name,
                "phenotype": label,
                "cells": int(counts[k]),
                "percent_of_parent": 100 * float(counts[k] / counts.sum()),
                "samples": sum(1 for tally in tallies if tally.counts[k]),
                "nodes": int(np.count_nonzero(trained.metaclusters == k)),
                "steadiness": None if np.isnan(trained.steadiness[k]) else float(trained.steadiness[k]),
                **_overlap_row(overlap),
            }
        )
    return METACLUSTERS.frame(rows)


def _overlap_row(overlap: Overlap) -> dict[str, Any]:
    return {
        "population": overlap.population,
        "f1": overlap.f1,
        "percent_inside": 100 * overlap.inside,
        "percent_gated": 100 * overlap.gated,
        "covered": overlap.covered,
        "note": None if overlap.covered else "no gate covers it",
    }


def _record(
    run: Run,
    source: Source,
    settings: MapSettings,
    *,
    trained: TrainedMap,
    ranges: Floats,
    borders: Sequence[Border],
    tallies: Sequence[Tally],
) -> dict[str, Any]:
    return {
        "format": CLUSTERS_FORMAT,
        "study": source.study.name,
        "run_digest": run.record["digest"],
        "panel": source.panel.name,
        "strategy": source.strategy.name,
        "within": source.within,
        "markers": list(source.typed),
        "state_markers": list(source.state),
        "scaling": "display scale, each marker divided by its range (1st to 99th percentile, at least 0.4)",
        "ranges": dict(zip(source.typed, ranges.tolist(), strict=True)),
        "borders": {border.marker: {"threshold": border.threshold, "from": border.source} for border in borders},
        "method": settings.method,
        "grid": list(settings.grid),
        "ordering": {"epochs": settings.ordering_epochs, "events": settings.ordering_events},
        "settling": {"epochs": settings.settling_epochs, "events": "all"},
        "seed": settings.seed,
        "metaclusters": trained.count,
        "number_rule": _rule(settings),
        "quantisation_error": trained.error,
        "cells": {tally.gathered.sample.id: tally.gathered.cells for tally in tallies},
        "map_sha256": hashlib.sha256(trained.codes.tobytes() + trained.metaclusters.tobytes()).hexdigest(),
        "notes": [*_NOTES, f"{_about_control(source)}."],
        "libraries": {library: version(library) for library in _LIBRARIES},
    }


def _about_control(source: Source) -> str:
    with_patients = {subject.dose_group for subject in source.study.subjects}
    groups = (group for group in source.study.dose_groups if group.name in with_patients)
    return about_control({group.name: group.cells_per_kg for group in groups})


def _rule(settings: MapSettings) -> str:
    if settings.method == "leiden":
        return f"Leiden on the nodes, constant Potts model, weights exp(-(distance / {APART})^2)"
    if settings.clusters is not None:
        return "given"
    return f"groups of nodes farther apart than {APART} of a marker's range, by average linkage"


def _write(folder: Path, tables: Mapping[str, pd.DataFrame], record: dict[str, Any], trained: TrainedMap) -> Clustering:
    import io

    files = RunFolder(folder)
    for name, table in tables.items():
        files.write_table(name, table)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, codes=trained.codes, metacluster=trained.metaclusters + 1, counts=trained.counts)
    write_whole(folder / "map.npz", buffer.getvalue())
    write_json(folder / "clusters.json", record)
    return Clustering(folder, record, tables)
