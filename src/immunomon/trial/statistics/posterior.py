"""The Bayesian model of one endpoint's counts in PyMC, and its posterior by nutpie, without a C compiler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Ints
from immunomon.cytometry.kernels.proportions import log_odds
from immunomon.trial.statistics.design import used, visit_basis
from immunomon.trial.statistics.measured import Measured, Series

__all__ = ["Layout", "Posterior", "compiled_model", "layout_of", "model_of", "sampled"]


@dataclass(frozen=True, eq=False)
class Layout:
    """One endpoint's numbers for the model, all subjects of the study, whether they have values or not.

    count, total: (subjects, visits), 0 of 0 where there is no value, which says nothing; basis: (subjects, visits,
    columns); contrasts: (visit terms, columns); level: (subjects,) the place of the dose, weight: (subjects,) their
    share in the mean of those who have values; terms: visits, then doses against the lowest; patient: (values,).
    """

    count: Ints
    total: Ints
    basis: Floats
    contrasts: Floats
    level: Ints
    levels: int
    weight: Floats
    after: Floats
    start: float
    terms: tuple[str, ...]
    patient: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, ...]:
        """What a compiled model is made for: layouts of one shape share it."""
        return (*self.basis.shape, self.levels)


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws of each term, (terms, draws), and how far they can be believed, by the worst of all parameters."""

    draws: Floats
    r_hat: float
    ess: float
    divergences: int


def layout_of(measured: Measured, series: Series) -> Layout | None:
    """Return the numbers of a series; None with fewer than two patients that have two values."""
    known = used(series)
    has_values = known.any(axis=1)
    if int(has_values.sum()) < 2:
        return None
    visits = visit_basis(measured, series)
    # Where somebody's dose is not stated, nobody is compared by dose.
    order = measured.facts.order if set(measured.facts.group_of.values()) <= set(measured.facts.order) else {}
    places = np.array([order.get(group, 0) for group in measured.facts.group_of.values()])
    doses = np.unique(places[has_values])
    count, total = (np.where(known, grid, 0.0).astype(np.int64) for grid in (series.count, series.total))
    names = ["/".join(group for group, place in order.items() if place == dose) for dose in doses]
    return Layout(
        count,
        total,
        np.ascontiguousarray(visits.basis),
        visits.contrasts,
        level=np.where(has_values, np.searchsorted(doses, places), 0).clip(max=doses.size - 1).astype(np.int64),
        levels=int(doses.size),
        weight=has_values / has_values.sum(),
        after=np.array([float(visit != measured.baseline) for visit in range(known.shape[1])]),
        start=float(log_odds(count, total)[known].mean()),
        terms=(*visits.labels, *(f"dose {name} against {names[0]}" for name in names[1:])),
        patient=np.nonzero(known)[0],
    )


def _data(layout: Layout, width: float) -> dict[str, Any]:
    return {
        "counts": layout.count,
        "totals": layout.total,
        "basis": layout.basis,
        "level": layout.level,
        "weight": layout.weight,
        "after": layout.after,
        "start": np.float64(layout.start),
        "width": np.float64(width),
    }


