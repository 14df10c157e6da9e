"""Tests: families judged together with everything exploratory as one more, and trends over dose and over visits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from immunomon.arrays import Floats
from immunomon.study.model.uses import tube_of
from immunomon.trial.kernels.multiplicity import benjamini_hochberg, max_t
from immunomon.trial.kernels.signflip import sign_flip, sign_flip_floor
from immunomon.trial.kernels.trend import MOST_VISITS, Trend, jonckheere_terpstra, page_trend
from immunomon.trial.model.analysis import Endpoint, Expected, Window
from immunomon.trial.model.tables import FAMILIES, TRENDS, contracted
from immunomon.trial.statistics.facts import ALL
from immunomon.trial.statistics.measured import Measured, Series
from immunomon.trial.statistics.rows import about, members, no_p

__all__ = ["REPEATED", "families", "given_again", "trends"]

REPEATED = "also measured with panel"
Test = tuple[str, str, Floats]  # endpoint, visit, changes (subjects,)


def families(measured: Measured, rng: np.random.Generator) -> pd.DataFrame:
    """Return adjusted p-values in each family, all dose groups together (the FAMILIES contract).

    In declared families Benjamini-Hochberg and max-T, which flips a patient's changes together; what no family of the
    plan holds is one exploratory family, with Benjamini-Hochberg only. Steps on the way (singlets, live) belong to no
    family, nor does what a further strategy gives of the same tubes: it is one measurement. What several panels measure
    alike is noted, as its tests are not independent.
    """
    rows: list[dict[str, Any]] = []
    declared: set[tuple[str, str]] = set()
    for family in measured.plan.all_families:
        tests = list(_tests(measured, [(name, visit) for name in family.endpoints for visit in family.visits]))
        declared |= {(name, visit) for name, visit, _ in tests}
        rows += _rows(measured, family.name, tests, declared=True, rng=rng)
    told_again = {endpoint.name for endpoint in given_again(measured)}
    kept = [
        series.endpoint
        for series in measured.series
        if not _is_technical(measured, series.endpoint) and series.endpoint.name not in told_again
    ]
    remaining = [(endpoint.name, visit) for endpoint in kept for visit in measured.facts.later]
    rest = list(_tests(measured, [test for test in remaining if test not in declared]))
    repeats = _repeats(kept)
    for row in _rows(measured, "exploratory", rest, declared=False, rng=rng):
        notes = (row["note"], repeats.get(row["endpoint"]))
        rows.append({**row, "note": "; ".join(note for note in notes if note) or None})
    return contracted(rows, FAMILIES, measured.plan.digest)


def _is_technical(measured: Measured, endpoint: Endpoint) -> bool:
    return measured.facts.is_technical(endpoint.panel, endpoint.population)


def given_again(measured: Measured) -> tuple[Endpoint, ...]:
    """Return the exploratory endpoints that another strategy gives of the same tubes; planned ones go before them."""
    met: dict[tuple[str, ...], Endpoint] = {}
    again: list[Endpoint] = []
    for series in sorted(measured.series, key=lambda series: not series.declared):
        endpoint = series.endpoint
        tube = "/".join(tube_of(panel) for panel in endpoint.panel.split("/"))
        what = (tube, endpoint.quantity, endpoint.population, endpoint.denominator, endpoint.marker)
        first = met.setdefault(what, endpoint)
        again += [endpoint] if first.panel != endpoint.panel and not series.declared else []
    return tuple(again)


def _repeats(endpoints: Iterable[Endpoint]) -> dict[str, str]:
    """Return a note for each endpoint that other panels measure, too: the same population of the same denominator."""
    alike: dict[tuple[str, ...], list[Endpoint]] = {}
    for endpoint in endpoints:
        quantity = (endpoint.quantity, endpoint.population, endpoint.denominator, endpoint.marker, endpoint.scale.value)
        alike.setdefault(quantity, []).append(endpoint)
    notes: dict[str, str] = {}
    for group in alike.values():
        for endpoint in group:
            panels = sorted({same.panel for same in group} - {endpoint.panel})
            if panels:
                notes[endpoint.name] = f"{REPEATED} {', '.join(panels)}: not an independent test"
    return notes


def _tests(measured: Measured, places: list[tuple[str, str]]) -> Iterator[Test]:
    by_name = {series.endpoint.name: series for series in measured.series}
    for name, visit in places:
        if name in by_name and visit in measured.facts.later:
            yield name, visit, by_name[name].change(measured.baseline)[:, measured.facts.labels.index(visit)]


def _rows(
    measured: Measured, family: str, tests: list[Test], *, declared: bool, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    if not tests:
        return
    known = [changes[np.isfinite(changes)] for _, _, changes in tests]
    results = [sign_flip(x, rng) for x in known]
    possible = np.array([test.floor <= measured.plan.alpha for test in results])
    p = np.where(possible, [test.p for test in results], np.nan)
    adjusted = benjamini_hochberg(p)
    together = np.full(len(tests), np.nan)
    if declared and possible.any():
        matrix = np.column_stack([changes for _, _, changes in tests])[:, possible]
        together[possible] = max_t(matrix[np.isfinite(matrix).any(axis=1)], rng)
    for number, (name, visit, _) in enumerate(tests):
        x = known[number]
        yield {
            "family": family,
            "declared": declared,
            "endpoint": name,
            "visit": visit,
            "tests": int(possible.sum()),
            "n": int(x.size),
            "mean": float(x.mean()) if x.size else float("nan"),
            "p_floor": results[number].floor,
            "p_sign_flip": p[number],
            "p_bh": adjusted[number],
            "p_max_t": together[number],
            "note": no_p(sign_flip_floor(x.size), measured.plan.alpha),
        }


# Trends: over dose between patients (Jonckheere-Terpstra), over visits within patients (Page).

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
    groups = np.array([order.get(group, -1) for group in measured.facts.group_of.values()])
    for index, visit in enumerate(measured.facts.labels):
        if index == measured.baseline:
            continue
        known = np.isfinite(change[:, index]) & (groups >= 0)
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
