"""Arguments of a wrong type: one sentence from the function that was called, not a traceback from deep within."""

import doctest
import inspect
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

import immunomon as im
from immunomon.arguments import accepted_types, checked, fits
from immunomon.errors import ImmunomonError, WrongArgument

FUNCTIONS = [name for name in im.__all__ if inspect.isfunction(getattr(im, name))]


class Nothing:
    """What no function takes."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_which_argument_is_wrong_what_was_given_and_what_it_takes(name):
    function = getattr(im, name)
    parameters = inspect.signature(function).parameters.values()
    first = next(iter(parameters))
    must_have = [other for other in parameters if other.default is inspect.Parameter.empty and other is not first]
    keywords = {needed.name: Nothing() for needed in must_have if needed.kind is not inspect.Parameter.VAR_POSITIONAL}
    with pytest.raises(WrongArgument, match=rf"^immunomon\.{name}: {first.name} is of type Nothing; it takes [a-zA-Z]"):
        function(Nothing(), **keywords)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_argument_refuses_what_nothing_takes_and_takes_its_own_default(name):
    accepted = accepted_types(inspect.unwrap(getattr(im, name)))
    for parameter in inspect.signature(getattr(im, name)).parameters.values():
        assert not fits(Nothing(), accepted[parameter.name])
        if parameter.default is not inspect.Parameter.empty:
            assert fits(parameter.default, accepted[parameter.name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_can_be_sent_to_another_process(name):
    assert pickle.loads(pickle.dumps(getattr(im, name))) is getattr(im, name)


@pytest.mark.parametrize(
    ("accepted", "taken", "refused"),
    [
        (int, [3, np.int64(3), True], [3.0, "3", None]),
        (float, [3, 3.5, np.float32(3.5)], ["3.5", None]),
        (bool, [True, np.True_], ["yes", None]),
        (str | Path, ["a", Path("a"), np.str_("a")], [None, b"a", ["a"], 3]),
        (Sequence[str], [["a"], ("a",), pd.Index(["a"]), np.array(["a"]), []], ["a", [3], None]),
        (tuple[str, ...], [("a",), ["a"]], ["a", None]),
        (Iterable[int], [[1], range(3), iter([1])], [3, [None]]),
        (Mapping[str, str], [{"a": "b"}, pd.Series({"a": "b"})], [["a"], None]),
        (Callable[[int], None], [print], ["print", None]),
        (Literal["auto", "none"], ["auto", "other"], [3, None]),
        (pd.DataFrame | None, [pd.DataFrame(), None], [pd.Series(dtype=float), "a"]),
    ],
)
def test_what_stands_for_a_type_is_taken(accepted, taken, refused):
    assert all(fits(value, accepted) for value in taken)
    assert not any(fits(value, accepted) for value in refused)


def test_a_class_that_was_loaded_anew_is_taken():
    again = type("Panel", (), {})
    assert fits(again(), im.read_panel("treg").__class__)


def test_a_wrong_number_of_arguments_is_said_by_python():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'strategy'"):
        im.gate("a.fcs")


def test_the_error_is_a_type_error_and_shows_what_is_short_enough():
    with pytest.raises(TypeError, match=r"^immunomon.gate: sample is 5 \(int\); it takes str, Path or Sample$"):
        im.gate(5, "treg")
    with pytest.raises(
        ImmunomonError,
        match=r"files is 'x{56}\.\.\. \(str\); it takes a list of str or Path; for one file: immunomon.gate$",
    ):
        im.gate_files("x" * 100, "treg")
    with pytest.raises(WrongArgument, match=r"folder is a list of str; it takes str or Path$"):
        im.open_run(["a"])


def test_a_class_is_offered_as_it_is():
    assert checked(Nothing, "Nothing") is Nothing


def test_examples_are_looked_for_where_functions_are_written_not_where_they_are_offered():
    for name in im.__all__:
        getattr(im, name)
    assert [tests.name for tests in doctest.DocTestFinder().find(im) if tests.examples] == ["immunomon"]
