from dataclasses import replace

import numpy as np
import pytest

from immunomon.model.events import Channel, EventTable, Scale
from immunomon.model.scales import Logicle
from immunomon.model.strategy import GateDeclaration, GatingStrategy, Population
from immunomon.steps.gate import gate
from immunomon.steps.shake import shake

SCALES = {"CD3": Logicle()}


def overlapping(seed, size=4000):
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(0.3, 0.08, size), rng.normal(0.65, 0.08, size)])[:, None]
    return EventTable(values, (Channel("V450-A", "CD3"),), Scale.DISPLAY)


def tree_of(events, *, with_boolean=False):
    valley = GateDeclaration("valley", {"axis": "CD3"})
    populations = [Population("t_cells", "T", "root", valley, "high")]
    if with_boolean:
        declared = GateDeclaration("boolean", {"operator": "not", "of": ("t_cells",)})
        populations.append(Population("others", "O", "root", declared, "inside"))
    strategy = GatingStrategy("s", "S", 1, None, tuple(populations))
    return strategy, gate(events, strategy, SCALES)


def test_the_error_is_what_repeated_samples_of_the_same_cells_show():
    counts, errors = [], []
    for seed in range(60):
        events = overlapping(seed)
        strategy, tree = tree_of(events)
        # The same cells, gated where their own valley lies and where the truth's lies: what the gate alone adds.
        counts.append(tree.size("t_cells") - np.count_nonzero(np.asarray(events.values)[:, 0] >= 0.475))
        errors.append(shake(tree, events, strategy, scales=SCALES).gate_errors["t_cells"])
    assert np.median(errors) == pytest.approx(np.std(counts), rel=0.5)


def test_a_boolean_population_has_the_error_of_what_it_is_made_of():
    events = overlapping(1)
    strategy, tree = tree_of(events, with_boolean=True)
    found = shake(tree, events, strategy, scales=SCALES).gate_errors
    assert found["others"] == found["t_cells"] > 0


def test_well_separated_cells_leave_no_doubt():
    values = np.concatenate([np.linspace(0.1, 0.2, 500), np.linspace(0.8, 0.9, 500)])[:, None]
    events = EventTable(values, (Channel("V450-A", "CD3"),), Scale.DISPLAY)
    strategy, tree = tree_of(events)
    assert shake(tree, events, strategy, scales=SCALES).gate_errors["t_cells"] == 0


def test_a_border_can_be_told_no_more_finely_than_the_density_was_smoothed_however_many_cells_there_are():
    shares = []
    for size in (2_000, 200_000):
        events = overlapping(3, size)
        strategy, tree = tree_of(events)
        found = shake(tree, events, strategy, scales=SCALES)
        values, at = np.asarray(events.values)[:, 0], tree.populations[0].facts["threshold"]
        border = 0.02 / np.sqrt(3)
        by_hand = np.count_nonzero((values >= at - border) & (values < at + border)) / 2
        assert found.border_errors["t_cells"] == pytest.approx(by_hand, rel=0.1)
        shares.append((found.gate_errors["t_cells"] / size, found.border_errors["t_cells"] / size))
    (few_gate, few_border), (many_gate, many_border) = shares
    assert many_gate < 0.4 * few_gate
    assert many_border == pytest.approx(few_border, rel=0.25)


def test_cells_of_others_in_the_parents_gate_thin_out_what_is_divided_in_it():
    events = overlapping(1)
    strategy, tree = tree_of(events)
    without = shake(tree, events, strategy, scales=SCALES).border_errors["t_cells"]
    child = Population("child", "C", "t_cells", GateDeclaration("interval", {"axis": "CD3", "low": 0.5}), "inside")
    whole = GatingStrategy("s", "S", 1, None, (*strategy.populations, child))
    placed = gate(events, whole, SCALES)
    parent = replace(placed.populations[0], facts={**placed.populations[0].facts, "impurity": 0.02})
    found = shake(replace(placed, populations=(parent, *placed.populations[1:])), events, whole, scales=SCALES)
    assert found.border_errors["t_cells"] == without
    assert found.border_errors["child"] == pytest.approx(0.02 * placed.size("child"))


def test_events_that_a_method_cannot_tell_from_others_are_in_its_own_error():
    events = overlapping(1)
    strategy, tree = tree_of(events)
    placed = replace(tree.populations[0], facts={**tree.populations[0].facts, "unseen": 0.05})
    found = shake(replace(tree, populations=(placed,)), events, strategy, scales=SCALES).border_errors["t_cells"]
    without = shake(tree, events, strategy, scales=SCALES).border_errors["t_cells"]
    assert found == pytest.approx(np.hypot(without, 0.05 * tree.size("t_cells")))


def test_background_that_a_border_lets_in_is_in_its_own_error():
    events = overlapping(1)
    strategy, tree = tree_of(events)
    placed = replace(tree.populations[0], facts={**tree.populations[0].facts, "background": 0.004})
    found = shake(replace(tree, populations=(placed,)), events, strategy, scales=SCALES).border_errors["t_cells"]
    without = shake(tree, events, strategy, scales=SCALES).border_errors["t_cells"]
    assert found == pytest.approx(np.hypot(without, 0.004 * events.count))
