"""Deepest: which population farthest down the gating tree holds a cell, and what such cells are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from immunomon.cytometry.model.gatetree import GateTree
from immunomon.study.model.strategy import ROOT, GatingStrategy

__all__ = ["deepest", "labels_of", "population_labels"]


def deepest(tree: GateTree, rows: NDArray[np.int64], populations: Sequence[str]) -> NDArray[np.int32]:
    """Return for each event which population farthest down the tree holds it; of equals, the one declared first.

    rows: places in the file, (events,). populations: ``root`` first, then ids; the result is places in them.
    """
    index = {name: number for number, name in enumerate(populations)}
    deepest_index = np.full(rows.size, index[ROOT], dtype=np.int32)
    depth = np.zeros(rows.size, dtype=np.int32)
    for population in tree.populations:
        mask: NDArray[np.bool_] | None = tree.memberships.get(population.id)
        if mask is None:
            continue
        level = population.path.count("/")
        deeper = mask[rows] & (level > depth)
        deepest_index[deeper], depth[deeper] = index[population.id], level
    return deepest_index


def labels_of(populations: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Return what to call cells whose deepest population this is: those of a divided one are its other cells.

    populations: id -> label and parent.

    >>> labels_of({"cd4": ("CD4 T cells", "root"), "treg": ("Treg", "cd4")})
    {'root': 'All events, other', 'cd4': 'CD4 T cells, other', 'treg': 'Treg'}
    """
    divided = {parent for _, parent in populations.values()}
    labels = {ROOT: "All events"} | {name: label for name, (label, _) in populations.items()}
    return {name: f"{label}, other" if name in divided else label for name, label in labels.items()}


def population_labels(strategy: GatingStrategy) -> dict[str, str]:
    """Return what to call cells by their deepest population of a strategy, ``root`` first, parents before children."""
    return labels_of({population.id: (population.label, population.parent) for population in strategy})
