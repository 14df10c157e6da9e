import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.geometry import (
    Boolean,
    Ellipse,
    Interval,
    Polygon,
    Rectangle,
    gate_from_dict,
    gate_to_dict,
)
from immunomon.errors import UnknownName
from immunomon.study.model.channels import Channel

NUMBERS = st.floats(-10, 10)
INTERVALS = st.builds(
    Interval, st.sampled_from("ab"), st.one_of(NUMBERS, st.just(-np.inf)), st.one_of(NUMBERS, st.just(np.inf))
)
GATES = st.one_of(
    INTERVALS,
    st.builds(lambda *sides: Rectangle(sides), INTERVALS, INTERVALS),
    st.builds(
        lambda corners: Polygon("a", "b", tuple(corners)), st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=6)
    ),
    st.builds(
        lambda c, s: Ellipse("a", "b", c, ((s, 0.1), (0.1, s)), 2.0), st.tuples(NUMBERS, NUMBERS), st.floats(0.5, 3)
    ),
    st.builds(lambda names: Boolean("and", tuple(names)), st.lists(st.sampled_from("xyz"), min_size=1)),
)


@given(GATES)
def test_a_placed_gate_written_and_read_is_the_same_gate(gate):
    again = gate_from_dict(gate_to_dict(gate))
    assert again == gate
    assert hash(again) == hash(gate)


@given(GATES)
def test_a_placed_gate_is_plain_json(gate):
    import json

    json.dumps(gate_to_dict(gate), allow_nan=False)


def test_an_unknown_geometry_is_named():
    with pytest.raises(UnknownName, match="no geometry named 'elipse'; did you mean 'ellipse'"):
        gate_from_dict({"kind": "elipse"})


def test_a_rectangle_is_the_events_inside_every_side():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(200, 2))
    events = EventTable(values, (Channel("a"), Channel("b")), Scale.DISPLAY)
    gate = Rectangle((Interval("a", -0.5, 1.0), Interval("b", low=0.0)))
    expected = (values[:, 0] >= -0.5) & (values[:, 0] < 1.0) & (values[:, 1] >= 0)
    assert (gate.contains(events) == expected).all()
    assert gate.axes == ("a", "b")


@pytest.mark.parametrize("covariance", [((1.0, 0.5), (0.4, 1.0)), ((1.0, 2.0), (2.0, 1.0)), ((0.0, 0.0), (0.0, 1.0))])
def test_an_ellipse_without_a_shape_is_refused(covariance):
    with pytest.raises(ValueError, match="positive definite"):
        Ellipse("a", "b", (0, 0), covariance)


def test_a_polygon_of_two_corners_is_refused():
    with pytest.raises(ValueError, match="at least 3"):
        Polygon("a", "b", ((0, 0), (1, 1)))


@given(st.lists(st.booleans(), min_size=5, max_size=5), st.lists(st.booleans(), min_size=5, max_size=5))
def test_boolean_gates_obey_de_morgan(one, other):
    a, b = np.array(one), np.array(other)
    neither = Boolean("not", ("a", "b")).combine([a, b])
    assert (neither == Boolean("and", ("na", "nb")).combine([~a, ~b])).all()
    assert (Boolean("or", ("a", "b")).combine([a, b]) == ~neither).all()
