import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from immunomon.trial.kernels.course import area_under, rate_of_change, time_beyond
from immunomon.trial.kernels.hodges_lehmann import hodges_lehmann, signed_rank_counts
from immunomon.trial.kernels.intervals import counting_variance, reference_change
from immunomon.trial.kernels.multiplicity import benjamini_hochberg, max_t
from immunomon.trial.kernels.signflip import sign_flip
from immunomon.trial.kernels.student import detectable_change, mean_change, t_power

changes = st.lists(st.floats(-3, 3).map(lambda v: round(v, 6)), min_size=6, max_size=14)


@given(changes)
@settings(max_examples=60, deadline=None)
def test_the_hodges_lehmann_interval_holds_what_the_signed_rank_test_does_not_reject(x):
    found = hodges_lehmann(x)
    walsh = np.array([(a + b) / 2 for i, a in enumerate(x) for b in x[i:]])
    assert found.estimate == pytest.approx(np.median(walsh), abs=1e-9)
    below = np.cumsum(signed_rank_counts(len(x))) / 2.0 ** len(x)
    # The number of pairwise means left below the interval is the largest that the test allows.
    outside = int((walsh < found.low).sum())
    assert 2 * below[outside] <= 0.05 + 1e-12 or outside == 0
    assert found.confidence >= 0.95


@pytest.mark.parametrize(("n", "depth"), [(6, 1), (7, 3), (8, 4), (9, 6), (10, 9), (15, 26)])
def test_the_interval_s_limits_are_the_published_ones(n, depth):
    """Critical values of the signed-rank test, two-sided 0.05, plus one; Wilcoxon & Wilcox 1964."""
    x = np.random.default_rng(n).normal(size=n)
    walsh = np.sort([(a + b) / 2 for i, a in enumerate(x) for b in x[i:]])
    found = hodges_lehmann(x)
    assert (found.low, found.high) == pytest.approx((walsh[depth - 1], walsh[-depth]))


def test_five_patients_cannot_give_95_percent_and_it_is_said_what_they_can():
    found = hodges_lehmann([0.1, 0.2, 0.3, 0.4, 0.5])
    assert np.isnan(found.low)
    assert found.confidence == 1 - 2 / 2**5


def test_many_patients_use_the_normal_limit():
    x = np.random.default_rng(1).normal(0.3, 1, 100)
    found = hodges_lehmann(x)
    assert found.low < 0.3 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 / 10 * np.sqrt(np.pi / 3), rel=0.25)


@given(changes)
@settings(max_examples=40, deadline=None)
def test_the_mean_s_interval_and_p_are_scipy_s(x):
    found, plain = mean_change(x), stats.ttest_1samp(x, 0.0) if np.std(x) > 1e-6 else None
    if plain is not None:
        interval = plain.confidence_interval()
        assert (found.low, found.high, found.p) == pytest.approx((interval.low, interval.high, plain.pvalue), abs=1e-8)


def test_one_patient_has_a_change_and_no_interval():
    found = mean_change([0.4])
    assert found.mean == 0.4
    assert np.isnan(found.low)
    assert np.isnan(found.p)


def test_the_detectable_change_has_the_power_it_was_asked_for():
    for n in (3, 6, 9, 15):
        change = detectable_change(0.35, n=n, power=0.9)
        assert t_power(change, 0.35, n=n) == pytest.approx(0.9, abs=1e-6)
    assert np.isnan(detectable_change(0.35, n=1))


def test_more_patients_detect_less():
    found = [detectable_change(0.35, n=n) for n in range(2, 20)]
    assert (np.diff(found) < 0).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_benjamini_hochberg_is_scipy_s(p):
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p), atol=1e-12)


def test_a_test_that_was_not_made_counts_for_nothing():
    with_gap = benjamini_hochberg([0.01, np.nan, 0.04])
    assert np.isnan(with_gap[1])
    np.testing.assert_allclose(with_gap[[0, 2]], benjamini_hochberg([0.01, 0.04]))


