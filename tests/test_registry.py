import pytest

from immunomon.errors import UnknownName
from immunomon.registry import Registry


def test_a_duplicate_name_raises():
    things: Registry[int] = Registry("thing")
    things.register("one")(1)
    with pytest.raises(ValueError, match="a thing named 'one' is registered already"):
        things.register("one")(2)


def test_an_unknown_name_suggests_the_nearest():
    things: Registry[int] = Registry("thing")
    things.register("valley")(1)
    with pytest.raises(UnknownName, match=r"no thing named 'vally'; did you mean 'valley'\?"):
        things["vally"]


def test_the_names_come_in_order_and_can_be_counted():
    things: Registry[int] = Registry("thing", group="immunomon.no_such_group")
    for name in ("b", "a"):
        things.register(name)(1)
    assert list(things) == ["a", "b"]
    assert len(things) == 2
    assert "a" in things
