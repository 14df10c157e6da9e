"""Trials without an effect, and with one, by the thousand: how often each test rejects, and what intervals hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.proportions import log_odds
from immunomon.trial.kernels.hodges_lehmann import hodges_lehmann
from immunomon.trial.kernels.intervals import counting_variance
from immunomon.trial.kernels.moderated import moderated_t
from immunomon.trial.kernels.multiplicity import benjamini_hochberg, max_t
from immunomon.trial.kernels.signflip import sign_arrangements, sign_flip_floor
from immunomon.trial.kernels.trend import jonckheere_terpstra, page_trend

__all__ = [
    "ALPHA",
    "PATIENTS",
    "Judgement",
    "Rate",
    "adjusted_rates",
    "changes",
    "coverages",
    "every",
    "patient_coverages",
    "rate_over_trials",
    "rejections",
    "trend_rates",
]

ALPHA = 0.05
PATIENTS = (3, 6, 9, 15)
_PERCENT = np.geomspace(0.8, 20.0, 12)
_PARENT = 20_000
_WITHIN = 0.25


@dataclass(frozen=True)
class Rate:
    """How often something happened, with its Monte Carlo standard error.

    trials are the unit: what happens to several populations of one trial is not independent.
    """

    value: float
    error: float

    def at_most(self, limit: float) -> bool:
        """Say whether the rate is not above a limit, but for three standard errors of chance."""
        return self.value <= limit + 3 * self.error

    def near(self, designed: float) -> bool:
        """Say whether the rate is within three standard errors of what was wanted."""
        return abs(self.value - designed) <= 3 * max(self.error, 1e-9)

    def __str__(self) -> str:
        return f"{self.value:.3f}"


class Judgement(NamedTuple):
    """What was measured, with how many patients, its rate, what it should be, and whether it is."""

    what: str
    patients: int
    rate: Rate
    wanted: str
    met: bool


def rate_over_trials(hits: Floats) -> Rate:
    """Return the rate over trials; hits: (trials,) or (trials, populations) of 0 and 1, not-a-number left out."""
    by_trial = np.nanmean(hits.reshape(hits.shape[0], -1), axis=1)
    n = by_trial.size
    mean = float(by_trial.mean())
    # A rate of exactly 0 still has an error: that of one hit in so many trials.
    return Rate(mean, max(float(by_trial.std(ddof=1)), (1 / n) ** 0.5) / n**0.5)


def _counts(effect: float | Floats, n: int, trials: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return counts before and after, (trials, patients, populations): patients differ, visits scatter."""
    shape = (trials, n, _PERCENT.size)
    own = np.log(_PERCENT / (100 - _PERCENT)) + rng.normal(0, 0.4, shape)
    visits = [own + rng.normal(0, _WITHIN, shape), own + effect + rng.normal(0, _WITHIN, shape)]
    before, after = (rng.binomial(_PARENT, 1 / (1 + np.exp(-logit))).astype(np.float64) for logit in visits)
    return before, after


def changes(effect: float | Floats, n: int, trials: int, *, rng: np.random.Generator) -> Floats:
    """Return changes in log-odds, (trials, patients, populations), of 12 populations with 20,000 parent events."""
    before, after = _counts(effect, n, trials, rng)
    return log_odds(after, _PARENT) - log_odds(before, _PARENT)