def model_of(layout: Layout, width: float = 1.0) -> Any:  # noqa: ANN401 - PyMC is untyped
    """Return the PyMC model; its numbers are data that can be exchanged for those of another layout of this shape.

    Priors, in log-odds: a visit's change, or the smooth course at its knots, normal(0, 1); the highest dose against the
    lowest, at every visit after baseline, normal(0, 0.5), shared out among the steps between by a flat Dirichlet, so
    that dose only rises or only falls; SD of patients half-normal(1). ``width`` multiplies these. Level of all patients
    normal(mean of the data, 1.5); precision of the beta distribution log-normal around 300 with SD 1.5.
    """
    import pymc as pm
    import pytensor.tensor as pt

    with pm.Model() as model:
        data = {name: pm.Data(name, value) for name, value in _data(layout, width).items()}
        course = pm.Normal("course", 0.0, data["width"], shape=layout.basis.shape[2])
        base = pm.Normal("base", data["start"], 1.5)
        sd = pm.HalfNormal("patient_sd", data["width"])
        offset = pm.Normal("offset", 0.0, 1.0, shape=layout.basis.shape[0])
        eta = (base + sd * offset)[:, None] + pt.dot(data["basis"], course)
        if layout.levels > 1:
            span = pm.Normal("dose_span", 0.0, 0.5 * data["width"])
            steps = pm.Dirichlet("dose_steps", np.ones(layout.levels - 1)) if layout.levels > 2 else pt.ones(1)
            risen = pt.concatenate([pt.zeros(1), pt.cumsum(steps)])[data["level"]]
            # Around the patients' mean, so that a visit's term is the change of the patients as they are.
            eta = eta + span * (risen - (risen * data["weight"]).sum())[:, None] * data["after"][None, :]
        precision = pm.math.exp(pm.Normal("log_precision", np.log(300.0), 1.5))
        mean = pm.math.invlogit(eta)
        shape = {"alpha": mean * precision, "beta": (1 - mean) * precision}
        pm.BetaBinomial("count", **shape, n=data["totals"], observed=data["counts"])
    return model


def compiled_model(layout: Layout) -> Any:  # noqa: ANN401 - nutpie is untyped
    """Return the model of a layout, compiled by Numba for nutpie's sampler."""
    import nutpie

    return nutpie.compile_pymc_model(model_of(layout), backend="numba")


def sampled(compiled: Any, layout: Layout, width: float, *, settings: Mapping[str, Any]) -> Posterior:  # noqa: ANN401
    """Return the posterior of a layout; compiled: for its shape. The same seed gives the same draws."""
    import nutpie

    trace = nutpie.sample(compiled.with_data(**_data(layout, width)), progress_bar=False, **settings)
    parameters = {name: np.asarray(trace.posterior[name], dtype=np.float64) for name in _kept(layout)}
    by_chain = np.concatenate([_visits(parameters, layout), _doses(parameters, layout)])
    rest = np.stack([parameters["base"], parameters["patient_sd"], parameters["log_precision"]])
    r_hat, ess = _convergence(np.concatenate([by_chain, rest]))
    draws = by_chain.reshape(len(by_chain), -1)
    return Posterior(draws, r_hat, ess, int(np.asarray(trace.sample_stats["diverging"]).sum()))


def _kept(layout: Layout) -> tuple[str, ...]:
    dose = ("dose_span",) * (layout.levels > 1) + ("dose_steps",) * (layout.levels > 2)
    return ("course", "base", "patient_sd", "log_precision", *dose)


def _visits(parameters: Mapping[str, Floats], layout: Layout) -> Floats:
    return np.moveaxis(parameters["course"] @ layout.contrasts.T, -1, 0)


def _doses(parameters: Mapping[str, Floats], layout: Layout) -> Floats:
    """Return the effect of each dose against the lowest, (doses - 1, chains, draws)."""
    chains, draws = parameters["base"].shape
    if layout.levels < 2:
        return np.empty((0, chains, draws))
    span = parameters["dose_span"][None]
    if layout.levels == 2:
        return span
    return np.asarray(span * np.moveaxis(np.cumsum(parameters["dose_steps"], axis=-1), -1, 0))


def _convergence(draws: Floats) -> tuple[float, float]:
    """Return the worst rank-normalised r-hat and the least ESS, of bulk and tails; draws: (parameters, chains, draws).

    Vehtari, Gelman, Simpson, Carpenter & Buerkner, Bayesian Anal 2021;16:667.
    """
    import arviz as az

    r_hat = max(float(az.rhat(parameter)) for parameter in draws)
    ess = min(float(az.ess(parameter, method=method)) for parameter in draws for method in ("bulk", "tail"))
    return (r_hat if np.isfinite(r_hat) else float("inf")), (ess if np.isfinite(ess) else 0.0)
