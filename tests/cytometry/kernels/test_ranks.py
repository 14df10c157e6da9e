from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from immunomon.cytometry.kernels.event_quality import binned_ranks

whole = arrays(np.float32, st.integers(1, 60), elements=st.integers(-120, 120).map(float))


@given(whole)
def test_mean_ranks_are_those_of_sorting_for_numbers_that_16_bits_tell_apart(values):
    edges = np.array([0, len(values) // 2, len(values)])
    found = binned_ranks(values[:, None], edges)[:, 0]
    ranks = (rankdata(values) - 0.5) / len(values)
    for place, (start, stop) in enumerate(pairwise(edges)):
        expected = ranks[start:stop].mean() if stop > start else 0.0
        assert abs(found[place] - expected) < 1e-5


@given(whole, st.sampled_from([0.25, 2.0, 1024.0]))
def test_mean_ranks_do_not_depend_on_the_scale(values, factor):
    edges = np.array([0, len(values) // 3, len(values)])
    assert np.array_equal(binned_ranks(values[:, None], edges), binned_ranks(values[:, None] * factor, edges))


def test_the_ranks_of_many_events_come_from_a_part_of_them_within_a_fraction_of_the_noise():
    values = np.random.default_rng(1).lognormal(5, 2, (300_000, 1)).astype(np.float32)
    edges = np.arange(0, 300_001, 750)
    exact = np.add.reduceat((rankdata(values[:, 0]) - 0.5) / 300_000, edges[:-1]) / 750
    assert np.abs(binned_ranks(values, edges)[:, 0] - exact).max() < 0.4 / np.sqrt(12 * 750)


def test_no_events_give_no_ranks_and_not_a_number_does_no_harm():
    assert binned_ranks(np.zeros((0, 2)), np.array([0, 0])).tolist() == [[0.0, 0.0]]
    assert np.isfinite(binned_ranks(np.array([[np.nan], [1.0], [-np.inf]]), np.array([0, 3]))).all()
