"""Quantify: how many events each population has, how bright they are, and the picture of them in each pair of axes."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immunomon.cytometry.kernels.histogram import histogram2d_u8
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import GateTree, PlacedAxis, PlacedPopulation
from immunomon.cytometry.model.geometry import gate_to_dict
from immunomon.cytometry.model.measured import Measured
from immunomon.cytometry.model.scales import scale_to_dict
from immunomon.errors import WrongScale
from immunomon.study.model.strategy import ROOT

__all__ = ["picture", "quantify"]


def quantify(tree: GateTree, events: EventTable, markers: Sequence[str]) -> Measured:
    """Return every population's count and the median compensated intensity of each marker in it.

    tree: placed on the same file as ``events``; events: compensated, with a channel for each marker. Raises WrongScale
    for events on another scale, ValueError if tree and events are of different files.

    >>> from immunomon.study.model.channels import Channel
    >>> events = EventTable(np.array([[1.0], [3.0], [9.0]]), (Channel("PE-A", "CD25"),), Scale.COMPENSATED)
    >>> from immunomon.cytometry.model.gatetree import PlacedPopulation
    >>> placed = PlacedPopulation("a", "A", "root", "/a", "interval", None)
    >>> tree = GateTree("s", 3, {}, (placed,), {"a": np.array([True, True, False])})
    >>> measured = quantify(tree, events, ["CD25"])
    >>> measured.counts["a"], measured.medians["a"]["CD25"]
    (2, 2.0)
    """
    if events.scale is not Scale.COMPENSATED:
        raise WrongScale(f"{events.source}: medians are of compensated events, got {events.scale} ones")
    if events.count != tree.count:
        raise ValueError(f"{events.source}: {events.count} events, but the gates were placed on {tree.count}")
    columns = [events.index(marker) for marker in markers]
    medians: dict[str, dict[str, float | None]] = {}
    for population, mask in tree.memberships.items():
        rows = np.flatnonzero(mask)
        medians[population] = {marker: _median(events.column(marker)[rows]) for marker in markers}
    return Measured(
        events=tree.size(ROOT) or 0,
        counts={population.id: tree.size(population.id) for population in tree.populations},
        medians=medians,
        methods={population.id: population.method for population in tree.populations},
        failures={population.id: population.failure for population in tree.populations if population.failure},
        detectors={marker: events.channels[column].detector for marker, column in zip(markers, columns, strict=True)},
        sources={population.id: population.source for population in tree.populations if population.source},
        notes={population.id: population.note for population in tree.populations if population.note},
        outliers=tuple(population.id for population in tree.populations if population.outlier),
        doubts={population.id: population.doubts for population in tree.populations if population.doubts},
        placed_by={population.id: population.placed_by for population in tree.populations},
    )


def _median(values: NDArray[np.floating]) -> float | None:
    with np.errstate(invalid="ignore", over="ignore"):
        is_all_numbers = np.isfinite(values.sum())
    if not is_all_numbers:
        values = values[np.isfinite(values)]  # in a channel that no gate needs, events that are no numbers may be left
    return float(np.median(values)) if values.size else None


# Picture: small density images of each gating step, so that a person can see every gate of every file.

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
    levels = histogram2d_u8(
        events.column(x)[inside], events.column(y)[inside], _limits(tree.axes[x]), _limits(tree.axes[y]), bins=_BINS
    )
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


def _gate(tree: GateTree, population: PlacedPopulation) -> dict[str, Any]:
    count, parent_count = tree.size(population.id), tree.size(population.parent)
    return {
        "population": population.id,
        "label": population.label,
        "gate": None if population.gate is None else gate_to_dict(population.gate),
        "count": count,
        "percent_of_parent": 100.0 * count / parent_count if count is not None and parent_count else None,
    }
