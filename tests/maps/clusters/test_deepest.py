import numpy as np

from immunomon.cytometry.model.gatetree import GateTree, PlacedPopulation
from immunomon.maps.clusters.naming import deepest, labels_of


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


NAMES = ("root", "live", "t", "b", "lost")


def test_a_cell_is_in_the_population_farthest_down_and_of_equals_in_the_first():
    assert [NAMES[code] for code in deepest(TREE, np.array([0, 1, 2, 3]), NAMES)] == ["t", "t", "live", "root"]
    assert [NAMES[code] for code in deepest(TREE, np.array([3, 2]), NAMES)] == ["root", "live"]


def test_cells_of_a_divided_population_are_called_its_other_cells():
    called = labels_of({one.id: (one.label, one.parent) for one in TREE.populations if one.id != "lost"})
    assert called == {"root": "All events, other", "live": "LIVE, other", "t": "T", "b": "B"}
