from dataclasses import replace

import numpy as np
import pytest

from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import GateTree, PlacedPopulation
from immunomon.cytometry.model.geometry import Interval, Rectangle
from immunomon.cytometry.steps.doubt_borders import doubt_borders, look_logarithmic
from immunomon.cytometry.steps.doubt_lineages import doubt_lineages
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import Expectation, GatingStrategy

MARKERS = {"CD3": "V450-A", "CXCR3": "PE-A", "CCR6": "APC-A", "CD38": "FITC-A", "HLA-DR": "V500-A"}
CHANNELS = (Channel("FSC-A"), *(Channel(detector, marker) for marker, detector in MARKERS.items()))
STRATEGY = GatingStrategy("s", "S", 1, None, ())
SURPRISED = replace(STRATEGY, expected={"th1": Expectation(1, 30)})


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def cells(rng, *, unstained=0.0, events=18_000, th1_cd38=0.6):
    """A third each of CD4, CD8 and other cells; 40 % of CD4 and half of CD8 cells have CXCR3, and less CD38.

    With ``unstained``, so many of all cells took up no CXCR3.
    """
    kind = np.arange(events) % 3
    has_cxcr3 = rng.random(events) < np.array([0.4, 0.5, 0.0])[kind]
    columns = {name: rng.lognormal(6.0, 0.5, events) for name in ("FSC-A", *MARKERS)}
    columns["CXCR3"] = np.where(has_cxcr3, rng.lognormal(9.5, 0.4, events), rng.lognormal(7.0, 0.4, events))
    columns["CD38"] *= np.where(has_cxcr3, th1_cd38, 1.0)
    missed = rng.random(events) < unstained
    columns["CXCR3"] = np.where(missed, rng.normal(0.0, 30.0, events), columns["CXCR3"])
    return EventTable(np.column_stack(list(columns.values())), CHANNELS, Scale.COMPENSATED)


def placed(name, parent, gate, origin="data"):
    return PlacedPopulation(name, name, parent, f"/{name}", "valley", gate, origins={"threshold": origin})


def tree_of(events, *of_cd4):
    """The tree down to CD4 cells, with populations among them: (name, gate, which events, what set the border)."""
    kind = np.arange(events.count) % 3
    masks = {"live": kind >= 0, "t_cells": kind < 2, "cd4": kind == 0, "hla_dr": np.zeros(events.count, dtype=bool)}
    above = [placed("live", "root", None), placed("t_cells", "live", None), placed("cd4", "t_cells", None)]
    above.append(placed("hla_dr", "live", Interval("HLA-DR", low=0.9)))
    masks |= {name: masks["cd4"] & chosen for name, _, chosen, _ in of_cd4}
    below = (placed(name, "cd4", gate, origin) for name, gate, _, origin in of_cd4)
    return GateTree("s", events.count, {}, (*above, *below), masks)


def split(events, border, origin="data"):
    high = events.column("CXCR3") > border
    th1 = ("th1", Interval("CXCR3", low=0.5), high, origin)
    return tree_of(events, th1, ("rest", Interval("CXCR3", high=0.5), ~high, origin))


def codes(doubts):
    return {name: [doubt.code for doubt in of_gate] for name, of_gate in doubts.items()}


def test_a_border_between_two_populations_is_not_doubted(rng):
    events = cells(rng)
    assert doubt_borders(split(events, 4000.0), events, SURPRISED) == {}


def test_subsets_that_nothing_else_in_the_tube_tells_apart_are_not_doubted_for_that_alone(rng):
    events = cells(rng, th1_cd38=1.0)
    assert doubt_borders(split(events, 4000.0), events, STRATEGY) == {}
    # But with a share that is not expected they are.
    assert set(doubt_borders(split(events, 4000.0), events, SURPRISED)) == {"th1", "rest"}


@pytest.mark.parametrize("unstained", [0.2, 0.4, 0.7])
def test_a_border_between_stained_and_unstained_cells_is_doubted_in_all_gates_of_its_marker(rng, unstained):
    events = cells(rng, unstained=unstained)
    found = codes(doubt_borders(split(events, 200.0), events, STRATEGY))
    assert {name: set(of_gate) for name, of_gate in found.items()} == {"th1": {"parts_alike"}, "rest": {"parts_alike"}}


def test_a_border_that_a_person_put_there_is_not_doubted_again(rng):
    events = cells(rng, unstained=0.4)
    assert doubt_borders(split(events, 200.0, "person"), events, STRATEGY) == {}


def test_few_events_or_few_other_channels_are_no_evidence(rng):
    few = cells(rng, unstained=0.4, events=1200)
    assert doubt_borders(split(few, 200.0), few, STRATEGY) == {}
    events = cells(rng, unstained=0.4)
    chosen = [0, 1, 2, 5]
    four = EventTable(events.values[:, chosen], tuple(CHANNELS[index] for index in chosen), Scale.COMPENSATED)
    assert doubt_borders(split(four, 200.0), four, STRATEGY) == {}


def test_of_quadrants_each_axis_is_looked_at_over_the_other(rng):
    events = cells(rng, unstained=0.4)
    x, y = events.column("CXCR3") > 200.0, events.column("CCR6") > 400.0
    of_x = {"+": Interval("CXCR3", low=0.5), "-": Interval("CXCR3", high=0.5)}
    of_y = {"+": Interval("CCR6", low=0.5), "-": Interval("CCR6", high=0.5)}
    names = {"th1": "+-", "th17_1": "++", "th17": "-+", "rest": "--"}
    regions = [
        (name, Rectangle((of_x[a], of_y[b])), (x if a == "+" else ~x) & (y if b == "+" else ~y), "data")
        for name, (a, b) in names.items()
    ]
    doubts = doubt_borders(tree_of(events, *regions), events, STRATEGY)
    assert set(doubts) == set(names)
    assert any(doubt.detail.startswith("CXCR3 of cd4: ") for doubt in doubts["rest"])


