"""Where the tail of a peak ends, measured by the peak's other side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from immunomon.arrays import Floats, Ints
from immunomon.cytometry.kernels.density import Mode, Profile, valley_between
from immunomon.cytometry.kernels.resample import REPLICATES, peak_error, redrawn

__all__ = ["TailFound", "tail_of"]

# Of a normal curve's one side, so much lies within one standard deviation of the peak.
_ONE_SD = 0.682689


@dataclass(frozen=True)
class TailFound:
    """A threshold beyond a peak, with its standard error, the peak and the peak's standard deviation."""

    threshold: float
    error: float
    peak: float
    spread: float


def tail_of(
    profile: Profile, modes: Sequence[Mode], index: int, *, spreads: float, rng: np.random.Generator
) -> TailFound:
    """Return the threshold ``spreads`` standard deviations above a mode, all in the values' unit.

    modes: all that the profile has, from left to right; index: which of them the tail belongs to. Its standard
    deviation is measured on its left side only, as far as the valley to the next mode on that side.

    >>> from immunomon.cytometry.kernels.density import modes_of, profile_of
    >>> rng = np.random.default_rng(1)
    >>> values = np.concatenate([rng.normal(0.3, 0.05, 9000), rng.uniform(0.4, 0.9, 500)])
    >>> profile = profile_of(values, 0.02)
    >>> found = tail_of(profile, modes_of(profile), 0, spreads=3.0, rng=rng)
    >>> round(found.peak, 1), round(found.spread, 2), round(found.threshold, 2), found.error < 0.02
    (0.3, 0.05, 0.45, True)
    """
    mode = modes[index]
    start = 0
    if index > 0:
        start = int(np.searchsorted(profile.centers, valley_between(profile, modes[index - 1], mode)[0]))
    spread = _left_spreads(profile.raw[None, start : mode.index + 1])[0] * profile.width
    error_of_peak = peak_error(profile, mode, rng=rng)
    # The peak's place in each replicate is drawn with its error: the spread is measured from there.
    shifts = np.rint(rng.normal(0.0, error_of_peak / profile.width, REPLICATES)).astype(np.int64)
    last = np.clip(mode.index + shifts, start + 1, profile.raw.size - 1)
    drawn = redrawn(profile.raw[start : int(last.max()) + 1], rng)
    inside = np.arange(drawn.shape[1])[None, :] <= (last - start)[:, None]
    ends = (last + spreads * _left_spreads(np.where(inside, drawn, 0.0), last - start)) * profile.width
    return TailFound(float(mode.position + spreads * spread), float(np.std(ends)), mode.position, float(spread))


def _left_spreads(counts: Floats, last: Ints | None = None) -> Floats:
    """Return how far left of its last bin each row holds 68 % of its events, in bins."""
    last = np.full(counts.shape[0], counts.shape[1] - 1) if last is None else last
    summed = np.cumsum(counts, axis=1)
    target = (1 - _ONE_SD) * summed[:, -1:]
    # Between two bins the count is taken to rise evenly.
    above = (summed < target).sum(axis=1)
    rows, above = np.arange(counts.shape[0]), np.minimum(above, counts.shape[1] - 1)
    within = counts[rows, above]
    share = np.where(within > 0, (summed[rows, above] - target[:, 0]) / np.maximum(within, 1e-12), 0.0)
    return np.asarray(np.where(summed[:, -1] > 0, last - above - 0.5 + share, 0.0), dtype=np.float64)
