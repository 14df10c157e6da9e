"""Normalise a run: maps between batches learned on its bridge samples, judged, and used on its medians."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.model.run_tables import NORMALISED_FREQUENCIES
from immunomon.cytometry.model.scales import AnyScale
from immunomon.cytometry.steps.normalise import BridgeCells, learn_normalisation
from immunomon.cytometry.steps.transform import resolve_scales
from immunomon.errors import BadSpec, ImmunomonError
from immunomon.files import digests_of_what_is_written
from immunomon.runs.checks.plan import check_normalisation_names
from immunomon.runs.folder import RunFolder
from immunomon.runs.gated import Gated, read_gated
from immunomon.runs.jobs import default_jobs
from immunomon.runs.normalised_tables import (
    PanelLearned,
    judgement,
    normalised_frequencies,
    normalised_medians,
)
from immunomon.runs.opened import Run, open_run
from immunomon.runs.plan import Plan, Task, make_plan
from immunomon.study.model.steadiness import Normalisation, PanelNormalisation
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import RoleKind

__all__ = ["NORMALISATION_FORMAT", "Normalised", "learn_panel", "normalise_run"]

NORMALISATION_FORMAT = "immunomon.normalisation/1"
_REMEDY = (
    "add to it, for example:\nnormalisation:\n  panels:\n"
    "    - {panel: treg, cell_types: [cd4], markers: [HLA-DR, CCR4]}"
)
Progress = Callable[[str, int, int, int], None]


@dataclass(frozen=True, eq=False)
class Normalised:
    """What a normalisation gave: its folder, what was learned for each panel, and the tables by name."""

    folder: Path
    learned: tuple[PanelLearned, ...]
    tables: Mapping[str, pd.DataFrame]


def normalise_run(
    run: Path,
    study: Path | None = None,
    *,
    out: Path | None = None,
    regate: bool = True,
    settings: Normalisation | None = None,
    progress: Progress | None = None,
) -> Normalised:
    """Bring a run's batches together as its study declares, and write raw and normalised values beside each other.

    study: where ``study.yaml`` lies, default the folder above the run; settings: in place of its section. out: default
    the run, in whose ``tables/`` are then normalised_medians, normalisation_judgement and, with regate, where every
    file of the panels is gated again, normalised_frequencies. The run's own tables are not touched. Raises BadSpec for
    names that are not there, ImmunomonError if nothing is declared or the run is not of these files.
    """
    opened, report = open_run(run, study), progress or (lambda *_: None)
    jobs = default_jobs()
    plan = make_plan(opened.study_file, jobs=jobs, progress=lambda done, total: report("reading", done, total, 0))
    declared = settings or plan.study.normalisation
    if declared is None:
        raise ImmunomonError(f"{opened.study_file}: it declares no normalisation, which is off by default; {_REMEDY}")
    _check(plan, declared)
    _refuse_changed(opened, plan, declared)
    learned = tuple(learn_panel(opened, plan, of_panel, settings=declared) for of_panel in declared.panels)
    medians = opened.table("medians")
    tables = {
        "normalised_medians": pd.concat(
            [normalised_medians(medians, panel_learned) for panel_learned in learned], ignore_index=True
        ),
        "normalisation_judgement": pd.concat(
            [judgement(panel_learned) for panel_learned in learned], ignore_index=True
        ),
    }
    if regate:
        frequencies, folder = opened.table("frequencies"), RunFolder(opened.folder)
        tasks = {
            panel_learned.wanted.panel: _tasks(opened, plan, panel_learned.wanted.panel) for panel_learned in learned
        }
        tables["normalised_frequencies"] = pd.concat(
            [
                normalised_frequencies(
                    frequencies,
                    panel_learned,
                    read=lambda task: read_gated(folder, plan, task),
                    tasks=tasks[panel_learned.wanted.panel],
                )
                for panel_learned in learned
            ],
            ignore_index=True,
        )
    target = RunFolder(out if out is not None else opened.folder)
    with digests_of_what_is_written(target.root) as written:
        for name, table in tables.items():
            target.write_table(name, table)
    if not regate:  # what an earlier call left is not of these maps
        for suffix in (".parquet", ".csv"):
            target.table_file(NORMALISED_FREQUENCIES.name, suffix).unlink(missing_ok=True)
    record = _record(opened, declared, learned, written)
    target.write_json(target.root / "normalisation.json", record, indent=1)
    return Normalised(target.root, learned, tables)


def learn_panel(run: Run, plan: Plan, of_panel: PanelNormalisation, *, settings: Normalisation) -> PanelLearned:
    """Return the maps of one panel, learned on the bridge samples that the run gated; what is refused has a reason."""
    strategy = plan.strategies[of_panel.panel]
    folder = RunFolder(run.folder)
    bridges = [t for t in plan.tasks if t.sample.panel == of_panel.panel and t.sample.role.kind is RoleKind.BRIDGE]
    failed = {file["sample_id"]: file["reason"] for file in run.record["files"] if file["status"] == "failed"}
    usable = [task for task in bridges if task.sample.id not in failed and task.sample.batch]
    with ThreadPoolExecutor(max_workers=default_jobs()) as pool:
        read = list(pool.map(lambda task: read_gated(folder, plan, task), usable))
    scales = _scales(strategy, of_panel, read)
    tubes = [_cells(task, gated, of_panel, scales) for task, gated in zip(usable, read, strict=True)]
    absent = {
        t.sample.batch: f"its bridge sample failed: {failed[t.sample.id]}" for t in bridges if t.sample.id in failed
    }
    for task in plan.tasks:
        if task.sample.panel == of_panel.panel and task.sample.role.is_gated and task.sample.batch:
            absent.setdefault(task.sample.batch, "the batch has no bridge sample of this panel")
    having = {tube.batch for tube in tubes}
    pairs = [(cell_type, marker) for cell_type in of_panel.cell_types for marker in of_panel.markers]
    tubes += [
        BridgeCells("", batch, {}, dict.fromkeys(pairs, why)) for batch, why in absent.items() if batch not in having
    ]
    refused = {
        (cell_type, marker): f"the gate of '{by}' is on {marker}: its distribution in {cell_type} is cut off there"
        for cell_type, marker in pairs
        if (by := _gated_by(strategy, cell_type, marker)) is not None
    }
    return PanelLearned(
        of_panel, strategy, scales, learn_normalisation(tubes, of_panel, settings=settings, refused=refused)
    )


def _scales(strategy: GatingStrategy, of_panel: PanelNormalisation, read: list[Gated]) -> dict[str, AnyScale]:
    # One scale for all files, also where each has its own width: quantiles are compared on it. The first file's holds.
    scales: dict[str, AnyScale] = {}
    for marker in of_panel.markers:
        having = next((gated for gated in read if gated.compensated.has(marker)), None)
        if having is not None:
            scales |= resolve_scales(strategy, [marker], having.compensated, having.book)
    return scales


def _cells(task: Task, gated: Gated, of_panel: PanelNormalisation, scales: Mapping[str, AnyScale]) -> BridgeCells:
    values, missing = {}, {}
    for cell_type in of_panel.cell_types:
        mask = gated.tree.mask(cell_type)
        for marker in of_panel.markers:
            if not gated.compensated.has(marker):
                missing[cell_type, marker] = f"{task.sample.file.as_posix()} has no channel for {marker}"
            elif mask is None:
                missing[cell_type, marker] = f"{cell_type} was not placed in {task.sample.file.as_posix()}"
            else:
                column = np.asarray(gated.compensated.column(marker), dtype=np.float64)
                values[cell_type, marker] = scales[marker].apply(column[mask])
    return BridgeCells(task.sample.id, task.sample.batch, values, missing, donor=task.sample.subject)


def _gated_by(strategy: GatingStrategy, cell_type: str, marker: str) -> str | None:
    """Return the population on a cell type's way whose gate is on a marker, if there is one."""
    way = list(reversed([cell_type, *strategy.ancestors(cell_type)]))
    for name in way:
        if name not in strategy.ids:
            continue
        method = gate_method(strategy.population(name).gate)
        if any(axis.casefold() == marker.casefold() for axis in getattr(method, "drawn_on", method.axes)):
            return name
        made_of = [reference for reference in getattr(method, "references", ()) if reference not in way]
        if any(_gated_by(strategy, reference, marker) is not None for reference in made_of):
            return name
    return None


