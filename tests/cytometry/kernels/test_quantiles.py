import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator
from scipy.stats import wasserstein_distance

from immunomon.cytometry.kernels.quantiles import (
    apply_map,
    earth_movers_distance,
    levels_for,
    mean_distances,
    quantile_map,
    quantiles_of,
)

numbers = st.floats(-2, 2).map(lambda x: round(x, 6))
knots = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=30)
points = st.lists(st.floats(-4, 4), min_size=2, max_size=50)


def rising(pairs):
    sources, goals = zip(*pairs, strict=True)
    return np.sort(np.array(sources)), np.sort(np.array(goals))


@given(knots, points)
def test_a_map_never_puts_a_dimmer_cell_above_a_brighter_one(pairs, values):
    there = quantile_map(*rising(pairs))
    mapped = apply_map(there, np.sort(np.array(values)))
    assert (np.diff(mapped) >= -1e-12).all()


@given(knots, points)
def test_equal_batches_are_left_as_they_are(pairs, values):
    sources, _ = rising(pairs)
    mapped = apply_map(quantile_map(sources, sources), np.array(values))
    assert mapped == pytest.approx(np.array(values), abs=1e-12)


@given(knots, points, st.floats(-1, 1))
def test_a_batch_that_is_shifted_is_shifted_back(pairs, values, shift):
    sources, _ = rising(pairs)
    sources = np.unique(sources)
    mapped = apply_map(quantile_map(sources, sources + shift), np.array(values))
    assert mapped == pytest.approx(np.array(values) + shift, abs=1e-9)


@given(knots)
def test_each_source_quantile_comes_to_its_goal(pairs):
    sources, goals = rising(pairs)
    sources, first = np.unique(sources, return_index=True)
    goals = goals[first]
    assert apply_map(quantile_map(sources, goals), sources) == pytest.approx(goals, abs=1e-12)


def test_between_the_knots_the_map_is_scipys_pchip():
    rng = np.random.default_rng(3)
    for size in (3, 4, 10, 99):
        x, y = np.sort(rng.normal(size=size)), np.sort(rng.normal(size=size))
        y[size // 2] = y[size // 2 - 1]  # a flat piece
        at = np.linspace(x[0], x[-1], 500)
        assert apply_map(quantile_map(x, y), at) == pytest.approx(PchipInterpolator(x, y)(at), abs=1e-9)


def test_beyond_the_outer_knots_everything_moves_as_far_as_they_do():
    there = quantile_map(np.array([0.2, 0.3, 0.5]), np.array([0.25, 0.4, 0.8]))
    assert apply_map(there, np.array([0.0, -5.0, 1.0])) == pytest.approx([0.05, -4.95, 1.3])


def test_equal_sources_become_one_knot():
    there = quantile_map(np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.3, 1.0]))
    assert apply_map(there, np.array([0.0])) == pytest.approx([0.2])


@pytest.mark.parametrize(("sources", "goals"), [([0.2, 0.1], [0.1, 0.2]), ([0.1, 0.2], [0.2, 0.1]), ([0.1], [])])
def test_what_no_quantiles_can_be_is_refused(sources, goals):
    with pytest.raises(ValueError, match="quantiles"):
        quantile_map(np.array(sources), np.array(goals))


def test_few_cells_have_few_levels():
    assert [levels_for(cells, 99).size for cells in (1, 50, 500, 5000)] == [1, 5, 50, 99]
    assert quantiles_of(np.arange(101.0), levels_for(10**6, 3)).tolist() == [25, 50, 75]


@given(points, points)
def test_the_distance_is_scipys_and_symmetric(one, other):
    a, b = np.array(one), np.array(other)
    assert earth_movers_distance(a, b) == pytest.approx(wasserstein_distance(a, b), abs=1e-9)
    assert earth_movers_distance(b, a) == pytest.approx(earth_movers_distance(a, b), abs=1e-12)
    assert earth_movers_distance(a, a) == 0


def test_each_sample_is_compared_with_all_others():
    samples = [np.array([0.0]), np.array([1.0]), np.array([3.0])]
    assert mean_distances(samples).tolist() == [2.0, 1.5, 2.5]
    assert np.isnan(mean_distances(samples[:1])).all()


def test_no_cells_are_refused():
    with pytest.raises(ValueError, match="no values"):
        earth_movers_distance(np.array([]), np.array([1.0]))
    with pytest.raises(ValueError, match="no values"):
        quantiles_of(np.array([]), np.array([0.5]))
