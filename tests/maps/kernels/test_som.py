from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.maps.kernels.som import grid_start, nearest_nodes, settle, sum_by_node, sum_parts


def drawn(seed, events, markers, nodes):
    rng = np.random.default_rng(seed)
    values = rng.normal(0.5, 0.4, (events, markers)).astype(np.float32)
    return values, rng.normal(0.5, 0.4, (nodes, markers)).astype(np.float32)


@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(1, 13), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_an_event_belongs_to_the_node_that_is_nearest(seed, events, markers, nodes):
    values, codes = drawn(seed, events, markers, nodes)
    found = nearest_nodes(values, codes)
    squares = ((values[:, None].astype(float) - codes[None]) ** 2).sum(axis=2)
    chosen = squares[np.arange(events), found]
    assert (chosen <= squares.min(axis=1) + 1e-5).all()


@given(st.integers(0, 2**32), st.integers(2, 500))
@settings(max_examples=40, deadline=None)
def test_sums_are_the_same_to_the_last_bit_in_whatever_pieces_and_order_they_are_added(seed, events):
    values, codes = drawn(seed, events, 5, 9)
    whole, _ = sum_by_node(values, codes)
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, events, 4))
    pieces = np.split(values[rng.permutation(events)], cuts)
    added = sum_parts(sum_by_node(np.ascontiguousarray(piece), codes)[0] for piece in pieces)
    for name in ("counts", "totals", "squares"):
        assert getattr(whole, name).tobytes() == getattr(added, name).tobytes()


def test_sums_are_those_of_plain_numpy():
    values, codes = drawn(3, 1000, 7, 11)
    sums, node = sum_by_node(values, codes)
    assert sums.counts.tolist() == np.bincount(node, minlength=11).tolist()
    for k in range(11):
        assert np.allclose(sums.totals[k], values[node == k].sum(axis=0), atol=1e-2)
        assert np.isclose(sums.squares[k], ((values[node == k] - codes[k]) ** 2).sum(), atol=1e-2)


def test_a_node_moves_to_the_mean_of_its_events_and_one_without_events_stays():
    values = np.array([[0.0, 0.0], [0.5, 1.0]], dtype=np.float32)
    codes = np.array([[0.2, 0.2], [7.0, 7.0]], dtype=np.float32)
    moved = settle(sum_by_node(values, codes)[0], codes)
    assert moved.tolist() == [[0.25, 0.5], [7.0, 7.0]]


def test_settling_never_raises_the_error_of_the_map():
    values, codes = drawn(5, 4000, 4, 16)
    errors = []
    for _ in range(8):
        sums, _ = sum_by_node(values, codes)
        errors.append(sums.squares.sum())
        codes = settle(sums, codes)
    assert all(late <= early * (1 + 1e-6) for early, late in pairwise(errors))
    assert errors[-1] < 0.7 * errors[0]


def test_a_grid_starts_in_the_plane_of_largest_variance():
    rng = np.random.default_rng(1)
    values = (rng.normal(size=(5000, 3)) * [3.0, 1.0, 0.01]).astype(np.float32)
    codes, _ = grid_start(values, 6, 6)
    assert np.ptp(codes[:, 0]) > 10
    assert np.ptp(codes[:, 2]) < 0.1
