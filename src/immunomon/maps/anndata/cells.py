"""Cells: one sample read again through the gates that the run placed, a block of events at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats32, Rows
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.lazy import LazyTable
from immunomon.cytometry.steps.apply import apply_gates
from immunomon.cytometry.steps.compensate import compensate
from immunomon.cytometry.steps.transform import resolve_scales, transform
from immunomon.maps.anndata.writing import Block
from immunomon.maps.clusters.cells import Job, rows_within
from immunomon.maps.clusters.naming import deepest
from immunomon.maps.clusters.samples import Source

__all__ = ["LAYERS", "OpenSample", "open_sample"]

LAYERS = ("raw", "compensated")
BLOCK = 65_536


@dataclass(frozen=True, eq=False)
class OpenSample:
    """A sample's events on three scales, its gates, and which events are taken, ascending, (cells,).

    beside: scatter and time, which are no variables; the file may lack some.
    """

    raw: EventTable
    compensated: LazyTable
    display: LazyTable
    tree: GateTree
    rows: Rows
    beside: tuple[str, ...]

    def blocks(self, populations: Sequence[str]) -> Iterator[tuple[Rows, Block]]:
        """Yield the events' rows and their values: X, layers, event, population (codes), scatter and time."""
        places = [self.raw.index(channel.detector) for channel in self.compensated.channels]
        for begin in range(0, self.rows.size, BLOCK):
            rows = self.rows[begin : begin + BLOCK]
            matrices = {
                "X": _stacked([self.display.cells(index, rows) for index in range(len(places))]),
                "raw": _stacked([self.raw.values[rows, index] for index in places]),
                "compensated": _stacked([self.compensated.cells(index, rows) for index in range(len(places))]),
            }
            obs: dict[str, NDArray[Any]] = {
                "event": rows,
                "population": deepest(self.tree, rows, populations),
                **{name: self._beside(name, rows) for name in self.beside},
            }
            yield rows, Block(matrices, obs)

    def _beside(self, name: str, rows: Rows) -> Floats32:
        if not self.raw.has(name):
            return np.full(rows.size, np.nan, dtype=np.float32)
        return np.asarray(self.raw.column(name)[rows], dtype=np.float32)


def _stacked(columns: Sequence[NDArray[np.floating]]) -> Floats32:
    block = np.empty((len(columns[0]), len(columns)), dtype=np.float32)
    for index, values in enumerate(columns):
        block[:, index] = values
    return block


def open_sample(source: Source, job: Job, *, within: str, only: Rows | None = None) -> OpenSample:
    """Return a sample of a run, read again; only: the events to take (default: all of the population within).

    Display values are on one scale for all files. Raises what reading and gating a file raise.
    """
    reading = job.reading
    _, raw = read_fcs(job.path, data_set=reading.data_set, data_offset=reading.data_offset, sha256=reading.sha256)
    events = raw.labelled(source.panel.label_channels(raw.channels))
    tree = apply_gates(events, job.placed, None)
    names = [marker.name for marker in source.panel.markers]
    compensated = compensate(events, job.spillover, names=names)
    scales = resolve_scales(source.strategy, names, compensated, source.book)
    display = transform(compensated, scales, fast=False)
    rows = rows_within(tree, within)
    if only is not None:
        rows = np.intersect1d(rows, only)
    beside = (*source.panel.scatter, *([source.panel.time] if source.panel.time else []))
    return OpenSample(events, cast(LazyTable, compensated), cast(LazyTable, display), tree, rows, beside)
