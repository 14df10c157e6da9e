"""Project: cells of a run, later visits for instance, put onto an atlas that was fitted before and stays as it is."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from immunomon.arrays import Floats, Ints
from immunomon.cytometry.kernels.proportions import wilson
from immunomon.errors import BadAtlas, UnknownName
from immunomon.files import file_digest, temporary_beside, write_whole
from immunomon.maps.atlas.cells import CELL_COLUMNS, PLACE_COLUMNS, Reader, own_rng, pick
from immunomon.maps.atlas.drawing import patients_jobs, wanted_of
from immunomon.maps.atlas.placing import Placer, placer_of
from immunomon.maps.atlas.record import markers_of
from immunomon.maps.atlas.reference import load_reference
from immunomon.maps.clusters.cells import Job
from immunomon.maps.clusters.found import metaclusters_of
from immunomon.maps.clusters.samples import Source, source_of
from immunomon.maps.model.tables import PROJECTED_SAMPLES
from immunomon.runs.folder import table_csv, write_json
from immunomon.runs.jobs import default_jobs
from immunomon.runs.named import find_run
from immunomon.runs.opened import Run
from immunomon.study.model.panel import Panel

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PROJECTION_FORMAT",
    "Parts",
    "Projection",
    "places_of_samples",
    "project_run",
    "refuse_another_panel",
    "refuse_other_scales",
]

# Whether an atlas fits a run: the same panel, the same detectors, the same display scales; if not, what differs.


def refuse_another_panel(path: Path, record: Mapping[str, Any], panel: Panel) -> None:
    """Raise BadAtlas unless a panel is the atlas', with the same type markers on the same detectors."""
    if record["panel"] != panel.name:
        raise BadAtlas(f"{path}: it is an atlas of the panel '{record['panel']}', not of '{panel.name}'")
    _, used = markers_of(panel)
    if set(used) != set(record["markers"]):
        differing = sorted(set(used) ^ set(record["markers"]))
        raise BadAtlas(
            f"{path}: the panel {panel.name} has other type markers than the atlas ({', '.join(differing)}); "
            f"{_refit(panel.name)}"
        )
    for name in record["markers"]:
        now, then = panel.marker(name).detector, record["detectors"].get(name)
        if now != then:
            raise BadAtlas(
                f"{path}: {name} was read on {then} in the atlas and is on {now} in this run; {_refit(panel.name)}"
            )


def refuse_other_scales(path: Path, record: Mapping[str, Any], scales: Mapping[str, Any]) -> None:
    """Raise BadAtlas unless the markers that lay out the atlas are on the display scales that they had there."""
    for name in record["markers"]:
        if scales[name] != record["scales"][name]:
            raise BadAtlas(
                f"{path}: the display scale of {name} is {_said(scales[name])} in this run and "
                f"{_said(record['scales'][name])} in the atlas; {_refit(str(record['panel']))}"
            )


def places_of_samples(record: Mapping[str, Any], run: Run) -> dict[str, int]:
    """Return where a run's samples are in an atlas' list: those of the same name and the same file, byte for byte."""
    files = {file["sample_id"]: file["sha256"] for file in run.record["files"]}
    known = enumerate(record["samples"])
    return {sample["id"]: index for index, sample in known if files.get(sample["id"]) == sample["sha256"]}


def _refit(panel: str) -> str:
    return f"fit an atlas of this run: immunomon embed RUN --panel {panel} --refit"


def _said(scale: Any) -> str:  # noqa: ANN401
    if not isinstance(scale, dict):
        return "unknown"
    return " ".join([str(scale.get("kind")), *(f"{key}={value}" for key, value in scale.items() if key != "kind")])


# Parts: a folder of Parquet files, one a sample, that takes the place of an earlier one when it is whole.


class Parts:
    """A folder that is written beside its place, and moved there when whole; on an error the earlier one stays.

    digests: sample id -> SHA-256 of its part.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.digests: dict[str, str] = {}
        self._new = temporary_beside(folder)

    def __enter__(self) -> Parts:
        self._new.mkdir(parents=True, exist_ok=True)
        return self

    def write(self, sample_id: str, table: pd.DataFrame) -> None:
        """Write one sample's part; several threads may write different ones."""
        path, buffer = self._new / f"{sample_id}.parquet", io.BytesIO()
        table.to_parquet(buffer, index=False)
        write_whole(path, buffer.getvalue())
        self.digests[sample_id] = file_digest(path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            # What says which parts there are goes first: it must not speak of others.
            self.folder.with_name(f"{self.folder.name}.json").unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)
            self._new.rename(self.folder)
        else:
            shutil.rmtree(self._new, ignore_errors=True)


PROJECTION_FORMAT = "immunomon.projection/1"
_ALL = 2**62
_NOTES = (
    "Exploratory: areas, and distances between islands, are no measurements; frequencies are in the run's tables.",
    "Percent beyond is about 1 where a sample's cells are like the atlas'; staining, batches and biology all move it.",
    "The intervals are of counting only; cells are not replicates, patients are.",
)
Progress = Callable[[str, int, int, int], None]
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Projection:
    """What a projection left: a folder of parts (Parquet, one a sample), samples (CSV), record (JSON), picture (PNG).

    table: the samples, by contract; contents: of the record. without: what is not in it, as it is of an earlier run.
    """

    parts: Path
    samples: Path
    record: Path
    picture: Path
    table: pd.DataFrame
    contents: Mapping[str, Any]
    without: str = ""


