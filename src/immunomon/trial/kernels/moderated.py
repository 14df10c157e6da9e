"""Moderated t: with few patients, the variance of each population borrows from the variances of the others.

The formulas are those of Smyth, Stat Appl Genet Mol Biol 2004;3:3, sections 6 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from immunomon.arrays import Floats

__all__ = ["Moderated", "PriorVariance", "fit_prior", "moderated_t", "trigamma_inverse"]


@dataclass(frozen=True)
class PriorVariance:
    """What the variances of all populations say about one of them: a variance, worth so many degrees of freedom.

    freedom: infinite if the variances differ no more than chance makes them.
    """

    variance: float
    freedom: float


@dataclass(frozen=True, eq=False)
class Moderated:
    """Moderated t over populations: means, their standard errors, t, degrees of freedom, two-sided p.

    All (populations,). Not-a-number for a population with fewer than two patients.
    """

    mean: Floats
    standard_error: Floats
    t: Floats
    freedom: Floats
    p: Floats
    prior: PriorVariance


def trigamma_inverse(values: ArrayLike) -> Floats:
    """Return y with ``trigamma(y) = values`` by Newton's method on ``1 / trigamma``, which converges from this start.

    values: any shape, above 0. Smyth 2004, appendix.

    >>> trigamma_inverse(np.pi**2 / 6).round(10)
    np.float64(1.0)
    """
    from scipy.special import polygamma

    x = np.asarray(values, dtype=np.float64)
    y = 0.5 + 1 / x
    for _ in range(50):
        first = polygamma(1, y)
        step = first * (1 - first / x) / polygamma(2, y)
        y = y + step
        if np.max(-step / y, initial=0.0) < 1e-12:
            break
    # At the ends the limits hold to within rounding, and the iteration does not.
    return np.where(x > 1e7, 1 / np.sqrt(x), np.where(x < 1e-6, 1 / x, y))


def fit_prior(variances: ArrayLike, freedom: ArrayLike) -> PriorVariance:
    """Return the prior that fits sample variances best, by the moments of their logarithms.

    variances, freedom: (populations,) of the sample variances. Those without a degree of freedom are left out, and a
    variance of 0 counts as a hundred-thousandth of the median. Fewer than three variances say nothing: freedom 0. If
    they scatter less than chance alone makes them, the prior is their mean, with infinite freedom.

    >>> prior = fit_prior([0.1, 0.4, 0.2, 0.9, 0.05], [8, 8, 8, 8, 8])
    >>> round(prior.variance, 4), round(prior.freedom, 4)
    (0.1579, 2.8489)
    """
    from scipy.special import digamma, polygamma

    s2, df = np.broadcast_arrays(np.asarray(variances, dtype=np.float64), np.asarray(freedom, dtype=np.float64))
    kept = np.isfinite(s2) & (df > 0.5) & (s2 >= 0)
    s2, df = s2[kept], df[kept]
    if s2.size < 3 or float(np.median(s2)) == 0.0:
        return PriorVariance(float(s2.mean()) if s2.size else float("nan"), 0.0)
    s2 = np.maximum(s2, 1e-5 * float(np.median(s2)))
    e = np.log(s2) - digamma(df / 2) + np.log(df / 2)
    excess = float(np.var(e, ddof=1) - np.mean(polygamma(1, df / 2)))
    if excess <= 0:
        return PriorVariance(float(s2.mean()), float("inf"))
    prior = 2 * float(trigamma_inverse(excess))
    return PriorVariance(float(np.exp(e.mean() + digamma(prior / 2) - np.log(prior / 2))), prior)


def moderated_t(changes: ArrayLike, prior: PriorVariance | None = None) -> Moderated:
    """Return the moderated t test of no change for each population.

    changes: (patients, populations); not-a-number where a patient has none. prior: from other populations; by default
    from these. The total degrees of freedom are at most those of all populations together. Smyth 2004.

    >>> rng = np.random.default_rng(1)
    >>> found = moderated_t(rng.normal(0.5, 0.3, (6, 12)))
    >>> bool(found.freedom[0] > 5), found.p.shape
    (True, (12,))
    """
    x = np.asarray(changes, dtype=np.float64)
    n = np.isfinite(x).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(n > 0, np.nansum(x, axis=0) / n, np.nan)
        s2 = np.where(n > 1, np.nansum((x - mean) ** 2, axis=0) / (n - 1), np.nan)
    df = np.maximum(n - 1.0, 0.0)
    fitted = prior or fit_prior(s2, df)
    post = _posterior(s2, df, fitted)
    freedom = np.minimum(df + fitted.freedom, max(float(df.sum()), 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.where(n > 1, np.sqrt(post / n), np.nan)
        t = mean / error
    return Moderated(mean, error, t, np.where(n > 1, freedom, np.nan), _two_sided(t, freedom), fitted)


def _posterior(s2: Floats, df: Floats, prior: PriorVariance) -> Floats:
    if np.isinf(prior.freedom):
        return np.full(s2.shape, prior.variance)
    if prior.freedom == 0:
        return s2
    return np.asarray((prior.freedom * prior.variance + df * s2) / (prior.freedom + df), dtype=np.float64)


def _two_sided(t: Floats, freedom: Floats) -> Floats:
    from scipy.special import stdtr

    return np.asarray(2 * stdtr(freedom, -np.abs(t)), dtype=np.float64)
