import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.maps.atlas.drawing import chances, rates_by_density, rates_by_group, thin

rates = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=80).map(np.array)


@given(rates, st.integers(0, 90))
def test_chances_go_with_the_rates_and_add_up_to_what_is_wanted(rate, wanted):
    chance = chances(rate, wanted)
    assert chance.sum() == pytest.approx(min(wanted, rate.size))
    assert ((chance >= 0) & (chance <= 1 + 1e-12)).all()
    below = chance < 1 - 1e-9
    if wanted and below.any():
        np.testing.assert_allclose(chance[below] / rate[below], (chance[below] / rate[below])[0], rtol=1e-6)


@given(rates, st.integers(0, 90), st.integers(0, 1000))
def test_as_many_as_wanted_are_taken_once_each_in_order_and_weights_add_up_to_all(rate, wanted, seed):
    taken, weights = thin(rate, wanted, np.random.default_rng(seed))
    assert taken.size == min(wanted, rate.size)
    assert (np.diff(taken) > 0).all()
    if taken.size:
        assert weights.sum() == pytest.approx(rate.size)


def test_weighted_shares_are_those_of_all_cells_on_average():
    groups = np.repeat([0, 1], [9900, 100])
    rate, shares, rare = rates_by_group(groups), [], []
    for seed in range(200):
        taken, weights = thin(rate, 500, np.random.default_rng(seed))
        of_rare = groups[taken] == 1
        rare.append(of_rare.sum())
        shares.append(weights[of_rare].sum() / weights.sum())
    assert np.mean(rare) == pytest.approx(500 * 10 / (10 + np.sqrt(9900)), abs=0.5)  # 5 of 500 by chance alone
    assert np.mean(shares) == pytest.approx(0.01, rel=0.02)


def test_cells_of_a_sparse_region_are_taken_more_often_than_those_of_a_dense_one():
    rng = np.random.default_rng(1)
    many, few = rng.normal(0, 0.1, (4000, 3)), rng.normal(2, 0.1, (40, 3))
    rate = rates_by_density(np.concatenate([many, few]).astype(np.float32), seed=1)
    assert np.median(rate[4000:]) / np.median(rate[:4000]) == pytest.approx(10, rel=0.4)  # a hundredth: ten times
    again = rates_by_density(np.concatenate([many, few]).astype(np.float32), seed=1, threads=2)
    np.testing.assert_array_equal(rate, again)
