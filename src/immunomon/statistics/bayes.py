"""The Bayesian model over time: beta-binomial counts, visits as a factor, dose monotone, a level for each patient."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunomon.errors import ImmunomonError
from immunomon.model.analysis import Scale
from immunomon.model.statistics import OVER_TIME
from immunomon.statistics.measured import Measured, Series
from immunomon.statistics.over_time import Design, design_of, term_row
from immunomon.statistics.rows import contracted

__all__ = ["Sampling", "bayesian"]

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int, int], None]
_NAME = "beta-binomial (Bayesian)"
_WIDTHS = {"as stated": 1.0, "half as wide": 0.5, "twice as wide": 2.0}


@dataclass(frozen=True)
class Sampling:
    """How long the posterior is sampled; the rules for convergence are those of Vehtari et al. 2021."""

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    most_r_hat: float = 1.01
    least_ess: float = 400.0


def bayesian(
    found: Measured, *, seed: int = 1, sampling: Sampling | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """Return Bayesian models of the primary percents over all visits (rows of the OVER_TIME contract).

    Priors: visits normal(0, 1) in log-odds, the highest dose against the lowest normal(0, 0.5) with the steps between
    shared out evenly (Dirichlet), so that dose is monotone. Each model is fitted with priors half and twice as wide as
    well, and the note says by how many posterior standard deviations that moves the estimate. Raises ImmunomonError if
    PyMC is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pymc  # noqa: F401
    except ImportError:
        what = 'Bayesian models need PyMC, which is not installed; install it with: pip install "immunomon[bayes]"'
        raise ImmunomonError(what) from None
    chosen = [one for name in found.plan.primary.endpoints if (one := found.of(name)) is not None]
    chosen = [one for one in chosen if one.endpoint.scale is Scale.LOG_ODDS]
    rows: list[dict[str, Any]] = []
    for number, series in enumerate(chosen):
        design = design_of(found, series, with_dose=False)
        if design is not None:
            rows += _rows(found, series, design, seed=seed, sampling=sampling or Sampling())
        if progress is not None:
            progress("Bayesian models", number + 1, len(chosen), 0)
    return contracted(rows, OVER_TIME, found.plan.digest)


def _rows(found: Measured, series: Series, design: Design, *, seed: int, sampling: Sampling) -> list[dict[str, Any]]:
    # How far other priors move an estimate needs fewer draws than the estimate itself.
    short = replace(sampling, draws=max(sampling.draws // 2, 1), chains=2, least_ess=sampling.least_ess / 4)
    fits = {
        name: _sampled(found, design, width=width, seed=seed, sampling=sampling if width == 1.0 else short)
        for name, width in _WIDTHS.items()
    }
    main = fits["as stated"]
    tail = found.plan.alpha / 2
    rows = []
    for term, draws in main.draws.items():
        shifts = [abs(float(fits[name].draws[term].mean() - draws.mean())) / float(draws.std()) for name in _WIDTHS]
        note = f"{main.words}; priors half or twice as wide move it by up to {max(shifts):.2f} posterior SD"
        low, high = (float(v) for v in np.quantile(draws, [tail, 1 - tail]))
        rows.append(
            term_row(series, design, model=_NAME, term=term)
            | {
                "estimate": float(draws.mean()),
                "se": float(draws.std()),
                "low": low,
                "high": high,
                "converged": all(fit.converged for fit in fits.values()),
                "note": note,
            }
        )
    return rows


@dataclass(frozen=True, eq=False)
class _Posterior:
    draws: Mapping[str, Floats]
    converged: bool
    words: str


def _sampled(found: Measured, design: Design, *, width: float, seed: int, sampling: Sampling) -> _Posterior:
    import pymc as pm

    level, levels = _dose_levels(found, design)
    logging.getLogger("pymc").setLevel(logging.ERROR)  # what it says of convergence stands in the rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _model(design, level, levels, width):
            trace = pm.sample(
                draws=sampling.draws,
                tune=sampling.tune,
                chains=sampling.chains,
                cores=min(sampling.chains, os.cpu_count() or 1),
                random_seed=seed,
                target_accept=0.95,
                progressbar=False,
                compute_convergence_checks=False,
            )
    return _posterior(trace, design, levels, sampling)


def _dose_levels(found: Measured, design: Design) -> tuple[NDArray[np.intp], int]:
    order = found.facts.order
    groups = list(found.facts.group_of.values())
    places = np.unique([order[groups[patient]] for patient in design.patient], return_inverse=True)
    return np.asarray(places[1], dtype=np.intp), int(places[0].size)


def _model(design: Design, level: NDArray[np.intp], levels: int, width: float) -> Any:  # noqa: ANN401 - PyMC is untyped
    import pymc as pm
    import pytensor.tensor as pt

    patient = np.unique(design.patient, return_inverse=True)[1]
    visits = design.matrix[:, 1:]
    after = visits.sum(axis=1)
    start = float(np.mean(np.log((design.count + 0.5) / (design.total - design.count + 0.5))))
    with pm.Model() as model:
        base = pm.Normal("base", start, 1.5)
        visit = pm.Normal("visit", 0.0, 1.0 * width, shape=visits.shape[1])
        sd = pm.HalfNormal("patient_sd", 1.0 * width)
        offset = pm.Normal("offset", 0.0, 1.0, shape=int(patient.max()) + 1)
        eta = base + pt.dot(visits, visit) + sd * offset[patient]
        if levels > 1:
            span = pm.Normal("dose_span", 0.0, 0.5 * width)
            steps = pm.Dirichlet("dose_steps", np.ones(levels - 1)) if levels > 2 else pt.ones(1)
            risen = pt.concatenate([pt.zeros(1), pt.cumsum(steps)])
            shape = risen[level]
            # Around the patients' mean, so that a visit's term is the change of the patients as they are.
            eta = eta + span * (shape - shape.mean()) * after
        precision = pm.math.exp(pm.Normal("log_precision", np.log(300.0), 1.5))
        mean = pm.math.invlogit(eta)
        pm.BetaBinomial(
            "count",
            alpha=mean * precision,
            beta=(1 - mean) * precision,
            n=design.total.astype(int),
            observed=design.count.astype(int),
        )
    return model


def _posterior(trace: Any, design: Design, levels: int, sampling: Sampling) -> _Posterior:  # noqa: ANN401
    import arviz as az

    names = ["visit", "base", "patient_sd", "log_precision", *(["dose_span"] if levels > 1 else [])]
    r_hat = max(float(az.rhat(trace, var_names=[name])[name].max()) for name in names)
    ess = min(float(az.ess(trace, var_names=[name])[name].min()) for name in names)
    divergent = int(trace.sample_stats["diverging"].sum())
    visit = trace.posterior["visit"].to_numpy()
    draws = {term: visit[..., place].ravel() for place, term in enumerate(design.terms)}
    if levels > 1:
        draws["dose: highest against lowest"] = trace.posterior["dose_span"].to_numpy().ravel()
    good = r_hat <= sampling.most_r_hat and ess >= sampling.least_ess and divergent == 0
    words = f"r-hat {r_hat:.3f}, ESS {ess:.0f}, {divergent} divergences"
    return _Posterior(draws, good, words if good else f"NOT converged, do not use it: {words}")
