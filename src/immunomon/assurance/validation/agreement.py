"""Agreement: gated frequencies beside the truth in the same file, and gated events beside their true kinds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from immunomon.arrays import Mask
from immunomon.assurance.validation.targets import Target, target_of
from immunomon.assurance.validation.trials import Trial
from immunomon.cytometry.formats.memberships import read_memberships
from immunomon.runs.folder import RunFolder
from immunomon.runs.gated import read_gated
from immunomon.runs.plan import Plan, Task, make_plan

__all__ = ["Agreement", "EventScores", "agreements", "event_scores", "f1", "frequencies_beside_truth"]

_KEY = ["file", "panel", "population"]


@dataclass(frozen=True)
class Agreement:
    """How near a population's gated frequency is to the truth over the files where it is reportable.

    Errors are medians over files: ``absolute`` in percentage points of the parent, ``relative`` in percent of the
    truth, of which ``relative_95`` is the 95th percentile; bias is the mean of gated - true in percentage points;
    fallback: the files in which the gate's declared border was used, and their relative error; left_out: why, and how
    many files.
    """

    panel: str
    population: str
    parent: str
    n: int
    true_percent: float
    absolute: float
    relative: float
    relative_95: float
    bias: float
    correlation: float
    f1: float
    f1_files: int
    fallback_files: int
    fallback_relative: float
    placed_relative: float
    left_out: tuple[tuple[str, int], ...]

    @property
    def target(self) -> Target | None:
        """The target set for the population, None if there is none."""
        return target_of(self.population)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        return None if self.target is None else self.target.met(absolute=self.absolute, relative=self.relative)


@dataclass(frozen=True, eq=False)
class EventScores:
    """F1 of each file x population, of every ``step``-th file of each panel: columns file, panel, population, f1."""

    table: pd.DataFrame
    files: int
    of: int
    step: int


def frequencies_beside_truth(trial: Trial) -> pd.DataFrame:
    """Return one row per patient's file x population of the truth, in the order of the truth.

    Columns: those of the truth, and of the run ``percent`` (gated), ``reportable``, ``reason``, against the parent of
    the truth, and ``fallback``, whether the gate's declared border was used because none was found in the data. A
    population that the run does not have against this parent is not reportable.
    """
    files = trial.tables["samples"].set_index("sample_id")["file"]
    gated = trial.tables["frequencies"]
    gated = gated[gated["role"] == "sample"].assign(file=lambda rows: rows["sample_id"].map(files))
    columns = ["file", "panel", "population", "denominator", "percent", "reportable", "reason"]
    paired = trial.truth.merge(
        gated[columns].rename(columns={"denominator": "parent"}), on=[*_KEY, "parent"], how="left", validate="1:1"
    )
    paired["reason"] = paired["reason"].mask(paired["reportable"].isna(), "not reported of this parent")
    empty = paired["percent_of_parent"].isna() & paired["reportable"].fillna(False)
    paired["reason"] = paired["reason"].mask(empty, "no true parent cell")
    paired["reportable"] = paired["reportable"].fillna(False) & ~empty
    noted = {(files[name], population) for name, population in _noted(trial)}
    paired["fallback"] = [pair in noted for pair in zip(paired["file"], paired["population"], strict=True)]
    return paired.astype({"percent": "float64", "reportable": "bool"})


def _noted(trial: Trial) -> Iterator[tuple[str, str]]:
    """Yield sample and population wherever the run notes that a gate was not placed by the data."""
    for path in sorted((trial.run / "gates").glob("*.json")):
        for population in json.loads(path.read_text(encoding="utf-8"))["populations"]:
            if population["note"]:
                yield path.stem, population["population"]


def agreements(beside: pd.DataFrame, scores: EventScores) -> tuple[Agreement, ...]:
    """Return one row per panel x population of ``frequencies_beside_truth``, in its order."""
    groups = beside.groupby(["panel", "population"], sort=False)
    return tuple(_agreement(rows, scores) for _, rows in groups)


def _agreement(rows: pd.DataFrame, scores: EventScores) -> Agreement:
    panel, population, parent = (str(rows[name].iloc[0]) for name in ("panel", "population", "parent"))
    used = rows[rows["reportable"]]
    error = used["percent"] - used["percent_of_parent"]
    true = used["percent_of_parent"]
    relative = 100 * error.abs() / true.mask(true == 0)  # the reportable files without one true cell have no ratio
    mine = (scores.table["panel"] == panel) & (scores.table["population"] == population)
    f1_scores = scores.table.loc[mine, "f1"]
    varies = len(used) > 2 and used["percent"].std() > 0 and true.std() > 0
    return Agreement(
        panel,
        population,
        parent,
        n=len(used),
        true_percent=float(true.median()),
        absolute=float(error.abs().median()),
        relative=float(relative.median()),
        relative_95=float(relative.quantile(0.95)),
        bias=float(error.mean()),
        correlation=float(np.corrcoef(used["percent"], true)[0, 1]) if varies else float("nan"),
        f1=float(f1_scores.median()),
        f1_files=len(f1_scores),
        fallback_files=int(used["fallback"].sum()),
        fallback_relative=float(relative[used["fallback"]].median()),
        placed_relative=float(relative[~used["fallback"]].median()),
        left_out=_reasons(rows.loc[~rows["reportable"], "reason"]),
    )


def _reasons(reasons: pd.Series) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(str(reason).partition(":")[0] for reason in reasons).items()))


def event_scores(
    trial: Trial,
    beside: pd.DataFrame,
    *,
    step: int,
    jobs: int,
    progress: Callable[[int, int], None],
) -> EventScores:
    """Return the F1 of each reportable population in every ``step``-th patient's file of each panel, gated again.

    F1 = 2 TP / (2 TP + FP + FN): 1 if the gate holds the true members and no other event.
    """
    plan = make_plan(trial.folder, jobs=jobs)
    patients = [task for task in plan.tasks if str(task.sample.role) == "sample"]
    panels = dict.fromkeys(task.sample.panel for task in patients)
    chosen = [task for panel in panels for task in [t for t in patients if t.sample.panel == panel][::step]]
    reportable = set(beside.loc[beside["reportable"], ["file", "population"]].itertuples(index=False, name=None))
    rows: list[tuple[str, str, str, float]] = []
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for done, of_task in enumerate(pool.map(lambda task: _scores(trial, plan, task), chosen), start=1):
            rows += [row for row in of_task if (row[0], row[2]) in reportable]
            progress(done, len(chosen))
    table = pd.DataFrame(rows, columns=[*_KEY, "f1"])
    return EventScores(table, len(chosen), len(patients), step)


def _scores(trial: Trial, plan: Plan, task: Task) -> Sequence[tuple[str, str, str, float]]:
    file = task.sample.file.as_posix()
    tree = read_gated(RunFolder(trial.run), plan, task).tree
    truth = read_memberships(trial.truth_mask_file(file))
    pairs = ((name, tree.mask(name), mask) for name, mask in truth.items())
    return [(file, task.sample.panel, name, f1(gated, mask)) for name, gated, mask in pairs if gated is not None]


def f1(gated: Mask, true: Mask) -> float:
    """Return the harmonic mean of precision and recall; not-a-number if there is neither a true nor a found event.

    found, true: (events,).

    >>> f1(np.array([True, True, False]), np.array([True, False, False])).__round__(3)
    0.667
    """
    shared, either = int((gated & true).sum()), int(gated.sum()) + int(true.sum())
    return 2 * shared / either if either else float("nan")
