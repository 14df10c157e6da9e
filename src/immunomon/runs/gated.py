"""A file that a run gated, read again with the gates the run placed on it; and gated anew on normalised events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.noise import NoiseBook
from immunomon.cytometry.model.placed import placed_from_run
from immunomon.cytometry.model.scales import AnyScale
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.steps.apply import apply_gates
from immunomon.cytometry.steps.compensate import compensate
from immunomon.cytometry.steps.gate import axes_of, gate
from immunomon.cytometry.steps.transform import resolve_scales, transform
from immunomon.errors import ImmunomonError
from immunomon.runs.folder import RunFolder
from immunomon.runs.plan import Plan, Task
from immunomon.runs.scaling import book_of_run
from immunomon.study.model.channels import Channel
from immunomon.study.model.fcs import Reading
from immunomon.study.model.strategy import GatingStrategy

__all__ = ["Gated", "gate_again", "read_gated"]


@dataclass(frozen=True, eq=False)
class Gated:
    """One file's compensated events (the axes of the gates and the panel's markers) with the run's memberships.

    book: what the run's files of the panel show of their noise.
    """

    compensated: EventTable
    tree: GateTree
    book: NoiseBook


def read_gated(folder: RunFolder, plan: Plan, task: Task) -> Gated:
    """Return a file that the run gated, with its gates; raises ImmunomonError if its result or the file is not there.

    A marker of the panel that the file lacks is left out.
    """
    result = folder.read_sample(task.sample.id)
    # Other samples may have had a say in the result: whether it is of this file is said by the file's digest alone.
    if result is None or result.get("status") != "gated" or result.get("sha256") != task.sha256:
        raise ImmunomonError(f"{folder.sample_file(task.sample.id)}: no result of this file; run again: immunomon run")
    panel, spillover = plan.panels[task.sample.panel], SpilloverMatrix.from_record(result["spillover"])
    reading = Reading.from_record(result)
    _, raw = read_fcs(
        plan.still_inside(task.path), data_set=reading.data_set, data_offset=reading.data_offset, sha256=reading.sha256
    )
    events = raw.labelled(panel.label_channels(raw.channels))
    tree = apply_gates(events, placed_from_run(result["gates"], spillover), spillover)
    strategy = plan.strategies[task.sample.panel]
    names = dict.fromkeys([*axes_of(strategy), *(name for name in panel.names if events.has(name))])
    return Gated(compensate(events, spillover, names=names), tree, book_of_run(folder.root, task.sample.panel))


def gate_again(
    gated: Gated,
    strategy: GatingStrategy,
    *,
    maps: Mapping[tuple[str, str], Callable[[Floats], Floats]],
    scales: Mapping[str, AnyScale],
) -> GateTree:
    """Return a file gated on normalised events, each gate placed anew on the file's own, without controls.

    maps: (cell type, marker) -> its map on the display scale of ``scales``. An event takes the map of the first cell
    type that it was in; what is in none stays as it is.
    """
    axes, events = axes_of(strategy), gated.compensated
    values = np.column_stack([np.asarray(events.column(axis), dtype=np.float64) for axis in axes])
    for column, axis in enumerate(axes):
        free = np.ones(events.count, dtype=np.bool_)
        for (cell_type, marker), there in maps.items():
            mask = gated.tree.mask(cell_type) if marker == axis else None
            if mask is None:
                continue
            rows = np.flatnonzero(mask & free)
            free &= ~mask
            scale = scales[marker]
            values[rows, column] = scale.inverse(there(scale.apply(values[rows, column])))
    compensated = EventTable.adopt(values, _channels(events, axes), Scale.COMPENSATED, events.source)
    own = resolve_scales(strategy, axes, compensated, gated.book)
    return gate(transform(compensated, own), strategy, own, among=gated.tree.among)


def _channels(events: EventTable, axes: Sequence[str]) -> tuple[Channel, ...]:
    return tuple(events.channels[events.index(axis)] for axis in axes)
