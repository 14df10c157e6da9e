"""Cells: read through the gates that the run placed, with their markers on one display scale for all files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from immunomon.arrays import Floats, Floats32, Ints
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.scales import AnyScale, scale_to_dict
from immunomon.cytometry.steps.transform import resolve_scales, transform
from immunomon.maps.clusters.cells import Job, read_gated, rows_within
from immunomon.maps.clusters.found import Metaclusters
from immunomon.maps.clusters.naming import deepest, population_labels
from immunomon.maps.clusters.samples import Source
from immunomon.study.model.strategy import ROOT, GatingStrategy

__all__ = [
    "CELL_COLUMNS",
    "PLACE_COLUMNS",
    "Choice",
    "Reader",
    "labels_in_order",
    "metacluster_names",
    "own_rng",
    "pick",
]

CELL_COLUMNS = ("sample_id", "subject", "visit", "dose_group", "event", "population", "label", "metacluster", "weight")
PLACE_COLUMNS = ("fitted", "out_of_reference", "cluster", "umap1", "umap2")

Choice = Callable[[str, Ints, Ints], tuple[Ints, Floats]]


@dataclass(frozen=True, eq=False)
class Reader:
    """How cells of a panel's samples are read: from where, within which population, with which markers."""

    source: Source
    within: str
    markers: tuple[str, ...]
    clusters: Metaclusters | None = None

    def read(self, job: Job, choose: Choice) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return some of a sample's cells: CELL_COLUMNS, then the markers, float32 display values; and their scales.

        choose: of the sample's id, the population's events and their metaclusters (0: none), which are taken (places
        among them, ascending) and how many cells each stands for. An event whose markers are not finite is no cell.
        Raises what reading and gating a file raise.
        """
        tree, compensated = read_gated(job, self.source.panel, self.markers)
        scales = resolve_scales(self.source.strategy, self.markers, compensated, self.source.book)
        rows, display = self._finite(rows_within(tree, self.within), compensated, scales)
        sample = job.sample
        numbers = np.zeros(rows.size, dtype=np.int64)
        if self.clusters:
            numbers += 1 + self.clusters.codes(sample.id, compensated.count)[rows]
        taken, weights = choose(sample.id, rows, numbers)
        table = self._described(job, tree, rows[taken], numbers[taken]).assign(weight=weights)
        values = pd.DataFrame(dict(zip(self.markers, display[:, taken], strict=True)))
        as_dicts = {name: scale_to_dict(scale) for name, scale in scales.items()}
        return pd.concat([table[list(CELL_COLUMNS)], values], axis=1), as_dicts

    def _finite(self, rows: Ints, compensated: EventTable, scales: Mapping[str, AnyScale]) -> tuple[Ints, Floats32]:
        """Return the rows whose display values are all finite, and these, (markers, rows)."""
        shown = transform(compensated, scales)
        values = np.array([shown.column(name)[rows] for name in self.markers], dtype=np.float32)
        values = values.reshape(len(self.markers), rows.size)
        fine = np.isfinite(values).all(axis=0)
        return rows[fine], values[:, fine]

    def _described(self, job: Job, tree: GateTree, events: Ints, numbers: Ints) -> pd.DataFrame:
        sample, names = job.sample, (ROOT, *(gated.id for gated in tree.populations))
        labels = population_labels(self.source.strategy)
        population = [names[code] for code in deepest(tree, events, names)]
        group = self.source.study.dose_group_of(sample.subject or "")
        table = pd.DataFrame(
            {"event": events, "population": population, "label": [labels[name] for name in population]}
        )
        whose = {"sample_id": sample.id, "subject": sample.subject, "visit": sample.visit, "dose_group": group}
        return table.assign(metacluster=metacluster_names(numbers), **whose)


def metacluster_names(numbers: Ints) -> pd.Series[str]:
    """Return the names of metaclusters by number, missing for 0.

    >>> metacluster_names(np.array([2, 0])).tolist()
    ['mc02', <NA>]
    """
    names = np.array([None, *(f"mc{number:02d}" for number in range(1, int(numbers.max(initial=0)) + 1))], dtype=object)
    return pd.Series(names[numbers], dtype="string")


def own_rng(seed: int, name: str) -> np.random.Generator:
    """Return chance of a sample's own: its choice depends on the seed and on no other sample."""
    own = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng([seed, own])


def pick(available: int, count: int, rng: np.random.Generator) -> Ints:
    """Return up to ``count`` places among so many, ascending, by chance.

    >>> pick(2, 5, np.random.default_rng(1))
    array([0, 1])
    """
    return np.sort(rng.choice(available, min(count, available), replace=False)).astype(np.int64)


def labels_in_order(cells: pd.DataFrame, strategy: GatingStrategy) -> list[str]:
    """Return the labels of cells in the order of the strategy, parents before children."""
    position = {name: number for number, name in enumerate((ROOT, *strategy.ids))}
    labelled = cells[["population", "label"]].drop_duplicates()
    pairs = zip(labelled["population"].astype(str), labelled["label"].astype(str), strict=True)
    return [label for _, label in sorted(pairs, key=lambda pair: (position[pair[0]], pair[1]))]
