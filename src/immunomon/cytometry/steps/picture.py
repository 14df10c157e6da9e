"""Picture: small density images of each gating step, so that a person can see every gate of every file."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from immunomon.arrays import Ints, Mask
from immunomon.cytometry.kernels.histogram import Range, histogram2d, levels_u8
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree, PlacedAxis, PlacedPopulation
from immunomon.cytometry.model.geometry import gate_to_dict
from immunomon.cytometry.model.lazy import DisplayTable
from immunomon.cytometry.model.scales import scale_to_dict
from immunomon.study.model.strategy import ROOT

__all__ = ["picture"]

_BINS = 72


def picture(tree: GateTree, events: EventTable) -> list[dict[str, Any]]:
    """Return one plot per gating step as plain data: a compressed density image, its axes, and the gates on it.

    tree: placed on ``events`` (display scale). Populations gated on the same axes of the same parent share a plot; a
    gate on one axis is drawn against a partner. Boolean and unplaced gates have no plot.
    """
    steps: dict[tuple[str, str, str], list[PlacedPopulation]] = {}
    for population in tree.populations:
        if population.gate is not None and population.gate.axes:
            axes = population.gate.axes
            x, y = (axes[0], axes[1]) if len(axes) > 1 else (axes[0], _partner(tree, axes[0]))
            steps.setdefault((population.parent, x, y), []).append(population)
    return [_plot(tree, events, key, members) for key, members in steps.items()]


def _partner(tree: GateTree, axis: str) -> str:
    side = [name for name in tree.axes if name.upper().startswith("SSC")]
    partners = [name for name in tree.axes if name != axis]
    return next((name for name in (*side, *partners) if name != axis), axis)


def _limits(axis: PlacedAxis) -> tuple[float, float]:
    return (0.0, axis.range) if axis.scale.kind == "identity" else (-0.05, 1.05)


def _axis(name: str, axis: PlacedAxis) -> dict[str, Any]:
    label = name if name == axis.detector else f"{name} ({axis.detector})"
    return {"axis": name, "label": label, "range": list(_limits(axis)), "scale": scale_to_dict(axis.scale)}


def _plot(
    tree: GateTree, events: EventTable, key: tuple[str, str, str], members: list[PlacedPopulation]
) -> dict[str, Any]:
    parent, x, y = key
    mask = tree.mask(parent)
    inside = np.ones(events.count, dtype=np.bool_) if mask is None else mask
    levels = levels_u8(_counted(events, inside, (x, y), (_limits(tree.axes[x]), _limits(tree.axes[y]))))
    labels: Mapping[str, str] = {population.id: population.label for population in tree.populations}
    return {
        "populations": [population.id for population in members],
        "parent": parent,
        "parent_label": "All events" if parent == ROOT else labels[parent],
        "x": _axis(x, tree.axes[x]),
        "y": _axis(y, tree.axes[y]),
        "bins": base64.b64encode(zlib.compress(levels.tobytes(), 6)).decode("ascii"),
        "shape": list(levels.shape),
        "events": int(np.count_nonzero(inside)),
        "gates": [_gate(tree, population) for population in members],
    }


def _counted(events: EventTable, inside: Mask, axes: tuple[str, str], ranges: tuple[Range, Range]) -> Ints:
    """Return the events in each cell: by fast coordinates where they decide, else by exact ones."""
    if not isinstance(events, DisplayTable):
        return histogram2d(events.column(axes[0])[inside], events.column(axes[1])[inside], *ranges, bins=_BINS)
    from immunomon.cytometry.kernels.decide import decide_cells  # compiled

    x, y = events.rough_columns(axes)
    counts, doubtful = decide_cells(inside, x, y, *ranges, _BINS)
    if doubtful.size:
        across, up = (events.cells(events.index(axis), doubtful) for axis in axes)
        counts += histogram2d(across, up, *ranges, bins=_BINS)
    return counts


def _gate(tree: GateTree, population: PlacedPopulation) -> dict[str, Any]:
    count, parent_count = tree.size(population.id), tree.size(population.parent)
    return {
        "population": population.id,
        "label": population.label,
        "gate": None if population.gate is None else gate_to_dict(population.gate),
        "count": count,
        "percent_of_parent": 100.0 * count / parent_count if count is not None and parent_count else None,
    }
