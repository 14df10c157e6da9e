from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.assurance.validation.assessments import theophylline
from immunomon.trial.kernels.noncompartmental import area_to_last, last_slope, with_limits

THEOPHYLLINE = theophylline()


@pytest.mark.parametrize("one", THEOPHYLLINE, ids=lambda one: f"subject {one['subject']}")
def test_theophylline_is_as_winnonlin_published_it(one):
    slope = last_slope(one["hours"], one["mg_per_l"])
    area = area_to_last(one["hours"], one["mg_per_l"])
    assert area == pytest.approx(one["area_to_last"], rel=1e-6)
    assert area + one["mg_per_l"][-1] / slope.rate == pytest.approx(one["area_to_infinity"], rel=1e-6)
    assert math.log(2) / slope.rate == pytest.approx(one["half_life"], rel=1e-6)


def test_there_are_twelve_subjects():
    assert [one["subject"] for one in THEOPHYLLINE] == list(range(1, 13))


def test_an_exponential_course_has_its_exact_area_and_rate():
    t = np.array([0.0, 1.0, 3.0, 8.0])
    x = 100 * np.exp(-0.2 * t)
    assert area_to_last(t, x) == pytest.approx(100 / 0.2 * (1 - math.exp(-1.6)))
    slope = last_slope(t, x)
    assert (slope.rate, slope.adjusted_r2, slope.points) == (pytest.approx(0.2), pytest.approx(1.0), 3)


def test_an_area_worked_by_hand():
    # Rises 0 to 8 in 1 h: 4. Falls 8 to 2 in 2 h: 2 x 6 / ln 4 = 8.656. Level 2 for 1 h: 2. The last 0 is no part.
    assert area_to_last([0, 1, 3, 4, 5], [0, 8, 2, 2, 0]) == pytest.approx(4 + 12 / math.log(4) + 2)


def test_a_fall_to_zero_within_a_course_is_linear():
    assert area_to_last([0, 1, 2, 3], [0, 4, 0, 4]) == pytest.approx(2 + 2 + 2)


def test_values_below_quantification_follow_their_rules():
    nan = math.nan
    t, x = with_limits([0, 1, 2, 3, 4, 5], [nan, 6, nan, 4, nan, nan], [2] * 6, ("zero", "half", "half"))
    assert (t.tolist(), x.tolist()) == ([0, 1, 2, 3, 4, 5], [0, 6, 1, 4, 1, 1])
    t, x = with_limits([0, 1, 2], [nan, nan, nan], [2] * 3, ("omit", "zero", "zero"))
    assert t.size == x.size == 0


@pytest.mark.parametrize(
    "values", [[], [0, 0, 0, 0], [0, 8, 4, 2], [8, 0, 0, 0], [1, 2, 3, 4], [8, 1, 2, 3], [8, 2, 2, 2]]
)
def test_there_is_no_slope_without_three_falling_points_after_the_highest(values):
    assert last_slope(range(len(values)), values) is None


@given(
    st.lists(st.tuples(st.floats(0.01, 10), st.floats(0, 1000)), min_size=1, max_size=12),
    st.floats(0.001, 1000),
)
def test_areas_scale_with_concentration_and_slopes_do_not(steps, factor):
    t = np.cumsum([step for step, _ in steps])
    x = np.array([value for _, value in steps])
    assert area_to_last(t, factor * x) == pytest.approx(factor * area_to_last(t, x), rel=1e-6, abs=1e-12)
    assert 0 <= area_to_last(t, x) <= float(np.max(x)) * (t[-1] - t[0]) * (1 + 1e-9) + 1e-9


@given(st.floats(0.01, 2), st.integers(0, 2**32 - 1))
def test_the_slope_is_the_least_squares_line_of_the_points_it_names(rate, seed):
    t = np.array([0, 0.5, 1, 2, 4, 8, 16, 24])
    noise = np.random.default_rng(seed).normal(0, 0.1, t.size)
    x = np.concatenate([[0.0], np.exp(7 - rate * t[1:] + noise[1:])])
    found = last_slope(t, x)
    if found is None:
        return
    chosen = slice(t.size - found.points, None)
    assert found.rate == pytest.approx(-np.polyfit(t[chosen], np.log(x[chosen]), 1)[0], rel=1e-6)
    assert found.first == t[chosen][0] > t[np.argmax(x)]
