"""Embed: a balanced sample of a run's cells, laid out in a plane once, written beside the run's tables."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.atlas.balance import shares
from immunomon.atlas.cells import CELL_COLUMNS, labels_in_order, read_cells
from immunomon.atlas.layout import (
    CLUSTERS,
    EPOCHS,
    MIN_DISTANCE,
    NARROWEST,
    NEIGHBOURS,
    PERCENTILES,
    TRUST_CELLS,
    Layout,
    lay_out,
)
from immunomon.errors import ImmunomonError, UnknownName, nearest
from immunomon.model.panel import MarkerKind, Panel
from immunomon.model.strategy import ROOT, GatingStrategy
from immunomon.model.study import RoleKind
from immunomon.pipeline.folder import write_whole
from immunomon.pipeline.opened import Run, open_run
from immunomon.pipeline.plan import Plan, Task, make_plan
from immunomon.pipeline.provenance import digest_of, file_digest
from immunomon.pipeline.run import default_jobs

__all__ = ["ATLAS_FORMAT", "Atlas", "embed_run"]

ATLAS_FORMAT = "immunomon.atlas/1"
FEWEST_CELLS = 200
_LIKELY_ROOTS = ("lymphocytes", "live", "singlets")
_LIBRARIES = ("numpy", "numba", "pandas", "scikit-learn", "umap-learn")
_NOTES = (
    "Exploratory: areas, and distances between islands, are no measurements; frequencies are in the run's tables.",
    "Cells are not replicates, patients are; clusters are made from these cells and must not be tested on them.",
    "No batch correction: islands of single batches may be the instrument's.",
)
Progress = Callable[[str, int, int, int], None]


@dataclass(frozen=True, eq=False)
class Atlas:
    """What an embedding left: the table (Parquet), its record (JSON) and picture (PNG), and the record's contents."""

    table: Path
    record: Path
    picture: Path
    contents: Mapping[str, Any]


def embed_run(
    run: Path,
    panel: str | None = None,
    *,
    within: str | None = None,
    cells: int = 6000,
    seed: int = 1,
    study: Path | None = None,
    progress: Progress | None = None,
) -> Atlas:
    """Lay out cells of a run's patients in a plane and write ``atlas/<panel>`` .parquet, .json and .png into the run.

    panel: default the study's first. within: the population that the cells are from; default lymphocytes, or what comes
    nearest. cells: together, the same number from every subject and visit where there are as many. The panel's type
    markers lay them out; the others are kept for colour. The same run, parameters and seed give the same bytes of the
    table on the same machine. Raises UnknownName for a panel or population that is not there, ImmunomonError if there
    is no run, its study is not at hand, has changed since, or there are too few cells.
    """
    opened, say = open_run(run, study), progress or (lambda *_: None)
    name = panel or opened.panels[0]
    if name not in opened.panels:
        raise UnknownName(f"{run}: no panel '{name}' in this run; {nearest(name, opened.panels)}")
    jobs = default_jobs()
    plan = make_plan(opened.study_file, jobs=jobs, progress=lambda done, total: say("reading", done, total, 0))
    strategy = plan.strategies[plan.study.strategy_of(name)]
    inside = _within(strategy, within)
    wanted = _balanced(opened, _tasks(opened, plan, name), inside, cells)
    markers, used = _markers(plan.panels[name])
    table = read_cells(
        plan,
        wanted,
        within=inside,
        markers=markers,
        seed=seed,
        jobs=jobs,
        progress=lambda done, total: say("gating", done, total, 0),
    )
    say("layout", 0, 1, 0)
    layout = lay_out(table[used].to_numpy(), seed=seed)
    say("layout", 1, 1, 0)
    table = _with_layout(table, layout, markers)
    record = {
        "format": ATLAS_FORMAT,
        "study": opened.study["name"],
        "run_digest": opened.record["digest"],
        "panel": name,
        "strategy": strategy.name,
        "within": inside,
        "cells": len(table),
        "cells_wanted": cells,
        "seed": seed,
        "cells_of_samples": {task.sample.id: count for task, count in wanted},
        **_method(layout, used),
        "labels": labels_in_order(table, strategy),
        "other_markers": [marker for marker in markers if marker not in used],
        "notes": list(_NOTES),
        "libraries": {library: version(library) for library in _LIBRARIES},
    }
    return _write(opened, name, table, record)


def _within(strategy: GatingStrategy, named: str | None) -> str:
    if named is None:
        return next((name for name in _LIKELY_ROOTS if name in strategy.ids), ROOT)
    return named if named == ROOT else strategy.population(named).id


