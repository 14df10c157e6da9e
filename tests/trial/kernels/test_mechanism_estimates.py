"""Differences between groups, correlation within patients, paths: against brute force and other computations."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.trial.kernels.intervals import jackknife_interval
from immunomon.trial.kernels.path import path_steps
from immunomon.trial.kernels.repeated import repeated_correlation, swapped_courses
from immunomon.trial.kernels.student import mean_change
from immunomon.trial.kernels.two_groups import difference_of_means, welch_interval

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10_000))


def brute_p(x, n):
    """Two-sided permutation p of a difference of means, division by division."""

    def gap(inside):
        mask = np.isin(np.arange(x.size), inside)
        return x[mask].mean() - x[~mask].mean()

    found = [abs(gap(inside)) for inside in combinations(range(x.size), n)]
    return np.mean(np.array(found) >= found[0] - 1e-9)


@settings(max_examples=40, deadline=None)
@given(SIZES)
def test_the_permutation_p_is_that_of_every_division_and_never_below_its_floor(sizes):
    n, m, seed = sizes
    x = np.random.default_rng(seed).integers(-3, 4, n + m).astype(float)  # ties on purpose
    found = difference_of_means(x[:n], x[n:], np.random.default_rng(1))
    assert found.p == pytest.approx(brute_p(x, n))
    assert found.p >= found.floor


def test_the_floor_is_reached_by_groups_that_do_not_overlap():
    rng = np.random.default_rng(1)
    assert difference_of_means(np.arange(3.0) + 9, np.arange(3.0), rng).p == pytest.approx(0.1)  # 3 v 3
    far = difference_of_means(np.array([9.0, 9.5, 20.0]), np.arange(5.0), rng)
    assert far.p == far.floor == pytest.approx(1 / 56)


def test_the_exact_interval_holds_just_the_shifts_that_the_test_does_not_reject():
    rng = np.random.default_rng(3)
    first, second = rng.normal(0.5, 1, 4), rng.normal(0, 1, 5)
    found = difference_of_means(first, second, rng)
    assert found.exact_low < found.difference < found.exact_high

    def one_sided(shift, sign):
        x = sign * np.concatenate([first - shift, second])
        sums = np.array([x[list(inside)].sum() for inside in combinations(range(9), 4)])
        return np.mean(sums >= sums[0] - 1e-9)

    for end, sign in ((found.exact_low, 1), (found.exact_high, -1)):
        step = 1e-6 * sign
        assert one_sided(end - step, sign) <= 0.025
        assert one_sided(end + step, sign) > 0.025


def test_so_few_patients_have_no_exact_interval_and_say_what_they_could_give():
    found = difference_of_means(np.array([1.0, 2.0]), np.array([0.0, 3.0, 5.0]), np.random.default_rng(1))
    assert np.isnan(found.exact_low)
    assert found.exact_confidence == pytest.approx(0.8)


def test_the_exact_interval_covers_at_least_as_often_as_it_says_and_welch_s_about():
    rng = np.random.default_rng(5)
    held = np.zeros((400, 2))
    for one in held:
        found = difference_of_means(rng.normal(0.7, 1, 4), rng.normal(0, 1, 5), rng)
        one[:] = found.exact_low <= 0.7 <= found.exact_high, found.low <= 0.7 <= found.high
    assert held[:, 0].mean() > 0.95 - 3 * (0.05 * 0.95 / 400) ** 0.5
    assert 0.91 < held[:, 1].mean() < 0.99


def test_welch_s_interval_is_scipy_s():
    from scipy import stats

    rng = np.random.default_rng(2)
    first, second = rng.normal(size=5), rng.normal(1, 3, 7)
    ends = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.9)
    assert welch_interval(first, second, 0.9) == pytest.approx((ends.low, ends.high))


def test_many_patients_are_sampled_with_the_division_at_hand_among_them():
    rng = np.random.default_rng(1)
    found = difference_of_means(rng.normal(3, 1, 12), rng.normal(0, 1, 12), rng)
    assert found.p == found.floor == pytest.approx(1 / 20_001)
    assert found.exact_low < found.difference < found.exact_high


def test_nobody_on_one_side_gives_nothing():
    found = difference_of_means(np.array([1.0]), np.array([]), np.random.default_rng(1))
    assert np.isnan([found.difference, found.low, found.p, found.floor]).all()


@pytest.fixture
def grids():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(7, 6)) + 3 * rng.normal(size=(7, 1))
    y = 0.6 * x + rng.normal(size=(7, 6)) - 5 * rng.normal(size=(7, 1))
    x[0, 2] = y[3, 1] = np.nan
    x[6, 1:] = np.nan  # a single point
    return x, y


def test_the_repeated_measures_correlation_is_that_of_statsmodels_ancova(grids):
    import pandas as pd
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    x, y = grids
    long = pd.DataFrame({"x": x.ravel(), "y": y.ravel(), "who": np.repeat(np.arange(7), 6)}).dropna()
    long = long[long["who"] != 6]
    fit = smf.ols("y ~ C(who) + x", data=long).fit()
    table = anova_lm(fit, typ=3)
    share = table.loc["x", "sum_sq"] / (table.loc["x", "sum_sq"] + table.loc["Residual", "sum_sq"])
    found = repeated_correlation(x, y)
    assert found.r == pytest.approx(np.sign(fit.params["x"]) * np.sqrt(share))
    assert found.freedom == int(fit.df_resid)
    assert found.p == pytest.approx(table.loc["x", "PR(>F)"])
    assert found.slope == pytest.approx(fit.params["x"])
    assert (found.patients, found.points) == (6, 34)
    z, half = np.arctanh(found.r), 1.959964 / np.sqrt(found.freedom - 1)  # Fisher's, n = freedom + 2
    assert (found.low, found.high) == pytest.approx((np.tanh(z - half), np.tanh(z + half)))


def test_levels_of_patients_and_units_do_not_matter(grids):
    x, y = grids
    moved = repeated_correlation(3 * x + np.arange(7)[:, None], y - 9 * np.arange(7)[:, None])
    assert moved.r == pytest.approx(repeated_correlation(x, y).r)
    assert repeated_correlation(-x, y).r == pytest.approx(-repeated_correlation(x, y).r)


def test_too_little_has_no_correlation():
    assert np.isnan(repeated_correlation(np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]])).r)
    flat = repeated_correlation(np.ones((4, 5)), np.random.default_rng(1).normal(size=(4, 5)))
    assert np.isnan(flat.r)
    assert flat.freedom == 15


def test_swapped_courses_are_those_of_every_order_of_patients(grids):
    x, y = grids[0][:5], grids[1][:5]
    found = swapped_courses(x, y, np.random.default_rng(1))
    every = np.array([repeated_correlation(x, y[list(order)]).r for order in permutations(range(5))])
    away = np.abs(every - every.mean())
    assert found.mean == pytest.approx(every.mean())
    assert found.p == pytest.approx(np.mean(away >= away[0] - 1e-12))
    assert found.floor == 1 / 120


def test_what_all_patients_do_alike_does_not_count_as_a_tie():
    rng = np.random.default_rng(8)
    course = np.array([0, 1, 3, 3, 2, 1, 0.5])
    p = []
    for _ in range(200):
        x, y = (course + rng.normal(0, 0.5, (6, 7)) for _ in range(2))
        assert repeated_correlation(x, y).low > 0  # time alone makes it
        p.append(swapped_courses(x, y, rng).p)
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5


def test_more_patients_are_sampled():
    x = np.random.default_rng(1).normal(size=(10, 5))
    found = swapped_courses(x, x, np.random.default_rng(2))
    assert not found.exact
    assert found.p == found.floor == pytest.approx(1 / 20_001)


def test_the_jackknife_interval_of_a_mean_is_student_s():
    x = np.random.default_rng(1).normal(size=8)
    without = np.array([np.delete(x, place).mean() for place in range(8)])
    mean = mean_change(x)
    assert jackknife_interval(x.mean(), without) == pytest.approx((mean.low, mean.high))
    assert np.isnan(jackknife_interval(0.0, np.array([0.1, 0.2]))).all()
    assert np.isnan(jackknife_interval(0.0, np.array([0.1, 0.2, np.nan]))).all()


def test_a_step_of_a_path_is_scipy_s_line_and_the_product_that_of_the_slopes():
    from scipy import stats

    rng = np.random.default_rng(3)
    columns = np.cumsum(rng.normal(size=(8, 3)), axis=1)
    found = path_steps(columns, rng, 0.9)
    for step in range(2):
        line = stats.linregress(columns[:, step], columns[:, step + 1])
        half = stats.t.ppf(0.95, 6) * line.stderr
        assert (found.low[step], found.high[step]) == pytest.approx((line.slope - half, line.slope + half))
    assert found.product == pytest.approx(np.prod(found.slopes))
    assert found.product_low < found.product < found.product_high


def test_an_interval_of_a_product_covers_where_the_path_is_strong_and_where_there_is_none():
    rng = np.random.default_rng(6)
    for slope, least, most in ((2.0, 0.92, 0.98), (0.0, 0.97, 1.0)):
        held = []
        for _ in range(200):
            first = rng.normal(size=9)
            second = slope * first + rng.normal(0, 0.5, 9)
            third = slope * second + rng.normal(0, 0.5, 9)
            found = path_steps(np.column_stack([first, second, third]), rng)
            held.append(found.product_low <= slope**2 <= found.product_high)
        assert least <= np.mean(held) <= most


def test_a_path_of_three_patients_has_no_interval_and_one_that_stands_still_no_slope():
    rng = np.random.default_rng(1)
    few = path_steps(rng.normal(size=(3, 3)), rng)
    assert np.isfinite(few.slopes).all()
    assert np.isnan([few.product_low, *few.low]).all()
    still = path_steps(np.column_stack([np.ones(6), rng.normal(size=(6, 2))]), rng)
    assert np.isnan(still.slopes[0])
    assert np.isnan(still.product)
    assert np.isnan(path_steps(np.empty((0, 3)), rng).product)
