"""Each patient's course over a window: rate of change, area under the change, time beyond the reference change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from immunomon.trial.kernels.course import area_under, rate_of_change, time_beyond
from immunomon.trial.model.analysis import Scale, Window
from immunomon.trial.model.statistics import COURSES
from immunomon.trial.statistics.measured import Measured, Series
from immunomon.trial.statistics.patients import reference_of
from immunomon.trial.statistics.rows import about, contracted

__all__ = ["courses"]


def courses(measured: Measured) -> pd.DataFrame:
    """Return every patient's course over every window of the plan, for the endpoints it names (the COURSES contract).

    Days are actual study days where the run has them. A visit without a value is left out, and the line goes from the
    one before it to the one after; a window with fewer than two visits has no course.
    """
    rows = [
        row
        for series in measured.planned
        for window in measured.plan.windows
        for row in _rows(measured, series, window)
    ]
    return contracted(rows, COURSES, measured.plan.digest)


def _rows(measured: Measured, series: Series, window: Window) -> Iterator[dict[str, Any]]:
    labels = measured.facts.between(window.first, window.last)
    places = [measured.facts.labels.index(label) for label in labels]
    change = series.change(measured.baseline)
    limits = np.log(reference_of(measured, series.endpoint.population))
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
            "first_day": round(float(days[known].min())) if known.any() else float("nan"),
            "last_day": round(float(days[known].max())) if known.any() else float("nan"),
            "rate_per_week": rate_of_change(days, values),
            "area_weeks": area,
            "mean_height": height,
            "reason": _reason(series, i, places, measured),
        }
        yield row | _beyond(days, _log_fold(series, i, places, measured.baseline), (float(limits[0]), float(limits[1])))


def _log_fold(series: Series, i: int, places: list[int], baseline: int) -> np.ndarray:
    # The reference change is a fold of the value itself, whatever the scale of the analysis.
    if series.endpoint.scale is Scale.CLR:
        return np.full(len(places), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        fold = np.log(series.value[i, places] / series.value[i, baseline])
    return np.where(np.isfinite(fold), fold, np.nan)


def _beyond(days: np.ndarray, fold: np.ndarray, limits: tuple[float, float]) -> dict[str, float]:
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


def _reason(series: Series, i: int, places: list[int], measured: Measured) -> str:
    base = str(series.reason[i, measured.baseline])
    if base:
        return f"at {measured.facts.baseline}: {base}"
    missing = [(measured.facts.labels[j], str(series.reason[i, j])) for j in places if series.reason[i, j]]
    return "; ".join(f"at {label}: {why}" for label, why in missing)
