import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.maps.kernels.neighbours import count_within, index_of, nearest


def by_hand(references, points, count, groups=None, own=None):
    """Every distance, then a stable sort: the slow truth."""
    apart = np.sqrt(((points[:, None, :] - references[None, :, :]).astype(np.float64) ** 2).sum(axis=2))
    if groups is not None:
        apart[groups[None, :] == own[:, None]] = np.inf
    order = np.argsort(apart, axis=1, kind="stable")[:, :count]
    return order, np.take_along_axis(apart, order, axis=1)


def clouds(seed, cells, markers):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 2, (4, markers))
    return (centres[rng.integers(4, size=cells)] + rng.normal(0, 0.1, (cells, markers))).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 400), st.integers(1, 9), st.integers(1, 5))
def test_neighbours_are_those_of_all_distances_compared(seed, cells, markers, count):
    references, points = clouds(seed, cells, markers), clouds(seed + 1, 30, markers)
    rows, apart = nearest(index_of(references), points, count)
    np.testing.assert_allclose(apart, by_hand(references, points, count)[1], rtol=1e-5, atol=1e-6)
    step = points[:, None, :] - references[rows]
    np.testing.assert_allclose(np.sqrt((step**2).sum(axis=2)), apart, rtol=1e-5, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_neighbours_are_of_other_groups_where_a_point_names_its_own(seed, parts):
    references, points = clouds(seed, 200, 3), clouds(seed + 1, 20, 3)
    groups = (np.arange(200) % parts).astype(np.int32)
    own = (np.arange(20) % parts).astype(np.int32)
    rows, apart = nearest(index_of(references, groups), points, 4, groups=own)
    assert (groups[rows] != own[:, None]).all()
    np.testing.assert_allclose(apart, by_hand(references, points, 4, groups, own)[1], rtol=1e-5, atol=1e-6)


def test_of_equally_near_references_the_first_come_first_whatever_the_threads():
    references = np.repeat(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]], dtype=np.float32), 400, axis=0)
    points = np.tile(references, (20, 1))
    rows, apart = nearest(index_of(references), points, 5, threads=1)
    assert (rows == (points[:, :1] * 400).astype(int) + np.arange(5)).all()
    assert not apart.any()
    again = nearest(index_of(references), points, 5, threads=3)
    np.testing.assert_array_equal(rows, again[0])
    np.testing.assert_array_equal(apart, again[1])


def test_a_points_neighbours_do_not_depend_on_the_points_beside_it():
    references, points = clouds(1, 3000, 7), clouds(2, 500, 7)
    index = index_of(references)
    rows, apart = nearest(index, points, 15)
    for part in (slice(0, 1), slice(3, 250), slice(499, 500)):
        alone = nearest(index, points[part], 15)
        np.testing.assert_array_equal(alone[0], rows[part])
        np.testing.assert_array_equal(alone[1], apart[part])


def test_where_there_are_too_few_the_rows_are_missing():
    rows, apart = nearest(index_of(np.zeros((2, 2), dtype=np.float32)), np.ones((1, 2), dtype=np.float32), 3)
    assert rows.tolist() == [[0, 1, -1]]
    assert np.isinf(apart[0, 2])


@pytest.mark.parametrize("radius", [0.05, 0.3, 1.0])
def test_a_ball_holds_what_lies_within_its_radius(radius):
    references, points = clouds(3, 900, 5), clouds(4, 60, 5)
    apart = by_hand(references, points, len(references))[1]
    clear = np.abs(apart - radius).min(axis=1) > 1e-5
    np.testing.assert_array_equal(
        count_within(index_of(references), points, radius)[clear], (apart < radius).sum(axis=1)[clear]
    )
