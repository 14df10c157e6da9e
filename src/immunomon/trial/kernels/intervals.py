"""How sure a figure is: one patient's change, a share of few subjects, and an estimate without each patient."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.proportions import log_odds

__all__ = [
    "BetaBinomialFit",
    "clopper_pearson",
    "counting_variance",
    "fit_beta_binomial",
    "jackknife_interval",
    "reference_change",
]


def counting_variance(count: ArrayLike, total: ArrayLike) -> Floats:
    """Return the variance of log-odds from counting events alone: ``1 / (count + 0.5) + 1 / (total - count + 0.5)``.

    count, total: events, shapes that broadcast; not-a-number passes through. Gart & Zweifel, Biometrika 1967;54:181.

    >>> counting_variance(99.5, 1e9).round(4)
    np.float64(0.01)
    """
    x, n = np.asarray(count, dtype=np.float64), np.asarray(total, dtype=np.float64)
    inside = np.where(n >= x, n - x, np.nan)
    return np.asarray(1 / (x + 0.5) + 1 / (inside + 0.5), dtype=np.float64)


def reference_change(assay_cv: ArrayLike, person_cv: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Return by which factors two values of an unchanged person may differ: the lower and the upper.

    assay_cv, person_cv: coefficients of variation as fractions, of the assay and of the person from day to day. Both
    are taken as log-normal, so that the limits are not symmetric. Fokkema et al., Clin Chem 2006;52:1602.

    >>> low, high = reference_change(0.10, 0.15)
    >>> round(float(low), 2), round(float(high), 2)
    (0.61, 1.64)
    """
    variance = np.log1p(np.square(assay_cv)) + np.log1p(np.square(person_cv))
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * np.sqrt(2 * variance)
    return np.asarray(np.exp(-half)), np.asarray(np.exp(half))


# How sure a share of so few subjects is: the exact interval.


def clopper_pearson(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the lower and the upper end of the exact interval of ``count / total``, as fractions.

    count, total: subjects with an event, and all; not-a-number for a total of 0. Its coverage is never below the
    confidence. Raises ValueError if a count is negative or above its total. Clopper & Pearson, Biometrika 1934;26:404.

    >>> [round(end, 4) for end in clopper_pearson(0, 9)]
    [0.0, 0.3363]
    """
    from scipy.special import betaincinv

    if not 0 <= count <= total:
        raise ValueError(f"a count lies between 0 and its total, got {count} of {total}")
    if total == 0:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, total - count + 1, tail))
    high = 1.0 if count == total else float(betaincinv(count + 1, total - count, 1 - tail))
    return low, high


# How far an estimate hangs on single patients: what it is without each of them, and the interval that this gives.


def jackknife_interval(estimate: float, without: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Return the jackknife interval of an estimate, with patients as the replicates.

    without: (patients,) the estimate without each patient; not-a-number with fewer than three of them, or if one of
    these cannot be worked out. Student's interval of the pseudo-values around the estimate. Tukey, Ann Math Stat
    1958;29:614; Miller, Biometrika 1974;61:1.

    >>> x = np.array([0.1, 0.3, 0.5])
    >>> low, high = jackknife_interval(x.mean(), np.array([0.4, 0.3, 0.2]))
    >>> round(low, 3), round(high, 3)  # of a mean it is Student's
    (-0.197, 0.797)
    """
    from scipy.special import stdtrit

    n = without.size
    if n < 3 or not np.isfinite(without).all() or not np.isfinite(estimate):
        return float("nan"), float("nan")
    pseudo = n * estimate - (n - 1) * without
    half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * float(pseudo.std(ddof=1)) / n**0.5
    return float(estimate) - half, float(estimate) + half


# Beta-binomial regression of counts with a random level for each patient, by maximum likelihood.

# The patients' levels are summed over evenly spaced normal quantiles this fine: much finer than a patient's level is
# known from a few visits, so that the sum is exact to many digits (trapezoid rule on a smooth peak).
_NODES = np.linspace(-5.0, 5.0, 201)
_WEIGHTS = np.exp(-(_NODES**2) / 2) / np.exp(-(_NODES**2) / 2).sum()
_LEAST_LOG_SD, _MOST_LOG_SD, _MOST_LOG_PRECISION = -5.0, 2.0, 16.0


@dataclass(frozen=True, eq=False)
class BetaBinomialFit:
    """Coefficients on the log-odds scale with their standard errors, and what scatters beside them.

    coefficients, standard_errors: (terms,); covariance: (terms, terms) of the coefficients; patient_sd: log-odds SD of
    the patients' levels; precision: alpha + beta of the beta distribution, large where counts scatter little more than
    binomially.
    """

    coefficients: Floats
    standard_errors: Floats
    covariance: Floats
    patient_sd: float
    precision: float
    log_likelihood: float
    converged: bool


@dataclass(frozen=True, eq=False)
class _Data:
    count: Floats
    total: Floats
    design: Floats
    patient: NDArray[np.intp]  # (rows,) 0 .. patients - 1


def fit_beta_binomial(count: ArrayLike, total: ArrayLike, design: ArrayLike, patient: ArrayLike) -> BetaBinomialFit:
    """Fit ``logit(p) = design @ coefficients + level of the patient``, counts beta-binomial with mean p.

    count, total: (rows,) events; design: (rows, terms); patient: (rows,) whole numbers. Levels are normal with mean 0.
    Standard errors are from the curvature at the optimum (Wald), and small where patients are few. Raises ValueError
    for shapes that do not fit together. Crowder, Appl Stat 1978;27:34.

    >>> rng = np.random.default_rng(1)
    >>> count = rng.binomial(5000, 0.05, 40)
    >>> fit = fit_beta_binomial(count, np.full(40, 5000), np.ones((40, 1)), np.repeat(np.arange(8), 5))
    >>> fit.converged, round(float(fit.coefficients[0]), 1)
    (True, -2.9)
    """
    from scipy.optimize import minimize

    x = np.asarray(design, dtype=np.float64)
    y, n = np.asarray(count, dtype=np.float64), np.asarray(total, dtype=np.float64)
    index = np.unique(np.asarray(patient), return_inverse=True)[1]
    if x.ndim != 2 or not x.shape[0] == y.size == n.size == index.size:
        raise ValueError("count, total, patient and the rows of the design must be as many")
    data = _Data(y, n, x, index)
    start = np.concatenate([np.linalg.lstsq(x, log_odds(y, n), rcond=None)[0], [np.log(0.3), np.log(300.0)]])
    bounds = [(None, None)] * x.shape[1] + [(_LEAST_LOG_SD, _MOST_LOG_SD), (0.0, _MOST_LOG_PRECISION)]
    best = minimize(
        _negative, start, args=(data,), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}
    )
    covariance = _covariance(best.x, data)
    with np.errstate(invalid="ignore"):
        errors = np.asarray(np.sqrt(np.diag(covariance)), dtype=np.float64)
    good = bool(best.success) and bool(np.isfinite(errors).all())
    sd, precision = (float(np.exp(v)) for v in best.x[-2:])
    return BetaBinomialFit(best.x[:-2], errors, covariance, sd, precision, -float(best.fun), good)


