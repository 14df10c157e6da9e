import numpy as np
import pytest

from immunomon.cytometry.kernels.density import modes_of, profile_of, valley_between
from immunomon.cytometry.kernels.regression import line_errors, robust_line
from immunomon.cytometry.kernels.resample import peak_error, quantile_error, redrawn, valley_error

TWO_MODES = [(9000, 3000, 0.07), (9000, 300, 0.05), (2000, 2000, 0.1)]


def draw(rng, first, second, spread):
    return np.concatenate([rng.normal(0.3, spread, first), rng.normal(0.7, spread, second)])


def fitted(values):
    profile = profile_of(values, 0.02)
    ranked = sorted(modes_of(profile), key=lambda mode: -mode.persistence)[:2]
    return profile, *sorted(ranked, key=lambda mode: mode.index)


@pytest.mark.parametrize(("first", "second", "spread"), TWO_MODES)
def test_the_error_of_a_valley_is_that_of_refits_on_fresh_events(first, second, spread):
    rng = np.random.default_rng(1)
    refits = [valley_between(*fitted(draw(rng, first, second, spread)))[0] for _ in range(200)]
    ours = [valley_error(*fitted(draw(rng, first, second, spread)), rng=rng) for _ in range(30)]
    assert np.mean(ours) == pytest.approx(np.std(refits), rel=0.25)


def test_the_error_of_a_valley_is_that_of_brute_force_refits_on_resampled_events():
    rng = np.random.default_rng(2)
    values = draw(rng, 9000, 1500, 0.08)
    refits = [valley_between(*fitted(rng.choice(values, values.size)))[0] for _ in range(300)]
    ours = np.mean([valley_error(*fitted(values), rng=np.random.default_rng(seed)) for seed in range(5)])
    assert ours == pytest.approx(np.std(refits), rel=0.25)


def test_two_errors_on_either_side_hold_the_valley_of_infinitely_many_events_nearly_always():
    rng = np.random.default_rng(3)
    limit = valley_between(*fitted(draw(rng, 900_000, 300_000, 0.08)))[0]
    held = 0
    for _ in range(150):
        found = fitted(draw(rng, 3000, 1000, 0.08))
        held += abs(valley_between(*found)[0] - limit) <= 1.96 * valley_error(*found, rng=rng)
    assert 0.88 <= held / 150 <= 0.99


def test_the_error_of_a_peak_is_that_of_refits():
    rng = np.random.default_rng(4)

    def top(values):
        profile = profile_of(values, 0.03)
        return profile, max(modes_of(profile), key=lambda mode: mode.height)

    refits = [top(rng.normal(0.4, 0.06, 3000))[1].position for _ in range(200)]
    ours = [peak_error(*top(rng.normal(0.4, 0.06, 3000)), rng=rng) for _ in range(30)]
    assert np.mean(ours) == pytest.approx(np.std(refits), rel=0.25)


@pytest.mark.parametrize(("count", "quantile"), [(3000, 0.995), (2000, 0.5), (500, 0.99)])
def test_the_error_of_a_quantile_is_that_of_fresh_samples(count, quantile):
    rng = np.random.default_rng(5)
    fresh = [np.quantile(rng.normal(0.3, 0.1, count), quantile) for _ in range(600)]
    ours = [quantile_error(np.sort(rng.normal(0.3, 0.1, count)), quantile) for _ in range(100)]
    assert np.mean(ours) == pytest.approx(np.std(fresh), rel=0.25)


def test_no_events_say_nothing_about_a_quantile():
    assert quantile_error(np.array([]), 0.5) == np.inf


def test_replicates_keep_mean_and_variance_of_counts_few_and_many():
    counts = np.array([0.0, 2.0, 30.0, 500.0] * 50)
    drawn = redrawn(counts, np.random.default_rng(6))
    for level in (2.0, 30.0, 500.0):
        these = drawn[:, counts == level]
        assert these.mean() == pytest.approx(level, rel=0.03)
        assert these.var() == pytest.approx(level, rel=0.08)
    assert (drawn[:, counts == 0] == 0).all()


def test_smoothing_all_replicates_at_once_equals_smoothing_each():
    counts, kernel = np.full(40, 20.0), np.array([0.25, 0.5, 0.25])
    at_once = redrawn(counts, np.random.default_rng(7), kernel)
    each = [np.convolve(row, kernel, mode="same") for row in redrawn(counts, np.random.default_rng(7))]
    np.testing.assert_allclose(at_once, each, atol=1e-9)


def test_the_errors_of_a_robust_line_are_those_of_fresh_samples():
    rng = np.random.default_rng(8)

    def cells():
        x = rng.lognormal(4, 0.3, 2000)
        return x, x * (0.8 + rng.normal(0, 0.03, 2000)) + 2.0

    fresh = np.std([robust_line(*cells()) for _ in range(200)], axis=0)
    ours = np.mean([line_errors(*(points := cells()), robust_line(*points)) for _ in range(20)], axis=0)
    np.testing.assert_allclose(ours, fresh, rtol=0.25)


def test_points_on_one_line_leave_no_error():
    x = np.linspace(1, 2, 50)
    assert line_errors(x, 3 * x, (3.0, 0.0, 0.0))[2] == 0.0
