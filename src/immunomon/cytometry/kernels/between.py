"""Borders between two peaks that samples agree on: peaks are each sample's own, the place between them is shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.cytometry.kernels.consensus import Consensus, consensus

__all__ = ["Between", "Border", "agree_between"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FEWEST = 3  # estimates, without which there is nothing to agree on


@dataclass(frozen=True, eq=False)
class Between:
    """A border of each sample and the two peaks it parts, (n,) each, with standard errors; not a number: none seen."""

    places: Floats
    errors: Floats
    lows: Floats
    low_errors: Floats
    highs: Floats
    high_errors: Floats


@dataclass(frozen=True, eq=False)
class Border:
    """What samples came to: each one's border and its two peaks, and the share of the way from low to high."""

    border: Consensus
    low: Consensus
    high: Consensus
    share: float


def agree_between(estimates: Between, subjects: Ints, batches: Ints) -> Border | None:
    """Return each sample's border at one common share of the way between its own two peaks; None with fewer than 3.

    subjects, batches: (n,) labels. Where few cells lie between two peaks, the lowest point of their density wanders
    from sample to sample with the number of cells on either side, though neither stain has moved; the peaks say far
    more sharply where the stain is. So the peaks are drawn to their subject's and batch's (``consensus``), and of the
    valleys only one number is taken, the same for all samples: the mean share of the way, weighed by their errors.
    A border's error comes from its peaks and from how much the samples' shares differ. An outlier has a peak, or a
    valley between its peaks, that is out of line with the others.

    Sources: Robinson 1991, Stat Sci 6:15 (the peaks); DerSimonian & Laird 1986, Control Clin Trials 7:177 (the share:
    a mean over estimates with errors of their own and a spread beside).

    >>> one = np.full(4, 0.01)
    >>> seen = Between(np.array([0.50, 0.53, 0.47, 0.50]), one, np.full(4, 0.2), one, np.full(4, 0.8), one)
    >>> found = agree_between(seen, np.arange(4), np.zeros(4, int))
    >>> round(found.share, 2), bool(np.ptp(found.border.values) < 0.01)
    (0.5, True)
    """
    span = estimates.highs - estimates.lows
    shares, share_errors = (estimates.places - estimates.lows) / span, estimates.errors / span
    if int(np.isfinite(shares + share_errors).sum()) < _FEWEST:
        return None
    low = consensus(estimates.lows, estimates.low_errors, subjects, batches)
    high = consensus(estimates.highs, estimates.high_errors, subjects, batches)
    agreed = consensus(shares, share_errors, subjects, batches)
    share, spread = _common(shares, share_errors, ~agreed.outlier, float(np.sqrt(np.sum(np.square(agreed.spread)))))
    values = low.values + share * (high.values - low.values)
    errors = np.sqrt(
        ((1 - share) * low.errors) ** 2 + (share * high.errors) ** 2 + (spread * (high.values - low.values)) ** 2
    )
    weight = np.where(np.isfinite(shares), np.minimum(low.own_weight, high.own_weight), 0.0)
    outlier = low.outlier | high.outlier | agreed.outlier
    return Border(Consensus(values, errors, weight, outlier, agreed.spread), low, high, share)


def _common(shares: Floats, errors: Floats, used: NDArray[np.bool_], spread: float) -> tuple[float, float]:
    """Return the mean share, weighed by errors and spread, and how far one sample's may be from it."""
    used = used & np.isfinite(shares + errors)
    weights = 1.0 / (errors[used] ** 2 + spread**2 + 1e-12)
    mean = float(weights @ shares[used] / weights.sum())
    return mean, float(np.sqrt(spread**2 + 1.0 / weights.sum()))
