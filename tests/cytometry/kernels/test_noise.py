"""The noise of a channel: measured alike on any scale, whatever lies above it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.cytometry.kernels.noise import negatives_of, noise_limit, pooled_spread


def mixed(seed, noise, negative=0.7, events=5000):
    rng = np.random.default_rng(seed)
    number = int(events * negative)
    bright = rng.lognormal(np.log(40 * noise), 0.5, events - number)
    return np.concatenate([rng.normal(0.3 * noise, noise, number), bright])


@settings(max_examples=30, deadline=None)
@given(factor=st.floats(1e-3, 1e5), seed=st.integers(0, 50))
def test_multiplied_values_have_multiplied_noise(factor, seed):
    values = mixed(seed, 100.0)
    one, other = negatives_of(values), negatives_of(values * factor)
    assert other.middle == pytest.approx(one.middle * factor, rel=1e-6)
    assert other.spread == pytest.approx(one.spread * factor, rel=1e-6)
    assert other.low == pytest.approx(one.low * factor, rel=1e-6)


@pytest.mark.parametrize("negative", [0.15, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("noise", [50.0, 10_000.0])
def test_what_lies_above_does_not_widen_the_noise(noise, negative):
    found = negatives_of(mixed(3, noise, negative))
    assert found.measured
    assert found.spread == pytest.approx(noise, rel=0.15)
    assert found.middle == pytest.approx(0.3 * noise, abs=0.25 * noise)


def test_a_marker_that_all_cells_carry_takes_its_noise_from_the_few_values_below_zero():
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.lognormal(9, 0.5, 4800), rng.normal(0, 100, 200)])
    found = negatives_of(values)
    assert found.spread > 1000
    assert pooled_spread(np.array([found.spread]), np.array([found.low])) < 300


@pytest.mark.parametrize(
    "values", [np.full(500, 3.0), np.arange(1.0, 1001.0), np.zeros(500), np.r_[np.full(999, 5.0), -1.0]]
)
def test_without_values_below_zero_there_is_no_noise_to_measure(values):
    assert not negatives_of(values).measured


def test_of_few_or_no_numbers_nothing_is_said():
    assert negatives_of(np.arange(19.0)) is None
    assert negatives_of(np.full(100, np.nan)) is None
    assert np.isnan(pooled_spread(np.zeros(0), np.zeros(0)))


def test_events_without_negatives_are_bounded_by_the_channels_noise():
    own = negatives_of(np.random.default_rng(1).normal(50_000, 5_000, 1000))
    assert noise_limit(own, 100.0) == (300.0, 550.0)
