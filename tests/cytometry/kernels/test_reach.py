import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels.outliers import LEVELS, reach_beside

USUAL = np.array([0.15, 0.20, 0.60, 0.68])


def files(count=6, spread=0.01, seed=3):
    return USUAL + np.random.default_rng(seed).normal(0, spread, (count, 1)) + np.zeros((count, 4))


def test_files_that_differ_as_batches_do_are_not_doubted():
    for seed in range(20):
        reach = reach_beside(files(spread=0.03, seed=seed))
        assert not reach.is_weak.any()
        assert not reach.is_shifted.any()


@pytest.mark.parametrize(("brightness", "weak"), [(0.5, False), (0.15, True), (0.0, True)])
def test_a_stain_at_a_seventh_of_its_brightness_or_none_is_weak_and_one_at_half_is_not(brightness, weak):
    quantiles = files()
    down = 0.2 * np.log10(brightness) if brightness else -1.0  # five decades over the display scale
    quantiles[2, 2:] = np.maximum(quantiles[2, 2:] + down, 0.25)
    reach = reach_beside(quantiles)
    assert np.flatnonzero(reach.is_weak).tolist() == [2] * weak
    assert not reach.is_shifted.any()


def test_fewer_positives_are_no_weak_stain_as_long_as_the_brightest_are_where_they_should_be():
    quantiles = files()
    quantiles[2, 2] = 0.25  # the 95 % quantile is among the negatives now, the 99 % one is not
    assert not reach_beside(quantiles).is_weak.any()


def test_where_the_others_have_hardly_any_positives_their_lack_says_nothing():
    quantiles = files()
    quantiles[:, 2] = 0.25
    quantiles[2, 3] = 0.26
    assert not reach_beside(quantiles).is_weak.any()


def test_negatives_that_lie_high_are_shifted_and_fewer_of_them_are_not():
    quantiles = files()
    quantiles[1] += [0.22, 0.22, 0.05, 0.0]
    quantiles[4, 1] = 0.55  # positives are the majority there, its dimmest events are where they should be
    reach = reach_beside(quantiles)
    assert np.flatnonzero(reach.is_shifted).tolist() == [1]
    assert reach.raised[1] == pytest.approx(0.22, abs=0.05)


@given(st.integers(0, 3))
def test_with_fewer_than_three_others_nobody_is_judged(count):
    quantiles = np.tile(USUAL, (count, 1))
    if count:
        quantiles[0, 2:] = 0.2
    assert not reach_beside(quantiles).is_weak.any()


def test_two_failed_stains_of_five_are_both_seen_and_missing_files_are_no_evidence():
    quantiles = np.vstack([files(5), np.full((2, 4), np.nan)])
    quantiles[[0, 3], 2:] = 0.25
    assert np.flatnonzero(reach_beside(quantiles).is_weak).tolist() == [0, 3]
    assert len(LEVELS) == quantiles.shape[1]
