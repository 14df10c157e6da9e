import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.cytometry.kernels import consensus as kernel
from immunomon.cytometry.kernels import crossed
from immunomon.cytometry.kernels.consensus import consensus


def study(rng, *, between_batches=0.03, between_samples=0.005):
    """Nine subjects in three cohorts, seven visits, a batch for each cohort's visit, and a bridge in each batch."""
    subjects = np.concatenate([np.repeat(np.arange(9), 7), np.full(21, 9)])
    batches = np.concatenate([(np.arange(63) // 21) * 7 + np.arange(63) % 7, np.arange(21)])
    true = 0.5 + rng.normal(0, 0.01, 10)[subjects] + rng.normal(0, between_batches, 21)[batches]
    true = true + rng.normal(0, between_samples, 84)
    errors = rng.uniform(0.005, 0.04, 84)
    return subjects, batches, true, errors, true + rng.normal(0, errors)


def test_what_samples_agree_on_is_nearer_the_truth_and_its_error_is_honest():
    rng = np.random.default_rng(5)
    covered, own, drawn = [], [], []
    for _ in range(40):
        subjects, batches, true, errors, values = study(rng)
        found = consensus(values, errors, subjects, batches)
        covered.append(np.abs(found.values - true) <= 1.96 * found.errors)
        own.append((values - true) ** 2)
        drawn.append((found.values - true) ** 2)
    assert 0.92 <= np.mean(covered) <= 0.97
    assert np.mean(drawn) < 0.4 * np.mean(own)


def test_the_drift_of_batches_is_followed_and_not_smoothed_away():
    rng = np.random.default_rng(6)
    subjects, batches, true, errors, values = study(rng, between_batches=0.1)
    found = consensus(values, errors, subjects, batches)
    assert np.corrcoef(found.values, true)[0, 1] > 0.98
    assert found.spread[1] > 3 * found.spread[2]


def test_one_estimate_out_of_line_is_said_and_gets_what_the_others_predict():
    rng = np.random.default_rng(7)
    subjects, batches, true, errors, values = study(rng)
    values[5] += 0.4
    found = consensus(values, errors, subjects, batches)
    assert found.outlier.tolist() == [place == 5 for place in range(84)]
    assert abs(found.values[5] - true[5]) < 4 * found.errors[5] < 0.1
    assert found.own_weight[5] == 0


def test_a_sample_without_an_estimate_gets_what_the_others_predict():
    rng = np.random.default_rng(8)
    subjects, batches, true, errors, values = study(rng)
    values[11] = errors[11] = np.nan
    found = consensus(values, errors, subjects, batches)
    assert not found.outlier.any()
    assert abs(found.values[11] - true[11]) < 4 * found.errors[11]
    assert np.isfinite(found.errors).all()


def test_the_surer_an_estimate_the_more_of_it_is_kept():
    rng = np.random.default_rng(9)
    subjects, batches, _, errors, values = study(rng)
    errors[0], errors[1] = 1e-4, 0.5
    found = consensus(values, errors, subjects, batches)
    assert found.own_weight[0] > 0.95
    assert found.own_weight[1] < 0.01
    assert abs(found.values[0] - values[0]) < 1e-3


@pytest.mark.parametrize("known", [0, 1, 2])
def test_fewer_than_three_estimates_stay_as_they_are(known):
    values = np.full(5, np.nan)
    values[:known] = 0.3
    errors = np.where(np.isfinite(values), 0.01, np.nan)
    found = consensus(values, errors, np.zeros(5, int), np.zeros(5, int))
    np.testing.assert_array_equal(found.values, values)
    assert not found.outlier.any()


def test_of_three_estimates_none_is_left_out_and_a_sample_without_one_gets_what_they_predict():
    """Two that agree by chance cannot say that the third is wrong; its distance widens what is predicted."""
    values, errors = np.array([0.461, 0.425, np.nan, 0.462]), np.array([0.005, 0.004, np.nan, 0.006])
    found = consensus(values, errors, np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]))
    assert not found.outlier.any()
    assert 0.44 < found.values[2] < 0.47
    assert found.errors[2] > 0.015
    np.testing.assert_allclose(found.values[[0, 1, 3]], values[[0, 1, 3]], atol=0.003)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.floats(-3, 3), st.floats(0.1, 10))
