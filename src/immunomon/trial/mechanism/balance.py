"""The balance of Th17 and regulatory T cells: the change of its logarithm, by patient, dose group and visit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from immunomon.arrays import Floats
from immunomon.study.model.ratios import RATIOS
from immunomon.trial.kernels.course import area_under
from immunomon.trial.kernels.signflip import sign_flip
from immunomon.trial.kernels.student import mean_change
from immunomon.trial.model.analysis import AnalysisPlan, Endpoint, Scale
from immunomon.trial.model.tables import BALANCE, contracted
from immunomon.trial.statistics.facts import ALL, Facts
from immunomon.trial.statistics.measured import Measured, Series, measure
from immunomon.trial.statistics.patients import error_parts
from immunomon.trial.statistics.rows import members, no_p, whole_day

__all__ = ["NAME", "WHOLE", "Balance", "balance", "balance_of", "with_rows_of"]

NAME = "th17_treg"
WHOLE = "whole"
_RATIO = next(ratio for ratio in RATIOS if ratio.population == NAME)
_NO_TERMS = "the run has not both Th17 and Treg as percent of CD4 cells"


@dataclass(frozen=True, eq=False)
class Balance:
    """The logarithm of Th17/Treg, and standard errors of its change (subjects, visits): counting, gate and assay."""

    series: Series
    errors: Mapping[str, Floats]


def balance_of(tables: Mapping[str, pd.DataFrame], facts: Facts, plan: AnalysisPlan) -> Balance | None:
    """Return the balance of every patient and visit; None if the run has not both populations.

    tables: of a run, as ``measure`` takes them. Both are percent of CD4 cells, of two tubes of one visit, whose errors
    stand beside one another.
    """
    ratio_in_use = _RATIO.on(facts.uses)[0]
    terms = [ratio_in_use.upper, ratio_in_use.lower]
    logs = tuple(
        Endpoint(f"log {term.population}", term.panel, term.population, term.denominator, scale=Scale.LOG)
        for term in terms
    )
    named = replace(plan, endpoints=logs, compositions=())
    measured = measure(with_rows_of(tables, named), facts, named)
    upper, lower = (measured.of(endpoint.name) for endpoint in logs)
    if upper is None or lower is None:
        return None
    panel = f"{ratio_in_use.upper.panel}/{ratio_in_use.lower.panel}"
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = upper.value / np.where(lower.value > 0, lower.value, np.nan)
    series = replace(
        upper,
        endpoint=Endpoint(NAME, panel, NAME, _RATIO.lower.population, "ratio", scale=Scale.LOG),
        label=_RATIO.label,
        declared=False,
        value=ratio,
        scaled=upper.scaled - lower.scaled,
        with_counts=upper.with_counts - lower.with_counts,
        variance=upper.variance + lower.variance,
        reason=np.where(upper.reason != "", upper.reason, lower.reason),
    )
    first, second = error_parts(measured, upper), error_parts(measured, lower)
    return Balance(series, {name: np.hypot(first[name], second[name]) for name in first})


def with_rows_of(tables: Mapping[str, pd.DataFrame], plan: AnalysisPlan) -> dict[str, pd.DataFrame]:
    """Return the tables with only those changes that a plan names: the rest need not be put on a scale."""
    changes = tables["changes"]
    planned = {(endpoint.panel, endpoint.population) for endpoint in plan.all_endpoints}
    named = pd.MultiIndex.from_frame(changes[["panel", "population"]]).isin(planned)
    # Where nothing is left there would be no columns' types to go by; an intensity needs its panel's visits.
    panels = {endpoint.panel for endpoint in plan.endpoints if endpoint.quantity == "median_intensity"}
    return {**tables, "changes": changes[named | changes["panel"].isin(panels).to_numpy(dtype=bool)]}


def balance(measured: Measured, joined_balance: Balance | None, rng: np.random.Generator) -> pd.DataFrame:
    """Return the change of the balance for every patient, and the mean of every dose group (the BALANCE contract).

    joined_balance: None gives one row that says why there is none.
    """
    if joined_balance is None:
        nothing = {"dose_group": ALL, "visit": WHOLE, "n": 0, "note": f"not estimable: {_NO_TERMS}"}
        return contracted([nothing], BALANCE, measured.plan.digest)
    series = joined_balance.series
    change = series.change(measured.baseline)
    heights = np.array([area_under(series.day[i], change[i])[1] for i in range(len(change))])
    rows = [*_patients(measured, joined_balance), *_groups(measured, change, heights, rng)]
    return contracted(rows, BALANCE, measured.plan.digest)


def _patients(measured: Measured, joined_balance: Balance) -> Iterator[dict[str, Any]]:
    from scipy.special import ndtri

    series = joined_balance.series
    z = float(ndtri(1 - measured.plan.alpha / 2))
    change = series.change(measured.baseline)
    for i, (subject, group) in enumerate(measured.facts.group_of.items()):
        for j, visit in enumerate(measured.facts.labels):
            if j == measured.baseline:
                continue
            known = {
                name: float(error[i, j]) for name, error in joined_balance.errors.items() if np.isfinite(error[i, j])
            }
            half = z * float(np.hypot.reduce(list(known.values()))) if known else float("nan")
            there = bool(np.isfinite(change[i, j]))
            yield {
                "dose_group": group,
                "subject": subject,
                "visit": visit,
                "day": whole_day(series.day[i, j]),
                "n": int(there),
                "ratio": series.value[i, j],
                **_interval(change[i, j], change[i, j] - half, change[i, j] + half),
                "covers": " + ".join(known) if there else "",
                "note": str(series.reason[i, j] or series.reason[i, measured.baseline]),
            }


def _groups(measured: Measured, change: Floats, heights: Floats, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    columns = {visit: change[:, measured.facts.labels.index(visit)] for visit in measured.facts.later} | {
        WHOLE: heights
    }
    for group in measured.facts.groups:
        indices = members(measured, group)
        for visit, values in columns.items():
            x = values[indices][np.isfinite(values[indices])]
            mean, test = mean_change(x, 1 - measured.plan.alpha), sign_flip(x, rng)
            note = no_p(test.floor, measured.plan.alpha) if x.size else "nobody has a change"
            yield {
                "dose_group": group,
                "visit": visit,
                "n": int(x.size),
                **_interval(mean.mean, mean.low, mean.high),
                "p_floor": test.floor,
                "p": float("nan") if note else test.p,
                "note": note,
            }


def _interval(change: float, low: float, high: float) -> dict[str, float]:
    return {"change": change, "low": low, "high": high, "fold": float(np.exp(change))}
