"""The whole search for a mechanism in a run: every table, from the same patients in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from immunomon.arrays import Floats, Mask
from immunomon.trial.kernels.path import path_steps
from immunomon.trial.kernels.student import mean_change
from immunomon.trial.kernels.two_groups import welch_interval
from immunomon.trial.mechanism.balance import balance
from immunomon.trial.mechanism.between import PATHS, along, by_response, path
from immunomon.trial.mechanism.joined import Joined, head, join
from immunomon.trial.mechanism.within import (
    Pair,
    contributors,
    correlation,
    lag_difference,
    lags,
    order_counts,
    patients_interval,
    time_order,
    within_patients,
)
from immunomon.trial.model.analysis import AnalysisPlan
from immunomon.trial.model.tables import LEAVE_ONE_OUT, contracted
from immunomon.trial.statistics.facts import Facts
from immunomon.trial.statistics.measured import Series
from immunomon.trial.statistics.rows import as_json

__all__ = ["ALL_VISITS", "NEEDED", "Mechanism", "leave_one_out", "mechanism"]

# Every headline without each patient: how far it hangs on one of them, and on whom.

Found = tuple[float, float, float]  # estimate, and the ends of its interval
ALL_VISITS = "all visits"


@dataclass(frozen=True, eq=False)
class _Headline:
    """What is estimated, where, in whom (subjects,), and how it is worked out for some of them."""

    name: str
    series: Series
    visit: str
    whose: Mask
    of: Callable[[Mask], Found]


def leave_one_out(joined: Joined, seed: int) -> pd.DataFrame:
    """Return every headline with all patients and without each (the LEAVE_ONE_OUT contract)."""
    rows = (_row(joined, headline) for series in joined.looked_at for headline in _headlines(joined, series, seed))
    return contracted(rows, LEAVE_ONE_OUT, joined.measured.plan.digest)


def _headlines(joined: Joined, series: Series, seed: int) -> Iterator[_Headline]:
    for visit in joined.visits:
        change = joined.change(series, visit)
        known = np.isfinite(change)
        yield _Headline("mean change", series, visit, known, partial(_mean, change, joined.confidence))
        judged = known & np.isfinite(joined.responder)
        apart = partial(_difference, change, joined.responder == 1, confidence=joined.confidence)
        yield _Headline("difference by response", series, visit, judged, apart)
    pair = (series.scaled, joined.platelets)
    within = partial(_within, pair, joined.confidence)
    yield _Headline("r within patients", series, ALL_VISITS, contributors(pair), within)
    yield _Headline("difference of lags", series, ALL_VISITS, contributors(pair, lag=True), partial(_lag, pair))
    for name in PATHS:
        for visit in joined.visits:
            columns, known = along(joined, name, series, visit=visit)
            spread = np.full((known.size, columns.shape[1]), np.nan)
            spread[known] = columns
            product = partial(_product, spread, joined.confidence, seed=seed)
            yield _Headline(f"product, path {name}", series, visit, known, product)


def _mean(change: Floats, confidence: float, kept: Mask) -> Found:
    mean = mean_change(change[kept], confidence)
    return mean.mean, mean.low, mean.high


def _difference(change: Floats, responded: Mask, kept: Mask, *, confidence: float) -> Found:
    first, second = change[kept & responded], change[kept & ~responded]
    if not first.size or not second.size:
        return float("nan"), float("nan"), float("nan")
    return float(first.mean() - second.mean()), *welch_interval(first, second, confidence)


def _within(pair: Pair, confidence: float, kept: Mask) -> Found:
    kept_pair = (pair[0][kept], pair[1][kept])
    return correlation(kept_pair), *patients_interval(correlation, kept_pair, confidence)


def _lag(pair: Pair, kept: Mask) -> Found:
    return lag_difference((pair[0][kept], pair[1][kept])), float("nan"), float("nan")


def _product(columns: Floats, confidence: float, kept: Mask, *, seed: int) -> Found:
    # The same draws for every patient left out, so that only the patient makes a difference.
    path = path_steps(columns[kept], np.random.default_rng([seed, 5]), confidence)
    return path.product, path.product_low, path.product_high


def _row(joined: Joined, headline: _Headline) -> dict[str, Any]:
    names = np.array(joined.subjects, dtype=object)
    places = np.flatnonzero(headline.whose)
    estimate, low, high = headline.of(headline.whose)
    row = {
        **head(headline.series),
        "headline": headline.name,
        "at": headline.visit,
        "n": places.size,
        "estimate": estimate,
    }
    if not np.isfinite(estimate):
        return row | {"note": "not estimable: too few patients"}
    rest = [headline.of(headline.whose & (np.arange(names.size) != left_out)) for left_out in places]
    without = np.array([interval[0] for interval in rest])
    known = np.isfinite(without)
    lost = " ".join(names[places[~known]])
    row |= {
        "excludes_0": _excludes(low, high),
        "without": as_json(names[places[known]], without[known]),
        "note": f"not estimable without: {lost}" if lost else "",
    }
    if not known.any():
        return row
    subjects, left = names[places[known]], without[known]
    moves = int(np.abs(left - estimate).argmax())
    return row | {
        "lowest": left.min(),
        "lowest_without": subjects[int(left.argmin())],
        "highest": left.max(),
        "highest_without": subjects[int(left.argmax())],
        "moves_most": subjects[moves],
        "moved_by": left[moves] - estimate,
        "keeps_sign": bool(known.all() and (np.sign(left) == np.sign(estimate)).all()),
        "excludes_0_without": sum(bool(_excludes(*interval[1:])) for interval in rest),
    }


def _excludes(low: float, high: float) -> bool | None:
    return None if np.isnan(low) or np.isnan(high) else bool(low > 0 or high < 0)


NEEDED = ("platelet_visits", "platelet_response", "kinetics")
"""The tables of ``immunomon assess`` that a mechanism is looked for in."""


@dataclass(frozen=True, eq=False)
class Mechanism:
    """What was joined, and the tables by name (the contracts of ``immunomon.trial.model.tables``)."""

    joined: Joined
    tables: Mapping[str, pd.DataFrame]


def mechanism(
    tables: Mapping[str, pd.DataFrame],
    facts: Facts,
    plan: AnalysisPlan,
    *,
    assessed: Mapping[str, pd.DataFrame],
    seed: int = 1,
) -> Mechanism:
    """Return everything ``immunomon mechanism`` writes.

    tables: of a run: changes, and where there are frequencies; assessed: the tables NEEDED; seed: for tests of so many
    patients that not every arrangement can be counted, and for the intervals of products.
    """
    joined = join(tables, facts, plan, assessed=assessed)
    rngs = [np.random.default_rng([seed, stream]) for stream in range(5)]
    orders = time_order(joined)
    return Mechanism(
        joined,
        {
            "by_response": by_response(joined, rngs[0]),
            "within_patients": within_patients(joined, rngs[1]),
            "lags": lags(joined, rngs[4]),
            "path": path(joined, rngs[2]),
            "balance": balance(joined.measured, joined.balance, rngs[3]),
            "leave_one_out": leave_one_out(joined, seed),
            "time_order": orders,
            "order_counts": order_counts(joined, orders),
        },
    )
