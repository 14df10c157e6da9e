"""Trends: over dose between patients (Jonckheere-Terpstra), over visits within patients (Page)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from immunomon.trial.kernels.page import MOST_VISITS, page_trend
from immunomon.trial.kernels.trend import Trend, jonckheere_terpstra
from immunomon.trial.model.analysis import Expected, Window
from immunomon.trial.model.statistics import TRENDS
from immunomon.trial.statistics.facts import ALL
from immunomon.trial.statistics.measured import Measured, Series
from immunomon.trial.statistics.rows import about, contracted, members, no_p

__all__ = ["trends"]

Row = dict[str, Any]


def trends(measured: Measured, rng: np.random.Generator) -> pd.DataFrame:
    """Return the permutation tests for a trend (the TRENDS contract).

    Over dose: the change at each visit, patients permuted between dose groups, which are ordered by cells per kg. Over
    visits: within each window of the plan, for its endpoints; a patient who lacks one of the window's visits is left
    out, and named.
    """
    rows = [row for series in measured.series for row in _over_dose(measured, series, rng)]
    rows += [
        row
        for series in measured.planned
        for window in measured.plan.windows
        for row in _over(measured, series, window)
    ]
    return contracted(rows, TRENDS, measured.plan.digest)


def _over_dose(measured: Measured, series: Series, rng: np.random.Generator) -> Iterator[Row]:
    change = series.change(measured.baseline)
    order = measured.facts.order
    groups = np.array([order[group] for group in measured.facts.group_of.values()])
    for index, visit in enumerate(measured.facts.labels):
        if index == measured.baseline:
            continue
        known = np.isfinite(change[:, index])
        names = [group for group, there in zip(measured.facts.group_of.values(), known, strict=True) if there]
        sizes = ", ".join(f"{name} {names.count(name)}" for name in order if name in names)
        row = _head(measured, series, "dose", visit) | {"n": int(known.sum()), "groups": sizes}
        if len(set(groups[known])) < 2:
            yield row | {"note": "fewer than two doses have a patient with a change"}
            continue
        changes = change[known, index]
        means = {name: float(changes[np.array(names) == name].mean()) for name in order if name in names}
        shown = ", ".join(f"{name} {mean:+.2f}" for name, mean in means.items())
        yield row | {"means": shown} | _tested(jonckheere_terpstra(changes, groups[known], rng), measured, series)


def _over(measured: Measured, series: Series, window: Window) -> Iterator[Row]:
    labels = measured.facts.between(window.first, window.last)
    places = [measured.facts.labels.index(label) for label in labels]
    for group in measured.facts.groups:
        indices = members(measured, group)
        block = series.scaled[indices][:, places]
        whole = np.asarray(np.isfinite(block).all(axis=1))
        subjects = measured.facts.groups[group]
        left_out = ", ".join(name for name, there in zip(subjects, whole, strict=True) if not there)
        row = _head(measured, series, "visits", window.name) | {
            "dose_group": group,
            "n": int(whole.sum()),
            "groups": ", ".join(labels),
            "note": f"left out, a visit is missing: {left_out}" if left_out else "",
        }
        if not whole.any() or not 2 <= len(labels) <= MOST_VISITS:
            few = "nobody has all visits" if not whole.any() else f"needs 2 to {MOST_VISITS} visits"
            yield row | {"note": few}
            continue
        tested = _tested(page_trend(block[whole]), measured, series)
        tested["note"] = "; ".join(part for part in (tested["note"], row["note"]) if part)
        yield row | tested


def _head(measured: Measured, series: Series, kind: str, visit_or_window: str) -> Row:
    role = measured.plan.role_of(series.endpoint.name, visit_or_window) if kind == "dose" else "planned"
    return about(series, role) | {"kind": kind, "dose_group": ALL, "at": visit_or_window}


def _tested(trend: Trend, measured: Measured, series: Series) -> Row:
    """Return the test's columns: one-sided where the plan declares a direction."""
    declared = series.endpoint.expected
    p, floor, name = {
        Expected.EITHER: (trend.p, trend.floor, "two-sided"),
        Expected.UP: (trend.p_rising, trend.floor / 2, "rising"),
        Expected.DOWN: (trend.p_falling, trend.floor / 2, "falling"),
    }[declared]
    # Where the other direction could be told as well, none is.
    shift = 0.0 if trend.p >= 1 else trend.statistic - trend.expected
    note = no_p(floor, measured.plan.alpha)
    return {
        "statistic": trend.statistic,
        "expected": trend.expected,
        "direction": "rising" if shift > 0 else "falling" if shift < 0 else "none",
        "alternative": name,
        "p_floor": floor,
        "p": float("nan") if note else p,
        "exact": trend.exact,
        "note": note,
    }
