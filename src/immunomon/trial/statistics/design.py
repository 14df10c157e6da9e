"""What a model over all visits is fitted to: values and counts, visits as a factor or a smooth course, dose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Mask
from immunomon.trial.kernels.course import spline_basis
from immunomon.trial.model.analysis import VisitsOverTime
from immunomon.trial.statistics.measured import Measured, Series

__all__ = ["DOSE", "Design", "VisitBasis", "design_of", "used", "visit_basis"]

DOSE = "dose_doubling"
_KNOTS = 3  # beside the baseline; so many values make a course that rises and falls


@dataclass(frozen=True, eq=False)
class VisitBasis:
    """How visits enter a model: basis (subjects, visits, columns), and the visits' terms as (terms, columns).

    The change at a visit is its row of ``contrasts`` times the coefficients; at baseline the basis is 0.
    """

    basis: Floats
    contrasts: Floats
    labels: tuple[str, ...]
    smooth: bool


@dataclass(frozen=True, eq=False)
class Design:
    """What a model over time is fitted to: values on the scale, counts, the columns beside them, and whose they are.

    scaled, count, total, patient: (rows,); matrix: (rows, columns), the first an intercept; contrasts: (terms,
    columns), what each of the terms is of the coefficients; smooth: whether visits are points on a smooth course.
    """

    scaled: Floats
    count: Floats
    total: Floats
    matrix: Floats
    contrasts: Floats
    terms: tuple[str, ...]
    patient: NDArray[np.intp]
    smooth: bool


def used(series: Series) -> Mask:
    """Return which values a model over time uses, (subjects, visits): those of patients who have two or more."""
    known = np.isfinite(series.scaled)
    return np.asarray(known & (known.sum(axis=1) > 1)[:, None])


def visit_basis(measured: Measured, series: Series) -> VisitBasis:
    """Return how the visits that have values enter a model: as the plan declares it.

    A smooth course is a natural cubic spline over the square root of the weeks since the patient's own baseline, with
    three knots after it: a course changes fastest at first. With three visits or fewer it is the factor.
    """
    known = used(series)
    later = [column for column in range(known.shape[1]) if column != measured.baseline and known[:, column].any()]
    labels = tuple(measured.facts.labels[column] for column in later)
    planned = np.array(measured.facts.planned_days)
    factor = measured.plan.visits_over_time is VisitsOverTime.FACTOR or len(later) <= _KNOTS
    if factor or not np.isfinite(planned).all():
        basis = np.broadcast_to(np.eye(known.shape[1])[:, later], (*known.shape, len(later)))
        return VisitBasis(basis, np.eye(len(later)), labels, smooth=False)
    start = np.where(
        np.isfinite(series.day[:, measured.baseline]), series.day[:, measured.baseline], planned[measured.baseline]
    )
    weeks = np.maximum(np.where(np.isfinite(series.day), series.day, planned) - start[:, None], 0.0) / 7
    planned_weeks = (planned - planned[measured.baseline]) / 7
    places = np.round(np.arange(1, _KNOTS + 1) * len(later) / _KNOTS).astype(int) - 1
    knots = np.sqrt(np.concatenate([[0.0], planned_weeks[[later[column] for column in places]]]))
    basis = spline_basis(np.sqrt(weeks), knots)
    basis[:, measured.baseline] = 0.0
    return VisitBasis(basis, spline_basis(np.sqrt(planned_weeks[later]), knots), labels, smooth=True)


def design_of(measured: Measured, series: Series, *, with_dose: bool) -> Design | None:
    """Return what a model of a series is fitted to; None with fewer than two patients that have two values."""
    patient, visit = np.nonzero(used(series))
    if np.unique(patient).size < 2:
        return None
    visits = visit_basis(measured, series)
    columns = [np.ones((patient.size, 1)), visits.basis[patient, visit]]
    contrasts = np.column_stack([np.zeros(len(visits.labels)), visits.contrasts])
    terms = visits.labels
    if with_dose:
        doses = np.array([measured.facts.doses[group] for group in measured.facts.group_of.values()])
        if not (doses > 0).all():
            return None  # an arm without cells, or without a dose, has no place on a scale of doublings
        doublings = np.log2(doses / doses.min())[patient]
        if np.unique(doublings).size < 2:
            return None
        # Around its mean, so that the visits' terms stay those of a patient at the middle of the doses.
        columns.append(((doublings - doublings.mean()) * (visit != measured.baseline))[:, None])
        contrasts = np.block(
            [[contrasts, np.zeros((len(terms), 1))], [np.zeros((1, contrasts.shape[1])), np.ones((1, 1))]]
        )
        terms = (*terms, DOSE)
    count, total = series.count[patient, visit], series.total[patient, visit]
    scaled, matrix = series.scaled[patient, visit], np.hstack(columns)
    return Design(scaled, count, total, matrix, contrasts, terms, patient, visits.smooth)