def test_max_t_of_one_population_is_the_sign_flip_test():
    x = np.random.default_rng(2).normal(0.3, 0.4, (8, 1))
    assert max_t(x)[0] == pytest.approx(sign_flip(x[:, 0]).p)


def test_max_t_of_copies_costs_nothing_and_of_unlike_populations_something():
    x = np.random.default_rng(3).normal(0.3, 0.4, (8, 1))
    copies = np.repeat(x, 5, axis=1)
    np.testing.assert_allclose(max_t(copies), max_t(x)[0])
    others = np.random.default_rng(4).normal(0, 0.4, (8, 4))
    assert max_t(np.hstack([x, others]))[0] > max_t(x)[0]


def test_max_t_is_what_going_through_the_flips_gives():
    x = np.random.default_rng(5).normal(0.2, 0.4, (5, 3))
    t = []
    for code in range(2**5):
        flipped = x * np.array([1 if code >> i & 1 else -1 for i in range(5)])[:, None]
        t.append(np.abs(flipped.mean(axis=0) / (flipped.std(axis=0, ddof=1) / np.sqrt(5))))
    t, seen = np.array(t), np.abs(x.mean(axis=0) / (x.std(axis=0, ddof=1) / np.sqrt(5)))
    order = np.argsort(-seen)
    steps = [(t[:, order[k:]].max(axis=1) >= seen[order[k]] - 1e-9).mean() for k in range(3)]
    np.testing.assert_allclose(max_t(x)[order], np.maximum.accumulate(steps))


def test_max_t_leaves_out_a_missing_change_and_a_population_of_one():
    x = np.random.default_rng(6).normal(0.3, 0.4, (7, 2))
    x[0, 1] = np.nan
    alone = np.column_stack([x, np.r_[0.3, np.full(6, np.nan)]])
    found = max_t(alone)
    assert np.isnan(found[2])
    np.testing.assert_allclose(found[:2], max_t(x))


def test_a_straight_course_has_its_slope_and_half_its_end_as_mean_height():
    days = [-1, 15, 29, 57]
    values = [0.01 * (day + 1) for day in days]
    assert rate_of_change(days, values) == pytest.approx(0.07)
    assert area_under(days, values)[1] == pytest.approx(0.29)


def test_a_missed_visit_on_a_straight_course_changes_nothing():
    days, values = [-1, 15, 29, 57], [0.0, 0.16, float("nan"), 0.58]
    assert rate_of_change(days, values) == pytest.approx(0.07)
    assert area_under(days, values)[1] == pytest.approx(0.29)


def test_time_above_and_below_a_limit_fill_the_follow_up():
    rng = np.random.default_rng(7)
    for _ in range(20):
        days, values = np.cumsum(rng.integers(1, 30, 6)), rng.normal(size=6)
        above = time_beyond(days, values, 0.2)
        below = time_beyond(days, -values, -0.2)
        assert above + below == pytest.approx(days[-1] - days[0])
        fine = np.linspace(days[0], days[-1], 200_001)
        assert above == pytest.approx((np.interp(fine, days, values) > 0.2).mean() * (days[-1] - days[0]), abs=0.01)


def test_one_visit_is_no_course():
    assert np.isnan(rate_of_change([1], [0.2]))
    assert np.isnan(area_under([1], [0.2])[0])
    assert np.isnan(time_beyond([1], [0.2], 0.1))


def test_counting_error_on_log_odds_is_what_binomial_draws_scatter():
    rng = np.random.default_rng(8)
    x = rng.binomial(5000, 0.04, 40_000)
    drawn = np.log((x + 0.5) / (5000 - x + 0.5))
    assert np.sqrt(counting_variance(200, 5000)) == pytest.approx(drawn.std(), rel=0.02)


def test_reference_change_values_are_mirror_images_and_those_of_the_trial():
    low, high = reference_change(0.10, 0.15)
    assert (round(float(low), 2), round(float(high), 2)) == (0.61, 1.64)
    assert low * high == pytest.approx(1.0)
