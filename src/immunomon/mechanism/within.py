"""Within the same patients, visit by visit: whether immune change and platelets go together, and which goes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunomon.kernels.jackknife import jackknife_interval
from immunomon.kernels.repeated import repeated_correlation, swapped_courses
from immunomon.mechanism.joined import Joined
from immunomon.mechanism.rows import head
from immunomon.model.mechanism import LAGS, WITHIN_PATIENTS
from immunomon.statistics.measured import Series
from immunomon.statistics.rows import contracted, no_p

__all__ = [
    "LAG_NAMES",
    "NARROW",
    "Pair",
    "contributors",
    "correlation",
    "lag_difference",
    "lagged",
    "lags",
    "patients_interval",
    "within_patients",
]

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]
LAG_NAMES = ("same visit", "immune change first", "platelets first", "difference")
NARROW = "interval too narrow with few patients: a hint"
"""What is said of the interval of a difference of lags wherever it stands; how much too narrow: docs/validation.md."""
_FEW = "not estimable: too few patients with two or more visits that have both"


def within_patients(joined: Joined, rng: np.random.Generator) -> pd.DataFrame:
    """Return the repeated-measures correlation with the logarithm of the platelets (the WITHIN_PATIENTS contract).

    Two intervals: Bakdash & Marusich's, which takes visits of a patient as independent, and the jackknife's over
    patients. The p is that of own courses among courses swapped between patients.
    """
    rows = (_row(joined, series, rng) for series in joined.looked_at)
    return contracted(rows, WITHIN_PATIENTS, joined.measured.plan.digest)


def _row(joined: Joined, series: Series, rng: np.random.Generator) -> dict[str, Any]:
    x, y = series.scaled, joined.platelets
    found = repeated_correlation(x, y, joined.confidence)
    low, high = patients_interval(correlation, (x, y), joined.confidence)
    swapped = swapped_courses(x, y, rng)
    few = _FEW if np.isnan(found.r) else ""
    floor_note = no_p(swapped.floor, joined.measured.plan.alpha)
    return {
        **head(series),
        "patients": found.patients,
        "points": found.points,
        "freedom": found.freedom,
        "r": found.r,
        "low": found.low,
        "high": found.high,
        "patient_low": low,
        "patient_high": high,
        "slope": found.slope,
        "r_swapped": swapped.mean,
        "p_floor": swapped.floor,
        "p_swapped": float("nan") if floor_note else swapped.p,
        "note": "; ".join(part for part in (few, floor_note) if part),
    }


def correlation(pair: Pair) -> float:
    """Return the repeated-measures correlation of two grids, (patients, visits)."""
    return repeated_correlation(*pair).r


def lagged(x: Floats, y: Floats) -> dict[str, Pair]:
    """Return what each lag correlates: x at a visit with y at the next one, and the other way round.

    x, y: (patients, visits). Both lags rest on the same pairs of visits: those with all four values.

    >>> one = np.array([[0.0, 1.0, np.nan, 2.0]])
    >>> first, second = lagged(one, one)["immune change first"]
    >>> first.tolist(), second.tolist()
    ([[0.0, nan, nan]], [[1.0, nan, nan]])
    """
    whole = np.isfinite(x) & np.isfinite(y)
    both = whole[:, :-1] & whole[:, 1:]
    early = [np.where(both, one[:, :-1], np.nan) for one in (x, y)]
    late = [np.where(both, one[:, 1:], np.nan) for one in (x, y)]
    return {
        "same visit": (x, y),
        "immune change first": (early[0], late[1]),
        "platelets first": (late[0], early[1]),
    }


def lag_difference(pair: Pair) -> float:
    """Return r with the immune change first minus r with the platelets first."""
    pairs = lagged(*pair)
    return correlation(pairs["immune change first"]) - correlation(pairs["platelets first"])


def contributors(pair: Pair, *, lag: bool = False) -> NDArray[np.bool_]:
    """Return who has two or more points, (patients,): of the same visit, or of pairs of visits one after another."""
    x, y = lagged(*pair)["immune change first"] if lag else pair
    return np.asarray((np.isfinite(x) & np.isfinite(y)).sum(axis=1) > 1)


def patients_interval(
    estimate: Callable[[Pair], float], pair: Pair, confidence: float, *, lag: bool = False
) -> tuple[float, float]:
    """Return the jackknife interval of an estimate over patients; of a correlation on Fisher's scale.

    Patients who have nothing in it are no replicates. lag: the estimate is the difference of two lags.
    """
    known = contributors(pair, lag=lag)
    used = (pair[0][known], pair[1][known])
    rest = ~np.eye(int(known.sum()), dtype=np.bool_)
    without = np.array([estimate((used[0][one], used[1][one])) for one in rest], dtype=np.float64)
    whole = estimate(used)
    if lag:
        return jackknife_interval(whole, without, confidence)
    scaled = np.arctanh(np.clip(np.append(without, whole), -1 + 1e-12, 1 - 1e-12))
    low, high = jackknife_interval(float(scaled[-1]), scaled[:-1], confidence)
    return float(np.tanh(low)), float(np.tanh(high))


def lags(joined: Joined) -> pd.DataFrame:
    """Return the correlation within patients with one visit's lag, both ways side by side (the LAGS contract)."""
    rows = (row for series in joined.looked_at for row in _lag_rows(joined, series))
    return contracted(rows, LAGS, joined.measured.plan.digest)


def _lag_rows(joined: Joined, series: Series) -> Iterator[dict[str, Any]]:
    pair = (series.scaled, joined.platelets)
    pairs = lagged(*pair)
    weeks = np.diff(series.day, axis=1)[np.isfinite(pairs["immune change first"][0])] / 7
    between = {"fewest_weeks": weeks.min(), "most_weeks": weeks.max()} if weeks.size else {}
    for lag in LAG_NAMES:
        shown = pairs.get(lag, pairs["immune change first"])
        found = repeated_correlation(*shown)
        row = {**head(series), "lag": lag, "patients": found.patients, "points": found.points}
        if lag != "same visit":
            row |= between
        if lag == "difference":
            r = lag_difference(pair)
            low, high = patients_interval(lag_difference, pair, joined.confidence, lag=True)
        else:
            r = found.r
            low, high = patients_interval(correlation, shown, joined.confidence)
        narrow = NARROW if lag == "difference" and np.isfinite(low) else ""
        yield row | {"r": r, "low": low, "high": high, "note": _FEW if np.isnan(r) else narrow}
