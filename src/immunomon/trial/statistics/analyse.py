"""The whole analysis of a run: every table in the order in which one rests on the other, estimates first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunomon.arrays import Floats
from immunomon.trial.kernels.hodges_lehmann import hodges_lehmann
from immunomon.trial.kernels.moderated import Moderated, moderated_t
from immunomon.trial.kernels.signflip import sign_flip, sign_flip_floor
from immunomon.trial.kernels.student import mean_change
from immunomon.trial.model.analysis import LABORATORY, AnalysisPlan, Scale
from immunomon.trial.model.tables import ESTIMATES, MISSING, contracted
from immunomon.trial.statistics.facts import Facts
from immunomon.trial.statistics.measured import Measured, Series, measure
from immunomon.trial.statistics.over_time import over_time
from immunomon.trial.statistics.patients import courses, patient_changes
from immunomon.trial.statistics.rows import about, as_json, members, no_p
from immunomon.trial.statistics.testing import families, trends

__all__ = ["Analysis", "analyse", "estimates", "missing"]

# Each dose group and all together: values, mean, median, intervals and tests, and what the missing could change.

_COURSE_MEASURES = ("rate_per_week", "mean_height")


@dataclass(frozen=True, eq=False)
class _Column:
    """One measure of one endpoint, (subjects,), and where it is: a visit or a window."""

    series: Series
    measure: str
    visit_or_window: str
    numbers: Floats
    role: str


def estimates(measured: Measured, courses: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return estimates, intervals and tests of every endpoint (the ESTIMATES contract).

    courses: the COURSES contract; its rates and mean heights are summarised too, for the endpoints of the plan. Where
    the sign-flip test of so few patients cannot reach alpha, its floor stands in place of every p.
    """
    columns = [*_changes(measured), *_of_courses(measured, courses)]
    rows: list[dict[str, Any]] = []
    for group in measured.facts.groups:
        indices = members(measured, group)
        borrowed = _moderated(columns, indices, measured.plan.alpha)
        rows += [
            _row(measured, column, group, indices, rng=rng) | borrowed[number] for number, column in enumerate(columns)
        ]
    for row in rows:
        if row["note"].startswith("no p"):
            row |= {"p_sign_flip": np.nan, "p_t": np.nan, "p_moderated": np.nan}
    return contracted(rows, ESTIMATES, measured.plan.digest)


def _changes(measured: Measured) -> Iterator[_Column]:
    for series in measured.series:
        change = series.change(measured.baseline)
        for index, visit in enumerate(measured.facts.labels):
            if index != measured.baseline:
                role = measured.plan.role_of(series.endpoint.name, visit)
                yield _Column(series, "change", visit, change[:, index], role)


def _of_courses(measured: Measured, courses: pd.DataFrame) -> Iterator[_Column]:
    index = {name: number for number, name in enumerate(measured.facts.group_of)}
    for (endpoint, window), rows in courses.groupby(["endpoint", "window"], sort=False):
        series = measured.of(str(endpoint))
        if series is None:
            continue
        for name in _COURSE_MEASURES:
            values = np.full(len(index), np.nan)
            values[[index[str(s)] for s in rows["subject"]]] = rows[name].to_numpy(dtype=float, na_value=np.nan)
            yield _Column(series, name, str(window), values, "planned")


def _row(
    measured: Measured, column: _Column, group: str, indices: NDArray[np.intp], *, rng: np.random.Generator
) -> dict[str, Any]:
    alpha = measured.plan.alpha
    values = column.numbers[indices]
    known = np.isfinite(values)
    x = values[known]
    subjects = [name for name, there in zip(measured.facts.groups[group], known, strict=True) if there]
    row = {
        **about(column.series, column.role),
        "dose_group": group,
        "measure": column.measure,
        "at": column.visit_or_window,
        "n": int(x.size),
        "subjects": as_json(subjects, x),
        "p_floor": sign_flip_floor(x.size),
        "note": no_p(sign_flip_floor(x.size), alpha) if x.size else "nobody has a value",
    }
    if not x.size:
        return row
    mean = mean_change(x, 1 - alpha)
    typical = hodges_lehmann(x, 1 - alpha)
    test = sign_flip(x, rng)
    return row | {
        "mean": mean.mean,
        "median": float(np.median(x)),
        "sd": mean.sd,
        "t_low": mean.low,
        "t_high": mean.high,
        "hl_estimate": typical.estimate,
        "hl_low": typical.low,
        "hl_high": typical.high,
        "hl_confidence": typical.confidence,
        "p_floor": test.floor,
        "p_sign_flip": test.p,
        "p_t": mean.p,
    }


def _lenders(columns: list[_Column]) -> list[int]:
    """Return the places of the columns that hold a population as percent of its parent: each population once."""
    return [
        index
        for index, column in enumerate(columns)
        if column.series.endpoint.scale is Scale.LOG_ODDS and column.series.is_parent
    ]