@pytest.mark.parametrize(("share", "is_doubted"), [(-0.1, True), (-0.005, False), (0.1, False)])
def test_bright_cells_far_below_0_elsewhere_are_the_work_of_a_wrong_matrix(rng, share, is_doubted):
    events = cells(rng)
    values = events.values.copy()
    bright = rng.random(events.count) < 0.1
    values[:, 1] = np.where(bright, rng.lognormal(10.5, 0.3, events.count), rng.normal(0.0, 80.0, events.count))
    values[:, 5] = rng.normal(0.0, 60.0, events.count) + share * np.where(bright, values[:, 1], 0.0)
    spoiled = EventTable(values, CHANNELS, Scale.COMPENSATED)
    found = codes(doubt_borders(split(spoiled, 4000.0), spoiled, STRATEGY))
    assert found == ({"hla_dr": ["overcompensated"]} if is_doubted else {})


@pytest.mark.parametrize("axis", ["V500-A", "hla-dr"])
def test_a_spoiled_channel_is_doubted_whatever_the_strategy_calls_it(rng, axis):
    events = cells(rng)
    values = events.values.copy()
    bright = rng.random(events.count) < 0.1
    values[:, 1] = np.where(bright, rng.lognormal(10.5, 0.3, events.count), rng.normal(0.0, 80.0, events.count))
    values[:, 5] = rng.normal(0.0, 60.0, events.count) - 0.1 * np.where(bright, values[:, 1], 0.0)
    spoiled = EventTable(values, CHANNELS, Scale.COMPENSATED)
    named = placed("hla_dr", "live", Interval(axis, low=0.9))
    tree = split(spoiled, 4000.0)
    tree = replace(tree, populations=tuple(named if p.id == "hla_dr" else p for p in tree.populations))
    assert codes(doubt_borders(tree, spoiled, STRATEGY)) == {"hla_dr": ["overcompensated"]}


@pytest.mark.parametrize("floor", [0.0, 3.0])
def test_logarithms_without_a_keyword_are_doubted_and_linear_values_cut_off_at_0_are_not(rng, floor):
    linear = cells(rng)
    cut_off = EventTable(np.maximum(linear.values - floor, 0.0), CHANNELS)
    assert look_logarithmic(replace(cut_off, scale=Scale.RAW)) == ()
    logarithms = np.maximum(np.log10(np.maximum(linear.values, 1.0) / 26.0) / 4 * 1023, 0.0)
    assert [doubt.code for doubt in look_logarithmic(EventTable(logarithms, CHANNELS))] == ["looks_logarithmic"]


@pytest.mark.parametrize(("share", "is_doubted"), [(0.0, False), (0.02, False), (0.08, True)])
def test_cells_of_two_lineages_are_doublets_or_exchanged_stains(rng, share, is_doubted):
    kinds = rng.choice(3, 6000, p=[0.7, 0.2, 0.1])
    both = rng.random(6000) < share
    bright, dim = rng.lognormal(9.0, 0.2, 6000), rng.normal(0.0, 50.0, 6000)
    columns = [
        rng.lognormal(6.0, 0.5, 6000),
        np.where(both | (kinds == 0), bright, dim),
        np.where(both | (kinds == 1), bright, dim),
    ]
    channels = (Channel("FSC-A"), Channel("V450-A", "CD3"), Channel("PE-A", "CD19"))
    events = EventTable(np.column_stack(columns), channels, Scale.COMPENSATED)
    t, b = columns[1] > 1000.0, columns[2] > 1000.0
    populations = (
        placed("lymphocytes", "root", None),
        placed("t_cells", "lymphocytes", Interval("CD3", low=0.5)),
        placed("non_t", "lymphocytes", Interval("CD3", high=0.5)),
        placed("b_cells", "non_t", Interval("CD19", low=0.5)),
    )
    masks = {"lymphocytes": np.ones(6000, dtype=bool), "t_cells": t, "non_t": ~t, "b_cells": ~t & b}
    found = codes(doubt_lineages(GateTree("s", 6000, {}, populations, masks), events, STRATEGY))
    assert found == ({"lymphocytes": ["two_lineages"]} if is_doubted else {})
    # Whoever parts all events by a stain, as some do, is told of these gates; counting beads have every marker.
    on_root = tuple(replace(p, parent="root") if p.parent == "lymphocytes" else p for p in populations[1:])
    beads = replace(STRATEGY, beads="beads")
    for strategy, name in ((STRATEGY, "others"), (beads, "beads")):
        tree = GateTree("s", 6000, {}, (*on_root, placed(name, "root", None)), masks | {name: t & b})
        found = codes(doubt_lineages(tree, events, strategy))
        doubted = {"t_cells", "non_t", name} if is_doubted and strategy is STRATEGY else set()
        assert found == {population: ["two_lineages"] for population in doubted}
    # Beads that a gate lets in among the lymphocytes would be counted as such.
    tree = GateTree("s", 6000, {}, (*populations, placed("beads", "root", None)), masks | {"beads": t & b})
    found = codes(doubt_lineages(tree, events, beads))
    assert found == ({"lymphocytes": ["cloud_contradicted"]} if share > 0.01 else {})
