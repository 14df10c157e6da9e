"""Borders placed by the methods, against those that a person drew on the same six tubes.

Methods and quantiles were chosen with the person's borders in view: agreement, not a blind test (docs/gating.md).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from immunomon.gates import GATE_METHODS
from immunomon.io.fcs import read_fcs
from immunomon.io.memberships import read_memberships
from immunomon.io.spillover import spillover_of
from immunomon.model.events import EventTable
from immunomon.model.gatetree import GateTree
from immunomon.model.placement import ControlTube
from immunomon.specs.panel import load_panel
from immunomon.specs.strategy import load_strategy
from immunomon.steps.compensate import compensate
from immunomon.steps.gate import axes_of, gate
from immunomon.steps.transform import resolve_scales, transform

HERE = Path(__file__).parent / "activation"
FILES = [f"Activation_{number}.fcs" for number in (1, 2, 3, 4, 9, 13)]
NO_ANTIGEN = FILES[0]
DECADES = 4.5  # of the logicle axes, from 0 to 1
# The person's borders: population -> fact of the placed gate -> display coordinate.
THRESHOLDS = {
    "dead_cells": {"x_threshold": 0.5364352611, "y_threshold": 0.4867038031},
    "cd4": {"x_threshold": 0.4051947979, "y_threshold": 0.4690572905},
    "cd8": {"x_threshold": 0.4152624187, "y_threshold": 0.4937993151},
    "cd8_cd69": {"threshold": 0.5091858617},
    "cd4_cd69": {"threshold": 0.5758578076},
    "dendritic_cells": {"x_threshold": 0.318104184, "y_threshold": 0.558368344},
}
pytestmark = pytest.mark.real_data


class _NoAntigen:
    def __init__(self, events: EventTable) -> None:
        self._events = events

    def tubes(self, role, near):
        return [ControlTube(NO_ANTIGEN, near, self._events)] if (role, near) == ("unstimulated", "batch") else []


@pytest.fixture(scope="module")
def trees(real_data: Path) -> dict[str, GateTree]:
    panel = load_panel(HERE / "panel.yaml")
    strategy = load_strategy(HERE / "placed.yaml", methods=GATE_METHODS, panel=panel)
    axes, shown, scales = axes_of(strategy), {}, {}
    for name in FILES:
        header, raw = read_fcs(real_data / "activation" / name)
        events = compensate(raw.labelled(panel.label_channels(raw.channels)), spillover_of(header), wanted=list(axes))
        scales = resolve_scales(strategy, axes, events)
        shown[name] = transform(events, scales)
    controls = _NoAntigen(shown[NO_ANTIGEN])
    return {name: gate(events, strategy, scales, controls=controls) for name, events in shown.items()}


@pytest.fixture(scope="module")
def theirs(real_data: Path) -> dict[str, dict[str, NDArray[np.bool_]]]:
    found = {}
    for name in FILES:
        stored = read_memberships(real_data / "activation" / f"Activation-GatingSet__{name}.event_labels.npz")
        masks = {path.rpartition("/")[2]: mask for path, mask in stored.items()}
        found[name] = masks | {"Live Cells": masks["Single Cells"] & ~masks["Dead Cells"]}
    return found


def test_every_gate_is_placed_without_a_fallback(trees) -> None:
    for tree in trees.values():
        assert [p.failure for p in tree.populations if p.failure] == []
        assert [p.note for p in tree.populations if p.note] == []


@pytest.mark.parametrize("population", sorted(THRESHOLDS))
def test_the_threshold_lies_within_015_decade_of_the_person_s(trees, population) -> None:
    for fact, person in THRESHOLDS[population].items():
        ours = np.array([_facts(tree, population)[fact] for tree in trees.values()])
        assert DECADES * float(np.median(np.abs(ours - person))) <= 0.15


def test_frequencies_go_with_the_person_s(trees, theirs) -> None:
    ours_percent, their_percent = [], []
    for name, tree in trees.items():
        by_id = {p.id: p for p in tree.populations}
        for one in tree.populations:
            if one.id in ("cells", "single_cells"):
                continue
            parent = tree.mask(one.parent)
            their_parent = theirs[name][by_id[one.parent].label]
            ours_percent.append(100 * tree.mask(one.id).sum() / parent.sum())
            their_percent.append(100 * theirs[name][one.label].sum() / their_parent.sum())
    assert np.corrcoef(ours_percent, their_percent)[0, 1] >= 0.97


def _facts(tree: GateTree, population: str) -> dict[str, float]:
    return dict(next(p for p in tree.populations if p.id == population).facts)