def _moderated(columns: list[_Column], indices: NDArray[np.intp], alpha: float) -> list[dict[str, Any]]:
    """Return each column's moderated interval and p; variances lend within a measure, visit and scale."""
    out: list[dict[str, Any]] = [{} for _ in columns]
    sets: dict[tuple[str, str, str, bool, bool], list[int]] = {}
    for index, column in enumerate(columns):
        endpoint = column.series.endpoint
        # What a serum holds varies by another assay than cells do: the two lend each other nothing.
        of_serum = endpoint.quantity == LABORATORY
        key = (column.measure, column.visit_or_window, endpoint.scale.value, column.series.declared, of_serum)
        sets.setdefault(key, []).append(index)
    for places in sets.values():
        matrix = np.column_stack([columns[index].numbers[indices] for index in places])
        lenders = _lenders([columns[index] for index in places])
        # The plan's endpoints lend to each other; of the rest, which overlap, each population counts once.
        own = columns[places[0]].series.declared or len(lenders) < 3
        prior = None if own else moderated_t(matrix[:, lenders]).prior
        test = moderated_t(matrix, prior)
        for number, index in enumerate(places):
            out[index] = _moderated_row(test, number, alpha)
    return out


def _moderated_row(test: Moderated, index: int, alpha: float) -> dict[str, Any]:
    from scipy.special import stdtrit

    mean, error, freedom = (float(v[index]) for v in (test.mean, test.standard_error, test.freedom))
    half = float(stdtrit(freedom, 1 - alpha / 2)) * error if np.isfinite(freedom) else float("nan")
    return {
        "moderated_low": mean - half,
        "moderated_high": mean + half,
        "moderated_freedom": freedom,
        "p_moderated": float(test.p[index]),
    }


# What the missing could change: the mean of all patients under extremes that the data allow.


def missing(measured: Measured) -> pd.DataFrame:
    """Return what the missing could change, for the plan's endpoints at each visit (the MISSING contract).

    Nothing is imputed anywhere else: a missing visit stays missing. Here the mean of all patients is worked out as if
    the missing had not changed, had changed like the lowest or the highest observed, and what they would need to have
    changed for the mean to be 0. Values below the limits of what is reported are used in the last two columns.
    """
    rows = [
        row
        for series in measured.planned
        for visit in measured.facts.later
        for row in _missing_rows(measured, series, visit)
    ]
    return contracted(rows, MISSING, measured.plan.digest)


def _missing_rows(measured: Measured, series: Series, visit: str) -> Iterator[dict[str, Any]]:
    index = measured.facts.labels.index(visit)
    change = series.change(measured.baseline)[:, index]
    counted = series.with_counts[:, index] - series.with_counts[:, measured.baseline]
    for group, names in measured.facts.groups.items():
        indices = members(measured, group)
        x = change[indices]
        known = np.isfinite(x)
        row: dict[str, Any] = about(series, measured.plan.role_of(series.endpoint.name, visit)) | {
            "visit": visit,
            "dose_group": group,
            "patients": len(names),
            "n": int(known.sum()),
            "missing": "; ".join(
                _why(measured, series, i, index) for i, there in zip(indices, known, strict=True) if not there
            ),
        }
        with_counts = counted[indices][np.isfinite(counted[indices])]
        row |= {"n_with_counts": int(with_counts.size), "mean_with_counts": _mean(with_counts)}
        yield row | _extremes(x[known], int((~known).sum()))


def _why(measured: Measured, series: Series, i: int, index: int) -> str:
    name = tuple(measured.facts.group_of)[i]
    own, base = str(series.reason[i, index]), str(series.reason[i, measured.baseline])
    return f"{name}: {own or measured.facts.baseline + ': ' + base}"


def _mean(x: np.ndarray) -> float:
    return float(x.mean()) if x.size else float("nan")


def _extremes(x: np.ndarray, lacking: int) -> dict[str, float]:
    if not x.size:
        return {}
    total, patients = float(x.sum()), x.size + lacking
    return {
        "mean": total / x.size,
        "mean_if_none": total / patients,
        "mean_if_lowest": (total + lacking * float(x.min())) / patients,
        "mean_if_highest": (total + lacking * float(x.max())) / patients,
        "turns": -total / lacking if lacking else float("nan"),
    }


Progress = Callable[[str, int, int, int], None]


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was measured, and the tables by name (the contracts of ``immunomon.trial.model.tables``)."""

    measured: Measured
    tables: Mapping[str, pd.DataFrame]


def analyse(
    tables: Mapping[str, pd.DataFrame],
    facts: Facts,
    plan: AnalysisPlan,
    *,
    seed: int = 1,
    models: bool = True,
    progress: Progress | None = None,
) -> Analysis:
    """Return everything ``immunomon compare`` writes.

    tables: of a run: changes, and where there are frequencies and medians. seed: for tests of so many patients that
    not every arrangement can be counted; models: whether the models over time are fitted too, which takes longest.
    """
    report = progress or (lambda *_: None)
    rng = np.random.default_rng(seed)
    measured = measure(tables, facts, plan)
    out = {"patient_changes": patient_changes(measured), "courses": courses(measured)}
    report("statistics", 2, 7, 0)
    out["estimates"] = estimates(measured, out["courses"], rng)
    report("statistics", 3, 7, 0)
    out["trends"] = trends(measured, rng)
    out["families"] = families(measured, rng)
    out["missing"] = missing(measured)
    report("statistics", 6, 7, 0)
    if models:
        out["over_time"] = over_time(measured)
    report("statistics", 7, 7, 0)
    return Analysis(measured, out)
