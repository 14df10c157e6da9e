"""A screen for change: which of many counts and brightnesses left the range of their own fluctuation, in anybody.

Nothing is assumed of who changes: squared changes are averaged over subjects, so that a large change in a few counts as
much as a small one in all. It is a screen, for a list to look at, not a test of a treatment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from immunomon.arrays import Floats, Ints, Mask

__all__ = ["FEWEST_STEPS", "Screened", "fluctuation", "screen", "stabilised"]

# The median of a squared standard normal deviate, and how much a variance from a median knows, in shares of what one
# from a mean of squares knows (Rousseeuw & Croux 1993).
_MEDIAN_OF_SQUARE = 0.45493642311957283
_EFFICIENCY = 0.37
FEWEST_STEPS = 3


def stabilised(counts: Floats, totals: Floats) -> tuple[Floats, Floats]:
    """Return counts as if all were of one total, as ``2 sqrt(x + 3/8)``, and those counts (Anscombe 1948).

    counts: (subjects, visits, clusters), totals: (subjects, visits), not-a-number where there is no sample. The
    standard deviation of a transformed Poisson count is 1, whatever its mean.

    >>> stabilised(np.array([[[4.0]]]), np.array([[100.0]]))[0].round(2).tolist()
    [[[4.18]]]
    """
    known = totals[np.isfinite(totals) & (totals > 0)]
    with np.errstate(divide="ignore", invalid="ignore"):
        level = counts * (float(np.median(known)) if known.size else np.nan) / totals[:, :, None]
    level = np.where(np.isfinite(level), level, np.nan)
    return 2.0 * np.sqrt(level + 0.375), level


def fluctuation(values: Floats, known: Floats, level: Floats) -> Floats:
    """Return each subject's variance of a cluster beyond the known one, (subjects, clusters), in units of the level.

    values, known, level: (subjects, visits, clusters); a value's variance is ``known + f x level``. From the median of
    the squared differences of successive visits, which a lasting change does not move. The largest counts of three: the
    subject's own, that of all subjects, and the median over clusters, for a quiet series may be quiet by chance.
    Not-a-number for a subject with fewer than FEWEST_STEPS differences: its fluctuation cannot be told from change.

    >>> rng = np.random.default_rng(1)
    >>> still = rng.normal(size=(40, 9, 1))
    >>> jump = still + 9 * (np.arange(9) > 2)[None, :, None] * (np.arange(40) < 20)[:, None, None]
    >>> [round(float(np.median(fluctuation(x, np.zeros_like(x), np.ones_like(x))))) for x in (still, jump)]
    [1, 1]
    """
    before = _last_before(np.isfinite(values))
    squares = (values - np.take_along_axis(values, before, axis=1))[:, 1:] ** 2
    known_pair = (known + np.take_along_axis(known, before, axis=1))[:, 1:]
    level_pair = (level + np.take_along_axis(level, before, axis=1))[:, 1:]
    # The f at which a squared difference, over its variance, is the median of a squared normal deviate. Two samples
    # with many cells know more of f than two with hardly any.
    each = (squares / _MEDIAN_OF_SQUARE - known_pair) / np.maximum(level_pair, 1e-9)
    own_pair = (before[:, 1:] < np.arange(1, values.shape[1])[None, :, None]) & np.isfinite(each)
    weight = np.where(own_pair, level_pair, 0.0)
    own = np.where(own_pair.sum(axis=1) >= FEWEST_STEPS, _weighted_medians(each, weight), np.nan)
    clusters = values.shape[2]
    together = _weighted_medians(each.reshape(1, -1, clusters), weight.reshape(1, -1, clusters))[0]
    return np.asarray(np.maximum(own, np.maximum(together, np.median(together))[None, :]), dtype=np.float64)


def _last_before(there: Mask) -> Ints:
    """Return for each visit the last one before it that has a value, or the visit itself where there is none."""
    index = np.arange(there.shape[1])[None, :, None]
    last = np.maximum.accumulate(np.where(there, index, -1), axis=1)
    before = np.concatenate([np.full_like(last[:, :1], -1), last[:, :-1]], axis=1)
    return np.asarray(np.where(before >= 0, before, index), dtype=np.int64)


def _weighted_medians(each: Floats, weight: Floats) -> Floats:
    """Return the weighted medians along the second axis, 0 where they are negative or nothing has weight."""
    order = np.argsort(np.where(weight > 0, each, np.inf), axis=1, kind="stable")
    values, weights = (np.take_along_axis(array, order, axis=1) for array in (each, weight))
    summed = np.cumsum(weights, axis=1)
    middle = np.take_along_axis(values, (summed >= 0.5 * summed[:, -1:]).argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(summed[:, -1] > 0, np.maximum(np.nan_to_num(middle), 0.0), 0.0)


@dataclass(frozen=True, eq=False)
class Screened:
    """What a screen found, with the first visit as baseline.

    changes: (subjects, visits - 1, clusters), in standard deviations; scores: (visits - 1, clusters), their mean square
    over subjects, about 1 where nothing happens; p: same shape; subjects: (visits - 1, clusters), those with a value.
    """

    changes: Floats
    scores: Floats
    p: Floats
    subjects: Ints


def screen(values: Floats, known: Floats, level: Floats, batches: Ints) -> Screened:
    """Return how far each cluster has moved from each subject's first visit, beyond its own fluctuation.

    values, known, level: as for ``fluctuation``; batches: (subjects, visits), which were stained together. The score is
    compared with an F distribution whose first degrees of freedom are the batches at the visit (subjects of one batch
    share its staining, and count as one), and whose second are what the median of the fluctuation knows.

    >>> rng = np.random.default_rng(1)
    >>> values = rng.normal(size=(9, 6, 20))
    >>> values[:3, 3:, 7] += 9
    >>> batches = np.arange(9)[:, None].repeat(6, axis=1)
    >>> int(screen(values, np.zeros_like(values), np.ones_like(values), batches).scores[3].argmax())
    7
    """
    from scipy.special import fdtrc

    f = fluctuation(values, known, level)
    steps = np.maximum(np.isfinite(values).sum(axis=1) - 1, 0).sum(axis=0)
    variance = known[:, 1:] + known[:, :1] + f[:, None, :] * (level[:, 1:] + level[:, :1])
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = (values[:, 1:] - values[:, :1]) / np.sqrt(variance)
    changes = np.where(np.isfinite(changes), changes, np.nan)
    there = np.isfinite(changes)
    subjects = there.sum(axis=0)
    scores = np.where(there, changes, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(subjects > 0, (scores**2).sum(axis=0) / np.maximum(subjects, 1), np.nan)
    p = np.full(mean.shape, np.nan)
    for visit, cluster in np.argwhere(subjects > 0).tolist():
        own = np.unique(batches[there[:, visit, cluster], visit + 1]).size
        p[visit, cluster] = fdtrc(own, max(1.0, _EFFICIENCY * steps[cluster]), mean[visit, cluster])
    return Screened(changes, mean, p, subjects.astype(np.int64))
