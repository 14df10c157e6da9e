"""Laws of the Wilson interval and of log-odds."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels.proportions import log_odds, logit_interval, wilson


@st.composite
def parts(draw):
    total = draw(st.integers(1, 10_000_000))
    return draw(st.integers(0, total)), total


@given(parts(), st.floats(0.01, 0.999))
def test_wilson_contains_the_fraction_and_stays_within_0_and_1(part, confidence):
    count, total = part
    low, high = wilson(count, total, confidence)
    assert 0.0 <= low <= count / total <= high <= 1.0


@given(parts(), st.integers(2, 100))
def test_wilson_shrinks_as_more_events_are_counted(part, factor):
    count, total = part
    low, high = wilson(count, total)
    tight_low, tight_high = wilson(count * factor, total * factor)
    assert tight_high - tight_low < high - low


@given(parts(), st.floats(0.05, 0.9))
def test_wilson_widens_with_confidence(part, confidence):
    low, high = wilson(*part, confidence)
    wide_low, wide_high = wilson(*part, confidence + 0.05)
    assert wide_low <= low
    assert high <= wide_high


@given(parts())
def test_wilson_of_the_rest_is_the_mirror_image(part):
    count, total = part
    low, high = wilson(count, total)
    rest_low, rest_high = wilson(total - count, total)
    np.testing.assert_allclose([1 - rest_high, 1 - rest_low], [low, high], atol=1e-12)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_ends_are_the_fractions_a_score_test_just_accepts(part):
    # The interval holds each p with |count/n - p| <= z sqrt(p (1 - p) / n): at its ends, equality.
    count, total = part
    z = NormalDist().inv_cdf(0.975)
    for end in wilson(count, total):
        np.testing.assert_allclose((count / total - end) ** 2, z * z * end * (1 - end) / total, atol=1e-12)


def test_wilson_equals_published_values():
    # Newcombe, Stat Med 1998;17:857, table I, method 3.
    low, high = wilson([81, 15, 0, 1], [263, 148, 20, 29])
    np.testing.assert_allclose(low, [0.2553, 0.0624, 0.0, 0.0061], atol=5e-5)
    np.testing.assert_allclose(high, [0.3662, 0.1605, 0.1611, 0.1718], atol=5e-5)


def test_wilson_of_an_empty_total_is_not_a_number():
    low, high = wilson([0, 3], [0, 10])
    assert np.isnan([low[0], high[0]]).all()
    assert np.isfinite([low[1], high[1]]).all()


def test_wilson_lets_a_missing_count_through_as_not_a_number():
    low, high = wilson(np.array([np.nan, 2.0]), 10)
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] < 0.2 < high[1]


@pytest.mark.parametrize(("count", "total"), [(-1, 10), (11, 10)])
@pytest.mark.parametrize("kernel", [wilson, log_odds])
def test_a_count_outside_its_total_is_refused(kernel, count, total):
    with pytest.raises(ValueError, match="between 0 and its total"):
        kernel(count, total)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95])
def test_a_confidence_that_is_no_fraction_is_refused(confidence):
    with pytest.raises(ValueError, match="between 0 and 1"):
        wilson(1, 2, confidence)


@given(parts())
def test_log_odds_of_the_rest_is_the_opposite(part):
    count, total = part
    np.testing.assert_allclose(log_odds(total - count, total), -log_odds(count, total), atol=1e-12)


@given(st.integers(1, 10_000_000).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_log_odds_rise_with_the_count_and_are_finite(part):
    count, total = part
    lower, upper = log_odds([count, count + 1], total)
    assert np.isfinite([lower, upper]).all()
    assert lower < upper


@pytest.mark.parametrize("error", [1e3, 1e6])
def test_an_error_that_says_nothing_gives_the_interval_from_nothing_to_all(error):
    low, high = logit_interval([0, 50], [100, 100], error)
    assert low == pytest.approx([0.0, 0.0], abs=1e-300)
    assert high == pytest.approx([1.0, 1.0])
