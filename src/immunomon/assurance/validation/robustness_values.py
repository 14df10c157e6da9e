"""Every value of a run beside the truth: whether it is wrong, whether the run says so, and whether it is withheld."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from immunomon.assurance.validation.agreement import f1
from immunomon.assurance.validation.trials import Trial
from immunomon.cytometry.formats.memberships import read_memberships
from immunomon.errors import ImmunomonError
from immunomon.runs.folder import RunFolder
from immunomon.runs.gated import read_gated
from immunomon.runs.plan import Plan, Task, make_plan

__all__ = ["LEAST_EVENTS_WITHHELD", "LEAST_F1", "MOST_OFF", "judged", "values_of"]

LEAST_F1, MOST_OFF = 0.8, 0.40  # a value is wrong below this F1, or further off than this share of the truth
LEAST_EVENTS_WITHHELD = 100  # of a right value that counts as withheld
_KEY = ["sample_id", "population"]


def values_of(trial: Trial, *, jobs: int) -> pd.DataFrame:
    """Return one row per patient's file x population whose parent has a true cell, judged.

    Columns: whose value it is, ``true_percent`` and ``true_count``, ``f1`` of its events, of the run ``percent``,
    ``count``, ``low`` and ``high`` of the interval, ``reportable``, ``reason``, ``noted`` (a note or a doubt on its
    gate or on one above it), and what ``judged`` adds. A file that failed has no percent and no F1: its values are
    wrong, and their reason is why it failed.
    """
    reported = _reported(trial.tables)
    files = trial.tables["samples"].query("role == 'sample'")[["file", "sample_id", "subject", "visit"]]
    truth = trial.truth.drop(columns=["subject", "visit"]).merge(files, on="file")
    truth = truth[truth["percent_of_parent"].notna()].rename(columns={"percent_of_parent": "true_percent"})
    scores = pd.DataFrame(list(_scores(trial, jobs)), columns=["file", "population", "f1", "true_count"])
    values = truth.merge(scores, on=["file", "population"], how="left")
    values = values.merge(reported, on=[*_KEY, "parent"], how="left")
    values["reportable"] = values["reportable"].astype("boolean").fillna(False).astype(bool)
    values["noted"] = values["noted"].astype("boolean").fillna(False).astype(bool)
    return judged(values)


def judged(values: pd.DataFrame) -> pd.DataFrame:
    """Return values with what is to be thought of them, each true or false.

    ``wrong``: F1 below 0.8, or more than 40 % of the truth off, or no value; ``said``: wrong, but not reportable, or
    noted, or with an interval that holds the truth; ``silent``: wrong and not said; ``reported``: wrong and reportable
    all the same; ``withheld``: right, of at least 100 events, and not reportable; ``could_be_withheld``: right, of as
    many.
    """
    off = (values["percent"] - values["true_percent"]).abs()
    right = (values["f1"].fillna(1.0) >= LEAST_F1) & (off <= MOST_OFF * values["true_percent"])
    inside = (values["low"] <= values["true_percent"]) & (values["true_percent"] <= values["high"])
    flagged = ~values["reportable"] | values["noted"] | inside
    countable = right & (values["count"] >= LEAST_EVENTS_WITHHELD)
    return values.assign(
        error_percent=100 * off / values["true_percent"].mask(values["true_percent"] == 0),
        wrong=~right,
        said=~right & flagged,
        silent=~right & ~flagged,
        reported=~right & values["reportable"],
        withheld=countable & ~values["reportable"],
        could_be_withheld=countable,
    )


def _reported(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the run's own account of each value: number, interval, whether it may be reported, and what is noted."""
    frequencies = tables["frequencies"].rename(columns={"denominator": "parent"})
    noted = _notes_above(tables["populations"])
    if "rests_on" in frequencies:
        doubtful = frequencies.loc[frequencies["rests_on"].notna(), _KEY]
        noted |= dict.fromkeys(doubtful.itertuples(index=False, name=None), True)
    low, high = (frequencies[f"percent_total_{end}"].astype("float64") for end in ("low", "high"))
    return pd.DataFrame(
        {
            **{name: frequencies[name] for name in (*_KEY, "parent", "reportable", "reason")},
            "percent": frequencies["percent"].astype("float64"),
            "count": frequencies["count"].astype("float64").fillna(0),
            "low": low.fillna(frequencies["percent_low"].astype("float64")),
            "high": high.fillna(frequencies["percent_high"].astype("float64")),
            "noted": [noted[pair] for pair in frequencies[_KEY].itertuples(index=False, name=None)],
        }
    )


def _notes_above(populations: pd.DataFrame) -> dict[tuple[str, str], bool]:
    """Return for each sample and population whether its own gate, or one on the way to it, has a note."""
    keys = list(populations[_KEY].itertuples(index=False, name=None))
    own = dict(zip(keys, populations["gate_note"].notna(), strict=True))
    ways = [str(path).strip("/").split("/") for path in populations["path"]]
    return {
        (sample, population): any(own.get((sample, name), False) for name in way)
        for (sample, population), way in zip(keys, ways, strict=True)
    }


def _scores(trial: Trial, jobs: int) -> Iterator[tuple[str, str, float, int]]:
    """Yield file, population, F1 and the number of true events of every patient's file that was gated."""
    plan = make_plan(trial.folder, jobs=jobs)
    for task in plan.tasks:
        if str(task.sample.role) == "sample":
            yield from _scores_of(trial, plan, task)


def _scores_of(trial: Trial, plan: Plan, task: Task) -> Iterator[tuple[str, str, float, int]]:
    file = task.sample.file.as_posix()
    truth = read_memberships(trial.truth_mask_file(file))
    try:
        tree = read_gated(RunFolder(trial.run), plan, task).tree
    except ImmunomonError:  # it failed in the run, whose tables say why
        tree = None
    for name, mask in truth.items():
        gated = None if tree is None else tree.mask(name)
        score = float("nan") if gated is None else f1(np.asarray(gated, dtype=np.bool_), mask)
        yield file, name, score, int(mask.sum())