def rejections(effect: float, n: int, trials: int, *, rng: np.random.Generator) -> dict[str, Rate]:
    """Return how often each test rejects at 5 %, for an effect in log-odds in every population.

    The pooled chi-square treats cells as if they were patients: it is here as a warning, the product has none.
    """
    before, after = _counts(effect, n, trials, rng)
    x = log_odds(after, _PARENT) - log_odds(before, _PARENT)
    t = np.asarray(stats.ttest_1samp(x, 0.0, axis=1).pvalue, dtype=np.float64)
    moderated = np.array([moderated_t(trial).p for trial in x])
    pooled_before, pooled_after, total = before.sum(axis=1), after.sum(axis=1), n * _PARENT
    share = (pooled_before + pooled_after) / (2 * total)
    z = (pooled_after - pooled_before) / total / np.sqrt(2 * share * (1 - share) / total)
    return {
        "pooled chi-square (not in the product)": rate_over_trials(
            np.where(2 * stats.norm.sf(np.abs(z)) <= ALPHA, 1.0, 0.0)
        ),
        "t": rate_over_trials((t <= ALPHA).astype(float)),
        "moderated t": rate_over_trials((moderated <= ALPHA).astype(float)),
        "sign-flip": rate_over_trials(_sign_flips(x)),
    }


def _sign_flips(x: Floats) -> Floats:
    """Return where the exact sign-flip test rejects, (trials, populations); the same rule as the kernel's."""
    trials, n, populations = x.shape
    if sign_flip_floor(n) > ALPHA:
        return np.zeros((trials, populations))
    signs = sign_arrangements(n)
    columns = np.moveaxis(x, 1, 2).reshape(-1, n)
    out = np.empty(len(columns))
    for start in range(0, len(columns), 500):
        block = columns[start : start + 500]
        sums = np.abs(block @ signs.T)
        edge = np.abs(block.sum(axis=1)) - 1e-9 * np.abs(block).sum(axis=1)
        out[start : start + 500] = (sums >= edge[:, None]).mean(axis=1) <= ALPHA
    return out.reshape(trials, populations)


def coverages(n: int, trials: int, rng: np.random.Generator) -> dict[str, Rate]:
    """Return how often each 95 % interval of a mean change holds the true one, at an odds ratio of 1.5.

    Hodges-Lehmann only where so many patients can give 95 %.
    """
    effect = float(np.log(1.5))
    x = changes(effect, n, trials, rng=rng)
    mean, sd = x.mean(axis=1), x.std(axis=1, ddof=1)
    half = stats.t.ppf(0.975, n - 1) * sd / n**0.5
    rates = {"t interval": rate_over_trials((np.abs(mean - effect) <= half).astype(float))}
    held = []
    for trial in x:
        test = moderated_t(trial)
        held.append(np.abs(test.mean - effect) <= stats.t.ppf(0.975, test.freedom) * test.standard_error)
    rates["moderated t interval"] = rate_over_trials(np.array(held, dtype=float))
    if n >= 6:
        every_third = x[:, :, ::3]
        ends = [[hodges_lehmann(trial[:, k]) for k in range(every_third.shape[2])] for trial in every_third]
        inside = [[end.low <= effect <= end.high for end in row] for row in ends]
        rates["Hodges-Lehmann interval"] = rate_over_trials(np.array(inside, dtype=float))
    slopes = x[:, :, :3] @ np.array([0.2, 0.3, 0.5])  # rate and mean height are weighted sums of a patient's changes
    middle, spread = slopes.mean(axis=1), slopes.std(axis=1, ddof=1)
    held_slopes = np.abs(middle - effect) <= stats.t.ppf(0.975, n - 1) * spread / n**0.5
    rates["t interval of a rate or mean height"] = rate_over_trials(held_slopes.astype(float))
    return rates


def patient_coverages(trials: int, rng: np.random.Generator) -> dict[str, Rate]:
    """Return how often one patient's 95 % interval holds the patient's true change: counting, and with the assay.

    The assay's relative error is 10 % at each visit, as the interval is told.
    """
    p = _PERCENT / 100
    true = np.log(p / (1 - p))
    effect = rng.normal(0.2, 0.3, (trials, p.size))
    out = {}
    for name, cv in (("patient's interval, counting error", 0.0), ("patient's interval, counting and assay", 0.10)):
        covered = []
        for logit in (np.broadcast_to(true, effect.shape), true + effect):
            fraction = 1 / (1 + np.exp(-logit))
            measured = np.minimum(fraction * np.exp(rng.normal(0, np.log1p(cv**2) ** 0.5, fraction.shape)), 0.99)
            covered.append(rng.binomial(_PARENT, measured).astype(np.float64))
        y = [log_odds(count, _PARENT) for count in covered]
        variance = sum(
            counting_variance(count, _PARENT) + np.log1p(cv**2) * (1 + np.exp(logit)) ** 2
            for count, logit in zip(covered, y, strict=True)
        )
        out[name] = rate_over_trials((np.abs(y[1] - y[0] - effect) <= 1.959964 * np.sqrt(variance)).astype(float))
    return out


