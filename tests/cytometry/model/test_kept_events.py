from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.model.gatetree import GateTree, kept_events


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_ranges_of_left_out_events_say_exactly_which_were_kept(kept):
    mask = np.array(kept)
    excluded = GateTree("s", mask.size, {}, (), {}, mask).gates_to_dict()["excluded"]
    again = kept_events(excluded, mask.size)
    assert np.array_equal(mask, np.ones_like(mask) if again is None else again)


def test_a_tree_without_left_out_events_says_nothing_of_them():
    tree = GateTree("s", 3, {}, (), {})
    assert "excluded" not in tree.gates_to_dict()
    assert tree.size("root") == 3
