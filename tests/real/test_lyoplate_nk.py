"""NK cells and monocytes against openCyto's automatic gating of a published technical pair.

The strategy was written with that gating in view, on these two files: agreement, not a blind test (docs/gating.md).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from immunomon.gates import GATE_METHODS
from immunomon.io.memberships import read_memberships
from immunomon.model.gatetree import GateTree
from immunomon.pipeline.single import Compensation, analyse
from immunomon.specs.panel import load_panel
from immunomon.specs.strategy import load_strategy

HERE = Path(__file__).parent / "lyoplate"
_LIVE = "/boundary/Monocytes/Live"
_NEGATIVE = f"{_LIVE}/CD14-Lineage-"
THEIRS = {
    "boundary": "/boundary",
    "cells": "/boundary/Monocytes",
    "live": _LIVE,
    "cd14_pos": f"{_LIVE}/CD14+",
    "cd14_neg": f"{_LIVE}/CD14-",
    "monocytes": f"{_LIVE}/CD14+Lineage-",
    "monocytes_cd16": f"{_LIVE}/CD14+Lineage-/CD14+CD16+",
    "lineage_neg": _NEGATIVE,
    "cd56_pos": f"{_NEGATIVE}/CD56+",
    "cd16_pos": f"{_NEGATIVE}/CD16+",
    "cd56neg_cd16neg": f"{_NEGATIVE}/CD16-CD56-",
    "cd56neg_cd16pos": f"{_NEGATIVE}/CD16+CD56-",
    "cd56pos_cd16neg": f"{_NEGATIVE}/CD16-CD56+",
    "cd56pos_cd16pos": f"{_NEGATIVE}/CD16+CD56+",
}
pytestmark = pytest.mark.real_data
Masks = dict[str, NDArray[np.bool_]]


@pytest.fixture(scope="module", params=["001", "002"])
def both(request: pytest.FixtureRequest, real_data: Path) -> tuple[GateTree, Masks]:
    panel = load_panel(HERE / "panel.yaml")
    strategy = load_strategy(HERE / "strategy.yaml", methods=GATE_METHODS, panel=panel)
    stem = str(real_data / "lyoplate-nk" / f"gs_DC_auto__DC_MONO_NK_12828001_{request.param}")
    path = Path(f"{stem}.compensated_biex.fcs")
    tree = analyse(path, strategy, panel=panel, compensation=Compensation(False, None), with_plots=False).tree
    return tree, read_memberships(Path(f"{stem}.fcs.event_labels.npz"))


@pytest.mark.parametrize("population", sorted(THEIRS))
def test_each_population_is_within_3_points_of_its_parent_and_holds_the_same_events(both, population) -> None:
    tree, masks = both
    parent = next(p for p in tree.populations if p.id == population).parent
    ours, theirs = tree.mask(population), masks[THEIRS[population]]
    whole = tree.count if parent == "root" else int(tree.mask(parent).sum())
    their_whole = tree.count if parent == "root" else int(masks[THEIRS[parent]].sum())
    assert abs(100 * ours.sum() / whole - 100 * theirs.sum() / their_whole) <= 3
    if theirs.sum() > 500:
        assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) >= 0.90
