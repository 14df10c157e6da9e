import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels.outliers import RULES, broken_rules, control_limits

QUIET = [0.3, -0.4, 0.6, -0.2, 0.1, -0.7]


def where(series, rule):
    return np.flatnonzero(broken_rules(np.array(series, dtype=float))[rule]).tolist()


@pytest.mark.parametrize(
    ("rule", "series", "places"),
    [
        ("1_2s", [*QUIET, 2.1, -2.1, 2.0], [6, 7]),
        ("1_3s", [*QUIET, 3.1, 2.9, -3.1, -3.0], [6, 8]),
        ("2_2s", [*QUIET, 2.1, 2.5, 0.0, -2.1, -2.2, -2.3], [7, 10, 11]),
        ("2_2s", [2.1, -2.1, 2.1, 1.9, 2.1], []),
        ("R_4s", [*QUIET, 2.1, -2.1, 0.0, -2.5, 2.5], [7, 10]),
        ("R_4s", [3.9, -1.9, 0.0, 2.1, 0.0, -2.1], []),
        ("4_1s", [*QUIET, 1.1, 1.2, 1.3, 1.4, 1.5, 0.9], [9, 10]),
        ("4_1s", [-1.1, -1.2, -1.3, -1.4, 1.1, 1.1, 1.1, 0.9, 1.1], [3]),
        ("10_x", [0.1] * 12, [9, 10, 11]),
        ("10_x", [*[-0.1] * 9, 0.1, *[-0.1] * 9], []),
    ],
)
def test_a_rule_is_broken_at_the_last_of_the_values_it_is_about(rule, series, places):
    assert where(series, rule) == places


def test_a_quiet_series_breaks_no_rule():
    assert not any(found.any() for found in broken_rules(np.array(QUIET * 4)).values())


def test_a_missing_deviation_breaks_nothing_and_interrupts_a_run():
    assert where([1.1, 1.1, np.nan, 1.1, 1.1], "4_1s") == []
    assert where([2.1, np.nan, 2.1], "2_2s") == []


@given(st.lists(st.floats(-5, 5), max_size=40))
def test_the_rules_do_not_know_up_from_down(series):
    z = np.array(series)
    up, down = broken_rules(z), broken_rules(-z)
    assert set(up) == set(RULES)
    for name in RULES:
        assert np.array_equal(up[name], down[name])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40))
def test_what_follows_does_not_change_what_was_broken_before(series):
    z = np.array(series)
    whole, part = broken_rules(z), broken_rules(z[:-1])
    for name in RULES:
        assert np.array_equal(whole[name][:-1], part[name])


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=15), st.integers(2, 20))
def test_no_value_is_judged_by_itself(values, establish):
    series = np.array(values)
    mean, sd = control_limits(series, establish=establish)
    for place in range(series.size):
        others = [x for index, x in enumerate(values[:establish]) if index != place]
        if len(others) < 2:
            assert np.isnan(mean[place])
        else:
            assert mean[place] == pytest.approx(np.mean(others), abs=1e-9)
            assert sd[place] == pytest.approx(np.std(others, ddof=1), abs=1e-9)


def test_an_outlier_does_not_hide_in_the_limits_it_would_widen():
    series = np.array([10.0, 10.1, 9.9, 10.0, 10.05, 9.95, 12.0])
    mean, sd = control_limits(series)
    assert (series[-1] - mean[-1]) / sd[-1] > 20
    assert abs((12.0 - series.mean()) / series.std(ddof=1)) < 2.5
