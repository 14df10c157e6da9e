import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from immunomon.atlas.cells import deepest_population, labels_in_order, labels_of, own_rng, pick
from immunomon.clusters.cells import one_scale_for_all
from immunomon.model.gatetree import GateTree, PlacedPopulation
from immunomon.model.strategy import GateDeclaration, GatingStrategy, Population, ScaleDeclaration


def population(name, parent, path):
    return PlacedPopulation(name, name.upper(), parent, path, "interval", None)


TREE = GateTree(
    "s",
    4,
    {},
    (
        population("live", "root", "/live"),
        population("t", "live", "/live/t"),
        population("b", "live", "/live/b"),
        population("lost", "t", "/live/t/lost"),
    ),
    {
        "live": np.array([True, True, True, False]),
        "t": np.array([True, True, False, False]),
        "b": np.array([True, False, False, False]),
    },
)


def test_a_cell_is_in_the_population_farthest_down_and_of_equals_in_the_first():
    assert deepest_population(TREE, np.array([0, 1, 2, 3])) == ["t", "t", "live", "root"]
    assert deepest_population(TREE, np.array([3, 2])) == ["root", "live"]


def test_cells_of_a_divided_population_are_called_its_other_cells():
    assert labels_of(TREE) == {"root": "All events, other", "live": "LIVE, other", "t": "T", "b": "B", "lost": "LOST"}


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


def test_a_width_that_each_file_has_for_itself_becomes_one_for_all():
    scales = {
        "fluorescence": ScaleDeclaration("logicle", (("t", 262144.0), ("w", None))),
        "CD4": ScaleDeclaration("logicle", (("w", 0.7),)),
    }
    found = one_scale_for_all(GatingStrategy("s", "S", 1, None, (), scales)).scales
    assert found["fluorescence"].parameters == (("t", 262144.0),)
    assert found["CD4"] == scales["CD4"]
