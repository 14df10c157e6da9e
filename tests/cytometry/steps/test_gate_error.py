from dataclasses import replace

import numpy as np
import pytest

from immunomon.cytometry.kernels.proportions import log_odds
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import GateTree, PlacedPopulation
from immunomon.cytometry.model.geometry import Boolean, Interval
from immunomon.cytometry.model.scales import Logicle
from immunomon.cytometry.steps.gate import gate
from immunomon.cytometry.steps.gate_error import estimate_gate_errors
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import GateDeclaration, GatingStrategy, Population

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
    added, errors = [], []
    for seed in range(60):
        events = overlapping(seed)
        strategy, tree = tree_of(events)
        # The same cells, gated where their own valley lies and where the truth's lies: what the gate alone adds.
        true_count = np.count_nonzero(np.asarray(events.values)[:, 0] >= 0.475)
        added.append(log_odds(tree.size("t_cells"), events.count) - log_odds(true_count, events.count))
        errors.append(estimate_gate_errors(tree, events, strategy, scales=SCALES).gate_errors["t_cells"]["root"])
    assert np.median(errors) == pytest.approx(np.std(added), rel=0.5)


def test_a_boolean_population_has_the_error_of_what_it_is_made_of():
    events = overlapping(1)
    strategy, tree = tree_of(events, with_boolean=True)
    shaken = estimate_gate_errors(tree, events, strategy, scales=SCALES).gate_errors
    assert shaken["others"]["root"] == pytest.approx(shaken["t_cells"]["root"])
    assert shaken["t_cells"]["root"] > 0


def test_well_separated_cells_leave_no_doubt():
    values = np.concatenate([np.linspace(0.1, 0.2, 500), np.linspace(0.8, 0.9, 500)])[:, None]
    events = EventTable(values, (Channel("V450-A", "CD3"),), Scale.DISPLAY)
    strategy, tree = tree_of(events)
    assert estimate_gate_errors(tree, events, strategy, scales=SCALES).gate_errors["t_cells"] == {"root": 0}


STEP = 0.02  # above a valley's resolution, of which it then is a known share
RESOLUTION = 0.02 / np.sqrt(3) / STEP
CD3, CD4 = Channel("V450-A", "CD3"), Channel("V500-A", "CD4")


def by_hand(*groups):
    """Return the events of groups of so many cells with this CD3 and CD4."""
    values = np.concatenate([np.full((count, 2), (cd3, cd4)) for count, cd3, cd4 in groups])
    return EventTable(values, (CD3, CD4), Scale.DISPLAY)


def t_cells_and_more(events, *more, denominators=(), **facts):
    """Return the tree of T cells, CD3 >= 0.5 +- STEP, and of what is gated by declared borders or made of others."""
    valley = GateDeclaration("valley", {"axis": "CD3"})
    populations = [Population("t_cells", "T", "root", valley, "high"), *(population for population, _ in more)]
    about = {"facts": {"threshold": 0.5, **facts}, "errors": {"threshold": STEP}}
    shapes = [Interval("CD3", low=0.5), *(shape for _, shape in more)]
    masks: dict[str, np.ndarray] = {"root": np.ones(events.count, dtype=np.bool_)}
    placed = []
    for population, shape in zip(populations, shapes, strict=True):
        is_valley = population.gate.method == "valley"
        path = f"/{population.id}"
        rest = about if is_valley else {}
        placed.append(
            PlacedPopulation(
                population.id, population.label, population.parent, path, population.gate.method, shape, **rest
            )
        )
        inside = (
            shape.combine([masks[name] for name in shape.of]) if isinstance(shape, Boolean) else shape.contains(events)
        )
        masks[population.id] = masks[population.parent] & inside
    strategy = GatingStrategy("s", "S", 1, None, tuple(populations), denominators=dict(denominators))
    members = {name: mask for name, mask in masks.items() if name != "root"}
    return strategy, GateTree("s", events.count, {}, tuple(placed), members)