def _tasks(run: Run, plan: Plan, panel: str) -> list[Task]:
    """Return the samples of a panel that the run gated; refuse if they are not what it gated."""
    keys = {
        file["sample_id"]: file.get("own_key", file["key"]) for file in run.record["files"] if file["status"] == "gated"
    }
    tasks = [
        task
        for task in plan.tasks
        if task.sample.panel == panel
        and task.sample.role.kind is RoleKind.SAMPLE
        and task.sample.subject
        and task.sample.visit
        and task.sample.id in keys
    ]
    if not tasks:
        raise ImmunomonError(f"{run.folder}: no sample of the panel '{panel}' was gated; see its samples table for why")
    changed = [task.sample.id for task in tasks if task.key != keys[task.sample.id]]
    if changed:
        raise ImmunomonError(
            f"{run.folder}: {len(changed)} of {len(tasks)} samples of '{panel}' are not as the run gated them (file, "
            f"panel, strategy or software changed since), first '{changed[0]}'; run the study again: immunomon run "
            f"{run.study_folder} --out {run.folder}"
        )
    return tasks


def _balanced(run: Run, tasks: list[Task], within: str, cells: int) -> list[tuple[Task, int]]:
    """Return the samples with how many cells each gives: even over subject and visit, then over a visit's tubes."""
    if within == ROOT:
        known = run.table("samples").set_index("sample_id")["events"]
    else:
        rows = run.table("populations")
        known = rows[rows["population"] == within].set_index("sample_id")["count"]
    counts = {str(sample): int(count) for sample, count in known.dropna().items()}
    visits: dict[tuple[str, str], dict[str, int]] = {}
    for task in tasks:
        of_visit = visits.setdefault((str(task.sample.subject), str(task.sample.visit)), {})
        of_visit[task.sample.id] = counts.get(task.sample.id, 0)
    share = shares({visit: sum(tubes.values()) for visit, tubes in visits.items()}, cells)
    of_tube = {tube: n for visit, tubes in visits.items() for tube, n in shares(tubes, share[visit]).items()}
    if sum(of_tube.values()) < FEWEST_CELLS:
        raise ImmunomonError(
            f"{run.folder}: only {sum(of_tube.values())} cells of '{within}' to lay out, at least {FEWEST_CELLS} are "
            "needed; ask for more cells (--cells) or a population with more of them (--within)"
        )
    return [(task, of_tube[task.sample.id]) for task in tasks if of_tube[task.sample.id]]


def _markers(panel: Panel) -> tuple[list[str], list[str]]:
    shown = [marker for marker in panel.markers if marker.kind is not MarkerKind.VIABILITY]
    used = [marker.name for marker in shown if marker.kind is MarkerKind.TYPE]
    if len(used) < 2:
        raise ImmunomonError(f"panel {panel.name}: it has {len(used)} markers of kind 'type'; two at least are needed")
    taken = [marker.name for marker in shown if marker.name in (*CELL_COLUMNS, "cluster", "umap1", "umap2")]
    if taken:
        raise ImmunomonError(f"panel {panel.name}: the marker '{taken[0]}' is named as a column is; rename it")
    return [marker.name for marker in shown], used


def _with_layout(table: pd.DataFrame, layout: Layout, markers: list[str]) -> pd.DataFrame:
    placed = table.assign(cluster=layout.clusters, umap1=layout.positions[:, 0], umap2=layout.positions[:, 1])
    return placed[[*CELL_COLUMNS, "cluster", "umap1", "umap2", *markers]]


def _method(layout: Layout, used: list[str]) -> dict[str, Any]:
    return {
        "markers": used,
        "scaler": {
            "kind": "sklearn.preprocessing.RobustScaler",
            "percentiles": list(PERCENTILES),
            "narrowest": NARROWEST,
            "centre": dict(zip(used, layout.centre.tolist(), strict=True)),
            "scale": dict(zip(used, layout.scale.tolist(), strict=True)),
        },
        "umap": {"n_neighbors": NEIGHBOURS, "min_dist": MIN_DISTANCE, "n_epochs": EPOCHS, "init": "pca"},
        "clusters": {"kind": "sklearn.cluster.KMeans", "n": CLUSTERS, "numbered": "by size, 1 the largest"},
        "trustworthiness": {"value": layout.trustworthiness, "neighbours": NEIGHBOURS, "cells_at_most": TRUST_CELLS},
    }


def _write(run: Run, panel: str, table: pd.DataFrame, record: dict[str, Any]) -> Atlas:
    from immunomon.atlas.figure import picture

    folder, buffer = run.folder / "atlas", io.BytesIO()
    table.to_parquet(buffer, index=False)
    paths = [folder / f"{panel}{suffix}" for suffix in (".parquet", ".json", ".png")]
    image = picture(table, record, study=run.study)
    write_whole(paths[0], buffer.getvalue())
    contents = {**record, "digest": digest_of(record), "table_sha256": file_digest(paths[0])}
    write_whole(paths[1], (json.dumps(contents, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))
    write_whole(paths[2], image)
    return Atlas(paths[0], paths[1], paths[2], contents)
