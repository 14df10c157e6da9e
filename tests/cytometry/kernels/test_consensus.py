import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    from immunomon.cytometry.kernels import consensus as kernel

    rng = np.random.default_rng(3)
    subjects, batches, _, errors, values = study(rng)
    factors, variances = [kernel._indicators(subjects), kernel._indicators(batches)], np.array([1e-4, 9e-4, 2.5e-5])
    everyone = np.ones(84, dtype=bool)
    predicted, uncertainty = kernel._left_out(values, errors, everyone, factors, variances)
    for place in (0, 17, 83):
        others = everyone.copy()
        others[place] = False
        one, error = kernel._predicted(values, errors, others, factors, variances)
        assert predicted[place] == pytest.approx(one[place], abs=1e-6)
        assert uncertainty[place] == pytest.approx(error[place], rel=1e-2)
