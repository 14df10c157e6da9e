"""The doses side by side: safety, response, exposure and immune change of each, for the people who choose one."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from immunomon.trial.assessments.page_parts import number
from immunomon.trial.assessments.people import ALL, People
from immunomon.trial.assessments.tabulate import Row
from immunomon.trial.kernels.student import mean_change
from immunomon.trial.model.analysis import AnalysisPlan, Endpoint

__all__ = ["candidate_rows", "known_before", "known_changes"]

_DAYS = ("study_day", "start_day")

_SHARES = (
    ("safety", "adverse events", ("dose-limiting", "grade >= 3", "serious", "related", "any")),
    ("response", "platelets", ("response (CR or R)", "complete response (CR)", "durable response", "rescue therapy")),
)


def known_before(
    people: People, rows: Iterable[Mapping[str, Any]], date: datetime.date | None
) -> list[Mapping[str, Any]]:
    """Return the rows of these people that were known on a date: what began, or was measured, before it.

    date: None for all. A row without a date or day is kept, so that no event is overlooked.
    """
    mine = [row for row in rows if row["subject"] in people.persons]
    return mine if date is None else [row for row in mine if (when := _date_of(people, row)) is None or when < date]


def _date_of(people: People, row: Mapping[str, Any]) -> datetime.date | None:
    if row.get("date"):
        return datetime.date.fromisoformat(row["date"])
    days = [row[name] for name in _DAYS if row.get(name) is not None]
    return people[row["subject"]].date_of(days[0]) if days else None


def known_changes(people: People, changes: pd.DataFrame | None, date: datetime.date | None) -> pd.DataFrame | None:
    """Return the rows of a table of changes that are of these people and were measured before a date (None: all).

    Where a sample has no date, the planned day of its visit stands for it.
    """
    if changes is None:
        return None
    mine = changes[changes["subject"].isin(list(people.persons))]
    if date is None:
        return mine
    days = mine["study_day"].fillna(mine["planned_day"])
    dates = [
        None if pd.isna(day) else people[subject].date_of(int(day))
        for subject, day in zip(mine["subject"], days, strict=True)
    ]
    return mine[[when is not None and when < date for when in dates]]


def candidate_rows(
    people: People,
    tables: Mapping[str, pd.DataFrame],
    plan: AnalysisPlan,
    *,
    changes: pd.DataFrame | None,
) -> Iterator[Row]:
    """Yield rows of ``candidates`` for each dose group with subjects who were treated.

    tables: incidence, platelet_response and kinetics; changes: a run's table of changes, None without a run. Immune
    changes are those of the plan's primary endpoints at its primary visit, on the log-odds scale.
    """
    groups = {name: members for name, members in people.groups(people.treated).items() if name != ALL}
    for group, members in groups.items():
        whose = {"dose_group": group, "cells_per_kg": people.doses[group]}
        rows = [
            *_shares(tables["incidence"], group),
            *_medians(tables["platelet_response"], members, ("response", "share of time in response", "1"),
                      column="share_in_response"),
            *_exposure(tables["kinetics"], members),
            *_immune(changes, members, plan),
        ]  # fmt: skip
        yield from ({**whose, **row} for row in rows)


def _shares(incidence: pd.DataFrame, group: str) -> Iterator[Row]:
    of_group = incidence[(incidence["dose_group"] == group) & incidence[["term", "cohort"]].isna().all(axis=1)]
    for aspect, topic, measures in _SHARES:
        for measure in measures:
            for row in of_group[(of_group["topic"] == topic) & (of_group["measure"] == measure)].to_dict("records"):
                text = f"{row['subjects_with']} of {row['n']}"
                if row["n"]:
                    text += f" ({row['low']:.0f} to {row['high']:.0f} %)"
                yield {
                    **{"aspect": aspect, "measure": measure, "unit": "%"},
                    **{"n": row["n"], "value": row["percent"], "low": row["low"], "high": row["high"]},
                    "text": text,
                }


def _medians(
    table: pd.DataFrame, members: Sequence[str], description: tuple[str, str, str], *, column: str
) -> Iterator[Row]:
    aspect, measure, unit = description
    values = [float(value) for value in table.loc[table["subject"].isin(members), column].dropna()]
    if values:
        middle = median(values)
        text = f"median {number(middle)} ({number(min(values))} to {number(max(values))}), n = {len(values)}"
        yield {
            **{"aspect": aspect, "measure": measure, "unit": unit, "n": len(values), "value": middle},
            "text": text,
        }


def _exposure(kinetics: pd.DataFrame, members: Sequence[str]) -> Iterator[Row]:
    for code in ("CMAX", "AUCLST"):
        parameter_rows = kinetics[kinetics["parameter"] == code]
        if len(parameter_rows):
            description = ("kinetics", str(parameter_rows["name"].iloc[0]), str(parameter_rows["unit"].iloc[0]))
            yield from _medians(parameter_rows, members, description, column="value")


def _immune(changes: pd.DataFrame | None, members: Sequence[str], plan: AnalysisPlan) -> Iterator[Row]:
    if changes is None:
        return
    named = {endpoint.name: endpoint for endpoint in plan.endpoints}
    for visit in plan.primary.visits:
        for name in plan.primary.endpoints:
            if name in named:
                yield from _change(changes, members, named[name], visit=visit)


def _change(changes: pd.DataFrame, members: Sequence[str], endpoint: Endpoint, *, visit: str) -> Iterator[Row]:
    chosen = (
        (changes["panel"] == endpoint.panel)
        & (changes["population"] == endpoint.population)
        & (changes["quantity"] == endpoint.quantity)
        & (changes["visit"] == visit)
        & (changes["status"] == "ok")
        & changes["subject"].isin(members)
    )
    if endpoint.denominator:
        chosen &= (changes["denominator"] == endpoint.denominator).fillna(False)
    rows = changes[chosen]
    values: Any = rows["log_odds_change"].dropna().to_numpy(dtype=float)
    if not len(values):
        return
    estimate = mean_change(values)
    label = str(rows["label"].iloc[0])
    interval = "" if np.isnan(estimate.low) else f" ({estimate.low:+.2f} to {estimate.high:+.2f})"
    yield {
        "aspect": "immune change",
        "measure": f"{label} at {visit}",
        "n": estimate.n,
        "value": estimate.mean,
        "unit": "log-odds",
        "low": estimate.low,
        "high": estimate.high,
        "text": f"{estimate.mean:+.2f}{interval}, n = {estimate.n}",
    }
