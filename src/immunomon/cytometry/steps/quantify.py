"""Quantify: how many events each population has, and how bright they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Mask, Rows
from immunomon.cytometry.kernels.selection import finite_median, is_compiled_at_hand
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.measured import Measured
from immunomon.errors import WrongScale
from immunomon.study.model.strategy import ROOT

__all__ = ["quantify"]


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
    medians = _medians(tree.memberships, {marker: events.column(marker) for marker in markers})
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


def _medians(
    memberships: Mapping[str, Mask], columns: Mapping[str, NDArray[np.floating]]
) -> dict[str, dict[str, float | None]]:
    """Return population -> marker -> the median of the finite values; None where there are none."""
    quick = _quick_medians(list(memberships.values()), columns) if memberships else {}
    medians: dict[str, dict[str, float | None]] = {}
    for number, (population, mask) in enumerate(memberships.items()):
        rows: Rows | None = None
        medians[population] = {}
        for marker, values in columns.items():
            median = float(quick[marker][number]) if marker in quick else np.nan
            if not abs(median) > 0:  # of 0 and -0 NumPy may choose the other; where no gate looks may be no numbers
                rows = np.flatnonzero(mask) if rows is None else rows
                medians[population][marker] = finite_median(values, rows)
            else:
                medians[population][marker] = median
    return medians


def _quick_medians(groups: Sequence[Mask], columns: Mapping[str, NDArray[np.floating]]) -> dict[str, Floats]:
    """Return marker -> medians of all populations at once, by compiled code where it is loaded; else nothing."""
    if not is_compiled_at_hand():
        return {}
    from immunomon.cytometry.kernels.group_medians import group_medians, membership_codes

    if (codes := membership_codes(groups)) is None:
        return {}
    return {
        marker: group_medians(np.ascontiguousarray(values), *codes)
        for marker, values in columns.items()
        if values.dtype == np.float64
    }
