"""Immune changes beside platelets, response, dose and exposure, patient by patient in one order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from immunomon.arrays import Floats
from immunomon.trial.mechanism.balance import NAME, Balance, balance_of, with_rows_of
from immunomon.trial.model.analysis import LABORATORY, AnalysisPlan
from immunomon.trial.statistics.facts import Facts
from immunomon.trial.statistics.measured import Measured, Series, measure
from immunomon.trial.statistics.rows import about

__all__ = [
    "AFTER_DAYS",
    "EXPLORATORY",
    "NEAR_DAYS",
    "Joined",
    "after_visit",
    "at_visits",
    "head",
    "join",
    "log2_counts",
    "primary_series",
]


EXPLORATORY = "exploratory"
"""The role of every row: no plan declares an analysis of mechanism."""


def head(series: Series) -> dict[str, Any]:
    """Return the columns that say which endpoint a row is about, and that it is exploratory."""
    whole = about(series, EXPLORATORY)
    return {name: whole[name] for name in ("endpoint", "role", "label", "scale")}


# Which platelet counts belong to a visit, and which follow it: choices of the program, not of a protocol.

NEAR_DAYS = 3
"""A platelet count belongs to a visit if it was taken at most so many days from it."""
AFTER_DAYS = 28
"""The platelets that follow a visit are those of so many days after it."""


def log2_counts(counts: Floats) -> Floats:
    """Return log2 of counts, 10^9/L; those below 1 count as 1."""
    return np.asarray(np.log2(np.maximum(counts, 1.0)), dtype=np.float64)


def at_visits(days: Floats, values: Floats, visits: Floats, *, baseline: int) -> Floats:
    """Return the value nearest to each visit, (visits,); not-a-number where none was taken near enough.

    days, values: (counts,) study days, and log2 of the counts; visits: (visits,) study days; baseline: which of them is
    the baseline. A count on Day 1 is from before the infusion; one later is no baseline, however near.

    >>> at_visits(np.array([1.0, 2.0, 16.0]), np.array([3.0, 4.0, 5.0]), np.array([-1.0, 15.0, 29.0]), baseline=0)
    array([ 3.,  5., nan])
    """
    out = np.full(visits.size, np.nan)
    for index, visit in enumerate(visits):
        away = np.where((days <= 1) == (index == baseline), np.abs(days - visit), np.inf)
        if away.size and away.min() <= NEAR_DAYS:
            out[index] = values[int(away.argmin())]
    return out


def after_visit(days: Floats, values: Floats, visit: float) -> float:
    """Return the mean of the values in the weeks after a visit; not-a-number where there is none.

    days, values: (counts,) study days, and log2 of the counts; visit: its study day.
    """
    in_window = (days > visit) & (days <= visit + AFTER_DAYS)
    return float(values[in_window].mean()) if in_window.any() else float("nan")


@dataclass(frozen=True, eq=False)
class Joined:
    """The primary endpoints and the Th17/Treg balance, and what stands beside them.

    subjects, in the order of ``Facts``, are the first axis of every array. platelets: (subjects, visits), log2 of
    10^9/L; afterwards: visit -> (subjects,), log2 of the count over baseline in the weeks after it; dose, exposure:
    (subjects,), log2 of cells/kg and of h*cells/mL; responder: (subjects,) 1 or 0; response: (subjects, 2), the days
    after and until which the response came. Not-a-number is not known.
    """

    measured: Measured
    series: tuple[Series, ...]
    balance: Balance | None
    platelets: Floats
    afterwards: Mapping[str, Floats]
    responder: Floats
    response: Floats
    dose: Floats
    exposure: Floats

    @property
    def subjects(self) -> tuple[str, ...]:
        """The patients, in order."""
        return tuple(self.measured.facts.group_of)

    @property
    def visits(self) -> tuple[str, ...]:
        """The plan's primary visits that the study has, baseline left out."""
        return tuple(visit for visit in self.measured.plan.primary.visits if visit in self.measured.facts.later)

    @property
    def confidence(self) -> float:
        """The confidence of intervals."""
        return 1 - self.measured.plan.alpha

    @property
    def looked_at(self) -> tuple[Series, ...]:
        """The primary endpoints, then the balance if it is not one of them, then the other laboratory values."""
        named = {(series.endpoint.population, series.endpoint.quantity) for series in self.series}
        balance = () if self.balance is None or (NAME, "ratio") in named else (self.balance.series,)
        of_serum = (series for series in self.measured.series if series.endpoint.quantity == LABORATORY)
        others = (series for series in of_serum if (series.endpoint.population, LABORATORY) not in named)
        return (*self.series, *balance, *others)

    def change(self, series: Series, visit: str) -> Floats:
        """Return the change of a series from baseline at a visit, (subjects,)."""
        column = self.measured.facts.labels.index(visit)
        return np.asarray(series.change(self.measured.baseline)[:, column])