def test_it_moves_with_the_scale_and_its_origin(seed, shift, factor):
    rng = np.random.default_rng(seed)
    subjects, batches, _, errors, values = study(rng)
    one = consensus(values, errors, subjects, batches)
    other = consensus(shift + factor * values, factor * errors, subjects, batches)
    np.testing.assert_allclose(other.values, shift + factor * one.values, atol=2e-3 * factor)


def test_the_closed_form_without_oneself_equals_leaving_out():
    rng = np.random.default_rng(3)
    subjects, batches, _, errors, values = study(rng)
    levels, variances = crossed.Crossed(subjects, batches), np.array([1e-4, 9e-4, 2.5e-5])
    everyone = np.ones(84, dtype=bool)
    predicted, uncertainty = kernel._left_out(kernel._Evidence.of(values, errors, everyone, levels), variances)
    for place in (0, 17, 83):
        others = everyone.copy()
        others[place] = False
        one, error = kernel._predicted(kernel._Evidence.of(values, errors, others, levels), variances)
        assert predicted[place] == pytest.approx(one[place], abs=1e-6)
        assert uncertainty[place] == pytest.approx(error[place], rel=1e-2)


class Dense:
    """The same by matrices of samples by samples, as the formulas are written: slow, and plain."""

    def __init__(self, errors, used, subjects, batches, variances):
        of_subjects, of_batches = (labels[:, None] == labels[None, :] for labels in (subjects, batches))
        same = np.eye(used.size) * used
        self.used, self.variances = used, variances
        self.to_all = variances[0] * of_subjects + variances[1] * of_batches + variances[2] * same
        shared = (self.to_all + np.eye(used.size) * kernel._SMALLEST)[np.ix_(used, used)]
        self.inverse = np.linalg.inv(shared + np.diag(errors[used] ** 2))
        ones = np.ones(int(used.sum()))
        self.of_ones = self.inverse @ ones
        self.projected = self.inverse - np.outer(self.of_ones, self.of_ones) / (ones @ self.of_ones)

    def predicted(self, values):
        known, to_used = values[self.used], self.to_all[:, self.used]
        mean = self.of_ones @ known / self.of_ones.sum()
        missed = 1 - to_used @ self.of_ones
        left = self.variances.sum() - np.einsum("ij,jk,ik->i", to_used, self.inverse, to_used)
        errors = np.sqrt(np.maximum(left + missed**2 / self.of_ones.sum(), kernel._SMALLEST))
        return mean + to_used @ self.inverse @ (known - mean), errors

    def next_variances(self, values, subjects, batches):
        known, updated = values[self.used], self.variances.copy()
        for row, labels in enumerate((subjects, batches, np.arange(values.size))):
            one_hot = (labels[self.used][:, None] == np.unique(labels[self.used])).astype(float)
            effects = self.variances[row] * one_hot.T @ self.projected @ known
            unknown = self.variances[row] - self.variances[row] ** 2 * np.diag(one_hot.T @ self.projected @ one_hot)
            updated[row] = max(np.mean(effects**2 + unknown), kernel._SMALLEST) if self.variances[row] else 0.0
        return updated


def crossings(kind, rng):
    if kind == "a study":
        return study(rng)[:2]
    if kind == "one subject":
        return np.zeros(84, int), np.arange(84) % 7
    if kind == "one batch":
        return np.arange(84) // 7, np.full(84, 3)
    if kind == "a batch each":
        return np.arange(84) // 7, np.arange(84)
    if kind == "fully crossed":
        return np.arange(84) % 12, np.arange(84) // 12
    return rng.integers(0, 30, 84), rng.integers(0, 60, 84)


KINDS = ("a study", "one subject", "one batch", "a batch each", "fully crossed", "at random")


