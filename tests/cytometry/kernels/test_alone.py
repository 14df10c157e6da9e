from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels.outliers import Rule, standing_alone

RULE = Rule(others=2, least=1.1, floor=0.15, usual=0.15)


def alone(values, groups, errors=None, **rule):
    values = np.asarray(values, dtype=float)
    errors = np.zeros(values.size) if errors is None else np.asarray(errors, dtype=float)
    return standing_alone(values, errors, np.asarray(groups), replace(RULE, **rule))[0]


@pytest.mark.parametrize("within", [0.1, 0.2, 0.4])
def test_treatment_effects_of_a_trials_size_do_not_stand_alone(within):
    rng = np.random.default_rng(11)
    subjects, visits = np.repeat(np.arange(12), 6), np.tile(np.arange(6), 12)
    course = np.array([0.0, 0.3, 0.7, 0.6, 0.3, 0.1])[visits] * (subjects % 3) / 2
    values = rng.normal(0, 0.8, 12)[subjects] + course + rng.normal(0, within, 72)
    assert not alone(values, subjects, errors=np.full(72, 0.05)).any()


def test_one_visit_far_from_its_subjects_others_stands_alone_and_no_other_does():
    rng = np.random.default_rng(12)
    subjects = np.repeat(np.arange(8), 4)
    values = rng.normal(-2.3, 0.5, 8)[subjects] + rng.normal(0, 0.1, 32)
    values[9] -= 1.8
    assert np.flatnonzero(alone(values, subjects)).tolist() == [9]


@given(st.permutations(range(5)), st.floats(2.0, 9.0))
def test_the_order_of_the_values_does_not_matter(order, far):
    values, groups = np.array([0.0, 0.05, far, 0.1, 0.02]), np.zeros(5, dtype=int)
    assert alone(values[list(order)], groups)[order.index(2)]
    assert int(alone(values[list(order)], groups).sum()) == 1


def test_two_that_contradict_each_other_both_stand_alone_and_one_by_itself_never_does():
    assert alone([0.0, 3.0, 0.0, 0.1, 5.0], [0, 0, 1, 1, 2], others=1).tolist() == [True, True, False, False, False]


def test_what_counting_cannot_tell_apart_does_not_stand_alone():
    assert not alone([0.0, 0.0, 2.0], [0, 0, 0], errors=[0.1, 0.1, 0.5]).any()
    assert alone([0.0, 0.0, 2.0], [0, 0, 0], errors=[0.1, 0.1, 0.1]).tolist() == [False, False, True]


def test_a_missing_value_is_no_evidence():
    assert not alone([0.0, np.nan, 3.0], [0, 0, 0]).any()


def test_the_spread_of_a_study_with_enough_values_is_its_own():
    noisy = np.tile([0.0, 0.8, -0.8, 0.4], 4)
    assert not alone([*noisy, 0.0, 0.0, 2.0], np.repeat(np.arange(5), [4, 4, 4, 4, 3])).any()
    assert alone([*(noisy / 20), 0.0, 0.0, 2.0], np.repeat(np.arange(5), [4, 4, 4, 4, 3])).sum() == 1
