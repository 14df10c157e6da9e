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


def trends(found: Measured, rng: np.random.Generator) -> pd.DataFrame:
    """Return the permutation tests for a trend (the TRENDS contract).

    Over dose: the change at each visit, patients permuted between dose groups, which are ordered by cells per kg. Over
    visits: within each window of the plan, for its endpoints; a patient who lacks one of the window's visits is left
    out, and named.
    """
    rows = [row for series in found.series for row in _over_dose(found, series, rng)]
    rows += [row for series in found.planned for window in found.plan.windows for row in _over(found, series, window)]
    return contracted(rows, TRENDS, found.plan.digest)


def _over_dose(found: Measured, series: Series, rng: np.random.Generator) -> Iterator[Row]:
    change = series.change(found.baseline)
    order = found.facts.order
    groups = np.array([order[group] for group in found.facts.group_of.values()])
    for place, visit in enumerate(found.facts.labels):
        if place == found.baseline:
            continue
        known = np.isfinite(change[:, place])
        names = [group for group, there in zip(found.facts.group_of.values(), known, strict=True) if there]
        sizes = ", ".join(f"{name} {names.count(name)}" for name in order if name in names)
        row = _head(found, series, "dose", visit) | {"n": int(known.sum()), "groups": sizes}
        if len(set(groups[known])) < 2:
            yield row | {"note": "fewer than two doses have a patient with a change"}
            continue
        at = change[known, place]
        means = {name: float(at[np.array(names) == name].mean()) for name in order if name in names}
        shown = ", ".join(f"{name} {mean:+.2f}" for name, mean in means.items())
        yield row | {"means": shown} | _tested(jonckheere_terpstra(at, groups[known], rng), found, series)


def _over(found: Measured, series: Series, window: Window) -> Iterator[Row]:
    labels = found.facts.between(window.first, window.last)
    places = [found.facts.labels.index(label) for label in labels]
    for group in found.facts.groups:
        here = members(found, group)
        block = series.scaled[here][:, places]
        whole = np.asarray(np.isfinite(block).all(axis=1))
        who = found.facts.groups[group]
        left_out = ", ".join(name for name, there in zip(who, whole, strict=True) if not there)
        row = _head(found, series, "visits", window.name) | {
            "dose_group": group,
            "n": int(whole.sum()),
            "groups": ", ".join(labels),
            "note": f"left out, a visit is missing: {left_out}" if left_out else "",
        }
        if not whole.any() or not 2 <= len(labels) <= MOST_VISITS:
            few = "nobody has all visits" if not whole.any() else f"needs 2 to {MOST_VISITS} visits"
            yield row | {"note": few}
            continue
        tested = _tested(page_trend(block[whole]), found, series)
        tested["note"] = "; ".join(part for part in (tested["note"], row["note"]) if part)
        yield row | tested


def _head(found: Measured, series: Series, kind: str, at: str) -> Row:
    role = found.plan.role_of(series.endpoint.name, at) if kind == "dose" else "planned"
    return about(series, role) | {"kind": kind, "dose_group": ALL, "at": at}


def _tested(trend: Trend, found: Measured, series: Series) -> Row:
    """Return the test's columns: one-sided where the plan declares a direction."""
    declared = series.endpoint.expected
    p, floor, name = {
        Expected.EITHER: (trend.p, trend.floor, "two-sided"),
        Expected.UP: (trend.p_rising, trend.floor / 2, "rising"),
        Expected.DOWN: (trend.p_falling, trend.floor / 2, "falling"),
    }[declared]
    # Where the other direction could be told as well, none is.
    shift = 0.0 if trend.p >= 1 else trend.statistic - trend.expected
    note = no_p(floor, found.plan.alpha)
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
