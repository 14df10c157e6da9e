"""All visits in one model: how the plan's endpoints go over time, with a random level for each patient."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunomon.kernels.beta_binomial import fit_beta_binomial
from immunomon.kernels.signflip import sign_flip_floor
from immunomon.model.analysis import Scale
from immunomon.model.statistics import OVER_TIME
from immunomon.statistics.measured import Measured, Series
from immunomon.statistics.rows import contracted, no_p

__all__ = ["Design", "design_of", "over_time", "term_row"]

Floats = NDArray[np.float64]
_FEW_FREEDOM = (
    "Wald interval without small-sample degrees of freedom: too narrow with few patients; a check, no verdict"
)
_FEW_LIKELIHOOD = (
    "maximum likelihood, t interval with values - patients - terms degrees of freedom: approximate with few patients"
)


@dataclass(frozen=True, eq=False)
class Design:
    """What a model over time is fitted to: values on the scale, counts, the terms beside them, and whose they are.

    scaled, count, total, patient: (rows,); matrix: (rows, terms), the first an intercept; terms: its other columns.
    """

    scaled: Floats
    count: Floats
    total: Floats
    matrix: Floats
    terms: tuple[str, ...]
    patient: NDArray[np.intp]


Fit = Callable[[Design], tuple[Floats, Floats, float, bool]]


def over_time(found: Measured) -> pd.DataFrame:
    """Return models of the plan's endpoints over all visits (the OVER_TIME contract).

    Terms: each visit against baseline, and in a second fit with them ``dose_doubling``, by how much the change after
    baseline grows from one dose to twice it. MixedLM (REML) on the scale, and for percents a beta-binomial model.
    """
    rows = [row for series in found.planned for row in _rows(found, series)]
    return contracted(rows, OVER_TIME, found.plan.digest)


def design_of(found: Measured, series: Series, *, with_dose: bool) -> Design | None:
    """Return what a model of a series is fitted to; None with fewer than two patients that have two values."""
    known = np.isfinite(series.scaled)
    known &= (known.sum(axis=1) > 1)[:, None]
    patient, visit = np.nonzero(known)
    if np.unique(patient).size < 2:
        return None
    there = [place for place in range(known.shape[1]) if place != found.baseline and (visit == place).any()]
    columns = [np.ones(patient.size), *((visit == place).astype(np.float64) for place in there)]
    terms = [found.facts.labels[place] for place in there]
    if with_dose:
        doses = np.array([found.facts.doses[group] for group in found.facts.group_of.values()])
        doublings = np.log2(doses / doses.min())[patient]
        if np.unique(doublings).size < 2:
            return None
        # Around its mean, so that the visits' terms stay those of a patient at the middle of the doses.
        columns.append((doublings - doublings.mean()) * (visit != found.baseline))
        terms.append("dose_doubling")
    matrix = np.column_stack(columns)
    count, total = series.count[patient, visit], series.total[patient, visit]
    return Design(series.scaled[patient, visit], count, total, matrix, tuple(terms), patient)


def _rows(found: Measured, series: Series) -> Iterator[dict[str, Any]]:
    models: list[tuple[str, Fit, str]] = [("MixedLM", _mixed, _FEW_FREEDOM)]
    if series.endpoint.scale is Scale.LOG_ODDS:
        models.append(("beta-binomial (maximum likelihood)", _beta_binomial, _FEW_LIKELIHOOD))
    plain, dosed = (design_of(found, series, with_dose=with_dose) for with_dose in (False, True))
    for name, fit, note in models:
        for design, wanted in ((plain, None), (dosed, "dose_doubling")):
            if design is not None:
                yield from _fitted(found, series, design, (name, fit, note), wanted)


def _fitted(
    found: Measured, series: Series, design: Design, model: tuple[str, Fit, str], wanted: str | None
) -> Iterator[dict[str, Any]]:
    from scipy.special import stdtr, stdtrit

    name, fit, note = model
    estimate, error, freedom, good = fit(design)
    for place, term in enumerate(design.terms, start=1):
        if wanted is not None and term != wanted:
            continue
        half = float(stdtrit(freedom, 1 - found.plan.alpha / 2)) * error[place]
        t = abs(estimate[place] / error[place]) if error[place] > 0 else float("nan")
        row = term_row(series, design, model=name, term=term)
        floor = sign_flip_floor(int(row["patients"]))
        reasons = ("" if good else "the fit did not converge: do not use it", no_p(floor, found.plan.alpha), note)
        yield row | {
            "estimate": estimate[place],
            "se": error[place],
            "low": estimate[place] - half,
            "high": estimate[place] + half,
            "p": float("nan") if floor > found.plan.alpha else float(2 * stdtr(freedom, -t)),
            "converged": good,
            "note": "; ".join(reason for reason in reasons if reason),
        }


def term_row(series: Series, design: Design, *, model: str, term: str) -> dict[str, Any]:
    """Return the columns that say which term of which model a row holds."""
    return {
        "endpoint": series.endpoint.name,
        "model": model,
        "term": term,
        "patients": int(np.unique(design.patient).size),
        "values": int(design.scaled.size),
    }


def _mixed(design: Design) -> tuple[Floats, Floats, float, bool]:
    from statsmodels.regression.mixed_linear_model import MixedLM

    terms = design.matrix.shape[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether it converged stands in the row; a variance at 0 is no fault
        try:
            fit = MixedLM(design.scaled, design.matrix, groups=design.patient).fit(reml=True)
        except (np.linalg.LinAlgError, ValueError):
            return np.full(terms, np.nan), np.full(terms, np.nan), 1e9, False
        estimate, error = np.asarray(fit.fe_params, dtype=np.float64), np.asarray(fit.bse_fe, dtype=np.float64)
    return estimate, error, 1e9, bool(fit.converged) and bool(np.isfinite(error).all())


def _beta_binomial(design: Design) -> tuple[Floats, Floats, float, bool]:
    fit = fit_beta_binomial(design.count, design.total, design.matrix, design.patient)
    freedom = max(design.scaled.size - np.unique(design.patient).size - design.matrix.shape[1] + 1, 1)
    return fit.coefficients, fit.standard_errors, float(freedom), fit.converged
