"""All visits in one model: how the plan's endpoints go over time, with a random level for each patient."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunomon.arrays import Floats
from immunomon.trial.kernels.intervals import fit_beta_binomial
from immunomon.trial.kernels.signflip import sign_flip_floor
from immunomon.trial.model.analysis import Scale
from immunomon.trial.model.tables import OVER_TIME, contracted
from immunomon.trial.statistics.design import DOSE, Design, design_of
from immunomon.trial.statistics.measured import Measured, Series
from immunomon.trial.statistics.rows import no_p

__all__ = ["over_time", "over_time_words", "term_row"]

_FEW_FREEDOM = (
    "Wald interval without small-sample degrees of freedom: too narrow with few patients; a check, no verdict"
)
_FEW_LIKELIHOOD = (
    "maximum likelihood, t interval with values - patients - terms degrees of freedom: approximate with few patients"
)

_SMOOTH = "visits as points on a smooth course (natural cubic spline, 3 degrees of freedom)"

# Coefficients, their covariance, degrees of freedom, and whether the fit converged.
Fit = Callable[[Design], tuple[Floats, Floats, float, bool]]


def over_time(measured: Measured) -> pd.DataFrame:
    """Return models of the plan's endpoints over all visits (the OVER_TIME contract).

    Terms: each visit against baseline, itself or as a point on a smooth course, as the plan declares; and in a second
    fit with them ``dose_doubling``, by how much the change after baseline grows from one dose to twice it: a straight
    line over the logarithm of the dose, which is monotone by its form. MixedLM (REML) on the scale, and for percents a
    beta-binomial model. A fit that did not converge has no numbers.
    """
    rows = [row for series in measured.planned for row in _rows(measured, series)]
    return contracted(rows, OVER_TIME, measured.plan.digest)


def _rows(measured: Measured, series: Series) -> Iterator[dict[str, Any]]:
    models: list[tuple[str, Fit, str]] = [("MixedLM", _mixed, _FEW_FREEDOM)]
    if series.endpoint.scale is Scale.LOG_ODDS:
        models.append(("beta-binomial (maximum likelihood)", _beta_binomial, _FEW_LIKELIHOOD))
    plain, dosed = (design_of(measured, series, with_dose=with_dose) for with_dose in (False, True))
    for name, fit, note in models:
        for design, only_term in ((plain, None), (dosed, DOSE)):
            if design is not None:
                yield from _fitted(measured, series, design, (name, fit, note), only_term)


def _fitted(
    measured: Measured, series: Series, design: Design, model: tuple[str, Fit, str], only_term: str | None
) -> Iterator[dict[str, Any]]:
    from scipy.special import stdtr, stdtrit

    name, fit, note = model
    coefficients, covariance, freedom, good = fit(design)
    for contrast, term in zip(design.contrasts, design.terms, strict=True):
        if only_term is not None and term != only_term:
            continue
        row = term_row(series, design.patient, model=name, term=term) | {"converged": good}
        floor = sign_flip_floor(int(row["patients"]))
        if not good:
            yield row | {"note": "the fit did not converge: no numbers"}
            continue
        estimate, error = float(contrast @ coefficients), float(contrast @ covariance @ contrast) ** 0.5
        half = float(stdtrit(freedom, 1 - measured.plan.alpha / 2)) * error
        t = abs(estimate / error) if error > 0 else float("nan")
        reasons = (no_p(floor, measured.plan.alpha), note, _SMOOTH if design.smooth else "")
        yield row | {
            "estimate": estimate,
            "se": error,
            "low": estimate - half,
            "high": estimate + half,
            "p": float("nan") if floor > measured.plan.alpha else float(2 * stdtr(freedom, -t)),
            "note": "; ".join(reason for reason in reasons if reason),
        }


def term_row(series: Series, patient: NDArray[np.intp], *, model: str, term: str) -> dict[str, Any]:
    """Return the columns that say which term of which model a row holds; patient: (rows,) whose each value is."""
    return {
        "endpoint": series.endpoint.name,
        "model": model,
        "term": term,
        "patients": int(np.unique(patient).size),
        "values": int(patient.size),
    }


def _mixed(design: Design) -> tuple[Floats, Floats, float, bool]:
    from statsmodels.regression.mixed_linear_model import MixedLM

    columns = design.matrix.shape[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether it converged stands in the row; a variance at 0 is no fault
        try:
            fit = MixedLM(design.scaled, design.matrix, groups=design.patient).fit(reml=True)
        except (np.linalg.LinAlgError, ValueError):
            return np.full(columns, np.nan), np.full((columns, columns), np.nan), 1e9, False
        estimate = np.asarray(fit.fe_params, dtype=np.float64)
        covariance = np.asarray(fit.cov_params(), dtype=np.float64)[:columns, :columns]
    return estimate, covariance, 1e9, bool(fit.converged) and _proper(covariance)


def _beta_binomial(design: Design) -> tuple[Floats, Floats, float, bool]:
    fit = fit_beta_binomial(design.count, design.total, design.matrix, design.patient)
    freedom = max(design.scaled.size - np.unique(design.patient).size - design.matrix.shape[1] + 1, 1)
    return fit.coefficients, fit.covariance, float(freedom), fit.converged and _proper(fit.covariance)


def _proper(covariance: Floats) -> bool:
    """Say whether every variance is a number above 0."""
    return bool(np.isfinite(covariance).all() and (np.diag(covariance) > 0).all())


# What the models over all visits say of the primary endpoints, in sentences: their estimates side by side.


def over_time_words(measured: Measured, table: pd.DataFrame) -> Iterator[str]:
    """Yield for each primary endpoint what each model says of its primary visits and of dose.

    table: the OVER_TIME contract. A model that did not converge has its reason in place of numbers.
    """
    for endpoint in measured.plan.primary.endpoints:
        rows = table[table["endpoint"] == endpoint]
        dose = rows["term"].str.startswith("dose")
        primary_rows = rows[rows["term"].isin(measured.plan.primary.visits) | dose]
        for term, of_term in primary_rows.groupby("term", sort=False):
            estimates = [_estimate(row) for _, row in of_term.iterrows()]
            first = of_term.iloc[0]
            size = f"{first['values']} values of {first['patients']} patients"
            yield f"{endpoint}, {str(term).replace('_', ' ')} ({size}): {'; '.join(estimates)}."


def _estimate(row: pd.Series[Any]) -> str:
    if pd.isna(row["estimate"]):
        return f"{row['model']}: {row['note']}"
    return f"{row['model']} {row['estimate']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"
