"""Embed: a balanced sample of a run's cells, laid out in a plane once, kept for later runs beside the run's tables."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from immunomon.errors import BadAtlas, ImmunomonError
from immunomon.files import file_digest, write_whole
from immunomon.maps.atlas.cells import CELL_COLUMNS, PLACE_COLUMNS, Reader
from immunomon.maps.atlas.drawing import draw, patients_jobs, wanted_of
from immunomon.maps.atlas.layout import Layout, lay_out
from immunomon.maps.atlas.placing import yardstick_of
from immunomon.maps.atlas.record import Asked, Fitted, Wishes, markers_of, record_of
from immunomon.maps.atlas.reference import ATLAS_FORMAT, Reference, load_reference, save_reference
from immunomon.maps.clusters.found import metaclusters_of
from immunomon.maps.clusters.samples import source_of
from immunomon.runs.folder import write_json
from immunomon.runs.jobs import default_jobs
from immunomon.runs.named import find_run
from immunomon.runs.opened import Run

__all__ = ["ATLAS_FORMAT", "Atlas", "embed_run"]

FEWEST_CELLS = 200
CELLS, SEED = 6000, 1  # where nobody says another number, and no atlas is replaced
Progress = Callable[[str, int, int, int], None]


@dataclass(frozen=True, eq=False)
class Atlas:
    """What an embedding left: table (Parquet), record (JSON), picture (PNG), the atlas to carry on, the record read.

    without: what it was made without, as it is of an earlier run. kept: what it has from the atlas that it replaced.
    """

    table: Path
    record: Path
    picture: Path
    reference: Path
    contents: Mapping[str, Any]
    without: str = ""
    kept: str = ""


def embed_run(
    run: str | Path | Run,
    panel: str | None = None,
    *,
    within: str | None = None,
    cells: int | None = None,
    visits: Sequence[str] | None = None,
    seed: int | None = None,
    jobs: int | None = None,
    study: str | Path | None = None,
    refit: bool = False,
    progress: Progress | None = None,
) -> Atlas:
    """Lay out cells of a run's patients in a plane and write ``atlas/<panel>`` .parquet, .json, .png and .atlas.npz.

    panel: default the study's first. within: the population that the cells are from; default lymphocytes, or what comes
    nearest. cells: together, default 6000, the same number from every subject and visit where there are as many, rare
    ones kept (see ``weight``). visits: fitted on these only; default all. The panel's type markers lay them out; the
    others are kept for colour. The same run, parameters and seed give the same bytes on the same machine, by any number
    of jobs. An atlas that is there stays, unless it is the same one or ``refit`` replaces it: by one with the same
    population, number of cells, visits and seed, but what is named here (``kept`` says so; ``visits=()``: all). Raises
    UnknownName for a panel, visit or population that is not there, BadAtlas if another atlas is there, ImmunomonError
    if there is no run, its study is not at hand, its files have changed since, or there are too few cells.
    """
    opened, report, workers = find_run(run, study), progress or (lambda *_: None), jobs or default_jobs()
    wishes, kept = Wishes(within, cells, None if visits is None else tuple(visits), seed), ""
    if refit:
        wishes, kept = wishes.kept_from(_record_before(opened, panel))
    source = source_of(opened, panel, wishes.within)
    clusters, stale = metaclusters_of(opened, source.panel.name)
    request = Asked(
        opened.record["digest"],
        source.within,
        wishes.cells or CELLS,
        wishes.visits or (),
        SEED if wishes.seed is None else wishes.seed,
        str(clusters.record["map_sha256"]) if clusters else None,
    )
    if not refit:
        _refuse_to_replace(opened.atlas_reference(source.panel.name), request)
    requests = wanted_of(opened, patients_jobs(source, request.visits), source.within, cells=request.cells_wanted)
    _refuse_too_few(opened, sum(count for _, count in requests), source.within)
    shown, used = markers_of(source.panel)
    reader = Reader(source, source.within, shown, clusters)
    table, scales = draw(
        reader,
        requests,
        used,
        seed=request.seed,
        workers=workers,
        progress=lambda done, total: report("gating", done, total, 0),
    )
    report("layout", 0, 1, 0)
    layout = lay_out(table[list(used)].to_numpy(), seed=request.seed, threads=workers)
    samples = [job.sample.id for job, _ in requests]
    arrays = _reference(table, layout, samples, threads=workers)
    record = record_of(opened, source, request, fitted=Fitted(table, layout, arrays, tuple(samples), scales))
    report("layout", 1, 1, 0)
    written = _write(opened, _placed(table, arrays, shown), replace(arrays, record=record))
    return replace(written, without=stale, kept=kept)


def _record_before(run: Run, panel: str | None) -> Mapping[str, Any]:
    """Return the record of the atlas that is there; an empty one if there is none, or it cannot be read."""
    try:
        return dict(run.atlas_record(panel))
    except (ImmunomonError, ValueError):
        return {}


def _refuse_to_replace(path: Path, request: Asked) -> None:
    if not path.exists():
        return
    try:
        was = load_reference(path).record
    except BadAtlas:
        return  # nothing can be projected onto it
    differs = request.differences(was)
    if differs:
        raise BadAtlas(
            f"{path}: there is an atlas already, fitted with {', '.join(differs)}; it stays, so that maps "
            "can be compared: project onto it with immunomon project, or replace it with --refit"
        )


def _refuse_too_few(run: Run, cells: int, within: str) -> None:
    if cells < FEWEST_CELLS:
        raise ImmunomonError(
            f"{run.folder}: only {cells} cells of '{within}' to lay out, at least {FEWEST_CELLS} are needed; ask for "
            "more cells (--cells) or a population with more of them (--within)"
        )


def _reference(table: pd.DataFrame, layout: Layout, samples: Sequence[str], *, threads: int) -> Reference:
    index = {name: number for number, name in enumerate(samples)}
    sample = np.array([index[name] for name in table["sample_id"]], dtype=np.int32)
    yardstick, score = yardstick_of(layout.scaled, sample, threads=threads)
    weights, event = table["weight"].to_numpy(dtype=np.float64), table["event"].to_numpy(dtype=np.int64)
    cluster = layout.clusters.astype(np.int16)
    return Reference(layout.scaled, layout.positions, weights, cluster, sample, event, yardstick.spacing, score, {})


def _placed(table: pd.DataFrame, reference: Reference, markers: Sequence[str]) -> pd.DataFrame:
    placed = table.assign(
        fitted=True,
        out_of_reference=reference.score,
        cluster=reference.cluster.astype(np.int64),
        umap1=reference.positions[:, 0],
        umap2=reference.positions[:, 1],
    )
    return placed[[*CELL_COLUMNS, *PLACE_COLUMNS, *markers]]


def _write(run: Run, table: pd.DataFrame, reference: Reference) -> Atlas:
    from immunomon.maps.atlas.pictures import picture

    panel, buffer = str(reference.record["panel"]), io.BytesIO()
    table.to_parquet(buffer, index=False)
    parquet, text, png = (run.folder / "atlas" / f"{panel}{suffix}" for suffix in (".parquet", ".json", ".png"))
    image = picture(table, reference.record, study=run.study)
    write_whole(parquet, buffer.getvalue())
    saved = save_reference(run.atlas_reference(panel), reference)
    contents = {**saved.record, "table_sha256": file_digest(parquet)}
    write_json(text, contents)
    write_whole(png, image)
    return Atlas(parquet, text, png, run.atlas_reference(panel), contents)
