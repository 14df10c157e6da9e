"""Effects: what the simulated treatment did, beside the change from baseline that the run estimates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from immunomon.assurance.validation.trials import Trial
from immunomon.cytometry.steps.summarise import ALL_GROUPS

__all__ = ["Effect", "Tally", "effects"]

# Of intervals that hold 95 % each; the share that misses is the rest.
_MISSES = 0.05
# The tally is judged one-sided at this level.
_LEVEL = 0.025


@dataclass(frozen=True)
class Effect:
    """A population's change in log-odds from baseline at a visit, in a dose group or in all: built in, and estimated.

    built_in: mean over the ``n`` subjects that have an estimate (``built_in_all``: over all of the group), before
    biological noise; in_files: the mean change of the true frequencies in the same subjects' files, which perfect
    gating would find; estimate, low, high: mean and 95 % t interval over subjects, from the run's summary.
    """

    panel: str
    population: str
    parent: str
    dose_group: str
    visit: str
    n: int
    subjects: int
    built_in: float
    built_in_all: float
    in_files: float
    estimate: float
    low: float
    high: float

    @property
    def has_interval(self) -> bool:
        """Whether there are enough subjects for an interval."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def inside(self) -> bool:
        """Whether the interval holds the effect that was built in."""
        return self.has_interval and self.low <= self.built_in <= self.high

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of no change."""
        return self.has_interval and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Tally:
    """How many of some 95 % intervals missed what they should hold, and how many chance alone allows.

    >>> tally = Tally(intervals=100, misses=6)
    >>> tally.expected, tally.allowed, tally.within_chance
    (5.0, 10, True)
    """

    intervals: int
    misses: int

    @property
    def expected(self) -> float:
        """The mean number of misses, if the intervals hold what they promise."""
        return _MISSES * self.intervals

    @property
    def allowed(self) -> int:
        """The most misses that independent intervals would have in 97.5 % of trials."""
        return int(binom.ppf(1 - _LEVEL, self.intervals, _MISSES)) if self.intervals else 0

    @property
    def within_chance(self) -> bool:
        """Whether there are no more misses than chance allows."""
        return self.misses <= self.allowed


def effects(trial: Trial, chosen: Iterable[tuple[str, str]] | None = None) -> tuple[Effect, ...]:
    """Return every population's effect at every visit after baseline, for all subjects together and by dose group.

    chosen: (panel, population) pairs, in the order wanted; None for all populations of the truth. The denominator is
    the parent of the truth.
    """
    truth = trial.truth.merge(trial.subjects[["subject", "dose_group"]], on="subject", validate="m:1")
    parents = truth.drop_duplicates(["panel", "population"]).set_index(["panel", "population"])["parent"]
    pairs = list(parents.index) if chosen is None else [pair for pair in chosen if pair in parents.index]
    summary = _only(trial.tables["summary"], measure="log_odds_change", quantity="percent")
    recovered = []
    for panel, population in pairs:
        parent = str(parents[panel, population])
        rows = _only(summary, panel=panel, population=population, denominator=parent)
        true = _only(truth, panel=panel, population=population)
        recovered += [_effect(row, true, trial.baseline) for row in rows.to_dict("records")]
    return tuple(recovered)


def _only(table: pd.DataFrame, **equal: str) -> pd.DataFrame:
    for column, value in equal.items():
        table = table[table[column] == value]
    return table


def _effect(row: Mapping[Any, Any], true: pd.DataFrame, baseline: str) -> Effect:
    group, visit = str(row["dose_group"]), str(row["visit"])
    members = true if group == ALL_GROUPS else true[true["dose_group"] == group]
    built_in = members[members["visit"] == visit].set_index("subject")["log_odds_effect"]
    estimates = json.loads(str(row["subjects"]))
    used = list(estimates)
    change = _log_odds(members, visit).loc[used] - _log_odds(members, baseline).loc[used]
    return Effect(
        panel=str(row["panel"]),
        population=str(row["population"]),
        parent=str(row["denominator"]),
        dose_group=group,
        visit=visit,
        n=len(used),
        subjects=len(built_in),
        built_in=float(built_in.loc[used].mean()),
        built_in_all=float(built_in.mean()),
        in_files=float(change.mean(skipna=False)),
        estimate=_float(row["mean"]),
        low=_float(row["low"]),
        high=_float(row["high"]),
    )


def _log_odds(true: pd.DataFrame, visit: str) -> pd.Series[float]:
    fraction = true[true["visit"] == visit].set_index("subject")["percent_of_parent"] / 100
    inside = fraction.where((fraction > 0) & (fraction < 1))  # neither has log-odds
    return pd.Series(np.log(inside / (1 - inside)), index=inside.index)


def _float(cell: Any) -> float:  # noqa: ANN401
    return float("nan") if pd.isna(cell) else float(cell)
