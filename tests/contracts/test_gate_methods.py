"""One contract for every registered way to place a gate."""

import dataclasses

import numpy as np
import pytest

from immunomon.cytometry.gates import GATE_METHODS, gate_method
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.geometry import Boolean, gate_from_dict, gate_to_dict
from immunomon.cytometry.model.placement import ControlTube, GateMethod, Movable, Placement, WithControls
from immunomon.cytometry.model.scales import Identity, Logicle
from immunomon.errors import GateNotPlaced, UnknownName
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import GateDeclaration

# Arguments that make each method work on the events below. A new method needs an entry: the test says so.
EXAMPLES = {
    "interval": {"axis": "CD3", "low": 1000.0},
    "rectangle": {"sides": [{"axis": "CD3", "low": 1000.0}, {"axis": "CD4", "high": 500.0}]},
    "polygon": {"x": "FSC-A", "y": "SSC-A", "vertices": [[4e4, 1e4], [12e4, 1e4], [12e4, 6e4], [4e4, 6e4]]},
    "ellipse": {"x": "CD3", "y": "CD4", "center": [0.6, 0.6], "covariance": [[0.02, 0.0], [0.0, 0.02]]},
    "quadrants": {"x": "CD3", "y": "CD4"},
    "boolean": {"operator": "not", "of": ["dead"]},
    "valley": {"axis": "CD3"},
    "singlet": {},
    "diagonal": {"x": "CD3", "y": "CD4", "which": "last"},
    "tail": {"axis": "CD3", "reference": "first"},
    "mixture": {"x": "CD3", "y": "CD4", "near": [2e4, 1e4]},
    "cloud": {"x": "FSC-A", "y": "SSC-A", "evidence": {"positive": ["CD3"]}},
    "contour": {"x": "FSC-A", "y": "SSC-A"},
    "control": {"axis": "CD3"},
    "first_of": {"of": [{"method": "control", "axis": "CD3"}, {"method": "valley", "axis": "CD3"}]},
}
PLACED_FROM_DATA = {
    *("valley", "quadrants", "diagonal", "singlet"),
    *("tail", "mixture", "cloud", "contour", "control", "first_of"),
}
CHANNELS = (
    Channel("FSC-A"),
    Channel("FSC-H"),
    Channel("SSC-A"),
    Channel("V450-A", "CD3"),
    Channel("PerCP-Cy5-5-A", "CD4"),
)
SCALES = {channel.name: Identity() if channel.kind == "scatter" else Logicle(w=0.7) for channel in CHANNELS}


def events_of(seed: int, count: int = 4000) -> EventTable:
    rng = np.random.default_rng(seed)
    area = rng.normal(9e4, 1e4, count)
    height = 0.8 * area * (1 + rng.normal(0, 0.02, count))
    side = rng.normal(3e4, 5e3, count)
    cd3 = np.where(rng.random(count) < 0.6, rng.normal(2e4, 3e3, count), rng.normal(0, 150, count))
    cd4 = np.where(rng.random(count) < 0.4, rng.normal(1e4, 2e3, count), rng.normal(0, 150, count))
    columns = [area, height, side, SCALES["CD3"].apply(cd3), SCALES["CD4"].apply(cd4)]
    return EventTable(np.column_stack(columns), CHANNELS, Scale.DISPLAY)


def method_of(name: str) -> GateMethod:
    assert name in EXAMPLES, f"add arguments for the new method '{name}' to EXAMPLES"
    return gate_method(GateDeclaration(name, EXAMPLES[name]))


@pytest.fixture(params=sorted(GATE_METHODS))
def name(request):
    return request.param


class Tubes:
    """One control tube of the batch: cells without CD3."""

    def tubes(self, role, near):
        if near != "batch":
            return ()
        values = np.array(events_of(9).values)
        values[:, 3] = SCALES["CD3"].apply(np.random.default_rng(9).normal(0, 150, values.shape[0]))
        return (ControlTube("fmo_1", near, EventTable(values, CHANNELS, Scale.DISPLAY)),)