def join(
    tables: Mapping[str, pd.DataFrame], facts: Facts, plan: AnalysisPlan, *, assessed: Mapping[str, pd.DataFrame]
) -> Joined:
    """Return what a mechanism is looked for in.

    tables: of a run, as ``measure`` takes them; assessed: platelet_visits, platelet_response and kinetics, as
    ``immunomon assess`` writes them. Counts within the declared days of a rescue therapy are left out: they rose by it.
    """
    measured = measure(with_rows_of(tables, plan), facts, plan)
    series = primary_series(measured)
    day = _days(series or measured.series, facts)
    counts = assessed["platelet_visits"].dropna(subset=["study_day", "platelets_1e9_per_l"])
    counts = counts[~counts["after_rescue"].fillna(False).astype(bool)].sort_values("study_day", kind="stable")
    by_subject = {str(name): rows for name, rows in counts.groupby("subject")}
    response = assessed["platelet_response"].drop_duplicates("subject").set_index("subject")
    kinetics = assessed["kinetics"]
    area = kinetics[kinetics["parameter"] == "AUCLST"].drop_duplicates("subject").set_index("subject")["value"]
    return Joined(
        measured,
        series,
        balance_of(tables, facts, plan),
        platelets=np.array(
            [_at_visits(by_subject.get(subject), day[i], facts) for i, subject in enumerate(facts.group_of)]
        ),
        afterwards={
            visit: _after(by_subject, response, day[:, facts.labels.index(visit)], facts)
            for visit in plan.primary.visits
            if visit in facts.later
        },
        responder=_column(response["responder"], facts),
        response=_response(response, by_subject, facts),
        # An arm without cells has no place on a scale of doublings.
        dose=np.log2([facts.doses[group] or math.nan for group in facts.group_of.values()]),
        exposure=_log2(_column(area, facts)),
    )


def primary_series(measured: Measured) -> tuple[Series, ...]:
    """Return the series of the plan's primary endpoints that the run has."""
    candidates = (measured.of(name) for name in measured.plan.primary.endpoints)
    return tuple(series for series in candidates if series is not None)


def _days(series: tuple[Series, ...], facts: Facts) -> Floats:
    """Return the study day of each visit, (subjects, visits): actual ones where a panel has them."""
    if not series:
        return np.tile(facts.planned_days, (len(facts.group_of), 1))
    return np.asarray(np.median([of_endpoint.day for of_endpoint in series], axis=0))


def _counts(rows: pd.DataFrame) -> tuple[Floats, Floats]:
    days = rows["study_day"].to_numpy(dtype=np.float64)
    return days, log2_counts(rows["platelets_1e9_per_l"].to_numpy(dtype=np.float64))


def _at_visits(rows: pd.DataFrame | None, day: Floats, facts: Facts) -> Floats:
    if rows is None:
        return np.full(len(facts.labels), np.nan)
    return at_visits(*_counts(rows), day, baseline=facts.labels.index(facts.baseline))


def _after(by_subject: Mapping[str, pd.DataFrame], response: pd.DataFrame, day: Floats, facts: Facts) -> Floats:
    """Return log2 of the geometric mean of the counts in the weeks after a visit, over baseline; (subjects,)."""
    out = _log2(_column(response["baseline_1e9_per_l"], facts))
    for i, subject in enumerate(facts.group_of):
        rows = by_subject.get(subject)
        after = float("nan") if rows is None else after_visit(*_counts(rows), day[i])
        out[i] = after - out[i]
    return out


def _response(response: pd.DataFrame, by_subject: Mapping[str, pd.DataFrame], facts: Facts) -> Floats:
    until = _column(response["response_day"], facts)
    after = np.full(until.size, np.nan)
    for i, subject in enumerate(facts.group_of):
        if np.isfinite(until[i]) and subject in by_subject:
            days = by_subject[subject]["study_day"].to_numpy(dtype=np.float64)
            after[i] = max([float(earlier) for earlier in days[days < until[i]]], default=1.0)
    return np.column_stack([np.where(np.isfinite(until), np.fmax(after, 1.0), np.nan), until])


def _column(column: pd.Series, facts: Facts) -> Floats:
    """Return a column by subject as numbers in the order of the subjects; what is not there is not-a-number."""
    values = column.reindex(list(facts.group_of)).astype("Float64")
    return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))


def _log2(values: Floats) -> Floats:
    return np.log2(np.where(values > 0, values, np.nan))
