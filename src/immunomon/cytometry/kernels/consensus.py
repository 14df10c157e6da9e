"""Placements that samples agree on: of one border, and of a border between two peaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Between", "Border", "Consensus", "agree_between", "consensus"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDS = 200  # of expectation-maximisation
_SMALLEST = 1e-10  # a variance; on a display scale that is a hundred-thousandth of its length
_FEWEST = 3  # estimates, without which there is nothing to agree on


@dataclass(frozen=True, eq=False)
class Consensus:
    """What a set of estimates came to, (n,) each.

    values, errors: the estimate drawn to the others, and its standard error. own_weight: how much of its own estimate
    is in it, 0 to 1. outlier: whether its own estimate was too far from what the others say, and was not followed.
    spread: standard deviations between subjects, between batches, and between samples beyond both.
    """

    values: Floats
    errors: Floats
    own_weight: Floats
    outlier: NDArray[np.bool_]
    spread: tuple[float, float, float]


def consensus(values: Floats, errors: Floats, subjects: Ints, batches: Ints, *, beyond: float = 4.0) -> Consensus:
    """Return each estimate drawn to its subject's and its batch's, by empirical Bayes.

    values, errors: (n,), an estimate and its standard error; not a number where there is none. subjects, batches: (n,)
    labels. beyond: an estimate is an outlier if it lies so many standard deviations from what the others predict.

    The model: overall mean + subject + batch + sample + error of the estimate, all normal, the three variances by
    restricted maximum likelihood. The outcome is the best linear unbiased prediction of mean + subject + batch +
    sample; an outlier and a sample without an estimate get what the others predict. With fewer than three estimates all
    stay as they are, and of three none is an outlier: two cannot say which is. Sources: Robinson 1991, Stat Sci 6:15
    (prediction of random effects); Morris 1983, J Am Stat Assoc 78:47 (empirical Bayes); Dempster, Laird & Rubin 1977,
    J R Stat Soc B 39:1 (EM).

    >>> found = consensus(np.array([0.50, 0.52, 0.48, 0.90]), np.full(4, 0.02), np.zeros(4, int), np.zeros(4, int))
    >>> found.outlier.tolist(), bool(abs(found.values[3] - 0.5) < 0.01)
    ([False, False, False, True], True)
    """
    known = np.isfinite(values) & np.isfinite(errors)
    factors = [_indicators(subjects), _indicators(batches)]
    used = known & ~_far_out(values, errors, known, beyond)
    if int(used.sum()) < _FEWEST:
        return Consensus(values, errors, np.ones(values.size), np.zeros(values.size, dtype=np.bool_), (0.0,) * 3)
    for _ in range(10):
        variances = _variances(values[used], errors[used], [factor[used] for factor in factors])
        predicted, uncertainty = _left_out(values, errors, used, factors, variances)
        # What an estimate may differ by: the prediction's own uncertainty, the samples' spread, its own error.
        distance = np.abs(values - predicted) / np.sqrt(uncertainty**2 + np.where(known, errors, 0.0) ** 2)
        again = known & (distance <= beyond)
        if bool(np.all(again == used)) or int(again.sum()) < _FEWEST:
            break
        used = again
    drawn, error = _predicted(values, errors, used, factors, variances)
    drawn[~used], error[~used] = predicted[~used], uncertainty[~used]
    weight = np.zeros(values.size)
    weight[used] = (
        1.0 - errors[used] ** 2 * _System(errors[used], [f[used] for f in factors], variances).projected_diagonal
    )
    spread = tuple(float(np.sqrt(variance)) for variance in variances)
    return Consensus(drawn, error, np.clip(weight, 0.0, 1.0), known & ~used, (spread[0], spread[1], spread[2]))


def _indicators(labels: Ints) -> Floats:
    return np.asarray(labels[:, None] == np.unique(labels)[None, :], dtype=np.float64)


def _far_out(values: Floats, errors: Floats, known: NDArray[np.bool_], beyond: float) -> NDArray[np.bool_]:
    """Return which estimates to leave out of the first look, lest they widen what counts as usual."""
    if int(known.sum()) < _FEWEST:
        return np.zeros(values.size, dtype=np.bool_)
    centre = np.median(values[known])
    width = 1.4826 * np.median(np.abs(values[known] - centre))
    usual = np.sqrt(width**2 + np.median(errors[known]) ** 2)
    far = np.asarray(known & (np.abs(values - centre) > 1.5 * beyond * usual), dtype=np.bool_)
    return far if int((known & ~far).sum()) >= _FEWEST else np.zeros(values.size, dtype=np.bool_)


class _System:
    """The covariance of estimates and its inverse, by way of the few columns of the factors (Woodbury).

    errors: (n,); factors: (n, levels) indicators; variances: of each factor, and of the samples.
    """

    def __init__(self, errors: Floats, factors: list[Floats], variances: Floats) -> None:
        kept = [(factor, variance) for factor, variance in zip(factors, variances, strict=False) if variance > 0]
        self.columns = np.hstack([factor for factor, _ in kept]) if kept else np.zeros((errors.size, 0))
        self.precision = 1.0 / (errors**2 + variances[-1] + _SMALLEST)
        self.prior = np.concatenate([np.full(factor.shape[1], variance) for factor, variance in kept] or [np.zeros(0)])
        self._weighted = self.precision[:, None] * self.columns
        self.inner = self.columns.T @ self._weighted
        self.middle = np.linalg.inv(np.diag(1.0 / self.prior) + self.inner) if self.prior.size else np.zeros((0, 0))
        self.ones = self.solve(np.ones(errors.size))

    def solve(self, right: Floats) -> Floats:
        """Return the inverse covariance times a vector."""
        return np.asarray(self.precision * right - self._weighted @ (self.middle @ (self._weighted.T @ right)))

    def mean(self, values: Floats) -> float:
        """Return the generalised least squares mean."""
        return float(self.ones @ values) / float(self.ones.sum())

    @property
    def projected_diagonal(self) -> Floats:
        """The diagonal of the inverse covariance with the mean projected out."""
        own = self.precision - np.einsum("ij,ij->i", self._weighted @ self.middle, self._weighted)
        return np.asarray(own - self.ones**2 / self.ones.sum(), dtype=np.float64)

    @property
    def column_diagonal(self) -> Floats:
        """For each level of a factor, its indicator's square in the inverse covariance with the mean projected out."""
        own = np.diag(self.inner) - np.einsum("ij,ij->i", self.inner @ self.middle, self.inner)
        return np.asarray(own - (self.columns.T @ self.ones) ** 2 / self.ones.sum(), dtype=np.float64)


