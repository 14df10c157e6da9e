"""Placements that samples agree on: of one border, and of a border between two peaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Ints, Mask
from immunomon.cytometry.kernels.crossed import Crossed

__all__ = ["Between", "Border", "Consensus", "agree_between", "consensus"]

Used = NDArray[np.bool_]

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
    outlier: Mask
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
    used = known & ~_far_out(values, errors, known, beyond)
    if int(used.sum()) < _FEWEST:
        return Consensus(values, errors, np.ones(values.size), np.zeros(values.size, dtype=np.bool_), (0.0,) * 3)
    crossed = Crossed(subjects, batches)
    for _ in range(10):
        evidence = _Evidence.of(values, errors, used, crossed)
        variances = _variances(evidence)
        predicted, uncertainty = _left_out(evidence, variances)
        # What an estimate may differ by: the prediction's own uncertainty, the samples' spread, its own error.
        distance = np.abs(values - predicted) / np.sqrt(uncertainty**2 + np.where(known, errors, 0.0) ** 2)
        again = known & (distance <= beyond)
        if bool(np.all(again == used)) or int(again.sum()) < _FEWEST:
            break
        used = again
    evidence = _Evidence.of(values, errors, used, crossed)
    drawn, error = _predicted(evidence, variances)
    drawn[~used], error[~used] = predicted[~used], uncertainty[~used]
    own = _System(evidence, variances).projected_diagonal
    weight = np.where(used, 1.0 - np.where(used, errors, 0.0) ** 2 * own, 0.0)
    spread = tuple(float(np.sqrt(variance)) for variance in variances)
    return Consensus(drawn, error, np.clip(weight, 0.0, 1.0), known & ~used, (spread[0], spread[1], spread[2]))


def _far_out(values: Floats, errors: Floats, known: Mask, beyond: float) -> Mask:
    """Return which estimates to leave out of the first look, lest they widen what counts as usual."""
    if int(known.sum()) < _FEWEST:
        return np.zeros(values.size, dtype=np.bool_)
    centre = np.median(values[known])
    width = 1.4826 * np.median(np.abs(values[known] - centre))
    usual = np.sqrt(width**2 + np.median(errors[known]) ** 2)
    far = np.asarray(known & (np.abs(values - centre) > 1.5 * beyond * usual), dtype=np.bool_)
    return far if int((known & ~far).sum()) >= _FEWEST else np.zeros(values.size, dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class _Evidence:
    """The used estimates: what stays as it is while the variances are sought.

    values, squared_errors: (n,), all samples, 0 where an estimate is not used; ones: 1 where it is.
    """

    values: Floats
    squared_errors: Floats
    used: Used
    ones: Floats
    crossed: Crossed

    @classmethod
    def of(cls, values: Floats, errors: Floats, used: Used, crossed: Crossed) -> _Evidence:
        """Return the evidence of estimates with their standard errors."""
        squared_errors = np.where(used, errors, 0.0) ** 2
        return cls(np.where(used, values, 0.0), squared_errors, used, used.astype(np.float64), crossed)


class _System:
    """The covariance of the used estimates and its inverse, by way of the few levels of the factors (Woodbury).

    variances: of subjects, batches and samples. What a sample that is not used has in any vector is 0. With D the
    precisions, Z the indicators of the levels, P their variances and M = (1 / P + Z'DZ)^-1, the inverse is
    D - D Z M Z' D, and Z M = D^-1 times the inverse times Z P.
    """

    def __init__(self, evidence: _Evidence, variances: Floats) -> None:
        crossed = self._crossed = evidence.crossed
        self._evidence = evidence
        precision = 1.0 / (evidence.squared_errors + variances[2] + _SMALLEST)
        self.precision = np.where(evidence.used, precision, 0.0)
        self.prior = np.repeat(variances[:2], (crossed.count_first, crossed.count - crossed.count_first))
        # A factor without variance has no say, as if its levels were infinitely sure to be 0.
        self._has_say = self.prior > 0
        certain = np.where(self._has_say, 1.0 / np.where(self._has_say, self.prior, 1.0), 1.0)
        joined = self.precision if self._has_say.all() else np.zeros(precision.size)
        self._middle = crossed.inverse(certain + crossed.sums(self.precision) * self._has_say, joined)
        self.level_variances = np.where(self._has_say, self._middle.diagonal, 0.0)
        self.joint_variances = crossed.at_samples(self.level_variances) + 2 * self._middle.cross
        self.ones = self.solve(evidence.ones)
        self.sum_of_ones = self.ones.sum()
        self.level_ones = crossed.sums(self.ones)

    def solve(self, right: Floats) -> Floats:
        """Return the inverse covariance times a vector."""
        weighted = self.precision * right
        levels = self._middle.times(self._crossed.sums(weighted) * self._has_say) * self._has_say
        return np.asarray(weighted - self.precision * self._crossed.at_samples(levels))

    @property
    def mean(self) -> float:
        """The generalised least squares mean."""
        return float(self.ones @ self._evidence.values) / float(self.sum_of_ones)

    @property
    def residual(self) -> Floats:
        """The inverse covariance times what the values differ from their mean by."""
        return self.solve(np.where(self._evidence.used, self._evidence.values - self.mean, 0.0))

    @property
    def projected_diagonal(self) -> Floats:
        """The diagonal of the inverse covariance with the mean projected out."""
        own = self.precision - self.precision**2 * self.joint_variances
        return np.asarray(own - self.ones**2 / self.sum_of_ones, dtype=np.float64)


def _variances(evidence: _Evidence) -> Floats:
    """Return the variances of subjects, batches and samples by EM on the restricted likelihood."""
    used, crossed = evidence.used, evidence.crossed
    variances = np.full(3, max(float(np.var(evidence.values[used])), _SMALLEST) / 3)
    # A factor that has one level, or as many as there are samples, cannot be told from the mean or from the samples.
    is_present = crossed.sums(evidence.ones) > 0
    is_first = np.arange(crossed.count) < crossed.count_first
    present = [np.flatnonzero(is_present & is_first), np.flatnonzero(is_present & ~is_first)]
    variances[:2] *= [1 < levels.size < int(used.sum()) for levels in present]
    for _ in range(_ROUNDS):
        system, before = _System(evidence, variances), variances.copy()
        residual = system.residual
        effects = system.prior * crossed.sums(residual)
        # What is not known of a level: its variance given all estimates, and what the mean's uncertainty adds to it.
        unknown = system.level_variances + (system.prior * system.level_ones) ** 2 / system.sum_of_ones
        for factor, levels in enumerate(present):
            if variances[factor] > 0:
                variances[factor] = max(_mean(effects[levels] ** 2 + unknown[levels]), _SMALLEST)
        of_samples = (before[2] * residual) ** 2 + before[2] - before[2] ** 2 * system.projected_diagonal
        variances[2] = max(_mean(of_samples[used]), _SMALLEST)
        if (np.abs(variances - before) <= 1e-4 * before + _SMALLEST).all():
            break
    return variances


def _mean(values: Floats) -> float:
    return float(np.add.reduce(values) / values.size)  # as ``numpy.mean``, and sooner for few values


def _left_out(evidence: _Evidence, variances: Floats) -> tuple[Floats, Floats]:
    """Return what the used estimates, but its own, predict for every sample, and the standard error of that."""
    predicted, uncertainty = _predicted(evidence, variances)
    # Of a used estimate the prediction without itself, in closed form (Rasmussen & Williams 2006, section 5.4.2).
    system, used = _System(evidence, variances), evidence.used
    own = system.projected_diagonal[used]
    predicted[used] = evidence.values[used] - system.residual[used] / own
    uncertainty[used] = np.sqrt(np.maximum(1.0 / own - evidence.squared_errors[used], _SMALLEST))
    return predicted, uncertainty


def _predicted(evidence: _Evidence, variances: Floats) -> tuple[Floats, Floats]:
    """Return what the used estimates, its own among them, say of every sample, and the standard error of that."""
    system, crossed = _System(evidence, variances), evidence.crossed

    def drawn_from(weights: Floats) -> Floats:  # the covariance of every sample with the used ones times weights
        of_levels = crossed.at_samples(system.prior * crossed.sums(weights))
        return np.asarray(of_levels + variances[2] * weights, dtype=np.float64)

    predicted = system.mean + drawn_from(system.residual)
    missed = 1.0 - drawn_from(system.ones)  # the mean is estimated too
    shrunk = 1.0 - variances[2] * system.precision
    left = variances[2] * shrunk + shrunk**2 * system.joint_variances + missed**2 / system.sum_of_ones
    return predicted, np.sqrt(np.maximum(left, _SMALLEST))


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


def _common(shares: Floats, errors: Floats, used: Mask, spread: float) -> tuple[float, float]:
    """Return the mean share, weighed by errors and spread, and how far one sample's may be from it."""
    used = used & np.isfinite(shares + errors)
    weights = 1.0 / (errors[used] ** 2 + spread**2 + 1e-12)
    mean = float(weights @ shares[used] / weights.sum())
    return mean, float(np.sqrt(spread**2 + 1.0 / weights.sum()))
