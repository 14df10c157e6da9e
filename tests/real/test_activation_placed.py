"""Borders placed by the methods, against those that a person drew on the same six tubes.

Methods and quantiles were chosen with the person's borders in view: agreement, not a blind test (docs/gating.md).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunomon.assurance.validation.real import beside, gate_activation, their_activation, threshold_distances
from immunomon.cytometry.model.gatetree import GateTree

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def trees(real_data: Path) -> dict[str, GateTree]:
    return gate_activation(real_data)


def test_every_gate_is_placed_without_a_fallback(trees) -> None:
    assert len(trees) == 6
    for tree in trees.values():
        assert [p.failure for p in tree.populations if p.failure] == []
        assert [p.note for p in tree.populations if p.note] == []


def test_the_ten_borders_lie_within_015_decade_of_the_person_s(trees) -> None:
    far = threshold_distances(trees)
    assert len(far) == 10
    assert far.loc[~(far["decades"] <= 0.15), ["population", "border"]].to_numpy().tolist() == []


def test_frequencies_go_with_the_person_s(trees, real_data: Path) -> None:
    both = pd.concat([beside(tree, their_activation(real_data, name, tree)) for name, tree in trees.items()])
    placed = both[~both["population"].isin(["cells", "single_cells"])]  # these two are the person's own gates
    assert placed["population"].nunique() == 8
    assert np.corrcoef(placed["percent"], placed["their_percent"])[0, 1] >= 0.97