@pytest.mark.parametrize("few", [0, 10_000], ids=["sparse", "full"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variances", [(1e-4, 9e-4, 2.5e-5), (0, 9e-4, 2.5e-5), (1e-4, 0, 1e-10), (1e-10, 1.0, 1e-3)])
def test_sums_over_levels_equal_matrices_of_samples_by_samples(monkeypatch, kind, few, variances):
    monkeypatch.setattr(crossed, "_FEW_LEVELS", few)
    rng = np.random.default_rng(4)
    subjects, batches = crossings(kind, rng)
    values, errors, used = rng.normal(0.5, 0.04, 84), rng.uniform(0.005, 0.04, 84), rng.random(84) < 0.8
    values[~used], errors[~used] = np.nan, np.nan
    levels, variances = crossed.Crossed(subjects, batches), np.array(variances, dtype=float)
    evidence = kernel._Evidence.of(values, errors, used, levels)
    dense, system = Dense(errors, used, subjects, batches, variances), kernel._System(evidence, variances)
    np.testing.assert_allclose(system.projected_diagonal[used], np.diag(dense.projected), rtol=1e-10)
    predicted, uncertainty = kernel._predicted(evidence, variances)
    expected, expected_error = dense.predicted(values)
    np.testing.assert_allclose(predicted, expected, atol=1e-12)
    np.testing.assert_allclose(uncertainty**2, expected_error**2, atol=1e-13)


@pytest.mark.parametrize("few", [0, 10_000], ids=["sparse", "full"])
@pytest.mark.parametrize("kind", KINDS)
def test_variances_are_those_of_the_algorithm_on_matrices_of_samples_by_samples(monkeypatch, kind, few):
    monkeypatch.setattr(crossed, "_FEW_LEVELS", few)
    rng = np.random.default_rng(12)
    subjects, batches = crossings(kind, rng)
    values, errors, used = rng.normal(0.5, 0.04, 84), rng.uniform(0.005, 0.04, 84), rng.random(84) < 0.9
    values += rng.normal(0, 0.03, 84)[batches]
    found = kernel._variances(kernel._Evidence.of(values, errors, used, crossed.Crossed(subjects, batches)))
    present = [np.unique(labels[used]).size for labels in (subjects, batches)]
    variances = np.full(3, np.var(values[used]) / 3) * [*(1 < levels < used.sum() for levels in present), 1]
    for _ in range(200):
        before = variances
        variances = Dense(errors, used, subjects, batches, before).next_variances(values, subjects, batches)
        if np.all(np.abs(variances - before) <= 1e-4 * before + kernel._SMALLEST):
            break
    np.testing.assert_allclose(found, variances, rtol=1e-9, atol=1e-14)


def test_twenty_thousand_samples_agree_in_memory_that_grows_with_their_number():
    rng = np.random.default_rng(13)
    cohorts = 238  # three subjects and a donor of bridges each, seven visits, a batch for each cohort's visit
    subjects = np.concatenate([np.repeat(np.arange(3 * cohorts), 7), np.full(7 * cohorts, 3 * cohorts)])
    batches = np.concatenate([np.arange(21 * cohorts) // 21 * 7 + np.arange(21 * cohorts) % 7, np.arange(7 * cohorts)])
    levels = crossed.Crossed(np.tile(subjects, 3), np.concatenate([batches + 7 * cohorts * k for k in range(3)]))
    assert levels.first.size == 19_992
    assert levels.elimination.rows.size < 3 * levels.first.size
    variances, used = np.array([1e-4, 9e-4, 2.5e-5]), rng.random(19_992) < 0.9
    values, errors = rng.normal(0.5, 0.03, 19_992), rng.uniform(0.005, 0.04, 19_992)
    evidence = kernel._Evidence.of(values, errors, used, levels)
    kernel._predicted(evidence, variances)  # compiled
    tracemalloc.start()
    kernel._left_out(evidence, variances)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 * 19_992  # bytes; of samples by samples it would be 3.2 GB
