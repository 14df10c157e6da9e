"""Datasets as they are delivered."""

import pytest

from immunomon.errors import DeliveryFailed, UnknownName
from immunomon.outputs.delivery.dataset import Dataset, Variable, dataset_of

FRAME = Dataset("LB", "Laboratory", (Variable("LBTESTCD", "Test"), Variable("LBSTRESN", "Result", "float")), ())


def test_a_variable_is_as_long_as_its_longest_value():
    made = dataset_of(FRAME, [{"LBTESTCD": "PLAT"}, {"LBTESTCD": "LYM", "LBSTRESN": 2}])
    assert [variable.length for variable in made.variables] == [4, 8]
    assert made.rows == (("PLAT", None), ("LYM", 2.0))


def test_nothing_and_not_a_number_are_missing():
    made = dataset_of(FRAME, [{"LBTESTCD": "", "LBSTRESN": float("nan")}])
    assert made.rows == ((None, None),)


def test_a_name_that_is_not_a_variable_is_refused_with_the_nearest():
    with pytest.raises(DeliveryFailed, match="did you mean 'LBTESTCD'"):
        dataset_of(FRAME, [{"LBTESTCDE": "PLAT"}])
    with pytest.raises(UnknownName, match="did you mean 'LBSTRESN'"):
        FRAME.column("LBSTRES")


def test_text_where_a_number_is_needed_is_refused():
    with pytest.raises(DeliveryFailed, match="LBSTRESN holds 'many'"):
        dataset_of(FRAME, [{"LBSTRESN": "many"}])
