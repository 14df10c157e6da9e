"""Within patients: whether immune change and platelets go together, with which lag, and which was first in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from immunomon.arrays import Floats, Mask
from immunomon.trial.kernels.intervals import jackknife_interval
from immunomon.trial.kernels.multiplicity import benjamini_hochberg
from immunomon.trial.kernels.repeated import lag_pairs, repeated_correlation, swapped_courses, swapped_lags
from immunomon.trial.kernels.signflip import sign_flip_floor
from immunomon.trial.mechanism.joined import Joined, head
from immunomon.trial.model.tables import LAGS, ORDER_COUNTS, TIME_ORDER, WITHIN_PATIENTS, contracted
from immunomon.trial.statistics.measured import Series
from immunomon.trial.statistics.patients import reference_of
from immunomon.trial.statistics.rows import no_p, whole_day

__all__ = [
    "FIRST_IMMUNE",
    "FIRST_PLATELETS",
    "LAG_NAMES",
    "Pair",
    "contributors",
    "correlation",
    "lag_difference",
    "lagged",
    "lags",
    "order_counts",
    "patients_interval",
    "time_order",
    "within_patients",
]

Pair = tuple[Floats, Floats]
LAG_NAMES = ("same visit", "immune change first", "platelets first", "difference")
_FEW = "not estimable: too few patients with two or more visits that have both"


def within_patients(joined: Joined, rng: np.random.Generator) -> pd.DataFrame:
    """Return the repeated-measures correlation with the logarithm of the platelets (the WITHIN_PATIENTS contract).

    Two intervals: Bakdash & Marusich's, which takes visits of a patient as independent, and the jackknife's over
    patients. The p is that of own courses among courses swapped between patients.
    """
    rows = [_row(joined, series, rng) for series in joined.looked_at]
    for row, p in zip(rows, benjamini_hochberg([row["p_swapped"] for row in rows]), strict=True):
        row["p_adjusted"] = p
    return contracted(rows, WITHIN_PATIENTS, joined.measured.plan.digest)


def _row(joined: Joined, series: Series, rng: np.random.Generator) -> dict[str, Any]:
    x, y = series.scaled, joined.platelets
    own = repeated_correlation(x, y, joined.confidence)
    low, high = patients_interval(correlation, (x, y), joined.confidence)
    swapped = swapped_courses(x, y, rng)
    few = _FEW if np.isnan(own.r) else ""
    floor_note = no_p(swapped.floor, joined.measured.plan.alpha)
    return {
        **head(series),
        "patients": own.patients,
        "points": own.points,
        "freedom": own.freedom,
        "r": own.r,
        "low": own.low,
        "high": own.high,
        "patient_low": low,
        "patient_high": high,
        "slope": own.slope,
        "r_swapped": swapped.mean,
        "p_floor": swapped.floor,
        "p_swapped": float("nan") if floor_note else swapped.p,
        "note": "; ".join(part for part in (few, floor_note) if part),
    }


def correlation(pair: Pair) -> float:
    """Return the repeated-measures correlation of two grids, (patients, visits)."""
    return repeated_correlation(*pair).r


def lagged(x: Floats, y: Floats) -> dict[str, Pair]:
    """Return what each lag correlates: x and y of one visit, x and the next visit's y, the next visit's x and y.

    x, y: (patients, visits).
    """
    leads, follows = lag_pairs(x, y)
    return {"same visit": (x, y), "immune change first": leads, "platelets first": follows}


def lag_difference(pair: Pair) -> float:
    """Return how much stronger the correlation is with the immune change first: the difference of the two |r|."""
    pairs = lagged(*pair)
    return abs(correlation(pairs["immune change first"])) - abs(correlation(pairs["platelets first"]))


def contributors(pair: Pair, *, lag: bool = False) -> Mask:
    """Return who has two or more points, (patients,): of the same visit, or of pairs of visits one after another."""
    x, y = lagged(*pair)["immune change first"] if lag else pair
    return np.asarray((np.isfinite(x) & np.isfinite(y)).sum(axis=1) > 1)


def patients_interval(estimate: Callable[[Pair], float], pair: Pair, confidence: float) -> tuple[float, float]:
    """Return the jackknife interval of a correlation over patients, on Fisher's scale.

    Patients who have nothing in it are no replicates.
    """
    known = contributors(pair)
    used = (pair[0][known], pair[1][known])
    rest = ~np.eye(int(known.sum()), dtype=np.bool_)
    without = np.array([estimate((used[0][kept], used[1][kept])) for kept in rest], dtype=np.float64)
    scaled = np.arctanh(np.clip(np.append(without, estimate(used)), -1 + 1e-12, 1 - 1e-12))
    low, high = jackknife_interval(float(scaled[-1]), scaled[:-1], confidence)
    return float(np.tanh(low)), float(np.tanh(high))


def lags(joined: Joined, rng: np.random.Generator) -> pd.DataFrame:
    """Return the correlation within patients with one visit's lag, both ways side by side (the LAGS contract).

    Whether one way is stronger is asked of courses swapped between patients: an interval from leaving patients out
    excluded a true 0 in 26 of 200 simulated trials of nine, so there is none.
    """
    rows = (row for series in joined.looked_at for row in _lag_rows(joined, series, rng))
    return contracted(rows, LAGS, joined.measured.plan.digest)


def _lag_rows(joined: Joined, series: Series, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    pair = (series.scaled, joined.platelets)
    pairs = lagged(*pair)
    weeks = np.diff(series.day, axis=1)[np.isfinite(pairs["immune change first"][0])] / 7
    between = {"fewest_weeks": weeks.min(), "most_weeks": weeks.max()} if weeks.size else {}
    for lag in LAG_NAMES:
        shown = pairs.get(lag, pairs["immune change first"])
        estimate = repeated_correlation(*shown)
        row = {**head(series), "lag": lag, "patients": estimate.patients, "points": estimate.points}
        if lag != "same visit":
            row |= between
        if lag == "difference":
            yield row | _difference(joined, pair, rng)
            continue
        low, high = patients_interval(correlation, shown, joined.confidence)
        yield row | {"r": estimate.r, "low": low, "high": high, "note": _FEW if np.isnan(estimate.r) else ""}


def _difference(joined: Joined, pair: Pair, rng: np.random.Generator) -> dict[str, Any]:
    difference, swapped = lag_difference(pair), swapped_lags(*pair, rng)
    if np.isnan(difference):
        return {"r": difference, "note": _FEW}
    note = no_p(swapped.floor, joined.measured.plan.alpha)
    return {
        "r": difference,
        "p_floor": swapped.floor,
        "p_swapped": float("nan") if note else swapped.p,
        "note": note,
    }


# Which was first in each patient: an immune change beyond the reference change, or the platelet response.

FIRST_IMMUNE, FIRST_PLATELETS, CANNOT_TELL = "immune change first", "platelets first", "cannot tell"
RESPONSE_ONLY, IMMUNE_ONLY, NEITHER = "response only", "immune change only", "neither"
NOT_EVALUABLE = "not evaluable"


def time_order(joined: Joined) -> pd.DataFrame:
    """Return, patient by patient, between which days either came, and which was first (the TIME_ORDER contract).

    Both are seen only when someone looks: a change came between two visits, a response between two counts. Where
    these stretches overlap, the order cannot be told.
    """
    rows = (row for series in joined.looked_at for row in _order_rows(joined, series))
    return contracted(rows, TIME_ORDER, joined.measured.plan.digest)


def _order_rows(joined: Joined, series: Series) -> Iterator[dict[str, Any]]:
    for i, (subject, group) in enumerate(joined.measured.facts.group_of.items()):
        crossing = _crossing(joined, series, i)
        response = joined.response[i]
        responder = joined.responder[i]
        row: dict[str, Any] = {**head(series), "subject": subject, "dose_group": group, **crossing}
        if np.isfinite(responder):
            row["responder"] = bool(responder)
        if np.isfinite(response).all():
            row |= {"response_after_day": int(response[0]), "response_day": int(response[1])}
        yield row | {"which_first": _order(row, series, i, joined)}


def _crossing(joined: Joined, series: Series, i: int) -> dict[str, Any]:
    """Return the first visit beyond the reference change, and between which days the change came."""
    base = joined.measured.baseline
    low, high = reference_of(joined.measured, series.endpoint)
    previous = base
    for j in range(base + 1, len(joined.measured.facts.labels)):
        with np.errstate(divide="ignore", invalid="ignore"):
            fold = series.value[i, j] / series.value[i, base]
        if not np.isfinite(fold):
            continue
        if fold > high or fold < low:
            return {
                "visit": joined.measured.facts.labels[j],
                "direction": "above" if fold > high else "below",
                "immune_after_day": whole_day(series.day[i, previous]),
                "immune_day": whole_day(series.day[i, j]),
            }
        previous = j
    return {}


def _order(row: dict[str, Any], series: Series, i: int, joined: Joined) -> str:
    base = joined.measured.baseline
    has_change = np.isfinite(series.change(base)[i, base + 1 :]).any()
    if "responder" not in row or not has_change:
        return NOT_EVALUABLE
    beyond, responded = "immune_day" in row, "response_day" in row
    if not (beyond and responded):
        return IMMUNE_ONLY if beyond else RESPONSE_ONLY if responded else NEITHER
    if row["immune_day"] <= row["response_after_day"]:
        return FIRST_IMMUNE
    return FIRST_PLATELETS if row["response_day"] <= row["immune_after_day"] else CANNOT_TELL


def order_counts(joined: Joined, orders: pd.DataFrame) -> pd.DataFrame:
    """Return how many patients had which first (the ORDER_COUNTS contract); orders: as ``time_order`` returns them.

    The sign test is over patients whose order can be told; Fisher 1935.
    """
    rows = (_counts(joined, series, orders) for series in joined.looked_at)
    return contracted(rows, ORDER_COUNTS, joined.measured.plan.digest)


def _counts(joined: Joined, series: Series, orders: pd.DataFrame) -> dict[str, Any]:
    from scipy.special import bdtr

    mine = orders[(orders["endpoint"] == series.endpoint.name) & (orders["which_first"] != NOT_EVALUABLE)]
    responded = mine["responder"].fillna(False).astype(bool)
    tally = mine.loc[responded, "which_first"].value_counts()
    immune, platelets = int(tally.get(FIRST_IMMUNE, 0)), int(tally.get(FIRST_PLATELETS, 0))
    decided = immune + platelets
    floor = sign_flip_floor(decided)
    note = no_p(floor, joined.measured.plan.alpha) if decided else "no p: no order can be told"
    return {
        **head(series),
        "responders": int(responded.sum()),
        "immune_first": immune,
        "platelets_first": platelets,
        "cannot_tell": int(tally.get(CANNOT_TELL, 0)),
        "response_only": int(tally.get(RESPONSE_ONLY, 0)),
        "others": int((~responded).sum()),
        "others_beyond": int((mine.loc[~responded, "which_first"] == IMMUNE_ONLY).sum()),
        "p_floor": floor if decided else float("nan"),
        "p": float("nan") if note else min(1.0, 2 * float(bdtr(min(immune, platelets), decided, 0.5))),
        "note": note,
    }
