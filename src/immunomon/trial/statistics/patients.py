"""Each patient: the change with its interval beside what assay and person vary, and the course over a window."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from immunomon.arrays import Floats
from immunomon.trial.kernels.course import area_under, rate_of_change, time_beyond
from immunomon.trial.kernels.intervals import reference_change
from immunomon.trial.model.analysis import AssayVariation, Endpoint, Scale, Window
from immunomon.trial.model.tables import COURSES, PATIENT_CHANGES, contracted
from immunomon.trial.statistics.measured import Measured, Series
from immunomon.trial.statistics.rows import about, whole_day

__all__ = ["courses", "error_parts", "patient_changes", "reference_of"]

_NO_DAY = "no study day is known: the visit has no planned day, or the subject no infusion date"


def patient_changes(measured: Measured) -> pd.DataFrame:
    """Return every patient's change at every visit after baseline (the PATIENT_CHANGES contract).

    The interval covers counting error, the assay's variation as declared, and the gates' error where the run has it:
    what it covers stands in its row. It says how well this patient's change is known, nothing about other patients.
    """
    rows = [row for series in measured.series for row in _rows(measured, series)]
    return contracted(rows, PATIENT_CHANGES, measured.plan.digest)


def reference_of(measured: Measured, endpoint: Endpoint) -> tuple[float, float]:
    """Return the folds beyond which a value has changed more than assay and person vary.

    The two populations of a ratio are taken to vary independently.
    """
    confidence = 1 - measured.plan.alpha
    folds = [
        reference_change(figures.assay_cv_percent / 100, figures.person_cv_percent / 100, confidence)
        for figures in _variation(measured, endpoint)
    ]
    low, high = folds[0]
    if len(folds) > 1:
        half = np.hypot(*(np.log(above) for _, above in folds))
        low, high = np.exp(-half), np.exp(half)
    return float(low), float(high)


def _variation(measured: Measured, endpoint: Endpoint) -> list[AssayVariation]:
    """Return how much assay and person vary, of each population that an endpoint is made of."""
    of_ratio = (ratio for ratio in measured.facts.ratios if ratio.population == endpoint.population)
    ratio = next(of_ratio, None) if endpoint.quantity == "ratio" else None
    names = (ratio.upper.population, ratio.lower.population) if ratio else (endpoint.population,)
    return [measured.plan.assay.of(name) for name in names]


def error_parts(measured: Measured, series: Series) -> dict[str, Floats]:
    """Return the standard errors of the change on the scale, (subjects, visits): counting, gate and assay."""
    of_value = {
        "counting": series.variance,
        "gate": _gate(series) ** 2,
        "assay": _assay(measured, series) ** 2,
    }
    base = measured.baseline
    return {name: np.sqrt(variance + variance[:, [base]]) for name, variance in of_value.items()}


def _gate(series: Series) -> Floats:
    if series.endpoint.quantity != "percent" or series.endpoint.scale is Scale.CLR:
        return np.full(series.scaled.shape, np.nan)
    if series.endpoint.scale is Scale.LOG:  # d log(p) = (1 - p) d logit(p)
        return np.asarray(series.gate_se * (1 - series.value / 100), dtype=np.float64)
    return series.gate_se


def _assay(measured: Measured, series: Series) -> Floats:
    cvs = np.array([figures.assay_cv_percent / 100 for figures in _variation(measured, series.endpoint)])
    sd = np.where(np.isfinite(series.scaled), np.sqrt(np.log1p(cvs**2).sum()), np.nan)
    if series.endpoint.scale is Scale.LOG_ODDS:  # a relative error of p is 1 / (1 - p) times as large in log-odds
        odds = np.exp(series.scaled)
        return np.asarray(sd * (1 + odds), dtype=np.float64)
    return np.asarray(sd, dtype=np.float64)


def _rows(measured: Measured, series: Series) -> Iterator[dict[str, Any]]:
    change = series.change(measured.baseline)
    parts = error_parts(measured, series)
    z = NormalDist().inv_cdf(1 - measured.plan.alpha / 2)
    low_fold, high_fold = reference_of(measured, series.endpoint)
    for i, (subject, group) in enumerate(measured.facts.group_of.items()):
        for j, visit in enumerate(measured.facts.labels):
            if j == measured.baseline:
                continue
            errors = {name: float(values[i, j]) for name, values in parts.items()}
            known = {name: se for name, se in errors.items() if np.isfinite(se)}
            half = z * sum(se**2 for se in known.values()) ** 0.5 if known else float("nan")
            fold = _fold(series, i, j, measured.baseline)
            yield {
                **about(series, measured.plan.role_of(series.endpoint.name, visit)),
                "subject": subject,
                "dose_group": group,
                "visit": visit,
                "day": whole_day(series.day[i, j]),
                "baseline": series.value[i, measured.baseline],
                "value": series.value[i, j],
                "fold": fold,
                "change": change[i, j],
                **{f"se_{name}": se for name, se in errors.items()},
                "low": change[i, j] - half,
                "high": change[i, j] + half,
                "covers": " + ".join(known) if np.isfinite(change[i, j]) else "",
                "reference_low": low_fold,
                "reference_high": high_fold,
                "beyond_reference": _beyond(fold, low_fold, high_fold),
                "reason": _reason(series, i, j, measured),
            }


def _fold(series: Series, i: int, j: int, baseline: int) -> float:
    before, now = float(series.value[i, baseline]), float(series.value[i, j])
    return now / before if before > 0 else float("nan")


def _beyond(fold: float, low: float, high: float) -> str:
    if np.isnan(fold):
        return ""
    return "above" if fold > high else "below" if fold < low else "within"


def _reason(series: Series, i: int, j: int, measured: Measured) -> str:
    own, base = str(series.reason[i, j]), str(series.reason[i, measured.baseline])
    return own or (f"at {measured.facts.baseline}: {base}" if base else "")


# Each patient's course over a window: rate of change, area under the change, time beyond the reference change.


def courses(measured: Measured) -> pd.DataFrame:
    """Return every patient's course over every window of the plan, for the endpoints it names (the COURSES contract).

    Days are actual study days where the run has them. A visit without a value is left out, and the line goes from the
    one before it to the one after; a window with fewer than two visits has no course.
    """
    rows = [
        row
        for series in measured.planned
        for window in measured.plan.windows
        for row in _course_rows(measured, series, window)
    ]
    return contracted(rows, COURSES, measured.plan.digest)


def _course_rows(measured: Measured, series: Series, window: Window) -> Iterator[dict[str, Any]]:
    labels = measured.facts.between(window.first, window.last)
    places = [measured.facts.labels.index(label) for label in labels]
    change = series.change(measured.baseline)
    limits = np.log(reference_of(measured, series.endpoint))
    for i, (subject, group) in enumerate(measured.facts.group_of.items()):
        days, values = series.day[i, places], change[i, places]
        known = np.isfinite(values)
        area, height = area_under(days, values)
        row: dict[str, Any] = {
            **about(series, measured.plan.role_of(series.endpoint.name, window.last)),
            "subject": subject,
            "dose_group": group,
            "window": window.name,
            "visits": int(known.sum()),
            "first_day": whole_day(days[known].min()) if known.any() else float("nan"),
            "last_day": whole_day(days[known].max()) if known.any() else float("nan"),
            "rate_per_week": rate_of_change(days, values),
            "area_weeks": area,
            "mean_height": height,
            "reason": _course_reason(series, i, places, measured),
        }
        yield row | _time_beyond(
            days, _log_fold(series, i, places, measured.baseline), (float(limits[0]), float(limits[1]))
        )


def _log_fold(series: Series, i: int, places: list[int], baseline: int) -> np.ndarray:
    # The reference change is a fold of the value itself, whatever the scale of the analysis.
    if series.endpoint.scale is Scale.CLR:
        return np.full(len(places), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        fold = np.log(series.value[i, places] / series.value[i, baseline])
    return np.where(np.isfinite(fold), fold, np.nan)


def _time_beyond(days: np.ndarray, fold: np.ndarray, limits: tuple[float, float]) -> dict[str, float]:
    above, below = time_beyond(days, fold, limits[1]), time_beyond(days, -fold, -limits[0])
    there = days[np.isfinite(fold)]
    length = float(there.max() - there.min()) if there.size > 1 else float("nan")
    share = 100 / length if length > 0 else float("nan")
    return {
        "days_above": above,
        "days_below": below,
        "percent_above": above * share,
        "percent_below": below * share,
    }


def _course_reason(series: Series, i: int, places: list[int], measured: Measured) -> str:
    base = str(series.reason[i, measured.baseline])
    if base:
        return f"at {measured.facts.baseline}: {base}"
    missing = [(measured.facts.labels[j], str(series.reason[i, j])) for j in places if series.reason[i, j]]
    missing += [(measured.facts.labels[j], _NO_DAY) for j in places if not np.isfinite(series.day[i, j])]
    return "; ".join(f"at {label}: {why}" for label, why in missing)
