from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.scales import Logicle
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.steps.compensate import compensate
from immunomon.cytometry.steps.gate import gate
from immunomon.cytometry.steps.quantify import quantify
from immunomon.cytometry.steps.transform import transform
from immunomon.cytometry.steps.ungateable import find_ungateable, saturated
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import GateDeclaration, GatingStrategy, Population

CHANNELS = (Channel("A", "CD3"), Channel("B", "CD4"), Channel("C", "CD25"))
# B spills into A alone: what is in C reaches no other channel.
MATRIX = SpilloverMatrix(("A", "B", "C"), ((1.0, 0.0, 0.0), (0.2, 1.0, 0.0), (0.0, 0.0, 1.0)))
SCALES = {"CD3": Logicle()}


def strategy(axis="CD3", method="interval", **about):
    declared = GateDeclaration(method, {"axis": axis, **about})
    return GatingStrategy("s", "S", 1, None, (Population("high", "H", "root", declared, "inside"),))


def events(rows=400):
    rng = np.random.default_rng(7)
    return rng.normal(5000.0, 800.0, (rows, 3))


@given(st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(0, 2))
def test_an_event_is_left_out_exactly_if_a_detector_behind_a_gate_is_no_number(value, column):
    values = events(20)
    values[3, column] = value
    raw = EventTable(values, CHANNELS)
    found = find_ungateable(raw, compensate(raw, MATRIX), ["CD3"])
    needed = column in (0, 1)  # CD3 is A less what B spills
    assert (found.numbers is not None) == needed
    assert [str(doubt) for doubt in found.doubts] == ["not_numbers"] * needed
    if needed:
        assert np.flatnonzero(~found.numbers).tolist() == [3]


def test_what_is_no_number_in_one_detector_does_not_reach_channels_it_has_no_part_in():
    values = events(20)
    clean = compensate(EventTable(values.copy(), CHANNELS), MATRIX).values.copy()
    values[3, 2] = np.nan
    got = compensate(EventTable(values, CHANNELS), MATRIX).values
    assert np.array_equal(got[:, :2], clean[:, :2])
    assert np.flatnonzero(np.isnan(got[:, 2])).tolist() == [3]


def test_events_that_are_no_numbers_are_in_no_population_no_denominator_and_no_median():
    values = events()
    values[:40, 1] = np.nan
    values[40:50, 2] = np.inf
    raw = EventTable(values, CHANNELS)
    compensated = compensate(raw, MATRIX)
    ungateable = find_ungateable(raw, compensated, ["CD3"])
    assert not ungateable.is_all_numbers
    display = transform(compensated, SCALES, fast=ungateable.is_all_numbers)
    declared = strategy(low=-1e9)  # everything that is a number
    measured = quantify(gate(display, declared, SCALES, among=ungateable.numbers), compensated, ["CD3", "CD25"])
    assert (measured.events, measured.counts["high"]) == (360, 360)
    assert measured.medians["high"]["CD25"] == pytest.approx(np.median(values[50:, 2]))
    assert "40 of 400 events left out: 40 in B" in ungateable.doubts[0].sentence


@pytest.mark.parametrize("value", [0.0, 1023.0])
def test_a_detector_that_shows_the_same_in_all_events_carries_no_gate(value):
    values = events()
    values[:, 0] = value
    raw = EventTable(values, CHANNELS)
    compensated = compensate(raw, MATRIX)
    assert np.ptp(compensated.column("CD3")) > 0  # compensation hides it
    ungateable = find_ungateable(raw, compensated, ["CD3"])
    display = transform(compensated, SCALES)
    placed = gate(display, strategy(low=0.0), SCALES, dead=ungateable.dead).populations[0]
    assert (placed.gate, placed.placed_by, [str(d) for d in placed.doubts]) == (None, "none", ["dead_detector(CD3)"])
    assert f"all 400 events are {value:g}" in placed.failure


@pytest.mark.parametrize(("share", "doubted"), [(0.05, False), (0.3, True)])
def test_a_population_of_which_many_events_lie_at_the_top_of_its_gates_channel_is_in_doubt(share, doubted):
    values = events()
    values[: int(share * 400), 0] = 262144.0
    raw = EventTable(values, CHANNELS)
    tree = gate(transform(compensate(raw, None), SCALES), strategy(low=100.0), SCALES)
    assert [str(doubt) for doubt in saturated(tree, raw).get("high", ())] == ["saturated(CD3)"] * doubted
    assert saturated(replace(tree, memberships={}), raw) == {}


def test_the_scale_of_the_events_does_not_matter_to_what_is_at_the_top():
    values = events()
    raw = EventTable(values, CHANNELS, Scale.RAW)
    tree = gate(transform(compensate(raw, None), SCALES), strategy(low=100.0), SCALES)
    assert saturated(tree, raw) == {}  # the largest value of a continuous signal is one event
