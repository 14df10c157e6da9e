import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels.density import modes_of, profile_of, valley_between


def two_modes(seed, n=5000, share=0.2, gap=0.4):
    rng = np.random.default_rng(seed)
    rare = int(n * share)
    return np.concatenate([rng.normal(0.3, 0.05, n - rare), rng.normal(0.3 + gap, 0.05, rare)])


@given(st.integers(0, 10_000), st.sampled_from([0.02, 0.1, 0.5, 0.9]))
def test_the_valley_of_two_separate_modes_parts_them(seed, share):
    values = two_modes(seed, share=share)
    profile = profile_of(values, 0.02)
    modes = modes_of(profile)
    assert len(modes) == 2
    position, depth = valley_between(profile, *modes)
    assert abs((values > position).mean() - share) < 0.005
    assert depth >= 4


@given(st.integers(0, 2_000))
def test_one_normal_mode_has_no_second_one_by_chance(seed):
    values = np.random.default_rng(seed).normal(0.4, 0.08, 3000)
    assert len(modes_of(profile_of(values, 0.02), min_persistence=5.0)) == 1


@given(st.floats(-5, 5), st.floats(0.1, 10))
def test_a_valley_moves_and_stretches_with_the_values(shift, factor):
    values = two_modes(1)

    def valley(data, bandwidth):
        profile = profile_of(data, bandwidth)
        return valley_between(profile, *modes_of(profile))[0]

    moved = valley(values * factor + shift, 0.02 * factor)
    assert moved == pytest.approx(valley(values, 0.02) * factor + shift, abs=0.01 * factor)


def test_the_smoothed_counts_keep_their_sum():
    assert profile_of(two_modes(2), 0.02).counts.sum() == pytest.approx(5000, rel=1e-3)


@pytest.mark.parametrize(("values", "bandwidth"), [(np.array([]), 0.1), (np.ones(3), 0.0)])
def test_a_profile_of_nothing_is_refused(values, bandwidth):
    with pytest.raises(ValueError, match="at least one value"):
        profile_of(values, bandwidth)


def test_a_wide_range_does_not_ask_for_unbounded_memory():
    assert profile_of(np.array([0.0, 1e9]), 0.02).counts.size <= 8192
