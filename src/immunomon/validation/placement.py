"""How well gates are placed over scenarios and seeds: events, frequencies, changes, steadiness, honest intervals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunomon.io.fcs import read_fcs
from immunomon.io.memberships import read_memberships
from immunomon.io.spillover import spillover_of
from immunomon.kernels.intervals import log_odds
from immunomon.model.geometry import Interval, Rectangle
from immunomon.model.placed import PlacedStrategy, placed_from_run
from immunomon.model.strategy import ROOT
from immunomon.pipeline.folder import RunFolder
from immunomon.pipeline.gated import Gated, read_gated
from immunomon.pipeline.plan import Plan, Task, make_plan
from immunomon.simulate.scenario import Scenario
from immunomon.steps.apply import apply_gates
from immunomon.validation.agreement import f1
from immunomon.validation.placement_text import text_of
from immunomon.validation.sections import Section, Settings
from immunomon.validation.trials import Design, Trial, make_trial

__all__ = ["SCENARIOS", "Measured", "measure_trial", "section"]

SCENARIOS = (Scenario.MECHANISM, Scenario.NULL, Scenario.RESPONDERS)
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Measured:
    """One trial measured: a row per patient's file x population, and a row per file x threshold.

    populations: whose file it is, and of each population F1, counts, percents and intervals, gated, by fixed gates, and
    true; thresholds: of each threshold where it was placed, and where the true cells would have it.
    """

    populations: pd.DataFrame
    thresholds: pd.DataFrame


def section(settings: Settings) -> Section:
    """Return the section of the validation document: three scenarios with so many seeds each."""
    began = time.monotonic()
    found = []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        for scenario in SCENARIOS:
            design = Design(events=settings.events, seed=seed)
            folder = settings.folder / f"{scenario.value}-{seed}"
            trial = make_trial(scenario, folder, design=design, jobs=settings.jobs, progress=lambda *_: None)
            found.append(measure_trial(trial, seed=seed, jobs=settings.jobs))
            _remove_events(folder)
    whole = Measured(
        pd.concat([one.populations for one in found], ignore_index=True),
        pd.concat([one.thresholds for one in found], ignore_index=True),
    )
    return text_of(whole.populations, whole.thresholds, settings, seconds=time.monotonic() - began)


def _remove_events(folder: Path) -> None:
    # Fifteen trials would take five gigabytes; what is measured of them is in memory.
    for path in [*folder.rglob("*.fcs"), *folder.rglob("*.npz")]:
        path.unlink()


def measure_trial(trial: Trial, *, seed: int, jobs: int) -> Measured:
    """Return what there is to measure of one trial: its run's own gates, and the gates of the first baseline kept."""
    plan, folder = make_plan(trial.folder, jobs=jobs), RunFolder(trial.run)
    patients = [task for task in plan.tasks if str(task.sample.role) == "sample" and task.problem is None]
    fixed = {panel: _first_gates(folder, patients, panel, trial.baseline) for panel in plan.panels}
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        parts = list(pool.map(lambda task: _file(trial, plan, folder, task, fixed[task.sample.panel]), patients))
    whose = {"scenario": trial.scenario.value, "seed": seed}
    events = pd.DataFrame([{**whose, **row} for rows, _ in parts for row in rows])
    thresholds = pd.DataFrame([{**whose, **row} for _, rows in parts for row in rows])
    return Measured(_with_tables(events, trial), thresholds)


def _first_gates(folder: RunFolder, patients: list[Task], panel: str, baseline: str) -> PlacedStrategy | None:
    """Return the gates of the panel's first baseline sample: what a person would draw once and keep."""
    for task in patients:
        data = folder.read_sample(task.sample.id)
        if task.sample.panel == panel and task.sample.visit == baseline and data and data.get("status") == "gated":
            return placed_from_run(data["gates"], None)
    return None


