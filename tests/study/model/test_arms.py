"""What a change is compared with: no control arm in a study of one arm, none, or doses; else the arms."""

import pytest

from immunomon.study.model.arms import about_control
from immunomon.study.model.study import NO_GROUP

ALONE = "Nothing is compared with a control arm"


@pytest.mark.parametrize(
    ("doses", "said"),
    [
        ({}, ALONE),
        ({NO_GROUP: None}, ALONE),
        ({"A": 0.5e6}, ALONE),
        ({"placebo": None}, ALONE),
        ({"A": 0.5e6, "B": 1e6, "C": 2e6}, ALONE),
        ({"placebo": None, "A": 1e6}, "No test compares the arms (placebo, A) with each other"),
        ({"placebo": float("nan"), "A": 0.0}, "No test compares the arms (placebo, A) with each other"),
        ({"none": 0, "A": 1e6}, "The arm without cells (none) is compared with the others by the trend"),
    ],
)
def test_the_control_arm_is_missed_only_where_there_is_none(doses, said):
    assert about_control(doses).startswith(said)