def cd4_positive(name="cd4", parent="t_cells"):
    declared = GateDeclaration("interval", {"axis": "CD4", "low": 0.5, "units": "display"})
    return Population(name, "CD4", parent, declared, "inside"), Interval("CD4", low=0.5)


def half_of(down, up):
    """Return half the difference in log-odds of two (count, total)."""
    return abs(float(log_odds(*up) - log_odds(*down))) / 2


def test_a_border_above_that_few_cells_cross_weighs_on_the_rare_child_that_they_belong_to():
    events = by_hand((930, 0.9, 0.2), (30, 0.9, 0.8), (10, 0.51, 0.8), (10, 0.49, 0.8), (1000, 0.1, 0.2))
    strategy, tree = t_cells_and_more(events, cd4_positive(), denominators={"cd4": ("root",)})
    shaken = estimate_gate_errors(tree, events, strategy, scales=SCALES)
    in_root = half_of((980, 1980), (960, 1980))
    in_t_cells = half_of((50, 980), (30, 960))
    assert shaken.gate_errors["t_cells"] == pytest.approx({"root": in_root})
    assert shaken.gate_errors["cd4"] == pytest.approx({"t_cells": in_t_cells, "root": half_of((50, 1980), (30, 1980))})
    assert shaken.border_errors["cd4"]["t_cells"] == pytest.approx(RESOLUTION * in_t_cells)
    # Level by level there would be none: no border lies between the child and its parent.
    assert in_t_cells > 10 * in_root


def test_a_border_above_that_takes_of_all_cells_alike_does_not_weigh_on_their_shares():
    events = by_hand(
        (900, 0.9, 0.2), (900, 0.9, 0.8), (50, 0.51, 0.2), (50, 0.51, 0.8), (50, 0.49, 0.2), (50, 0.49, 0.8)
    )
    strategy, tree = t_cells_and_more(events, cd4_positive())
    shaken = estimate_gate_errors(tree, events, strategy, scales=SCALES).gate_errors
    assert shaken["cd4"]["t_cells"] == pytest.approx(0, abs=1e-12)
    assert shaken["t_cells"]["root"] > 0.1


def test_what_a_border_moves_from_one_population_into_its_neighbour_stays_in_both_together():
    events = by_hand((400, 0.9, 0.2), (20, 0.51, 0.2), (20, 0.49, 0.2), (400, 0.1, 0.2), (60, 0.1, 0.8))
    low = Population("others", "O", "root", GateDeclaration("valley", {"axis": "CD3"}), "low")
    either = Population("either", "E", "root", GateDeclaration("boolean", {"operator": "or", "of": ()}), "inside")
    more = (
        (low, Interval("CD3", high=0.5)),
        (either, Boolean("or", ("t_cells", "others"))),
        cd4_positive("cd4", "others"),
    )
    strategy, tree = t_cells_and_more(events, *more, denominators={"cd4": ("either",)})
    shaken = estimate_gate_errors(tree, events, strategy, scales=SCALES).gate_errors
    assert shaken["t_cells"]["root"] == pytest.approx(half_of((440, 900), (400, 900)))
    assert shaken["either"] == {"root": 0}
    assert shaken["cd4"] == pytest.approx({"others": half_of((60, 460), (60, 500))})  # no ancestor, no fraction


def test_a_rare_population_beside_a_border_that_peaks_cross_may_hold_their_share_of_the_neighbours_cells():
    events = by_hand((300, 0.9, 0.8), (100, 0.9, 0.2), (20, 0.1, 0.8), (380, 0.1, 0.2))
    low = Population("others", "O", "root", GateDeclaration("valley", {"axis": "CD3"}), "low")
    more = (low, Interval("CD3", high=0.5)), cd4_positive("cd4", "others")
    shares = {"low_crossing": 0.02, "high_crossing": 0.1}
    errors, without = (
        estimate_gate_errors(tree, events, strategy, scales=SCALES)
        for strategy, tree in (t_cells_and_more(events, *more, **facts) for facts in (shares, {}))
    )
    from_high = float(log_odds(20 + 0.1 * 300, 400 + 0.1 * 400) - log_odds(20, 400))
    from_low = float(log_odds(20 - 0.02 * 20, 400 - 0.02 * 400) - log_odds(20, 400))
    expected = np.hypot((from_high + from_low) / 2, (from_high - from_low) / 2 / np.sqrt(3))
    assert errors.border_errors["cd4"]["others"] == pytest.approx(expected)
    assert expected > 0.4
    assert errors.border_errors["t_cells"]["root"] < expected / 3
    assert errors.gate_errors == without.gate_errors
    assert without.border_errors["cd4"] == {"others": 0}


