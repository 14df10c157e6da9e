from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from immunomon.cytometry.kernels.acquisition import level_changes, noise_of, penalty_of, whitened


def cost(series, edges, penalty):
    parts = [series[a:b] for a, b in pairwise(edges)]
    return sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts) + penalty * (len(parts) - 1)


def best_by_trying_all(series, penalty, shortest):
    bins = len(series)
    tries = [
        (0, *inner, bins)
        for number in range(bins // shortest)
        for inner in combinations(range(1, bins), number)
        if min(np.diff((0, *inner, bins))) >= shortest
    ]
    return min(cost(series, edges, penalty) for edges in tries)


@settings(max_examples=40)
@given(
    arrays(np.float64, st.tuples(st.integers(4, 9), st.integers(1, 2)), elements=st.integers(-5, 5).map(float)),
    st.floats(0.1, 30),
)
def test_no_partition_is_better_than_the_one_found(series, penalty):
    found = level_changes(series, penalty)
    assert min(np.diff(found)) >= 2
    assert abs(cost(series, found, penalty) - best_by_trying_all(series, penalty, 2)) < 1e-6


def test_pure_noise_is_hardly_ever_cut():
    rng = np.random.default_rng(5)
    cut = 0
    for _ in range(150):
        noise = rng.normal(size=(200, 6))
        cut += len(level_changes(whitened(noise, noise_of(noise)), penalty_of(200, 6))) > 2
    assert cut <= 6


def test_noise_that_channels_share_is_not_taken_for_more_evidence():
    rng = np.random.default_rng(6)
    shared = rng.normal(size=(5000, 1)) + 0.3 * rng.normal(size=(5000, 4))
    out = whitened(shared, noise_of(shared))
    evidence = np.linalg.eigvalsh(np.cov(out.T))
    assert evidence.max() < 1.1
    assert evidence.min() > 0.5


def test_more_channels_than_bins_are_bearable():
    few = np.random.default_rng(7).normal(size=(10, 30))
    assert np.isfinite(whitened(few, noise_of(few))).all()