def _tasks(run: Run, plan: Plan, panel: str) -> list[Task]:
    gated = {file["sample_id"] for file in run.record["files"] if file["status"] == "gated"}
    return [task for task in plan.tasks if task.sample.panel == panel and task.sample.id in gated]


def _refuse_changed(run: Run, plan: Plan, declared: Normalisation) -> None:
    keys = {file["sample_id"]: file.get("own_key", file["key"]) for file in run.record["files"]}
    tasks = [task for of_panel in declared.panels for task in _tasks(run, plan, of_panel.panel)]
    changed = [task.sample.id for task in tasks if task.key != keys[task.sample.id]]
    if changed:
        raise ImmunomonError(
            f"{run.folder}: {len(changed)} of {len(tasks)} samples are not as the run gated them (file, panel, "
            f"strategy or software changed since), first '{changed[0]}'; run the study again: immunomon run "
            f"{run.study_folder} --out {run.folder}"
        )


def _check(plan: Plan, declared: Normalisation) -> None:
    problems = check_normalisation_names(
        declared,
        panels=plan.panels,
        strategies=plan.strategies,
        batches={task.sample.batch for task in plan.tasks if task.sample.batch},
        file=plan.study_file,
    )
    if messages := list(problems):
        raise BadSpec(messages)


def _record(
    run: Run,
    declared: Normalisation,
    learned: tuple[PanelLearned, ...],
    written: Mapping[str, str],
) -> dict[str, object]:
    tables = {path: digest for path, digest in written.items() if path.endswith(".parquet")}
    return {
        "format": NORMALISATION_FORMAT,
        "run_digest": run.record["digest"],
        "goal": declared.goal,
        "quantiles": declared.quantiles,
        "min_cells": declared.min_cells,
        "panels": [panel_learned.to_dict() for panel_learned in learned],
        "tables": {Path(path).stem: digest for path, digest in tables.items()},
        "files": dict(written),
    }
