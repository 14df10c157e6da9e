from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels.acquisition import MOST_BINS, event_bins, rates, stray_stretches, time_bins


def noise(bins=200, channels=5, seed=2):
    return np.random.default_rng(seed).normal(0.5, 0.02, (bins, channels))


@given(st.integers(0, 300_000))
def test_bins_of_events_hold_every_event_once_and_are_neither_many_nor_small(events):
    edges = event_bins(events)
    assert edges[0] == 0
    assert edges[-1] == events
    assert len(edges) - 1 <= MOST_BINS
    assert events < 50 or np.diff(edges).min() >= 50


@given(st.lists(st.integers(0, 3), min_size=2, max_size=600))
def test_bins_of_time_never_cut_a_tick_in_two(steps):
    time = np.cumsum(steps).astype(float)
    edges = time_bins(time)
    assert edges[0] == 0
    assert (time[edges[1:]] > time[edges[1:] - 1]).all()
    assert np.isfinite(rates(time, edges)).all()


@pytest.mark.parametrize(("start", "stop"), [(0, 20), (90, 110), (170, 200)])
def test_a_step_is_found_to_the_bin_and_called_a_step(start, stop):
    series = noise()
    series[start:stop] += 0.15
    (found,) = stray_stretches(series, 0.08)
    assert (found.start, found.stop, found.drifts) == (start, stop, False)
    assert np.allclose(found.shift, 0.15, atol=0.03)


def test_a_slide_is_found_from_where_it_begins_and_called_a_drift():
    series = noise()
    series[150:] -= np.linspace(0, 0.3, 50)[:, None]
    (found,) = stray_stretches(series, 0.08)
    assert found.drifts
    assert abs(found.start - 150) <= 4
    assert found.stop == 200


def test_a_change_within_the_tolerance_is_not_flagged_however_sure_it_is():
    series = noise()
    series[100:] += 0.05
    assert stray_stretches(series, 0.08) == []
    assert len(stray_stretches(series, 0.03)) == 1


def test_the_level_of_most_bins_is_the_usual_one_even_if_others_come_first():
    series = noise()
    series[:80] += 0.2
    (found,) = stray_stretches(series, 0.08)
    assert (found.start, found.stop) == (0, 80)


def test_a_single_bin_that_is_somewhat_off_is_no_stretch():
    series = noise()
    series[50] += 0.12
    assert stray_stretches(series, 0.08) == []


def test_one_channel_alone_is_enough():
    series = noise()
    series[120:150, 3] -= 0.12
    (found,) = stray_stretches(series, 0.08)
    assert (found.start, found.stop) == (120, 150)
    assert np.flatnonzero(np.abs(found.shift) > 0.08).tolist() == [3]


def test_too_few_bins_are_not_judged():
    assert stray_stretches(noise(bins=3), 0.08) == []
    assert stray_stretches(np.zeros((50, 0)), 0.08) == []