def _negative(theta: Floats, data: _Data) -> tuple[float, Floats]:
    """Return the negative log-likelihood and its gradient; theta: coefficients, log SD of levels, log precision."""
    from scipy.special import digamma, gammaln

    sd, s = np.exp(theta[-2]), np.exp(theta[-1])
    level = sd * _NODES
    mean = 1 / (1 + np.exp(-((data.design @ theta[:-2])[:, None] + level)))
    mean = np.clip(mean, 1e-12, 1 - 1e-12)
    a, b, y, n = mean * s, (1 - mean) * s, data.count[:, None], data.total[:, None]
    rest = n - y
    log_likelihood = gammaln(y + a) - gammaln(a) + gammaln(rest + b) - gammaln(b) + gammaln(s) - gammaln(n + s)
    patients = int(data.patient.max()) + 1
    joint = np.zeros((patients, _NODES.size))
    np.add.at(joint, data.patient, log_likelihood)
    joint += np.log(_WEIGHTS)
    peak = joint.max(axis=1, keepdims=True)
    total = peak[:, 0] + np.log(np.exp(joint - peak).sum(axis=1))
    posterior = np.exp(joint - total[:, None])[data.patient]
    up, down = digamma(y + a) - digamma(a), digamma(rest + b) - digamma(b)
    slope = posterior * (s * mean * (1 - mean) * (up - down))
    of_precision = posterior * s * (mean * up + (1 - mean) * down + digamma(s) - digamma(n + s))
    gradient = np.concatenate(
        [data.design.T @ slope.sum(axis=1), [float((slope * level).sum()), float(of_precision.sum())]]
    )
    constant = gammaln(data.total + 1) - gammaln(data.count + 1) - gammaln(data.total - data.count + 1)
    return -float(total.sum() + constant.sum()), -gradient


def _covariance(theta: Floats, data: _Data) -> Floats:
    """Return the coefficients' covariance from the gradient's differences; a parameter at its border is held."""
    terms = theta.size - 2
    held = np.zeros(theta.size, dtype=bool)
    held[-2] = not _LEAST_LOG_SD + 1e-3 < theta[-2] < _MOST_LOG_SD - 1e-3
    held[-1] = theta[-1] > _MOST_LOG_PRECISION - 1e-3
    free = np.flatnonzero(~held)
    step = 1e-4
    curve = np.empty((free.size, free.size))
    for row, parameter in enumerate(free):
        shift = np.zeros(theta.size)
        shift[parameter] = step
        up, down = _negative(theta + shift, data)[1], _negative(theta - shift, data)[1]
        curve[row] = ((up - down) / (2 * step))[free]
    try:
        inverse = np.linalg.inv((curve + curve.T) / 2)
    except np.linalg.LinAlgError:
        return np.full((terms, terms), np.nan)
    return np.asarray(inverse[:terms, :terms], dtype=np.float64)
