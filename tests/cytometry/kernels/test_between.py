import numpy as np
import pytest

from immunomon.cytometry.kernels.consensus import Between, agree_between
from immunomon.cytometry.kernels.density import modes_of, profile_of, summit_of


def study(rng, *, subjects=9, visits=7, wander=0.03):
    """Peaks that drift with the batch; the valley wanders between them though neither peak moved."""
    subject, batch = np.repeat(np.arange(subjects), visits), np.tile(np.arange(visits), subjects)
    n = subject.size
    low = 0.2 + rng.normal(0, 0.004, visits)[batch]
    high = 0.7 + rng.normal(0, 0.012, visits)[batch]
    true = low + 0.6 * (high - low)
    one = np.full(n, 0.001)
    places = true + rng.normal(0, wander, n)
    seen = Between(places, np.full(n, wander), low + rng.normal(0, one), one, high + rng.normal(0, one), one)
    return seen, subject, batch, true


def test_borders_follow_the_peaks_and_not_the_valleys_wandering():
    seen, subject, batch, true = study(np.random.default_rng(1))
    found = agree_between(seen, subject, batch)
    assert found is not None
    assert found.share == pytest.approx(0.6, abs=0.02)
    assert np.std(found.border.values - true) < 0.1 * np.std(seen.places - true)


def test_the_error_of_a_border_covers_the_truth():
    inside = []
    for seed in range(12):
        seen, subject, batch, true = study(np.random.default_rng(seed))
        found = agree_between(seen, subject, batch)
        inside.append(np.mean(np.abs(found.border.values - true) <= 1.96 * found.border.errors))
    assert np.mean(inside) >= 0.93


def test_a_sample_without_a_valley_gets_the_peaks_that_the_others_predict():
    seen, subject, batch, true = study(np.random.default_rng(2))
    for column in (seen.places, seen.errors, seen.lows, seen.low_errors, seen.highs, seen.high_errors):
        column[10] = np.nan
    found = agree_between(seen, subject, batch)
    assert found.border.own_weight[10] == 0
    assert not found.border.outlier[10]
    assert abs(found.border.values[10] - true[10]) < 0.02


def test_a_stain_that_failed_once_is_said_and_not_followed():
    seen, subject, batch, true = study(np.random.default_rng(3))
    seen.highs[20] -= 0.3
    found = agree_between(seen, subject, batch)
    assert np.flatnonzero(found.border.outlier).tolist() == [20]
    assert abs(found.border.values[20] - true[20]) < 0.03


def test_two_samples_have_nothing_to_agree_on():
    two = np.array([0.5, 0.5])
    seen = Between(two, two / 50, two - 0.3, two / 50, two + 0.3, two / 50)
    assert agree_between(seen, np.array([0, 1]), np.array([0, 0])) is None


@pytest.mark.parametrize(("n", "spread"), [(150, 0.05), (3000, 0.05), (3000, 0.1)])
def test_the_error_of_a_peaks_middle_is_what_redrawn_events_show(n, spread):
    rng = np.random.default_rng(4)
    found = []
    for _ in range(200):
        profile = profile_of(rng.normal(0.3, spread, n), 0.02)
        found.append(summit_of(profile, max(modes_of(profile), key=lambda mode: mode.height)))
    middles, errors = np.array(found).T
    assert abs(middles.mean() - 0.3) < 0.1 * spread
    assert 0.6 < middles.std() / np.median(errors) < 1.6


def test_a_population_further_out_does_not_move_the_middle_of_a_peak():
    rng = np.random.default_rng(5)
    alone = rng.normal(0.3, 0.05, 20_000)
    with_others = np.concatenate([alone, rng.normal(0.6, 0.05, 8_000)])
    middles = [summit_of(profile := profile_of(v, 0.02), modes_of(profile)[0])[0] for v in (alone, with_others)]
    assert abs(middles[0] - middles[1]) < 0.002


def test_the_middle_of_a_small_peak_lies_in_it_though_the_valley_beside_it_is_above_half_its_height():
    rng = np.random.default_rng(6)
    values = np.concatenate([rng.normal(0.25, 0.09, 8000), rng.normal(0.56, 0.05, 1000)])
    profile = profile_of(values, 0.02)
    low, high = modes_of(profile)
    floor = profile.counts[low.index : high.index].min()
    assert floor > profile.counts[high.index] / 2
    assert summit_of(profile, high)[0] < 0.35
    middle, error = summit_of(profile, high, floor=floor)
    assert abs(middle - 0.56) < 0.01
    assert error < 0.002
