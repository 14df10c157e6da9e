"""Values known to within a bound answer as the exact ones do, to the last bit."""

import numpy as np
import pytest

from immunomon.cytometry.kernels.density import modes_of, profile_of
from immunomon.cytometry.kernels.rough import RoughValues, difference_of, larger_than

BOUND = 3e-6


def rough_of(exact, rng, *, unknown=0.01):
    """Return values moved by up to the bound, some not known at all, and a list of how many were asked exactly."""
    moved = (exact + rng.uniform(-1, 1, exact.size) * 0.9 * BOUND).astype(np.float32)
    moved[rng.random(exact.size) < unknown] = np.nan
    asked = []

    def exactly(rows):
        asked.append(rows.size)
        return exact[rows]

    return RoughValues(moved, BOUND, exactly), asked


def crowded(rng):
    """Return two peaks, and many values that are equal to one another, in the middle and at the top."""
    values = np.concatenate([rng.normal(0.2, 0.05, 20_000), rng.normal(0.7, 0.08, 9_000)])
    values[::10] = 0.25
    return np.minimum(values, 0.8)


@pytest.mark.parametrize("seed", range(5))
def test_density_is_that_of_the_exact_values(seed):
    """Counts, edges and modes are equal, and few values are asked exactly beside those that lie in one place."""
    rng = np.random.default_rng(seed)
    exact = crowded(rng)
    values, asked = rough_of(exact, rng)
    ours, theirs = profile_of(values, 0.02), profile_of(exact, 0.02)
    assert np.array_equal(ours.raw, theirs.raw)
    assert np.array_equal(ours.centers, theirs.centers)
    assert modes_of(ours) == modes_of(theirs)
    assert values.ends == (exact.min(), exact.max())
    assert sum(asked) < exact.size / 2


@pytest.mark.parametrize("seed", range(5))
def test_sides_of_a_place_are_those_of_the_exact_values(seed):
    """Of places between values and of such as many values have, as many lie above and below as exactly."""
    rng = np.random.default_rng(seed)
    exact = crowded(rng)
    values, _ = rough_of(exact, rng)
    for place in (*rng.uniform(0.0, 0.9, 20).tolist(), 0.25, 0.8, *exact[:20].tolist()):
        assert values.above(place) == np.count_nonzero(exact > place)
        assert values.below(place) == np.count_nonzero(exact < place)


def test_values_on_edges_are_counted_as_exactly():
    """A value that lies on the edge of a bin, or nearer to it than the bound, is counted where it lies exactly."""
    rng = np.random.default_rng(0)
    edges = np.linspace(0.0, 1.0, 1025)
    exact = rng.choice(edges[1:-1], 5_000) + rng.choice([-1e-9, 0.0, 1e-9], 5_000)
    values, _ = rough_of(exact, rng)
    counts, at = values.counted(0.0, 1.0, 1024)
    assert np.array_equal(counts, np.histogram(exact, bins=1024, range=(0.0, 1.0))[0])
    assert np.array_equal(at, np.histogram_bin_edges(exact, bins=1024, range=(0.0, 1.0)))


def test_values_that_are_all_the_same_and_far_ones():
    """A density whose bins cannot be told apart is refused or counted as that of the exact values is."""
    rng = np.random.default_rng(0)
    same = np.full(2_000, 0.5)
    values, _ = rough_of(same, rng)
    assert np.array_equal(profile_of(values, 0.02).raw, profile_of(same, 0.02).raw)
    assert values.ends == (0.5, 0.5)


@pytest.mark.parametrize("slope", [1.0, -0.7, 0.0, 40.0])
def test_a_difference_of_two_is_that_of_the_exact_values(slope):
    """Its ends, its density and who lies above a place are equal, and few are asked exactly."""
    rng = np.random.default_rng(2)
    upper, lower = crowded(rng), rng.permutation(crowded(rng))
    (rough_upper, asked), (rough_lower, _) = rough_of(upper, rng), rough_of(lower, rng)
    values, exact = difference_of(rough_upper, rough_lower, slope), upper - slope * lower
    assert values.ends == (exact.min(), exact.max())
    assert np.array_equal(profile_of(values, 0.02).raw, profile_of(exact, 0.02).raw)
    assert sum(asked) < exact.size / 2
    for place in (*rng.uniform(-0.5, 0.9, 20).tolist(), *exact[:20].tolist()):
        assert np.array_equal(larger_than(values, place), exact > place)
    assert np.array_equal(values.all, exact)


def test_who_is_larger_than_no_number_and_than_infinity():
    """No value is larger than what is no number, nor than infinity; all are larger than its opposite."""
    values, _ = rough_of(np.linspace(0.0, 1.0, 500), np.random.default_rng(0))
    assert not larger_than(values, np.nan).any()
    assert not larger_than(values, np.inf).any()
    assert larger_than(values, -np.inf).all()
