"""Export: the cells of a panel's samples into one .h5ad file, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from immunomon.errors import ImmunomonError
from immunomon.maps.anndata.beside import AtlasCells, SampleRow, atlas_of, colours_of, describe, variables
from immunomon.maps.anndata.cells import LAYERS, OpenSample, open_sample
from immunomon.maps.anndata.writing import Block, CellsFile, Column, Layout, new_cells_file
from immunomon.maps.clusters.cells import Job
from immunomon.maps.clusters.found import Metaclusters, metaclusters_of
from immunomon.maps.clusters.naming import population_labels
from immunomon.maps.clusters.samples import Source, source_of
from immunomon.runs.named import find_run
from immunomon.runs.opened import Run
from immunomon.study.model.strategy import ROOT
from immunomon.study.model.study import RoleKind

__all__ = ["Exported", "export_cells"]

Progress = Callable[[str, int, int, int], None]


@dataclass(frozen=True, eq=False)
class Exported:
    """What was written: the file, its cells, samples and markers, those with a place in the atlas; what is left out."""

    path: Path
    panel: str
    cells: int
    samples: int
    markers: int
    placed: int
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Job:
    """Everything that one export rests on."""

    run: Run
    source: Source
    within: str
    samples: tuple[Job, ...]
    clusters: Metaclusters | None
    atlas: AtlasCells | None
    atlas_only: bool
    columns: dict[str, Column]


def export_cells(
    run: str | Path | Run,
    panel: str | None = None,
    *,
    out: str | Path | None = None,
    within: str | None = None,
    atlas_only: bool = False,
    overwrite: bool = False,
    study: str | Path | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write the cells of a panel's patient samples as AnnData, one file at a time in memory.

    panel: default the study's first; out: default ``RUN/anndata/<panel>.h5ad``; within: only the cells of a population;
    atlas_only: only the cells that ``immunomon embed`` laid out. The file is there whole or not at all. Raises
    ImmunomonError if anndata is missing, the file is there already, there is no run, its files have changed since, or
    there is no such cell; UnknownName for a panel or population that is not there.
    """
    opened, report = find_run(run, study), progress or (lambda *_: None)
    job, notes = _prepared(opened, panel, within, atlas_only=atlas_only)
    path = Path(out) if out is not None else opened.folder / "anndata" / f"{job.source.panel.name}.h5ad"
    if path.exists() and not overwrite:
        raise ImmunomonError(f"{path}: it is there already; name another file (--out) or replace it (--overwrite)")
    beside = 0 if job.atlas is None else 2
    layout = Layout(variables(job.source), LAYERS, tuple(job.columns.values()), {"X_umap": beside} if beside else {})
    placed, rows = 0, []
    with new_cells_file(path, layout) as file:
        for number, sample in enumerate(job.samples, start=1):
            row, events = _append(file, job, sample)
            rows.append(row)
            placed += events
            report("cells", number, len(job.samples), 0)
        if not file.cells:
            raise ImmunomonError(
                f"{opened.folder}: there is no cell of '{job.within}' to export; see the populations table"
            )
        file.describe(_uns(job, rows))
        cells = file.cells
    return Exported(path, job.source.panel.name, cells, len(rows), len(layout.var), placed, notes)


def _prepared(opened: Run, panel: str | None, within: str | None, *, atlas_only: bool) -> tuple[_Job, tuple[str, ...]]:
    source = source_of(opened, panel, within)
    name = source.panel.name
    clusters, no_clusters = metaclusters_of(opened, name)
    atlas, no_atlas = atlas_of(opened, name, tuple(marker.name for marker in source.panel.markers))
    if atlas_only and atlas is None:
        why = f"without {no_atlas}, there" if no_atlas else "there"
        raise ImmunomonError(f"{opened.folder}: {why} is no atlas of '{name}'; make one with: immunomon embed")
    visit_order = {label: number for number, label in enumerate(opened.visits)}
    patients = [job for job in source.jobs if job.sample.role.kind is RoleKind.SAMPLE]
    samples = tuple(
        sorted(
            patients,
            key=lambda patient: (
                patient.sample.subject or "",
                visit_order.get(patient.sample.visit or "", -1),
                patient.sample.id,
            ),
        )
    )
    columns = _columns(opened, source, samples, clusters, atlas)
    job = _Job(opened, source, within or ROOT, samples, clusters, atlas, atlas_only, columns)
    return job, tuple(note for note in (no_clusters, no_atlas) if note)


def _columns(
    run: Run, source: Source, samples: tuple[Job, ...], clusters: Metaclusters | None, atlas: AtlasCells | None
) -> dict[str, Column]:
    labels = population_labels(source.strategy)
    words = [
        Column("sample", tuple(sample.sample.id for sample in samples)),
        Column("subject", tuple(subject["id"] for subject in run.study["subjects"])),
        Column("visit", run.visits, ordered=True),
        Column("dose_group", tuple(dose_group["name"] for dose_group in run.study["dose_groups"]), ordered=True),
        Column("event", dtype="int64"),
        Column("population", tuple(labels)),
        Column("population_label", tuple(labels.values())),
    ]
    scatter = (*source.panel.scatter, *([source.panel.time] if source.panel.time else []))
    words += [Column(name) for name in scatter]
    if clusters is not None:
        words.append(Column("metacluster", clusters.names))
    return {column.name: column for column in (*words, *(atlas.columns if atlas else ()))}


def _append(file: CellsFile, job: _Job, sample_job: Job) -> tuple[SampleRow, int]:
    only = job.atlas.rows(sample_job.sample.id) if job.atlas_only and job.atlas is not None else None
    opened = open_sample(job.source, sample_job, within=job.within, only=only)
    placed = 0
    for block in _blocks(job, sample_job, opened):
        file.append(block)
        if "X_umap" in block.obsm:
            placed += int(np.isfinite(block.obsm["X_umap"][:, 0]).sum())
    sha256 = next(str(f["sha256"]) for f in job.run.record["files"] if f["sample_id"] == sample_job.sample.id)
    whose = (sample_job.sample.id, sample_job.sample.subject, sample_job.sample.visit)
    return (*whose, opened.raw.count, opened.rows.size, sample_job.spillover, sha256), placed


def _blocks(job: _Job, sample_job: Job, opened: OpenSample) -> Iterator[Block]:
    sample = sample_job.sample
    group = job.source.study.dose_group_of(sample.subject or "")
    facts = {"sample": sample.id, "subject": sample.subject, "visit": sample.visit, "dose_group": group}
    codes = {name: _code(job.columns[name], word) for name, word in facts.items()}
    known = None if job.clusters is None else job.clusters.codes(sample.id, opened.raw.count)
    for rows, block in opened.blocks(job.columns["population"].words or ()):
        obs = {name: np.full(rows.size, code, job.columns[name].stored) for name, code in codes.items()}
        obs |= block.obs
        obs["population_label"] = block.obs["population"]
        if known is not None:
            obs["metacluster"] = known[rows]
        obsm = {}
        if job.atlas is not None:
            obsm["X_umap"], more = job.atlas.of(sample.id, rows)
            obs |= more
        yield Block(block.matrices, obs, obsm)


def _code(column: Column, word: str | None) -> int:
    words = column.words or ()
    return words.index(word) if word in words else -1


def _uns(job: _Job, rows: list[SampleRow]) -> dict[str, object]:
    named = ("dose_group", "visit", "population_label")
    palettes = colours_of(job.source, {name: job.columns[name].words or () for name in named})
    description = describe(job.run, job.source, rows, within=job.within, clusters=job.clusters, atlas=job.atlas)
    return {**description, **palettes}
