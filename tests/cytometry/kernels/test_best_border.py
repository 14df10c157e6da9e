"""The best borders of somebody who knows the truth, against trying every border."""

import itertools
import math

import numpy as np
import pytest

from immunomon.assurance.validation.borders import best_corner_f1, best_threshold_f1


def _f1(taken, members, missed=0):
    return 2 * int((taken & members).sum()) / (int(taken.sum()) + int(members.sum()) + missed)


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_does_better_and_one_does_as_well(seed):
    rng = np.random.default_rng(seed)
    members = rng.random(60) < 0.3
    values = np.round(rng.normal(members, 0.8), 1)  # with ties
    tried = [_f1(values >= at, members, 4) for at in np.unique(values)]
    assert best_threshold_f1(values, members, missed=4) == pytest.approx(max(tried))


@pytest.mark.parametrize("seed", range(3))
def test_a_corner_does_as_well_as_the_best_of_all_corners(seed):
    rng = np.random.default_rng(seed)
    members = rng.random(80) < 0.3
    x, y = rng.normal(members, 0.6), rng.normal(members, 0.6)
    tried = [_f1((x >= a) & (y >= b), members, 2) for a, b in itertools.product(np.sort(x), np.sort(y))]
    found = best_corner_f1(x, y, members, missed=2)
    assert max(tried) - 0.02 <= found <= max(tried) + 1e-12  # its grid is a little coarser


def test_members_that_are_not_there_bound_what_can_be_reached():
    values, members = np.array([0.0, 1.0]), np.array([False, True])
    assert best_threshold_f1(values, members) == 1.0
    assert best_threshold_f1(values, members, missed=1) == pytest.approx(2 / 3)


def test_without_members_there_is_nothing_to_find():
    nobody = np.zeros(3, dtype=bool)
    assert math.isnan(best_threshold_f1(np.arange(3.0), nobody))
    assert math.isnan(best_corner_f1(np.arange(3.0), np.arange(3.0), nobody))
    assert math.isnan(best_corner_f1(np.zeros(0), np.zeros(0), np.zeros(0, bool)))