def fit(method: GateMethod, events: EventTable) -> Placement:
    return method.fit_with(events, SCALES, Tubes()) if isinstance(method, WithControls) else method.fit(events, SCALES)


def test_a_method_is_a_frozen_dataclass_that_keeps_the_protocol(name):
    method = method_of(name)
    assert isinstance(method, GateMethod)
    assert dataclasses.is_dataclass(method)
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.new_attribute = 1
    assert type(method).__doc__


def test_a_method_that_places_from_data_names_its_paper(name):
    if name in PLACED_FROM_DATA:
        assert len(type(method_of(name)).paper) > 20


def test_the_regions_placed_are_the_regions_declared(name):
    method = method_of(name)
    placement = fit(method, events_of(1))
    assert set(placement.regions) == set(method.regions)
    for gate in placement.regions.values():
        assert gate_from_dict(gate_to_dict(gate)) == gate
        assert set(gate.axes) <= set(method.axes)
    assert all(np.isfinite(value) for value in placement.facts.values())


def test_a_method_that_places_from_data_says_how_sure_it_is_and_what_set_the_gate(name):
    if name in PLACED_FROM_DATA:
        method = method_of(name)
        assert isinstance(method, Movable)
        placement = fit(method, events_of(1))
        assert set(placement.errors) == set(method.coordinates) <= set(placement.facts)
        assert all(0 < error < np.inf for error in placement.errors.values())
        assert placement.source


def test_a_gate_made_again_from_its_facts_is_the_same_gate(name):
    method = method_of(name)
    if isinstance(method, Movable):
        placement = fit(method, events_of(1))
        assert dict(method.at(placement.facts, SCALES)) == dict(placement.regions)


def test_a_gate_moves_with_each_of_its_coordinates(name):
    method = method_of(name)
    if isinstance(method, Movable):
        placement = fit(method, events_of(1))
        for coordinate in method.coordinates:
            moved = {**placement.facts, coordinate: placement.facts[coordinate] * 1.1 + 0.01}
            assert dict(method.at(moved, SCALES)) != dict(placement.regions)


def test_the_same_events_give_the_same_gate(name):
    method = method_of(name)
    assert fit(method, events_of(2)) == fit(method, events_of(2))


def test_the_order_of_events_does_not_matter(name):
    events = events_of(3)
    shuffled = EventTable(np.random.default_rng(1).permutation(events.values), CHANNELS, Scale.DISPLAY)
    one, other = (fit(method_of(name), table) for table in (events, shuffled))
    for key, value in one.facts.items():
        assert other.facts[key] == pytest.approx(value, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", [n for n in sorted(GATE_METHODS) if len(method_of(n).regions) > 1])
def test_complementary_regions_share_no_event_and_lose_none(name):
    method, events = method_of(name), events_of(4)
    gates = fit(method, events).regions.values()
    masks = [gate.contains(events) for gate in gates if not isinstance(gate, Boolean)]
    assert (np.sum(masks, axis=0) == 1).all()


def test_no_events_place_no_gate_from_data_and_crash_nothing(name):
    method, empty = method_of(name), EventTable(np.empty((0, 5)), CHANNELS, Scale.DISPLAY)
    if name in PLACED_FROM_DATA:
        with pytest.raises(GateNotPlaced):
            method.fit(empty, SCALES)
    else:
        method.fit(empty, SCALES)


def test_an_unknown_method_is_named_with_the_nearest():
    with pytest.raises(UnknownName, match="no gate method named 'vally'; did you mean 'valley'"):
        gate_method(GateDeclaration("vally"))


def test_arguments_that_do_not_fit_are_refused():
    with pytest.raises(GateNotPlaced, match="gate method valley"):
        gate_method(GateDeclaration("valley", {"axis": "CD3", "which": "middle"}))