def trend_rates(n: int, trials: int, rng: np.random.Generator) -> dict[str, Rate]:
    """Return how often the trend tests reject without a trend: over three dose groups of n / 3, and over 4 visits."""
    groups = np.repeat(np.arange(3), n // 3)
    x = rng.normal(size=(trials, n))
    courses = rng.normal(size=(trials, n, 4))
    dose = [jonckheere_terpstra(trial, groups) for trial in x]
    visits = [page_trend(trial) for trial in courses]
    return {
        "Jonckheere-Terpstra, two-sided": rate_over_trials(np.array([t.p <= ALPHA for t in dose], dtype=float)),
        "Jonckheere-Terpstra, one-sided": rate_over_trials(np.array([t.p_rising <= ALPHA for t in dose], dtype=float)),
        "Page, two-sided": rate_over_trials(np.array([t.p <= ALPHA for t in visits], dtype=float)),
    }


def adjusted_rates(n: int, trials: int, rng: np.random.Generator) -> dict[str, Rate]:
    """Return family-wise error and false-discovery rate in a family of five that go together within patients.

    Without any effect, and with an odds ratio of 2 in two of the five.
    """
    out = {}
    for words, effect in (("no effect", np.zeros(5)), ("two of five", np.array([0.7, 0.7, 0, 0, 0]))):
        shared = rng.normal(0, 0.2, (trials, n, 1))
        x = effect + shared + rng.normal(0, 0.3, (trials, n, 5))
        together = np.array([max_t(trial) for trial in x]) <= ALPHA
        single = stats.ttest_1samp(x, 0.0, axis=1).pvalue
        flips = _p_sign_flip(x)
        null = effect == 0
        out[f"max-T, family-wise error, {words}"] = rate_over_trials(together[:, null].any(axis=1).astype(float))
        for test, p in (("sign-flip", flips), ("t", single)):
            discovered = np.array([benjamini_hochberg(p_values) for p_values in np.asarray(p)]) <= ALPHA
            share = discovered[:, null].sum(axis=1) / np.maximum(discovered.sum(axis=1), 1)
            out[f"Benjamini-Hochberg on {test} p, false discoveries, {words}"] = rate_over_trials(share.astype(float))
    return out


def _p_sign_flip(x: Floats) -> Floats:
    signs = sign_arrangements(x.shape[1])
    return np.array([(np.abs(signs @ trial) >= np.abs(trial.sum(axis=0)) * (1 - 1e-9)).mean(axis=0) for trial in x])


def every(trials: int, seed: int, progress: Callable[[str], None]) -> Iterator[tuple[int, str, dict[str, Rate]]]:
    """Yield number of patients, kind (null, power, coverage, trend, adjusted) and rates, each with its own stream."""
    for index, n in enumerate(PATIENTS):
        progress(f"{n} patients")
        streams = [np.random.default_rng([seed, index, kind]) for kind in range(5)]
        yield n, "null", rejections(0.0, n, trials, rng=streams[0])
        yield n, "power", rejections(float(np.log(1.5)), n, trials, rng=streams[1])
        yield n, "coverage", coverages(n, trials, streams[2])
        yield n, "trend", trend_rates(n, trials, streams[3])
        if n > 3:
            yield n, "adjusted", adjusted_rates(n, trials, streams[4])
