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
        errors.append(shake(tree, events, strategy, scales=SCALES)["t_cells"])
    assert np.median(errors) == pytest.approx(np.std(counts), rel=0.5)


def test_a_boolean_population_has_the_error_of_what_it_is_made_of():
    events = overlapping(1)
    strategy, tree = tree_of(events, with_boolean=True)
    found = shake(tree, events, strategy, scales=SCALES)
    assert found["others"] == found["t_cells"] > 0


def test_well_separated_cells_leave_no_doubt():
    values = np.concatenate([np.linspace(0.1, 0.2, 500), np.linspace(0.8, 0.9, 500)])[:, None]
    events = EventTable(values, (Channel("V450-A", "CD3"),), Scale.DISPLAY)
    strategy, tree = tree_of(events)
    assert shake(tree, events, strategy, scales=SCALES)["t_cells"] == 0
