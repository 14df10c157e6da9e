"""Naming: a phenotype for each metacluster from the panel's markers, and the gated population that is nearest to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Ints, Mask
from immunomon.cytometry.kernels.density import modes_of, profile_of, valley_between
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.maps.clusters.cells import HIGHEST, LOWEST
from immunomon.study.model.strategy import ROOT, GatingStrategy

__all__ = ["Border", "Overlap", "borders_of", "deepest", "labels_of", "overlap_of", "phenotype", "population_labels"]

_MOST_VALUES = 50_000
_BANDWIDTH = 0.02
_HI, _LO = 90.0, 10.0
_COVERED = 0.5


@dataclass(frozen=True)
class Border:
    """Where a marker's positive cells begin, on the display scale, and what is far above and far below.

    source: ``gate``, ``valley``, or ``none``: then only what is far above or below has a name.
    """

    marker: str
    threshold: float | None
    low: float
    high: float
    source: str

    def level(self, value: float) -> str:
        """Return the marker with its sign: ``CD25hi``, ``CD4+``, ``CD8-``, ``CD127lo``, ``CD38mid``.

        >>> Border("CD25", 0.5, 0.2, 0.8, "gate").level(0.9), Border("CD25", None, 0.2, 0.8, "none").level(0.5)
        ('CD25hi', 'CD25mid')
        """
        if self.threshold is None:
            return self.marker + ("hi" if value > self.high else "lo" if value < self.low else "mid")
        if value < self.threshold:
            return f"{self.marker}-"
        return self.marker + ("hi" if value > max(self.high, self.threshold) else "+")


def borders_of(markers: Sequence[str], histograms: Ints, gated: Sequence[Mapping[str, float]]) -> list[Border]:
    """Return each marker's border: the median of the gates' over the samples, else the valley of all cells together.

    histograms: (markers, bins) of display values, all samples; gated: for each sample marker -> threshold. ``hi`` is
    above the 90th percentile of all cells; without a border ``lo`` is below the 10th.
    """
    edges = np.linspace(LOWEST, HIGHEST, histograms.shape[1] + 1)
    out = []
    for marker, counts in zip(markers, histograms, strict=True):
        share = np.concatenate([[0.0], np.cumsum(counts) / max(int(counts.sum()), 1)])
        low, high = np.interp(np.array([_LO, _HI]) / 100, share, edges).tolist()
        of_samples = [sample_thresholds[marker] for sample_thresholds in gated if marker in sample_thresholds]
        threshold = float(np.median(of_samples)) if of_samples else _valley(counts, edges)
        source = "gate" if of_samples else "none" if threshold is None else "valley"
        out.append(Border(marker, threshold, low, high, source))
    return out


def _valley(counts: Ints, edges: Floats) -> float | None:
    """Return where the two clearest modes of a histogram part, or None for one mode."""
    total = int(counts.sum())
    if total == 0:
        return None
    centres = (edges[:-1] + edges[1:]) / 2
    thinned = np.round(counts * min(1.0, _MOST_VALUES / total)).astype(np.int64)
    values = np.repeat(centres, thinned)
    if values.size < 2:
        return None
    profile = profile_of(values, bandwidth=_BANDWIDTH)
    clear = sorted(modes_of(profile, min_persistence=8.0), key=lambda mode: -mode.persistence)[:2]
    if len(clear) < 2:
        return None
    left, right = sorted(clear, key=lambda mode: mode.index)
    return valley_between(profile, left, right)[0]


def phenotype(values: Floats, borders: Sequence[Border]) -> str:
    """Return a metacluster's phenotype from the median of each marker in it.

    >>> phenotype(np.array([0.9, 0.1]), [Border("CD3", 0.5, 0.1, 0.95, "gate"), Border("CD19", 0.5, 0.1, 0.8, "gate")])
    'CD3+ CD19-'
    """
    return " ".join(border.level(float(value)) for value, border in zip(values, borders, strict=True))


@dataclass(frozen=True)
class Overlap:
    """The gated population that a metacluster overlaps most, and how much of it any gate below knows."""

    population: str | None
    f1: float
    inside: float
    gated: float

    @property
    def covered(self) -> bool:
        """Whether at least half of the metacluster's cells are in a population below the one that was clustered."""
        return self.gated >= _COVERED


def overlap_of(shared: Mapping[str, int], sizes: Mapping[str, int], *, cells: int, gated: int) -> Overlap:
    """Return the population with the highest F1, ``2 shared / (cells + size)``; of equals, the first.

    shared, sizes: population -> cells of the metacluster in it, and all its cells; gated: those in any of them.

    >>> overlap_of({"cd4": 90, "treg": 50}, {"cd4": 900, "treg": 60}, cells=100, gated=90).population
    'treg'
    """
    best, score = None, 0.0
    for name, common in shared.items():
        f1 = 2 * common / max(cells + sizes[name], 1)
        if f1 > score:
            best, score = name, f1
    inside = shared[best] / cells if best is not None and cells else 0.0
    return Overlap(best, score, inside, gated / cells if cells else 0.0)


# Deepest: which population farthest down the gating tree holds a cell, and what such cells are called.


def deepest(tree: GateTree, rows: Ints, populations: Sequence[str]) -> NDArray[np.int32]:
    """Return for each event which population farthest down the tree holds it; of equals, the one declared first.

    rows: places in the file, (events,). populations: ``root`` first, then ids; the result is places in them.
    """
    index = {name: number for number, name in enumerate(populations)}
    deepest_index = np.full(rows.size, index[ROOT], dtype=np.int32)
    depth = np.zeros(rows.size, dtype=np.int32)
    for population in tree.populations:
        mask: Mask | None = tree.memberships.get(population.id)
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
