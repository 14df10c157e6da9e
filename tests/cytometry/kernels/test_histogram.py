"""Histograms for plots: laws, and a plain NumPy oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from immunomon.cytometry.kernels.histogram import histogram1d, histogram2d, histogram2d_u8, levels_u8

points = hnp.arrays(np.float64, st.integers(0, 60), elements=st.floats(-3, 3, width=32))


@settings(max_examples=50, deadline=None)
@given(points, st.integers(1, 20))
def test_histogram1d_counts_as_numpy_does_with_clipped_values(values, bins):
    places = np.clip(np.floor((values + 1.0) * (bins / 2.0)), 0, bins - 1).astype(int)
    expected = np.bincount(places, minlength=bins)
    np.testing.assert_array_equal(histogram1d(values, (-1.0, 1.0), bins), expected)


@settings(max_examples=50, deadline=None)
@given(points, st.randoms(use_true_random=False))
def test_histogram2d_keeps_every_point_and_its_margins_are_the_histograms_of_its_axes(values, random):
    other = values.copy()
    random.shuffle(other)
    counts = histogram2d(values, other, (-1.0, 1.0), (-2.0, 2.0), bins=8)
    assert counts.sum() == values.size
    np.testing.assert_array_equal(counts.sum(axis=0), histogram1d(values, (-1.0, 1.0), bins=8))
    np.testing.assert_array_equal(counts.sum(axis=1), histogram1d(other, (-2.0, 2.0), bins=8))


def test_points_that_are_not_numbers_are_left_out_and_infinite_ones_lie_on_the_border():
    x = np.array([np.nan, 0.5, np.inf, -np.inf])
    counts = histogram2d(x, np.full(4, 0.5), (0.0, 1.0), (0.0, 1.0), bins=2)
    np.testing.assert_array_equal(counts, [[0, 0], [1, 2]])


@given(hnp.arrays(np.int64, st.integers(1, 50), elements=st.integers(0, 10**6)))
def test_levels_keep_the_order_of_counts_and_zero_means_empty(counts):
    levels = levels_u8(counts)
    np.testing.assert_array_equal(levels == 0, counts == 0)
    assert counts.max() == 0 or levels.max() == 255
    order = np.argsort(counts, kind="stable")
    assert (np.diff(levels[order].astype(int)) >= 0).all()


def test_strided_float32_columns_give_the_same_density_as_contiguous_float64_ones():
    rng = np.random.default_rng(5)
    table = rng.normal(0.5, 0.2, (500, 3)).astype(np.float32)
    strided = histogram2d_u8(table[:, 0], table[:, 2], (0.0, 1.0), (0.0, 1.0))
    plain = histogram2d_u8(*(table[:, i].astype(np.float64) for i in (0, 2)), (0.0, 1.0), (0.0, 1.0))
    np.testing.assert_array_equal(strided, plain)


def test_no_events_give_an_empty_density():
    assert not histogram2d_u8(np.empty(0), np.empty(0), (0.0, 1.0), (0.0, 1.0)).any()


@pytest.mark.parametrize("limits", [(1.0, 1.0), (2.0, 1.0), (0.0, np.inf), (np.nan, 1.0)])
def test_a_range_without_extent_is_refused(limits):
    with pytest.raises(ValueError, match="finite range"):
        histogram1d(np.zeros(3), limits)
