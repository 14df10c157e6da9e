import numpy as np
import pytest

from immunomon.maps.atlas.layout import NARROWEST, lay_out, trust


@pytest.fixture(scope="module")
def islands():
    """Three kinds of cells on four markers, of which the last says nothing: (cells, markers), and the kinds."""
    rng = np.random.default_rng(3)
    kinds = np.repeat([0, 1, 2], [150, 100, 50])
    centres = np.array([[0.1, 0.1, 0.1], [0.7, 0.1, 0.7], [0.7, 0.7, 0.1]])
    values = np.concatenate([centres[kinds], np.full((300, 1), 0.1)], axis=1)
    return values + rng.normal(0, 0.03, values.shape), kinds


@pytest.fixture(scope="module")
def layout(islands):
    return lay_out(islands[0], seed=1)


def test_the_same_seed_gives_the_same_layout_and_another_seed_another(islands, layout):
    again = lay_out(islands[0], seed=1)
    np.testing.assert_array_equal(layout.positions, again.positions)
    np.testing.assert_array_equal(layout.clusters, again.clusters)
    assert not np.array_equal(layout.positions, lay_out(islands[0], seed=2).positions)


def test_cells_of_a_kind_lie_together(islands, layout):
    kinds = islands[1]
    distances = np.linalg.norm(layout.positions[:, None] - layout.positions[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (kinds[distances.argmin(axis=1)] == kinds).mean() > 0.99


def test_clusters_are_numbered_by_size(layout):
    sizes = np.bincount(layout.clusters)[1:]
    assert (np.diff(sizes) <= 0).all()
    assert sizes.sum() == 300


def test_a_marker_that_no_cell_carries_is_not_stretched(islands, layout):
    low, high = np.percentile(islands[0], [1, 99], axis=0)
    np.testing.assert_allclose(layout.scale[:3], (high - low)[:3])
    assert layout.scale[3] == NARROWEST


def test_trustworthiness_is_high_for_the_layout_and_low_for_chance(islands, layout):
    assert layout.trustworthiness > 0.85
    chance = np.random.default_rng(0).normal(size=(300, 2))
    assert trust(islands[0], chance, seed=0) < 0.65


def test_too_few_cells_are_refused():
    with pytest.raises(ValueError, match="15 cells cannot be laid out; at least 16"):
        lay_out(np.zeros((15, 3)), seed=1)


def test_what_is_compiled_for_umap_is_kept_for_the_next_process(layout):
    from umap import umap_

    kept = umap_.smooth_knn_dist.stats
    assert kept.cache_path is not None
    assert sum(kept.cache_hits.values()) + sum(kept.cache_misses.values()) > 0
