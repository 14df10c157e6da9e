"""What was measured of robustness, in Markdown and in lines for the terminal."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from immunomon.assurance.validation.agreement import f1
from immunomon.assurance.validation.sections import Section
from immunomon.assurance.validation.trials import Trial
from immunomon.cytometry.formats.memberships import read_memberships
from immunomon.errors import ImmunomonError
from immunomon.runs.folder import RunFolder
from immunomon.runs.gated import read_gated
from immunomon.runs.plan import Plan, Task, make_plan

if TYPE_CHECKING:
    from immunomon.assurance.validation.robustness import Outcome

__all__ = ["LEAST_EVENTS_WITHHELD", "LEAST_F1", "MOST_OFF", "judged", "text_of", "values_of"]

# Every value of a run beside the truth: whether it is wrong, whether the run says so, and whether it is withheld.

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


_NOTES = """A value is one population in one patient's file. Wrong: F1 of its events below 0.8, or a frequency off
by more than 40 % of the truth, or none at all. Said: it is wrong, but not reportable, or its gate or one above it
has a note or a doubt, or its interval holds the truth. **Silent**: wrong, reportable, without a note, and with an
interval that does not hold the truth. Reported: wrong and reportable, noted or not. Withheld: of the right values
of 100 events or more, the percent that is not reportable. Targets: no silent value; where range, gain or voltage
alone differ, no population's median F1 more than 0.03 below that of ordinary files; on ordinary files at most 3 %
withheld."""
_NOT_SHOWN = """What this does not show: conditions come one at a time, two patients at two visits, and the same in
all their files unless it says otherwise. The cells are the simulator's, as far apart as a good panel's (`other-
laboratory` moves them nearer)."""
_MOST_SHOWN = 60


def text_of(
    values: pd.DataFrame, outcomes: Sequence[Outcome], missed: Sequence[str], *, command: str, seconds: float
) -> Section:
    """Return the section: what is met, a row a condition, a row a condition and panel, and every silent value."""
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    ordinary = outcomes[0]
    silent = values[values["silent"]]
    parts = [
        "## Other instruments and hard samples",
        f"Written by `{command}` on {day} in {seconds:.0f} s.",
        _NOTES,
        "**Every target is met.**" if not missed else _listed("Not met:", missed),
        _table(
            ("condition", "what it is", "values", "wrong", "said", "silent", "reported", "withheld, %"),
            [_row(outcome) for outcome in outcomes],
        ),
        "Median F1 over the populations of a panel, the lowest of their medians, and the median error in percent of "
        "the truth, each beside that of ordinary files:",
        _table(
            ("condition", "panel", "F1", "ordinary", "lowest F1", "ordinary", "error, %", "ordinary", *_COUNTS),
            [
                (outcome.condition.name, str(panel), *_figures(outcome, ordinary, str(panel)), *_counts(rows))
                for outcome in outcomes
                for panel, rows in values[values["condition"] == outcome.condition.name].groupby("panel", sort=False)
            ],
        ),
        *([_silent_table(silent)] if len(silent) else []),
        _NOT_SHOWN,
    ]
    return Section("\n\n".join(parts), tuple(_lines(outcomes, missed)), not missed)


_COUNTS = ("wrong", "said", "silent")


def _row(outcome: Outcome) -> tuple[str, ...]:
    counts = (outcome.judged, outcome.wrong, outcome.said, outcome.silent, outcome.reported)
    return (
        outcome.condition.name,
        outcome.condition.meaning,
        *(str(count) for count in counts),
        f"{outcome.withheld_percent:.1f}",
    )


def _figures(outcome: Outcome, ordinary: Outcome, panel: str) -> Iterator[str]:
    """Yield the median F1, the lowest with its population, and the median error, each beside the ordinary one."""
    own, usual = (_of_panel(which.f1_median, panel) for which in (outcome, ordinary))
    yield from (f"{pd.Series(medians).median():.3f}" for medians in (own, usual))
    lowest = min(own, key=lambda name: own[name], default="")
    yield f"{own[lowest]:.3f} {lowest}" if lowest else "-"
    yield f"{usual[lowest]:.3f}" if lowest in usual else "-"
    for which in (outcome, ordinary):
        yield f"{pd.Series(_of_panel(which.error_median_percent, panel)).median():.1f}"


def _of_panel(medians: dict[str, float], panel: str) -> dict[str, float]:
    return {name.partition("/")[2]: value for name, value in medians.items() if name.partition("/")[0] == panel}


def _counts(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(str(int(rows[name].sum())) for name in _COUNTS)


def _silent_table(silent: pd.DataFrame) -> str:
    whose = ("condition", "seed", "panel", "population", "subject", "visit")
    rows = [
        (*(str(row[name]) for name in whose), *(f"{row[name]:.2f}" for name in ("f1", "percent", "true_percent")))
        for row in silent.head(_MOST_SHOWN).to_dict("records")
    ]
    shown = f"Silent values{'' if len(silent) <= _MOST_SHOWN else f', the first {_MOST_SHOWN} of {len(silent)}'}:"
    return f"{shown}\n\n{_table((*whose, 'F1', 'percent', 'true percent'), rows)}"


def _lines(outcomes: Sequence[Outcome], missed: Sequence[str]) -> Iterator[str]:
    for outcome in outcomes:
        yield (
            f"{outcome.condition.name:<30} {outcome.judged:>5} values, {outcome.wrong:>4} wrong, "
            f"{outcome.said:>4} said, {outcome.silent:>3} silent; {outcome.withheld_percent:.1f} % of right withheld"
        )
    for reason in missed:
        yield f"NOT met  {reason}"
    if not missed:
        yield "met      every target"


def _listed(head: str, lines: Sequence[str]) -> str:
    shown = [f"- {line}" for line in lines[:_MOST_SHOWN]]
    more = [f"- and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else []
    return "\n".join([f"**{head}**", "", *shown, *more])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
