import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from immunomon.maps.atlas.cells import labels_in_order, own_rng, pick
from immunomon.study.model.strategy import GateDeclaration, GatingStrategy, Population


def test_labels_go_from_parents_to_children():
    gate = GateDeclaration("interval")
    declared = [("live", "root"), ("t", "live"), ("b", "live")]
    strategy = GatingStrategy("s", "S", 1, None, tuple(Population(n, n, p, gate, "inside") for n, p in declared))
    cells = pd.DataFrame({"population": ["b", "root", "t", "t", "live"], "label": ["B", "All", "T", "T", "Live"]})
    assert labels_in_order(cells, strategy) == ["All", "Live", "T", "B"]


@given(st.integers(0, 60), st.integers(0, 80), st.integers(0, 5))
def test_cells_are_picked_once_each_in_order(available, count, seed):
    chosen = pick(available, count, own_rng(seed, "S01_W4"))
    assert chosen.size == min(count, available)
    assert ((chosen >= 0) & (chosen < available)).all()
    assert (np.diff(chosen) > 0).all()


def test_the_choice_is_the_samples_own_and_the_seeds():
    first = pick(1000, 50, own_rng(1, "S01_W4"))
    np.testing.assert_array_equal(first, pick(1000, 50, own_rng(1, "S01_W4")))
    assert set(first) != set(pick(1000, 50, own_rng(2, "S01_W4")))
    assert set(first) != set(pick(1000, 50, own_rng(1, "S02_W4")))
