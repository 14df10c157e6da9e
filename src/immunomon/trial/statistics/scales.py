"""Values on the scale of the analysis, and the variance that counting gives them there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.proportions import log_odds, log_odds_of_percent
from immunomon.trial.kernels.intervals import counting_variance
from immunomon.trial.model.analysis import LABORATORY, Scale

__all__ = ["SCALES", "Figures", "on_scale"]


@dataclass(frozen=True, eq=False)
class Figures:
    """The figures of one endpoint's rows, (rows,): value, count, total, and the counts of all parts of a whole.

    parts: (rows, parts) with the endpoint's own first; quantity: percent, cells_per_ul, ratio, median_intensity or
    laboratory.
    """

    value: Floats
    count: Floats
    total: Floats
    quantity: str
    parts: Floats | None = None


def _log_odds(figures: Figures) -> tuple[Floats, Floats]:
    # Odds need a part of a whole: a denominator that is no ancestor has none.
    count = np.where(figures.count <= figures.total, figures.count, np.nan)
    # A percent without counts has odds and no counting error; where a part is no part of its whole it has none.
    is_bare = np.isnan(figures.count) & (figures.quantity == "percent")
    odds = np.where(is_bare, log_odds_of_percent(figures.value), log_odds(count, figures.total))
    return odds, counting_variance(count, figures.total)


def _log(figures: Figures) -> tuple[Floats, Floats]:
    value = np.log(np.where(figures.value > 0, figures.value, np.nan))
    if figures.quantity == "ratio":  # of two counts, each with its error
        return value, 1 / (figures.count + 0.5) + 1 / (figures.total + 0.5)
    if figures.quantity in {"median_intensity", LABORATORY}:  # its error is not one of counting
        return value, np.full(value.shape, np.nan)
    return value, np.asarray(1 / (figures.count + 0.5), dtype=np.float64)


def _clr(figures: Figures) -> tuple[Floats, Floats]:
    if figures.parts is None:
        raise ValueError("a centred log-ratio needs the counts of all parts")
    counts = figures.parts + 0.5
    logs = np.log(counts)
    size = counts.shape[1]
    variance = (1 - 2 / size) / counts[:, 0] + (1 / counts).sum(axis=1) / size**2
    return np.asarray(logs[:, 0] - logs.mean(axis=1)), np.asarray(variance)


SCALES: dict[Scale, Callable[[Figures], tuple[Floats, Floats]]] = {
    Scale.LOG_ODDS: _log_odds,
    Scale.LOG: _log,
    Scale.CLR: _clr,
}
"""Scale -> function from figures to values on it and their variances from counting."""


def on_scale(figures: Figures, scale: Scale) -> tuple[Floats, Floats]:
    """Return values on a scale and the variance that counting gives each; not-a-number where there is none.

    log-odds: 0.5 added to counts (Haldane 1956); clr: the logarithm less the mean logarithm of all parts of the parent,
    0.5 added to each (Aitchison, J R Stat Soc B 1982;44:139).

    >>> figures = Figures(np.array([50.0]), np.array([50.0]), np.array([100.0]), "percent")
    >>> on_scale(figures, Scale.LOG_ODDS)[0]
    array([0.])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return SCALES[scale](figures)
