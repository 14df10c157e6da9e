"""Exact tests against counting every arrangement one by one."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from immunomon.trial.kernels.signflip import sign_arrangements, sign_flip, sign_flip_floor
from immunomon.trial.kernels.trend import arrangements, jonckheere_terpstra, jonckheere_terpstra_statistic, page_trend

whole = st.integers(-5, 5).map(float)


def counted_sign_flip(x):
    sums = [abs(sum(s * v for s, v in zip(signs, x, strict=True))) for signs in product([1, -1], repeat=len(x))]
    return sum(total >= abs(sum(x)) - 1e-9 for total in sums) / len(sums)


@given(st.lists(whole, min_size=1, max_size=9))
@settings(max_examples=60, deadline=None)
def test_sign_flip_is_what_counting_all_arrangements_gives(x):
    assert sign_flip(x).p == pytest.approx(counted_sign_flip(x))


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=10), st.floats(0.01, 100))
@settings(max_examples=60, deadline=None)
def test_sign_flip_knows_neither_direction_nor_unit(x, unit):
    p = sign_flip(x).p
    assert sign_flip([-v for v in x]).p == pytest.approx(p)
    assert sign_flip([unit * v for v in x]).p == pytest.approx(p)
    assert p >= sign_flip_floor(len(x)) - 1e-12


def test_all_changes_one_way_reach_the_floor():
    for n in range(1, 12):
        assert sign_flip(np.linspace(0.1, 0.9, n)).p == sign_flip_floor(n)


def test_many_patients_get_random_arrangements_near_the_normal_limit_and_need_an_rng():
    x = np.random.default_rng(1).normal(0.2, 1.0, 40)
    with pytest.raises(ValueError, match="need an rng"):
        sign_flip(x)
    found = sign_flip(x, np.random.default_rng(2))
    z = x.sum() / np.sqrt((x**2).sum())
    assert not found.exact
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(z)), abs=0.01)


def test_a_missing_change_is_refused():
    with pytest.raises(ValueError, match="leave out the patients"):
        sign_flip([0.1, float("nan")])


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_sign_arrangements_and_their_mirror_images_are_all_there_are(n):
    half = sign_arrangements(n)
    assert half.shape == (2 ** (n - 1), n)
    assert (half[0] == 1).all()
    assert len({tuple(row) for row in np.vstack([half, -half])}) == 2**n


@given(st.lists(whole, min_size=6, max_size=6), st.sampled_from([(2, 2, 2), (1, 2, 3), (3, 3), (4, 1, 1)]))
@settings(max_examples=25, deadline=None)
def test_jonckheere_terpstra_is_what_counting_all_arrangements_gives(x, sizes):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    seen = jonckheere_terpstra_statistic(x, groups)
    every = np.array([jonckheere_terpstra_statistic(order, groups) for order in permutations(x)])
    found = jonckheere_terpstra(x, groups)
    assert found.statistic == seen
    assert found.expected == pytest.approx(every.mean())
    assert found.p_rising == pytest.approx((every >= seen).mean())
    assert found.p_falling == pytest.approx((every <= seen).mean())
    assert found.floor == pytest.approx(min(1, 2 * min((every == every.max()).mean(), (every == every.min()).mean())))


def test_the_floor_of_a_trend_over_three_threes_is_one_in_1680_one_sided():
    trend = jonckheere_terpstra(np.arange(9.0), [0, 0, 0, 1, 1, 1, 2, 2, 2])
    assert trend.p_rising == pytest.approx(1 / arrangements((3, 3, 3)))
    assert trend.floor == pytest.approx(2 / 1680)
    assert trend.p_falling == 1.0


def test_the_cohorts_of_the_trial_as_it_was_run_are_counted_exactly():
    values = np.random.default_rng(3).normal(size=18)
    trend = jonckheere_terpstra(values, [0] * 3 + [1] * 3 + [2] * 12)
    assert trend.exact
    assert trend.floor == pytest.approx(2 / arrangements((3, 3, 12)))
    assert trend.p_rising + trend.p_falling > 1


def test_large_groups_are_sampled_and_agree_with_the_normal_limit():
    rng = np.random.default_rng(4)
    groups = np.repeat([0, 1, 2], 40)
    values = rng.normal(size=120) + 0.25 * groups
    found = jonckheere_terpstra(values, groups, rng)
    n, sizes = 120, np.array([40, 40, 40])
    sd = np.sqrt((n**2 * (2 * n + 3) - (sizes**2 * (2 * sizes + 3)).sum()) / 72)
    z = (found.statistic - found.expected) / sd
    assert not found.exact
    assert found.p_rising == pytest.approx(stats.norm.sf(z), abs=0.01)


@given(st.lists(st.lists(whole, min_size=3, max_size=3), min_size=1, max_size=3))
@settings(max_examples=25, deadline=None)
def test_page_is_what_counting_all_orders_gives(x):
    weights = np.arange(1, 4)
    ranks = [stats.rankdata(row) for row in x]
    seen = sum(float(row @ weights) for row in ranks)
    orders = [[float(np.array(o) @ weights) for o in permutations(row)] for row in ranks]
    every = np.array([sum(choice) for choice in product(*orders)])
    found = page_trend(x)
    assert found.statistic == pytest.approx(seen)
    assert found.p_rising == pytest.approx((every >= seen - 1e-9).mean())
    assert found.p_falling == pytest.approx((every <= seen + 1e-9).mean())


def test_page_agrees_with_scipy_on_its_exact_method():
    x = np.random.default_rng(5).normal(size=(6, 5)) + 0.4 * np.arange(5)
    theirs = stats.page_trend_test(x, method="exact")
    ours = page_trend(x)
    assert ours.statistic == theirs.statistic
    assert ours.p_rising == pytest.approx(theirs.pvalue, rel=1e-9)


def test_page_refuses_a_patient_who_lacks_a_visit():
    with pytest.raises(ValueError, match="lack a visit"):
        page_trend([[1.0, float("nan"), 2.0]])
