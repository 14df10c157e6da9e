import numpy as np
import pytest

from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import (
    Boolean,
    Ellipsoid,
    Interval,
    Rectangle,
    gate_from_dict,
    gate_to_dict,
)
from immunomon.cytometry.model.placed import OWN_MATRIX, GateAxis, PlacedStrategy, Ratio, placed_from_run
from immunomon.cytometry.model.scales import Logicle
from immunomon.cytometry.model.spillover import SpectrumMatrix, SpilloverMatrix
from immunomon.cytometry.steps.apply import apply_gates
from immunomon.errors import BadSpillover, SingularSpillover, UnknownName, WrongScale
from immunomon.study.model.channels import Channel

CHANNELS = (Channel("FSC-A"), Channel("B1-A", "CD3"), Channel("B2-A", "CD4"))


def events(count=300, seed=1, scale=Scale.RAW):
    values = np.random.default_rng(seed).uniform(-100, 2e4, (count, 3)).astype(np.float32)
    return EventTable(values, CHANNELS, scale, "a.fcs")


def population(name, gate, parent="root"):
    return PlacedPopulation(name, name, parent, f"/{name}", "any", gate)


def test_a_populations_events_are_its_parents_and_its_gates():
    axes = {"x": GateAxis("CD3", OWN_MATRIX, Logicle()), "y": GateAxis("FSC-A")}
    high, far = Interval("x", 0.5), Rectangle((Interval("x", high=0.8), Interval("y", 5e3)))
    placed = PlacedStrategy("s", axes, (population("high", high), population("far", far, "high")))
    raw = events()
    matrix = SpilloverMatrix(("B1-A", "B2-A"), ((1.0, 0.2), (0.1, 1.0)))
    tree = apply_gates(raw, placed, matrix)
    true = raw.values[:, 1:].astype(float) @ np.linalg.inv(matrix.array)
    x, y = Logicle().apply(true[:, 0]), raw.values[:, 0]
    np.testing.assert_array_equal(tree.mask("high"), x >= 0.5)
    np.testing.assert_array_equal(tree.mask("far"), (x >= 0.5) & (x < 0.8) & (y >= 5e3))
    assert tree.axes["x"].detector == "B1-A"


def test_what_was_not_placed_has_no_members_and_nothing_below_or_of_it():
    gate = Interval("x", 0.0)
    populations = (
        population("a", None),
        population("b", gate, "a"),
        population("c", Boolean("not", ("a",))),
        population("d", gate),
    )
    tree = apply_gates(events(), PlacedStrategy("s", {"x": GateAxis("CD3")}, populations), None)
    assert set(tree.memberships) == {"d"}


def test_the_complement_of_an_operand_is_everything_outside_it():
    gate = Interval("x", 1e4)
    populations = (population("a", gate), population("b", Boolean("and", ("a",), (True,))))
    tree = apply_gates(events(), PlacedStrategy("s", {"x": GateAxis("CD3")}, populations), None)
    np.testing.assert_array_equal(tree.mask("b"), ~tree.mask("a"))


def test_a_ratio_divides_and_what_is_divided_by_nothing_is_outside():
    raw = EventTable(np.array([[1.0, 2.0, 4.0], [1.0, 0.0, 0.0]]), CHANNELS)
    axes = {"r": GateAxis(Ratio("CD3", "CD4"))}
    placed = PlacedStrategy("s", axes, (population("half", Interval("r", 0.4, 0.6)),))
    assert apply_gates(raw, placed, None).mask("half").tolist() == [True, False]


def test_wrong_scales_axes_and_matrices_are_named():
    placed = PlacedStrategy("s", {"x": GateAxis("CD3", "mine")}, (population("a", Interval("x", 0.0)),))
    with pytest.raises(WrongScale, match=r"a\.fcs: gates are applied to raw events"):
        apply_gates(events(scale=Scale.DISPLAY), placed, None)
    with pytest.raises(UnknownName, match="no compensation matrix 'mine'"):
        apply_gates(events(), placed, None)
    nowhere = PlacedStrategy("s", {"x": GateAxis("CD3")}, (population("a", Interval("y", 0.0)),))
    with pytest.raises(UnknownName, match="s: no axis 'y'"):
        apply_gates(events(), nowhere, None)


def test_a_matrix_without_inverse_is_said_with_file_and_name():
    matrix = SpectrumMatrix(("A", "B"), ("B1-A", "B2-A"), ((1.0, 1.0), (1.0, 1.0)))
    axes = {"x": GateAxis("A", "mine")}
    placed = PlacedStrategy("s", axes, (population("a", Interval("x", 0.0)),), {"mine": matrix})
    with pytest.raises(SingularSpillover, match=r"a\.fcs: matrix 'mine'"):
        apply_gates(events(), placed, None)


def test_more_fluorochromes_than_detectors_cannot_be_unmixed():
    with pytest.raises(SingularSpillover, match="more fluorochromes than detectors"):
        _ = SpectrumMatrix(("A", "B"), ("B1",), ((1.0,), (1.0,))).weights


def test_a_matrix_that_names_something_twice_is_refused():
    with pytest.raises(BadSpillover, match="names A twice"):
        SpectrumMatrix(("A", "A"), ("B1", "B2"), ((1.0, 0.0), (0.0, 1.0)))


@pytest.mark.parametrize(
    "gate",
    [
        Ellipsoid(("x", "y", "z"), (1.0, 2.0, 3.0), ((2.0, 0.0, 0.1), (0.0, 1.0, 0.0), (0.1, 0.0, 1.0)), 2.0),
        Boolean("and", ("a", "b"), (True, False)),
    ],
)
def test_gates_of_other_programs_survive_being_written(gate):
    assert gate_from_dict(gate_to_dict(gate)) == gate


def test_an_ellipsoid_on_two_axes_is_the_ellipse():
    raw = events()
    covariance = ((4e6, 1e6), (1e6, 9e6))
    axes = {"x": GateAxis("CD3"), "y": GateAxis("CD4")}
    flat = {"kind": "ellipse", "x": "x", "y": "y", "center": [9e3, 9e3], "covariance": covariance, "distance_square": 2}
    populations = (
        population("a", Ellipsoid(("x", "y"), (9e3, 9e3), covariance, 2.0)),
        population("b", gate_from_dict(flat)),
    )
    tree = apply_gates(raw, PlacedStrategy("s", axes, populations), None)
    assert 0 < tree.size("a") < raw.count
    np.testing.assert_array_equal(tree.mask("a"), tree.mask("b"))


def test_an_ellipsoid_of_the_wrong_size_or_without_inverse_is_refused():
    with pytest.raises(ValueError, match="needs 2 coordinates"):
        Ellipsoid(("x", "y"), (1.0,), ((1.0, 0.0), (0.0, 1.0)))
    with pytest.raises(ValueError, match="that has an inverse"):
        Ellipsoid(("x", "y"), (1.0, 1.0), ((1.0, 1.0), (1.0, 1.0)))


def test_what_a_run_placed_is_taken_as_it_is():
    gates = {
        "strategy": "s",
        "axes": {"CD3": {"detector": "B1-A", "range": 1024.0, "scale": {"kind": "identity"}}},
        "populations": [
            {"population": "a", "label": "A", "parent": "root", "path": "/a", "method": "valley", "gate": None}
            | {"facts": {}, "note": "", "failure": "no valley"}
        ],
    }
    placed = placed_from_run(gates, SpilloverMatrix(("B1-A",), ((1.0,),)))
    assert placed.axes["CD3"] == GateAxis("B1-A", "spillover", range=1024.0)
    assert placed.populations[0].failure == "no valley"
