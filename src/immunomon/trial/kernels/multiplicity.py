"""Several tests at once: the false-discovery rate of Benjamini & Hochberg, and max-T over sign flips."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immunomon.arrays import Floats
from immunomon.trial.kernels.signflip import sign_arrangements

__all__ = ["benjamini_hochberg", "max_t"]


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Return p-values adjusted so that rejecting those up to q keeps the expected share of false discoveries within q.

    p: (tests,); not-a-number passes through and counts as no test. Benjamini & Hochberg, J R Stat Soc B 1995;57:289.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5])
    array([0.04      , 0.05333333, 0.05333333, 0.5       ])
    """
    values = np.asarray(p, dtype=np.float64)
    out = np.full(values.shape, np.nan)
    there = np.flatnonzero(np.isfinite(values))
    order = there[np.argsort(values[there], kind="stable")]
    raised = values[order] * order.size / np.arange(1, order.size + 1)
    out[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return out


def max_t(changes: ArrayLike, rng: np.random.Generator | None = None) -> Floats:
    """Return p-values adjusted for all populations by the step-down max-T method over sign flips.

    changes: (patients, populations); not-a-number where a patient has none. A patient's changes are flipped together,
    so that what goes together in patients is respected, and the family-wise error is kept. All flips up to 18 patients,
    20,000 random ones of ``rng`` beyond. A population with fewer than two patients has none. Westfall & Young,
    Resampling-Based Multiple Testing, 1993, algorithm 4.1.

    >>> x = np.array([[0.5, 0.1], [0.6, -0.2], [0.4, 0.1], [0.7, 0.0], [0.5, -0.1], [0.6, 0.2]])
    >>> max_t(x)
    array([0.03125, 1.     ])
    """
    x = np.asarray(changes, dtype=np.float64)
    known = np.isfinite(x)
    tested = np.flatnonzero(known.sum(axis=0) > 1)
    out = np.full(x.shape[1], np.nan)
    if tested.size == 0:
        return out
    present = x[:, tested]
    t = _flipped_t(np.where(known[:, tested], present, 0.0), known[:, tested].sum(axis=0), rng)
    order = np.argsort(-t[0], kind="stable")
    # From the smallest statistic up, each row's running maximum is that of the hypotheses not yet rejected.
    running = np.maximum.accumulate(t[:, order[::-1]], axis=1)[:, ::-1]
    p = (running >= t[0, order] * (1 - 1e-9)).mean(axis=0)
    out[tested[order]] = np.maximum.accumulate(p)
    return out


def _flipped_t(x: Floats, n: NDArray[np.intp], rng: np.random.Generator | None) -> Floats:
    """Return |t| of each population under each flip, the observed one first; a missing change is 0 and no patient."""
    squares = (x**2).sum(axis=0)
    means = sign_arrangements(x.shape[0], rng) @ x / n
    # All changes equal is a t of infinity, and equal to its mirror image.
    spread = np.maximum(squares - n * means**2, 1e-12 * np.maximum(squares, 1e-300)) / (n - 1)
    return np.asarray(np.abs(means) / np.sqrt(spread / n), dtype=np.float64)
