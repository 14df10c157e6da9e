"""The balance of Th17 and regulatory T cells: the change of its logarithm, by patient, dose group and visit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunomon.cytometry.model.ratios import RATIOS
from immunomon.trial.kernels.course import area_under
from immunomon.trial.kernels.signflip import sign_flip
from immunomon.trial.kernels.student import mean_change
from immunomon.trial.model.analysis import AnalysisPlan, Endpoint, Scale
from immunomon.trial.model.mechanism import BALANCE
from immunomon.trial.statistics.facts import ALL, Facts
from immunomon.trial.statistics.measured import Measured, Series, measure
from immunomon.trial.statistics.patients import error_parts, reference_of
from immunomon.trial.statistics.rows import contracted, members, no_p

__all__ = ["NAME", "WHOLE", "Balance", "balance", "balance_of", "reference_folds", "with_rows_of"]

Floats = NDArray[np.float64]
NAME = "th17_treg"
WHOLE = "whole"
_RATIO = next(one for one in RATIOS if one.population == NAME)
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
    terms = [_RATIO.upper, _RATIO.lower]
    both = tuple(
        Endpoint(f"log {one.population}", one.panel, one.population, one.denominator, scale=Scale.LOG) for one in terms
    )
    named = replace(plan, endpoints=both, compositions=())
    found = measure(with_rows_of(tables, named), facts, named)
    upper, lower = (found.of(one.name) for one in both)
    if upper is None or lower is None:
        return None
    panel = f"{_RATIO.upper.panel}/{_RATIO.lower.panel}"
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
    first, second = error_parts(found, upper), error_parts(found, lower)
    return Balance(series, {name: np.hypot(first[name], second[name]) for name in first})


def with_rows_of(tables: Mapping[str, pd.DataFrame], plan: AnalysisPlan) -> dict[str, pd.DataFrame]:
    """Return the tables with only those changes that a plan names: the rest need not be put on a scale."""
    changes = tables["changes"]
    wanted = {(one.panel, one.population) for one in plan.all_endpoints}
    named = pd.MultiIndex.from_frame(changes[["panel", "population"]]).isin(wanted)
    # Where nothing is left there would be no columns' types to go by; an intensity needs its panel's visits.
    panels = {one.panel for one in plan.endpoints if one.quantity == "median_intensity"}
    return {**tables, "changes": changes[named | changes["panel"].isin(panels).to_numpy(dtype=bool)]}


def reference_folds(found: Measured, series: Series) -> tuple[float, float]:
    """Return the folds beyond which a series has changed more than assay and person vary; of the balance, both terms.

    The two terms are taken to vary independently.
    """
    if series.endpoint.population != NAME:
        return reference_of(found, series.endpoint.population)
    terms = [reference_of(found, one.population) for one in (_RATIO.upper, _RATIO.lower)]
    half = float(np.hypot(*(np.log(high) for _, high in terms)))
    return float(np.exp(-half)), float(np.exp(half))


def balance(found: Measured, given: Balance | None, rng: np.random.Generator) -> pd.DataFrame:
    """Return the change of the balance for every patient, and the mean of every dose group (the BALANCE contract).

    given: None gives one row that says why there is none.
    """
    if given is None:
        nothing = {"dose_group": ALL, "visit": WHOLE, "n": 0, "note": f"not estimable: {_NO_TERMS}"}
        return contracted([nothing], BALANCE, found.plan.digest)
    series = given.series
    change = series.change(found.baseline)
    heights = np.array([area_under(series.day[i], change[i])[1] for i in range(len(change))])
    rows = [*_patients(found, given), *_groups(found, change, heights, rng)]
    return contracted(rows, BALANCE, found.plan.digest)


def _patients(found: Measured, given: Balance) -> Iterator[dict[str, Any]]:
    from scipy.special import ndtri

    series = given.series
    z = float(ndtri(1 - found.plan.alpha / 2))
    change = series.change(found.baseline)
    for i, (subject, group) in enumerate(found.facts.group_of.items()):
        for j, visit in enumerate(found.facts.labels):
            if j == found.baseline:
                continue
            known = {name: float(error[i, j]) for name, error in given.errors.items() if np.isfinite(error[i, j])}
            half = z * float(np.hypot.reduce(list(known.values()))) if known else float("nan")
            there = bool(np.isfinite(change[i, j]))
            yield {
                "dose_group": group,
                "subject": subject,
                "visit": visit,
                "day": round(float(series.day[i, j])),
                "n": int(there),
                "ratio": series.value[i, j],
                **_interval(change[i, j], change[i, j] - half, change[i, j] + half),
                "covers": " + ".join(known) if there else "",
                "note": str(series.reason[i, j] or series.reason[i, found.baseline]),
            }


def _groups(found: Measured, change: Floats, heights: Floats, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    columns = {visit: change[:, found.facts.labels.index(visit)] for visit in found.facts.later} | {WHOLE: heights}
    for group in found.facts.groups:
        here = members(found, group)
        for visit, values in columns.items():
            x = values[here][np.isfinite(values[here])]
            mean, test = mean_change(x, 1 - found.plan.alpha), sign_flip(x, rng)
            note = no_p(test.floor, found.plan.alpha) if x.size else "nobody has a change"
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
