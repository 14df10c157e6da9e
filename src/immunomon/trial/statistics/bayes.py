"""The Bayesian model over time: beta-binomial counts, visits as a factor or a smooth course, dose monotone."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from immunomon.errors import ImmunomonError
from immunomon.trial.model.analysis import Scale
from immunomon.trial.model.tables import OVER_TIME, contracted
from immunomon.trial.statistics.measured import Measured, Series
from immunomon.trial.statistics.over_time import term_row
from immunomon.trial.statistics.posterior import Layout, Posterior, compiled_model, layout_of, sampled

__all__ = ["BAYESIAN", "WIDTHS", "Sampling", "bayesian", "fitted"]

Progress = Callable[[str, int, int, int], None]
BAYESIAN = "beta-binomial (Bayesian)"
WIDTHS = {"": 1.0, ", priors half as wide": 0.5, ", priors twice as wide": 2.0}


@dataclass(frozen=True)
class Sampling:
    """How long the posterior is sampled; the rules for convergence are those of Vehtari et al., Bayesian Anal 2021."""

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    most_r_hat: float = 1.01
    least_ess_per_chain: float = 100.0
    # Small steps keep to the narrow parts of the posterior; the second, twice as long, if the first did not converge.
    target_accept: tuple[float, ...] = (0.95, 0.995)


def bayesian(
    measured: Measured, *, seed: int = 1, sampling: Sampling | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """Return Bayesian models of the primary percents over all visits (rows of the OVER_TIME contract).

    Each is fitted with the priors as stated (``posterior.model_of``), half and twice as wide, side by side. A fit that
    did not converge, twice, has no numbers but its reason. Raises ImmunomonError if PyMC or nutpie is not installed.
    """
    _need_libraries()
    chosen = [of_name for name in measured.plan.primary.endpoints if (of_name := measured.of(name)) is not None]
    chosen = [series for series in chosen if series.endpoint.scale is Scale.LOG_ODDS]
    layouts = [(series, layout) for series in chosen if (layout := layout_of(measured, series)) is not None]
    models: dict[tuple[int, ...], Any] = {}  # compiling takes longer than sampling: one model serves all it fits
    rows: list[dict[str, Any]] = []
    for number, (series, layout) in enumerate(layouts):
        if layout.shape not in models:
            models[layout.shape] = _quietly(partial(compiled_model, layout))
        rows += _rows(
            measured, series, layout, compiled=models[layout.shape], sampling=sampling or Sampling(), seed=seed
        )
        if progress is not None:
            progress("Bayesian models", number + 1, len(layouts), 0)
    return contracted(rows, OVER_TIME, measured.plan.digest)


def _quietly(work: Callable[[], Any]) -> Any:  # noqa: ANN401 - PyMC and nutpie are untyped
    """Return what work returns; what the samplers print of convergence stands in the rows."""
    # A missing C compiler is no fault: nothing here is compiled by one.
    for name in ("pymc", "pytensor"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work()


def _need_libraries() -> None:
    def load() -> None:
        import nutpie  # noqa: F401
        import pymc  # noqa: F401

    try:
        _quietly(load)
    except ImportError as error:
        message = f'Bayesian models need PyMC and nutpie ({error}); install them with: pip install "immunomon[bayes]"'
        raise ImmunomonError(message) from None


def _rows(
    measured: Measured,
    series: Series,
    layout: Layout,
    *,
    compiled: Any,  # noqa: ANN401 - nutpie is untyped
    sampling: Sampling,
    seed: int,
) -> Iterator[dict[str, Any]]:
    fits = {name: fitted(compiled, layout, width=width, seed=seed, sampling=sampling) for name, width in WIDTHS.items()}
    for name, (posterior, words) in fits.items():
        for index, term in enumerate(layout.terms):
            row = term_row(series, layout.patient, model=BAYESIAN + name, term=term)
            if posterior is None:
                yield row | {"converged": False, "note": words}
                continue
            note = words if name else "; ".join([words, *_moved(fits, index)])
            yield row | _numbers(posterior.draws[index], measured.plan.alpha) | {"converged": True, "note": note}


Fits = Mapping[str, tuple[Posterior | None, str]]


def _moved(fits: Fits, index: int) -> Iterator[str]:
    """Say by how much other priors move a term, if all fits converged."""
    draws = [None if posterior is None else posterior.draws[index] for posterior, _ in fits.values()]
    main = draws[0]
    alternatives = [alternative for alternative in draws[1:] if alternative is not None]
    if main is None:
        return
    if alternatives:
        most = max(abs(float(alternative.mean() - main.mean())) for alternative in alternatives) / float(main.std())
        yield f"other priors move it by up to {most:.2f} posterior SD"
    if len(alternatives) < len(draws) - 1:
        yield "a fit with other priors did not converge"


def _numbers(draws: np.ndarray, alpha: float) -> dict[str, float]:
    low, high = (float(v) for v in np.quantile(draws, [alpha / 2, 1 - alpha / 2]))
    return {"estimate": float(draws.mean()), "se": float(draws.std(ddof=1)), "low": low, "high": high}


def fitted(
    compiled: Any,  # noqa: ANN401 - nutpie is untyped
    layout: Layout,
    *,
    width: float = 1.0,
    seed: int = 1,
    sampling: Sampling | None = None,
) -> tuple[Posterior | None, str]:
    """Return the posterior, None if it did not converge, and what is to be said of it; compiled: for the shape."""
    rules, words = sampling or Sampling(), ""
    for attempt, accept in enumerate(rules.target_accept, start=1):
        settings = {
            "draws": rules.draws * attempt,
            "tune": rules.tune * attempt,
            "chains": rules.chains,
            "cores": min(rules.chains, os.cpu_count() or 1),
            "seed": seed,
            "target_accept": accept,
        }
        posterior = _quietly(partial(sampled, compiled, layout, width, settings=settings))
        words = f"r-hat {posterior.r_hat:.3f}, ESS {posterior.ess:.0f}, {posterior.divergences} divergences"
        enough = posterior.ess >= rules.least_ess_per_chain * rules.chains
        if posterior.r_hat <= rules.most_r_hat and enough and posterior.divergences == 0:
            return posterior, words
    return None, f"did not converge, no numbers: {words}"