def _variances(values: Floats, errors: Floats, factors: list[Floats]) -> Floats:
    """Return the variances of subjects, batches and samples by EM on the restricted likelihood."""
    variances = np.full(3, max(float(np.var(values)), _SMALLEST) / 3)
    # A factor that has one level, or as many as there are samples, cannot be told from the mean or from the samples.
    present = [factor[:, factor.any(axis=0)] for factor in factors]
    variances[:2] *= [1 < factor.shape[1] < values.size for factor in present]
    for _ in range(_ROUNDS):
        system, before = _System(errors, present, variances), variances.copy()
        residual = system.solve(values - system.mean(values))
        effects, left = system.columns.T @ residual, system.column_diagonal
        begin = 0
        for row, factor in enumerate(present):
            if variances[row] > 0:
                levels = slice(begin, begin := begin + factor.shape[1])
                variances[row] = _updated(before[row], effects[levels], left[levels])
        variances[2] = _updated(before[2], residual, system.projected_diagonal)
        if np.all(np.abs(variances - before) <= 1e-4 * before + _SMALLEST):
            break
    return variances


def _updated(variance: float, effects: Floats, left: Floats) -> float:
    expected = (variance * effects) ** 2 + variance - variance**2 * left
    return max(float(np.mean(expected)), _SMALLEST)


def _left_out(
    values: Floats, errors: Floats, used: NDArray[np.bool_], factors: list[Floats], variances: Floats
) -> tuple[Floats, Floats]:
    """Return what the used estimates, but its own, predict for every sample, and the standard error of that."""
    predicted, uncertainty = _predicted(values, errors, used, factors, variances)
    # Of a used estimate the prediction without itself, in closed form (Rasmussen & Williams 2006, section 5.4.2).
    system = _System(errors[used], [factor[used] for factor in factors], variances)
    own = system.projected_diagonal
    predicted[used] = values[used] - system.solve(values[used] - system.mean(values[used])) / own
    uncertainty[used] = np.sqrt(np.maximum(1.0 / own - errors[used] ** 2, _SMALLEST))
    return predicted, uncertainty


def _predicted(
    values: Floats, errors: Floats, used: NDArray[np.bool_], factors: list[Floats], variances: Floats
) -> tuple[Floats, Floats]:
    """Return what the used estimates, its own among them, say of every sample, and the standard error of that."""
    system = _System(errors[used], [factor[used] for factor in factors], variances)
    mean = system.mean(values[used])
    to_used = np.asarray(sum(v * f @ f[used].T for v, f in zip(variances, factors, strict=False)), dtype=np.float64)
    to_used[used, np.arange(int(used.sum()))] += variances[2]
    predicted = mean + to_used @ system.solve(values[used] - mean)
    solved = np.column_stack([system.solve(row) for row in to_used]).T
    missed = 1.0 - to_used @ system.ones  # the mean is estimated too
    left = variances.sum() - np.einsum("ij,ij->i", to_used, solved) + missed**2 / system.ones.sum()
    return np.asarray(predicted), np.sqrt(np.maximum(left, _SMALLEST))


# Borders between two peaks that samples agree on: peaks are each sample's own, the place between them is shared.

_FEWEST_BORDERS = 3  # estimates, without which there is nothing to agree on


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
    if int(np.isfinite(shares + share_errors).sum()) < _FEWEST_BORDERS:
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