def _file(
    trial: Trial, plan: Plan, folder: RunFolder, task: Task, fixed: PlacedStrategy | None
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    gated = read_gated(folder, plan, task)
    truth = read_memberships(trial.truth_mask_file(task.sample.file.as_posix()))
    kept = _fixed_masks(fixed, gated, task, plan)
    whose = {"subject": task.sample.subject, "visit": task.sample.visit, "panel": task.sample.panel}
    rows: list[dict[str, object]] = []
    for name in truth:
        mask, other = gated.tree.mask(name), kept.get(name)
        if mask is not None:
            rows.append(
                {
                    **whose,
                    "file": task.sample.file.as_posix(),
                    "population": name,
                    "f1": f1(mask, truth[name]),
                    "fixed_f1": float("nan") if other is None else f1(other, truth[name]),
                    "fixed_count": None if other is None else int(other.sum()),
                    "true_count": int(truth[name].sum()),
                }
            )
    return rows, [{**whose, **row} for row in _thresholds(gated, truth)]


def _fixed_masks(fixed: PlacedStrategy | None, gated: Gated, task: Task, plan: Plan) -> dict[str, Mask]:
    """Return the populations by gates placed on another file: the same coordinates, whatever has drifted."""
    if fixed is None:
        return {}
    header, raw = read_fcs(task.path)
    panel = plan.panels[task.sample.panel]
    events = raw.labelled(panel.label_channels(raw.channels))
    own = placed_from_run({"strategy": fixed.name, "axes": _axes(gated), "populations": []}, spillover_of(header))
    again = PlacedStrategy(fixed.name, own.axes, fixed.populations, own.matrices)
    return dict(apply_gates(events, again, None).memberships)


def _axes(gated: Gated) -> dict[str, object]:
    return dict(gated.tree.gates_to_dict()["axes"])


def _thresholds(gated: Gated, truth: dict[str, Mask]) -> Iterator[dict[str, object]]:
    """Yield each threshold of the run beside the one midway between the true cells of its two sides (their medians)."""
    for placed in gated.tree.populations:
        if placed.id not in truth or (placed.parent != ROOT and placed.parent not in truth) or not placed.errors:
            continue
        parent = truth.get(placed.parent, np.ones(gated.tree.count, dtype=np.bool_))
        for axis, at in _borders(placed.gate):
            values = gated.tree.axes[axis].scale.apply(np.asarray(gated.compensated.column(axis), dtype=np.float64))
            inside, outside = truth[placed.id] & parent, parent & ~truth[placed.id]
            if isinstance(placed.gate, Interval) and min(inside.sum(), outside.sum()) >= 20:
                middle = (np.median(values[inside]) + np.median(values[outside])) / 2
                yield {"population": placed.id, "axis": axis, "placed": at, "true": float(middle)}


def _borders(gate: object) -> Iterator[tuple[str, float]]:
    sides = gate.sides if isinstance(gate, Rectangle) else (gate,) if isinstance(gate, Interval) else ()
    for side in sides:
        for at in (side.low, side.high):
            if np.isfinite(at):
                yield side.axis, float(at)


def _with_tables(events: pd.DataFrame, trial: Trial) -> pd.DataFrame:
    """Return the rows with the run's frequencies of the truth's parent, and the truth's."""
    files = trial.tables["samples"].set_index("sample_id")["file"]
    frequencies = trial.tables["frequencies"]
    run = frequencies[frequencies["role"] == "sample"].assign(file=lambda rows: rows["sample_id"].map(files))
    run = run.rename(columns={"denominator": "parent", "percent_total_low": "low", "percent_total_high": "high"})
    wanted = ["file", "population", "parent", "count", "denominator_count", "percent", "low", "high", "reportable"]
    truth = trial.truth[["file", "population", "parent", "percent_of_parent", "expected_percent", "log_odds_effect"]]
    both = events.merge(truth, on=["file", "population"]).merge(run[wanted], on=["file", "population", "parent"])
    parents = events[["file", "population", "true_count", "fixed_count"]].rename(
        columns={"population": "parent", "true_count": "true_parent", "fixed_count": "fixed_parent"}
    )
    both = both.merge(parents, on=["file", "parent"], how="left")
    whole = both["denominator_count"].where(both["parent"] == ROOT)  # all events of the file, whatever the gates
    total = both["fixed_parent"].fillna(whole).astype(float)
    both["fixed_percent"] = 100 * both["fixed_count"].astype(float) / total.mask(total == 0)
    plain = both.astype(dict.fromkeys(("count", "denominator_count", "percent", "low", "high"), "float64"))
    plain["log_odds"] = log_odds(plain["count"], plain["denominator_count"])
    share = plain["percent_of_parent"] / 100
    total = plain["denominator_count"]
    plain["true_log_odds"] = np.log((share * total + 0.5) / ((1 - share) * total + 0.5))
    return plain.assign(reportable=plain["reportable"].fillna(False).astype(bool), baseline=trial.baseline)