def project_run(
    run: str | Path | Run,
    panel: str | None = None,
    *,
    atlas: str | Path | None = None,
    cells: int | None = 1_000_000,
    seed: int = 1,
    jobs: int | None = None,
    study: str | Path | None = None,
    progress: Progress | None = None,
) -> Projection:
    """Put cells of a run's patients onto an atlas and write ``atlas/<panel>.projected``: parts, .csv, .json and .png.

    panel: default the study's first. atlas: a file ``<panel>.atlas.npz`` of this run or another; default this run's.
    cells: together, drawn by chance, the same number from every subject and visit where there are as many; None: all.
    At most a file a job is in memory. The same run, atlas and seed give the same bytes, by any number of jobs. Raises
    BadAtlas, with the reason, for an atlas that is none, was changed or does not fit the run; else what ``embed_run``
    raises.
    """
    opened, report, workers = find_run(run, study), progress or (lambda *_: None), jobs or default_jobs()
    path = Path(atlas) if atlas is not None else opened.atlas_reference(panel)
    placer = placer_of(load_reference(path))
    record = placer.reference.record
    source = _source(path, record, opened, panel)
    patients = patients_jobs(source)
    requests = wanted_of(opened, patients, source.within, cells=_ALL if cells is None else cells)
    name, (shown, _) = source.panel.name, markers_of(source.panel)
    clusters, stale = metaclusters_of(opened, name)
    reader = Reader(source, source.within, shown, clusters)
    known = places_of_samples(record, opened)
    rows: list[Row] = []
    with Parts(opened.folder / "atlas" / f"{name}.projected") as parts, ThreadPoolExecutor(workers) as pool:
        work = partial(_project, path=path, reader=reader, placer=placer, parts=parts, known=known, seed=seed)
        for done, row in enumerate(pool.map(lambda request: work(*request), requests), start=1):
            rows.append(row)
            report("projecting", done, len(requests), 0)
    table = PROJECTED_SAMPLES.frame(rows)
    contents = {
        "format": PROJECTION_FORMAT,
        "study": source.study.name,
        "run_digest": opened.record["digest"],
        "panel": name,
        "within": source.within,
        "atlas": {"file": path.name, "study": record["study"], "digest": placer.reference.digest},
        "cells_wanted": cells,
        "seed": seed,
        "cells": int(table["cells"].sum()),
        "markers": record["markers"],
        "other_markers": [marker for marker in shown if marker not in record["markers"]],
        "labels": record["labels"],
        "out_of_reference": record["out_of_reference"],
        "parts": dict(sorted(parts.digests.items())),
        "notes": list(_NOTES),
    }
    return replace(_write(opened, placer, parts.folder, table, contents), without=stale)


def _source(path: Path, record: Mapping[str, Any], run: Run, panel: str | None) -> Source:
    """Return what there is to project, of the population that the atlas is of; refuse an atlas of another panel."""
    within = str(record["within"])
    try:
        source = source_of(run, panel, within)
    except UnknownName as error:
        raise BadAtlas(f"{path}: it is an atlas of '{within}' of the panel '{record['panel']}'; {error}") from error
    refuse_another_panel(path, record, source.panel)
    return source


def _project(
    job: Job,
    count: int,
    *,
    path: Path,
    reader: Reader,
    placer: Placer,
    parts: Parts,
    known: Mapping[str, int],
    seed: int,
) -> Row:
    """Write one sample's cells as a part; return its row of the samples table."""
    table, scales = reader.read(job, partial(_by_chance, count, seed))
    record, sample = placer.reference.record, known.get(job.sample.id, -1)
    refuse_other_scales(path, record, scales)
    placed = placer.place(table[record["markers"]].to_numpy(), sample=sample, events=table["event"].to_numpy())
    table = table.assign(
        fitted=placed.fitted,
        out_of_reference=placed.score,
        cluster=placed.cluster,
        umap1=placed.positions[:, 0],
        umap2=placed.positions[:, 1],
    )
    parts.write(job.sample.id, table[[*CELL_COLUMNS, *PLACE_COLUMNS, *reader.markers]])
    beyond = int(np.count_nonzero(placed.score > record["out_of_reference"]["threshold"]))
    low, high = wilson(beyond, len(table))
    return {
        "sample_id": job.sample.id,
        "subject": job.sample.subject,
        "visit": job.sample.visit,
        "dose_group": reader.source.study.dose_group_of(job.sample.subject or ""),
        "batch": job.sample.batch or None,
        "in_atlas": sample >= 0,
        "population_cells": round(float(table["weight"].sum())),
        "cells": len(table),
        "fitted": int(placed.fitted.sum()),
        "beyond": beyond,
        "percent_beyond": 100 * beyond / len(table) if len(table) else None,
        "percent_beyond_low": 100 * float(low) if len(table) else None,
        "percent_beyond_high": 100 * float(high) if len(table) else None,
        "median_out_of_reference": float(np.median(placed.score)) if len(table) else None,
    }


def _by_chance(count: int, seed: int, sample: str, rows: Ints, _numbers: Ints) -> tuple[Ints, Floats]:
    taken = pick(rows.size, count, own_rng(seed, sample))
    return taken, np.full(taken.size, rows.size / max(taken.size, 1))


def _write(run: Run, placer: Placer, folder: Path, table: pd.DataFrame, contents: dict[str, Any]) -> Projection:
    from immunomon.maps.atlas.pictures import projection_picture

    csv, text, png = (folder.with_name(f"{folder.name}{suffix}") for suffix in (".csv", ".json", ".png"))
    write_whole(png, projection_picture(folder, placer.reference.positions, table, record=contents, study=run.study))
    write_whole(csv, table_csv(table))
    write_json(text, contents)
    return Projection(folder, csv, text, png, table, contents)