def test_overlapping_peaks_say_how_many_of_their_cells_may_lie_on_the_other_side():
    events = overlapping(2, 20_000)
    _, tree = tree_of(events)
    facts = tree.populations[0].facts
    truly = np.count_nonzero(np.asarray(events.values)[:20_000, 0] >= facts["threshold"]) / 20_000
    # At most: the other peak gives half of the density in the valley, and smoothing widens both.
    assert truly < facts["low_crossing"] < 4 * truly
    assert facts["high_crossing"] == pytest.approx(facts["low_crossing"], rel=0.2)


def test_a_border_can_be_told_no_more_finely_than_the_density_was_smoothed_however_many_cells_there_are():
    shares = []
    for size in (2_000, 200_000):
        events = overlapping(3, size)
        strategy, tree = tree_of(events)
        tree = with_facts(tree, low_crossing=0.0, high_crossing=0.0)
        shaken = estimate_gate_errors(tree, events, strategy, scales=SCALES)
        values, at = np.asarray(events.values)[:, 0], tree.populations[0].facts["threshold"]
        border = 0.02 / np.sqrt(3)
        down, up = (np.count_nonzero(values >= at + way * border) for way in (-1, 1))
        expected = half_of((down, events.count), (up, events.count))
        assert shaken.border_errors["t_cells"]["root"] == pytest.approx(expected, rel=0.1)
        shares.append((shaken.gate_errors["t_cells"]["root"], shaken.border_errors["t_cells"]["root"]))
    (few_gate, few_border), (many_gate, many_border) = shares
    assert many_gate < 0.4 * few_gate
    assert many_border == pytest.approx(few_border, rel=0.25)


def with_facts(tree, **facts):
    first = replace(tree.populations[0], facts={**tree.populations[0].facts, **facts})
    return replace(tree, populations=(first, *tree.populations[1:]))


def t_cells_with(events, denominator="root", population="t_cells", **facts):
    """Return the border error without and with these facts of the T cells' gate, and the sizes of the fraction."""
    strategy, tree = t_cells_and_more(events, cd4_positive())
    without, errors = (
        estimate_gate_errors(which, events, strategy, scales=SCALES).border_errors[population][denominator]
        for which in (tree, with_facts(tree, **facts))
    )
    count, total = tree.size(population), tree.size(denominator)
    return without, errors, (total + 1) / (total - count + 0.5) / (count + 0.5)


EVENTS = ((400, 0.9, 0.2), (100, 0.9, 0.8), (20, 0.51, 0.2), (20, 0.49, 0.2), (400, 0.1, 0.2))


def test_cells_of_others_in_the_parents_gate_thin_out_what_is_divided_in_it():
    without, errors, scale = t_cells_with(by_hand(*EVENTS), "t_cells", "cd4", impurity=0.02)
    assert errors == pytest.approx(np.hypot(without, 0.02 * 100 * scale))
    without, errors, _ = t_cells_with(by_hand(*EVENTS), impurity=0.02)
    assert errors == without


def test_events_that_a_method_cannot_tell_from_others_are_in_its_own_error():
    without, errors, scale = t_cells_with(by_hand(*EVENTS), unseen=0.05)
    assert errors == pytest.approx(np.hypot(without, 0.05 * 520 * scale))


def test_background_that_a_border_lets_in_is_in_its_own_error():
    without, errors, scale = t_cells_with(by_hand(*EVENTS), background=0.004)
    assert errors == pytest.approx(np.hypot(without, 0.004 * 940 * scale))
