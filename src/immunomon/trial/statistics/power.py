"""What change can so many patients detect? From the variances that the run itself shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from immunomon.arrays import Floats
from immunomon.trial.kernels.moderated import PriorVariance, fit_prior
from immunomon.trial.kernels.signflip import sign_arrangements, sign_flip_floor
from immunomon.trial.kernels.student import detectable_change
from immunomon.trial.model.tables import POWER, contracted
from immunomon.trial.statistics.measured import Measured, Series

__all__ = ["PATIENTS", "detectable", "sign_flip_power"]

PATIENTS = (3, 6, 9, 12, 15, 18)
_TRIALS = 4000
_NO_VARIANCE = "no variance to reckon with, it needs two patients of one dose group"
_NONE = "this test cannot reach alpha with so few patients, whatever the change"


def detectable(
    measured: Measured, rng: np.random.Generator, *, patients: Sequence[int] = PATIENTS, power: float = 0.8
) -> pd.DataFrame:
    """Return the smallest change that numbers of patients detect, for the plan's endpoints (the POWER contract).

    The standard deviation is that of the changes in the run, within dose groups, so that a difference between doses is
    not taken for scatter. It comes from few patients itself: the same is worked out with its upper 80 % limit.
    """
    visits = dict.fromkeys(visit for family in measured.plan.all_families for visit in family.visits)
    rows: list[dict[str, Any]] = []
    shape = {n: sign_flip_power(n, power=power, alpha=measured.plan.alpha, rng=rng) for n in patients}
    for visit in (visit for visit in visits if visit in measured.facts.later):
        spread = [(series, *_within(measured, series, visit)) for series in measured.planned]
        scales = {series.endpoint.scale for series in measured.planned}
        priors = {scale: _prior([row for row in spread if row[0].endpoint.scale is scale]) for scale in scales}
        for series, variance, freedom in spread:
            head = _head(measured, series, visit, variance, freedom)
            prior = priors[series.endpoint.scale]
            rows += [
                row for n in patients for row in _rows(head, n, prior, shape[n], power=power, alpha=measured.plan.alpha)
            ]
    return contracted(rows, POWER, measured.plan.digest)


def _prior(spread: Sequence[tuple[Series, float, float]]) -> PriorVariance:
    return fit_prior([variance for _, variance, _ in spread], [freedom for _, _, freedom in spread])


def _within(measured: Measured, series: Series, visit: str) -> tuple[float, float]:
    """Return the variance of the change within dose groups, pooled, and its degrees of freedom."""
    change = series.change(measured.baseline)[:, measured.facts.labels.index(visit)]
    group = np.array(list(measured.facts.group_of.values()))
    squares, freedom = 0.0, 0
    for name in measured.facts.doses:
        x = change[(group == name) & np.isfinite(change)]
        if x.size > 1:
            squares += float(((x - x.mean()) ** 2).sum())
            freedom += x.size - 1
    return (squares / freedom if freedom else float("nan")), float(freedom)


def _head(measured: Measured, series: Series, visit: str, variance: float, freedom: float) -> dict[str, Any]:
    from scipy.special import chdtri

    change = series.change(measured.baseline)[:, measured.facts.labels.index(visit)]
    high = np.sqrt(variance * freedom / chdtri(freedom, 0.8)) if freedom else float("nan")
    return {
        "endpoint": series.endpoint.name,
        "visit": visit,
        "scale": series.endpoint.scale.value,
        "patients_seen": int(np.isfinite(change).sum()),
        "sd": float(np.sqrt(variance)),
        "sd_high": float(high),
    }


def _rows(
    head: dict[str, Any], n: int, prior: PriorVariance, shift: float, *, power: float, alpha: float
) -> Iterator[dict[str, Any]]:
    extra = min(prior.freedom, 1e6)
    sd, high = head["sd"], head["sd_high"]
    # With a prior the variance that the test divides by lies between the population's own and the prior's.
    weights = (n - 1, extra)
    post = np.sqrt((weights[0] * sd**2 + extra * prior.variance) / sum(weights)) if extra else sd
    answers = {
        "t": tuple(detectable_change(s, n=n, power=power, alpha=alpha) for s in (sd, high)),
        "moderated t": tuple(
            detectable_change(s, n=n, power=power, alpha=alpha, extra_freedom=extra) for s in (post, post * high / sd)
        ),
        "sign-flip": (shift * sd, shift * high),
    }
    for test, (change, change_high) in answers.items():
        yield head | {
            "n": n,
            "test": test,
            "power": power,
            "detectable": change,
            "detectable_high": change_high,
            "detectable_fold": float(np.exp(change)),
            "note": _why_none(head, no_shift=test == "sign-flip" and bool(np.isnan(shift))),
        }


def _why_none(head: dict[str, Any], *, no_shift: bool) -> str:
    if np.isnan(head["sd"]):
        return f"{_NO_VARIANCE}: {head['patients_seen']} patients have a change"
    return _NONE if no_shift else ""


def sign_flip_power(n: int, *, power: float, alpha: float, rng: np.random.Generator) -> float:
    """Return the change, in standard deviations, that the exact sign-flip test of n patients detects with this power.

    Worked out from 4,000 simulated trials with normal changes; not-a-number where the test cannot reach alpha, or
    n is above 18.

    >>> sign_flip_power(5, power=0.8, alpha=0.05, rng=np.random.default_rng(1))
    nan
    """
    if sign_flip_floor(n) > alpha or n > 18:
        return float("nan")
    noise = rng.standard_normal((_TRIALS, n))
    signs = sign_arrangements(n)
    if len(signs) > 4096:  # a random part of the arrangements tells the power well enough
        signs = signs[np.concatenate([[0], rng.choice(len(signs) - 1, 4095, replace=False) + 1])]
    low, high = 0.0, 8.0
    for _ in range(12):
        middle = (low + high) / 2
        if _rejected(noise + middle, signs, alpha) < power:
            low = middle
        else:
            high = middle
    return high


def _rejected(changes: Floats, signs: Floats, alpha: float) -> float:
    hits = 0
    for block in np.array_split(changes, max(1, changes.shape[0] // 250)):
        sums = np.abs(block @ signs.T)
        hits += int(((sums >= sums[:, [0]] * (1 - 1e-9)).mean(axis=1) <= alpha).sum())
    return hits / len(changes)
