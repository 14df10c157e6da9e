"""Variance components of nested repeats are those of the textbook and of simulated truth."""

import numpy as np
import pytest

from immunomon.trial.kernels.nested import nested_components


def balanced(rng, specimens, days, runs, repeats, sds):
    day_sd, run_sd, sd = sds
    values, levels = [], ([], [], [])
    for s in range(specimens):
        for d in range(days):
            at_day = rng.normal(0, day_sd)
            for r in range(runs):
                at_run = rng.normal(0, run_sd)
                for _ in range(repeats):
                    values.append(100 + 10 * s + at_day + at_run + rng.normal(0, sd))
                    for level, label in zip(levels, (s, s * days + d, (s * days + d) * runs + r), strict=True):
                        level.append(label)
    return np.array(values), [np.array(level) for level in levels]


def test_components_are_those_of_a_balanced_analysis_of_variance():
    rng = np.random.default_rng(1)
    values, levels = balanced(rng, 2, 4, 3, 2, (2, 1, 0.5))
    found, degrees = nested_components(values, levels)
    table = values.reshape(2, 4, 3, 2)
    runs, days = table.mean(-1), table.mean((-1, -2))
    within = table.var(-1, ddof=1).mean()
    of_runs = 2 * runs.var(-1, ddof=1).mean()
    of_days = 6 * days.var(-1, ddof=1).mean()
    assert degrees.tolist() == [2 * 3, 2 * 4 * 2, 2 * 4 * 3]
    assert found == pytest.approx([(of_days - of_runs) / 6, (of_runs - within) / 2, within])


def test_without_days_or_runs_it_is_the_pooled_variance():
    values, groups = np.array([1.0, 3.0, 10.0, 14.0, 12.0]), np.array([0, 0, 1, 1, 1])
    found, degrees = nested_components(values, [groups])
    assert degrees.tolist() == [3]
    assert found[0] == pytest.approx((2 + 8) / 3)


def test_simulated_truth_is_found_with_unequal_numbers():
    rng = np.random.default_rng(2)
    found = []
    for _ in range(150):
        values, levels = balanced(rng, 2, 6, 3, 3, (3, 2, 1))
        kept = rng.random(len(values)) < 0.8
        relabelled = [np.unique(level[kept], return_inverse=True)[1] for level in levels]
        found.append(nested_components(values[kept], relabelled)[0])
    assert np.mean(found, axis=0) == pytest.approx([9, 4, 1], rel=0.15)


def test_a_level_that_cannot_be_told_is_refused():
    with pytest.raises(ValueError, match="leave it out"):
        nested_components(np.array([1.0, 2.0, 3.0]), [np.zeros(3, int), np.array([0, 1, 2])])
