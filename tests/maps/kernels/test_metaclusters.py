import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from immunomon.maps.kernels.metaclusters import (
    average_linkage,
    consensus,
    cut,
    distances_between,
    groups_apart,
)


def same_partition(one, other):
    return (
        len(set(zip(one.tolist(), other.tolist(), strict=True))) == len(set(one.tolist())) == len(set(other.tolist()))
    )


@given(st.integers(0, 2**32), st.integers(2, 60))
@settings(max_examples=60, deadline=None)
def test_average_linkage_is_scipys(seed, count):
    points = np.random.default_rng(seed).normal(size=(count, 3))
    distances = distances_between(points)
    pairs, heights = average_linkage(distances)
    expected = linkage(squareform(distances, checks=False), "average")
    assert heights == pytest.approx(expected[:, 2])
    groups = max(1, count // 3)
    assert same_partition(cut(pairs, groups), fcluster(expected, groups, criterion="maxclust"))


@pytest.mark.parametrize("groups", [1, 2, 5, 12])
def test_a_cut_gives_as_many_groups_as_asked(groups):
    pairs, _ = average_linkage(distances_between(np.random.default_rng(1).normal(size=(12, 2))))
    assert sorted(set(cut(pairs, groups).tolist())) == list(range(groups))


def test_equal_points_are_merged_at_no_height():
    pairs, heights = average_linkage(distances_between(np.zeros((5, 2))))
    assert heights.tolist() == [0, 0, 0, 0]
    assert cut(pairs, 1).tolist() == [0] * 5


def test_groups_apart_are_counted_by_their_mean_distance():
    points = np.array([[0.0], [0.1], [2.0], [2.1], [9.0]])
    _, heights = average_linkage(distances_between(points))
    assert [groups_apart(heights, d) for d in (0.05, 0.5, 3.0, 20.0)] == [5, 3, 2, 1]


def test_consensus_finds_clear_groups_and_says_that_they_are_steady():
    rng = np.random.default_rng(2)
    centres = np.array([[0, 0], [4, 0], [0, 4], [4, 4]], dtype=float)
    points = np.concatenate([centre + 0.3 * rng.normal(size=(10, 2)) for centre in centres])
    group, rates = consensus(points, 4, np.random.default_rng(1))
    assert same_partition(group, np.repeat(np.arange(4), 10))
    assert rates[:10, :10].min() > 0.95
    assert rates[:10, 10:].max() < 0.05


def test_the_same_seed_gives_the_same_consensus():
    points = np.random.default_rng(3).normal(size=(40, 4))
    once, again = (consensus(points, 7, np.random.default_rng(5))[0] for _ in range(2))
    assert (once == again).all()
