import numpy as np
import pytest

from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.measured import Measured
from immunomon.cytometry.model.scales import Logicle
from immunomon.cytometry.steps.gate import axes_of, gate
from immunomon.cytometry.steps.picture import picture
from immunomon.cytometry.steps.quantify import quantify
from immunomon.errors import WrongScale
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import GateDeclaration, GatingStrategy, Population

CHANNELS = (Channel("A", "CD3"), Channel("B", "CD4"))
SCALES = {"CD3": Logicle(), "CD4": Logicle()}


def declared(method, place_on=None, **arguments):
    return GateDeclaration(method, arguments, place_on)


def interval(axis, low):
    return declared("interval", axis=axis, low=low, units="display")


def population(name, parent, how, keep="inside"):
    return Population(name, name.upper(), parent, how, keep)


def events(seed=1, count=2000):
    rng = np.random.default_rng(seed)
    values = np.where(
        rng.random((count, 2)) < 0.4, rng.normal(0.7, 0.05, (count, 2)), rng.normal(0.2, 0.05, (count, 2))
    )
    return EventTable(values, CHANNELS, Scale.DISPLAY)


def tree_of(*populations, table=None):
    return gate(table or events(), GatingStrategy("s", "S", 1, None, populations), SCALES)


def test_a_gate_is_asked_about_its_parents_events_only():
    table = events()
    tree = tree_of(
        population("t", "root", interval("CD3", 0.45)), population("cd4", "t", interval("CD4", 0.45)), table=table
    )
    expected = (table.column("CD3") >= 0.45) & (table.column("CD4") >= 0.45)
    np.testing.assert_array_equal(tree.memberships["cd4"], expected)


def test_boolean_populations_combine_others_within_their_parent():
    tree = tree_of(
        population("t", "root", interval("CD3", 0.45)),
        population("cd4", "root", interval("CD4", 0.45)),
        population("neither", "root", declared("boolean", operator="not", of=["t", "cd4"])),
        population("cd4_not_t", "cd4", declared("boolean", operator="not", of=["t"])),
    )
    masks = tree.memberships
    np.testing.assert_array_equal(masks["neither"], ~(masks["t"] | masks["cd4"]))
    np.testing.assert_array_equal(masks["cd4_not_t"], masks["cd4"] & ~masks["t"])


def test_gates_that_share_a_declaration_and_a_parent_are_placed_once():
    shared = declared("valley", axis="CD3")
    tree = tree_of(population("low", "root", shared, "low"), population("high", "root", shared, "high"))
    low, high = (p.facts["threshold"] for p in tree.populations)
    assert low == high
    assert (tree.memberships["low"] ^ tree.memberships["high"]).all()


def test_a_gate_that_cannot_be_placed_costs_itself_and_what_lies_below():
    tree = tree_of(
        population("empty", "root", interval("CD3", 5.0)),
        population("lost", "empty", declared("valley", axis="CD4"), "high"),
        population("below", "lost", interval("CD4", 0.1)),
        population("made_of_it", "root", declared("boolean", operator="or", of=["lost"])),
        population("stands", "root", interval("CD4", 0.45)),
    )
    reasons = {p.id: p.failure for p in tree.populations}
    assert "only 0 events in the parent" in reasons["lost"]
    assert reasons["below"] == "its parent lost was not placed"
    assert reasons["made_of_it"] == "a population it is made of was not placed"
    assert reasons["stands"] == reasons["empty"] == ""
    assert tree.size("lost") is None
    assert tree.size("stands") > 0


def test_a_gate_may_be_placed_on_another_populations_events():
    few = population("few", "root", interval("CD3", 0.78))
    on_all = declared("valley", place_on="root", axis="CD4")
    tree = tree_of(few, population("cd4", "few", on_all, "high"))
    alone = tree_of(population("cd4", "root", declared("valley", axis="CD4"), "high"))
    assert tree.populations[1].facts == alone.populations[0].facts
    assert not (tree.memberships["cd4"] & ~tree.memberships["few"]).any()


def test_a_gate_placed_on_a_population_that_was_not_placed_is_not_placed():
    lost = population("lost", "root", declared("valley", axis="CD4", low=250000.0), "high")
    tree = tree_of(lost, population("x", "root", declared("valley", place_on="lost", axis="CD3"), "high"))
    assert tree.populations[1].failure == "lost, on which it is to be placed, was not placed"


def test_only_display_events_are_gated():
    with pytest.raises(WrongScale, match="gate needs events on the display scale"):
        gate(EventTable(np.ones((1, 2)), CHANNELS), GatingStrategy("s", "S", 1, None, ()), SCALES)


def test_the_axes_of_a_strategy_are_those_its_gates_look_at():
    populations = (
        population("t", "root", interval("CD3", 0.1)),
        population("x", "t", declared("boolean", operator="not", of=["t"])),
    )
    assert axes_of(GatingStrategy("s", "S", 1, None, populations)) == ("CD3",)


def test_medians_are_those_of_the_compensated_intensities_of_the_members():
    table = events()
    compensated = EventTable(table.values * 1000, CHANNELS, Scale.COMPENSATED)
    tree = tree_of(
        population("t", "root", interval("CD3", 0.45)), population("no", "t", interval("CD3", 9.0)), table=table
    )
    measured = quantify(tree, compensated, ["CD4"])
    inside = tree.memberships["t"]
    assert measured.medians["t"]["CD4"] == np.median(compensated.column("CD4")[inside])
    assert measured.counts == {"t": int(inside.sum()), "no": 0}
    assert measured.medians["no"]["CD4"] is None
    assert Measured.from_dict(measured.to_dict()) == measured


def test_medians_of_other_events_than_were_gated_are_refused():
    tree = tree_of(population("t", "root", interval("CD3", 0.45)))
    with pytest.raises(ValueError, match="placed on 2000"):
        quantify(tree, EventTable(np.ones((3, 2)), CHANNELS, Scale.COMPENSATED), ["CD3"])
    with pytest.raises(WrongScale, match="medians are of compensated events"):
        quantify(tree, events(), ["CD3"])


def test_siblings_share_a_picture_and_every_placed_gate_has_one():
    quadrants = declared("quadrants", x="CD3", y="CD4")
    table = events()
    tree = tree_of(
        population("a", "root", quadrants, "x+ y-"),
        population("b", "root", quadrants, "x- y+"),
        population("c", "a", interval("CD3", 0.1)),
        population("d", "root", declared("boolean", operator="or", of=["a", "b"])),
        table=table,
    )
    plots = picture(tree, table)
    assert [plot["populations"] for plot in plots] == [["a", "b"], ["c"]]
    assert [plot["parent_label"] for plot in plots] == ["All events", "A"]
    assert plots[1]["events"] == tree.size("a")
    assert (plots[1]["x"]["axis"], plots[1]["y"]["axis"]) == ("CD3", "CD4")
