"""How well gates are placed over scenarios and seeds: events, frequencies, changes, steadiness, honest intervals."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from immunomon.arrays import Mask
from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.validation.agreement import f1
from immunomon.assurance.validation.borders import best_f1, places
from immunomon.assurance.validation.placement_text import text_of
from immunomon.assurance.validation.sections import Section, Settings
from immunomon.assurance.validation.trials import MADE_BY, Design, Trial, make_trial
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.memberships import read_memberships
from immunomon.cytometry.formats.spillover import spillover_of
from immunomon.cytometry.kernels.proportions import log_odds
from immunomon.cytometry.model.placed import PlacedStrategy, placed_from_run
from immunomon.cytometry.steps.apply import apply_gates
from immunomon.files import write_whole
from immunomon.runs.folder import RunFolder
from immunomon.runs.gated import Gated, read_gated
from immunomon.runs.plan import Plan, Task, make_plan
from immunomon.runs.provenance import code_digest, digest_of, source_digest
from immunomon.study.model.strategy import ROOT
from immunomon.study.specs.catalog import shipped_strategies

__all__ = ["SCENARIOS", "Measured", "measure_trial", "section"]

SCENARIOS = (Scenario.MECHANISM, Scenario.NULL, Scenario.RESPONDERS)
_MARK = "measured_with.json"
_MEASURING = (
    "assurance/simulate",
    *(f"assurance/validation/{name}.py" for name in ("agreement", "borders", "placement")),
)


@dataclass(frozen=True, eq=False)
class Measured:
    """One trial measured: a row per patient's file x population, and a row per file x threshold.

    populations: whose file it is, and of each population F1, counts, percents and intervals, gated, by fixed gates, and
    true; thresholds: of each border where it was placed, and where the true cells would have it; seconds: what it took.
    """

    populations: pd.DataFrame
    thresholds: pd.DataFrame
    seconds: float = 0.0


def section(settings: Settings) -> Section:
    """Return the section of the validation document: three scenarios with so many seeds each.

    What was measured of a trial is kept in its folder, and used again as long as nothing that it rests on is changed.
    Raises UnknownName for a panel that is not simulated.
    """
    parts = []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        for scenario in SCENARIOS:
            folder = settings.folder / f"{scenario.value}-{seed}"
            design = Design(events=settings.events, seed=seed, panels=settings.panels or None)
            parts.append(_kept(folder, design) or _measured(scenario, folder, design, settings.jobs))
    whole = Measured(
        pd.concat([part.populations for part in parts], ignore_index=True),
        pd.concat([part.thresholds for part in parts], ignore_index=True),
    )
    return text_of(whole.populations, whole.thresholds, settings, seconds=sum(part.seconds for part in parts))


def _measured(scenario: Scenario, folder: Path, design: Design, jobs: int) -> Measured:
    began = time.monotonic()
    trial = make_trial(scenario, folder, design=design, jobs=jobs, progress=lambda *_: None)
    measured = measure_trial(trial, seed=design.seed, jobs=jobs)
    measured = replace(measured, seconds=time.monotonic() - began)
    for name, table in (("populations", measured.populations), ("thresholds", measured.thresholds)):
        table.to_parquet(folder / f"{name}.parquet")
    mark = {"rests_on": _rests_on(design), "seconds": measured.seconds}
    write_whole(folder / _MARK, json.dumps(mark) + "\n")
    _remove_events(folder)
    return measured


def _kept(folder: Path, design: Design) -> Measured | None:
    """Return what was measured before by the same code of trials of the same design; None if there is nothing."""
    try:
        mark = json.loads((folder / _MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if mark["rests_on"] != _rests_on(design):
        return None
    populations, thresholds = (pd.read_parquet(folder / f"{name}.parquet") for name in ("populations", "thresholds"))
    return Measured(populations, thresholds, mark["seconds"])


def _rests_on(design: Design) -> str:
    code = (code_digest(), source_digest(_MEASURING))
    parts = [(name, path.read_bytes()) for name, path in sorted(shipped_strategies().items())]
    return digest_of(("design", repr(design).encode()), ("code", code), *parts)


def _remove_events(folder: Path) -> None:
    # Fifteen trials would take five gigabytes. Without its mark the trial is simulated anew, should it be needed.
    (folder / MADE_BY).unlink()
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
    placed = {node.id: node for node in gated.tree.populations}
    rows: list[dict[str, object]] = []
    for name in truth:
        mask, reference = gated.tree.mask(name), kept.get(name)
        if mask is not None:
            rows.append(
                {
                    **whose,
                    "file": task.sample.file.as_posix(),
                    "population": name,
                    "f1": f1(mask, truth[name]),
                    "fixed_f1": float("nan") if reference is None else f1(reference, truth[name]),
                    "best_f1": best_f1(placed[name], gated, truth[name]),
                    "fixed_count": None if reference is None else int(reference.sum()),
                    "true_count": int(truth[name].sum()),
                }
            )
    return rows, [{**whose, **asdict(border)} for border in places(gated, truth)]


def _fixed_masks(fixed: PlacedStrategy | None, gated: Gated, task: Task, plan: Plan) -> dict[str, Mask]:
    """Return the populations by gates placed on another file: the same coordinates, whatever has drifted."""
    if fixed is None:
        return {}
    reading = task.reading
    header, raw = read_fcs(task.path, data_set=reading.data_set, data_offset=reading.data_offset, sha256=reading.sha256)
    panel = plan.panels[task.sample.panel]
    events = raw.labelled(panel.label_channels(raw.channels))
    own = placed_from_run({"strategy": fixed.name, "axes": _axes(gated), "populations": []}, spillover_of(header))
    again = PlacedStrategy(fixed.name, own.axes, fixed.populations, own.matrices)
    return dict(apply_gates(events, again, None).memberships)


def _axes(gated: Gated) -> dict[str, object]:
    return dict(gated.tree.gates_to_dict()["axes"])


def _with_tables(events: pd.DataFrame, trial: Trial) -> pd.DataFrame:
    """Return the rows with the run's frequencies of the truth's parent, and the truth's."""
    files = trial.tables["samples"].set_index("sample_id")["file"]
    frequencies = trial.tables["frequencies"]
    run = frequencies[frequencies["role"] == "sample"].assign(file=lambda rows: rows["sample_id"].map(files))
    run = run.rename(columns={"denominator": "parent", "percent_total_low": "low", "percent_total_high": "high"})
    columns = ["file", "population", "parent", "count", "denominator_count", "percent", "low", "high", "reportable"]
    truth = trial.truth[["file", "population", "parent", "percent_of_parent", "expected_percent", "log_odds_effect"]]
    paired = events.merge(truth, on=["file", "population"]).merge(run[columns], on=["file", "population", "parent"])
    parents = events[["file", "population", "true_count", "fixed_count"]].rename(
        columns={"population": "parent", "true_count": "true_parent", "fixed_count": "fixed_parent"}
    )
    paired = paired.merge(parents, on=["file", "parent"], how="left")
    whole = paired["denominator_count"].where(paired["parent"] == ROOT)  # all events of the file, whatever the gates
    total = paired["fixed_parent"].fillna(whole).astype(float)
    paired["fixed_percent"] = 100 * paired["fixed_count"].astype(float) / total.mask(total == 0)
    plain = paired.astype(dict.fromkeys(("count", "denominator_count", "percent", "low", "high"), "float64"))
    plain["log_odds"] = log_odds(plain["count"], plain["denominator_count"])
    share = plain["percent_of_parent"] / 100
    total = plain["denominator_count"]
    plain["true_log_odds"] = np.log((share * total + 0.5) / ((1 - share) * total + 0.5))
    return plain.assign(reportable=plain["reportable"].fillna(False).astype(bool), baseline=trial.baseline)
