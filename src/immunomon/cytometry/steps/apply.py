"""Apply gates that are placed already: to the file they were placed on, or to any other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from immunomon.arrays import Floats, Mask, Rows
from immunomon.cytometry.kernels.spillover import weighted
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import GateTree, PlacedAxis, kept_events
from immunomon.cytometry.model.geometry import Boolean, Gate
from immunomon.cytometry.model.lazy import LazyTable
from immunomon.cytometry.model.placed import OWN_MATRIX, UNCOMPENSATED, GateAxis, PlacedStrategy, Ratio
from immunomon.cytometry.model.spillover import SpectrumMatrix, SpilloverMatrix
from immunomon.errors import BadSpillover, SingularSpillover, UnknownName, WrongScale, nearest
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import ROOT

__all__ = ["apply_gates", "display_of"]


def apply_gates(events: EventTable, placed: PlacedStrategy, spillover: SpilloverMatrix | None) -> GateTree:
    """Return which events are in which population of gates that are placed already.

    events: on the raw scale, with every channel that the axes name; spillover: the file's own matrix, for the axes
    that ask for it (None: those are left as they are). Populations without a placed gate, and those below them, have
    no members. Raises WrongScale, UnknownChannel, AmbiguousChannel, BadSpillover, SingularSpillover, UnknownName.

    >>> from immunomon.cytometry.model.gatetree import PlacedPopulation
    >>> from immunomon.cytometry.model.geometry import Interval
    >>> cells = PlacedPopulation("cells", "Cells", "root", "/cells", "interval", Interval("FSC-A", low=5.0))
    >>> raw = EventTable(np.array([[1.0], [9.0]]), (Channel("FSC-A"),))
    >>> apply_gates(raw, PlacedStrategy("s", {"FSC-A": GateAxis("FSC-A")}, (cells,)), None).size("cells")
    1
    """
    if events.scale is not Scale.RAW:
        raise WrongScale(f"{events.source}: gates are applied to raw events, got {events.scale} ones")
    used = {axis for population in placed.populations if population.gate for axis in population.gate.axes}
    unknown = sorted(used - set(placed.axes))
    if unknown:
        raise UnknownName(f"{placed.name}: no axis '{unknown[0]}'; {nearest(unknown[0], placed.axes)}")
    signals = _Signals(events, placed.matrices, spillover)
    columns = {name: signals.coordinates(axis) for name, axis in placed.axes.items() if name in used}
    axes = {name: PlacedAxis(signals.label(axis), axis.scale, axis.range) for name, axis in placed.axes.items()}
    among = kept_events(placed.excluded, events.count)
    memberships: dict[str, Mask] = {ROOT: np.ones(events.count, dtype=np.bool_) if among is None else among}
    for population in placed.populations:
        parent = memberships.get(population.parent)
        if population.gate is None or parent is None:
            continue
        mask = _members(population.gate, parent, columns, memberships)
        if mask is not None:
            memberships[population.id] = mask
    del memberships[ROOT]
    return GateTree(placed.name, events.count, axes, placed.populations, memberships, among)


def display_of(events: EventTable, placed: PlacedStrategy, spillover: SpilloverMatrix | None) -> EventTable:
    """Return the coordinates that gates which are placed already lie on, axis by axis, for a plot; as ``apply_gates``.

    >>> raw = EventTable(np.array([[1.0], [9.0]]), (Channel("FSC-A"),))
    >>> display_of(raw, PlacedStrategy("s", {"size": GateAxis("FSC-A")}, ()), None).column("size")
    array([1., 9.])
    """
    signals = _Signals(events, placed.matrices, spillover)
    axes = list(placed.axes.values())

    def compute(column: int, rows: Rows | None) -> Floats:
        coordinates = signals.coordinates(axes[column])
        return coordinates if rows is None else coordinates[rows]

    channels = tuple(map(Channel, placed.axes))
    return LazyTable(channels, Scale.DISPLAY, events.source, count=events.count, compute=compute)


def _members(shape: Gate, parent: Mask, columns: Mapping[str, Floats], memberships: Mapping[str, Mask]) -> Mask | None:
    if isinstance(shape, Boolean):
        operands = [memberships.get(name) for name in shape.of]
        if any(operand is None for operand in operands):
            return None
        return parent & shape.combine([operand for operand in operands if operand is not None])
    # Only the parent's events are asked: the rest cannot belong.
    names = tuple(dict.fromkeys(shape.axes))
    inside = np.empty((int(np.count_nonzero(parent)), len(names)), order="F")
    for column, name in enumerate(names):
        inside[:, column] = columns[name][parent]
    result = np.zeros(parent.size, dtype=np.bool_)
    result[parent] = shape.contains(EventTable.adopt(inside, tuple(map(Channel, names)), Scale.DISPLAY))
    return result


class _Signals:
    """The channels of one file as axes ask for them: compensated, combined, on their scales; nothing else is made."""

    def __init__(
        self, events: EventTable, matrices: Mapping[str, SpectrumMatrix], spillover: SpilloverMatrix | None
    ) -> None:
        self._events = events
        self._matrices = dict(matrices)
        if spillover is not None and spillover.detectors:
            self._matrices[OWN_MATRIX] = SpectrumMatrix.of(spillover)
        self._unmixing: dict[str, tuple[list[int], Floats]] = {}

    def label(self, axis: GateAxis) -> str:
        """Return the name of what an axis shows: a detector, a fluorochrome or a ratio."""
        if isinstance(axis.channel, Ratio) or not self._events.has(axis.channel):
            return str(axis.channel)
        return self._events.channels[self._events.index(axis.channel)].detector

    def coordinates(self, axis: GateAxis) -> Floats:
        """Return an axis' coordinates, (events,)."""
        channel = axis.channel
        if isinstance(channel, Ratio):
            x, y = (self._signal(name, axis.compensation) for name in (channel.x, channel.y))
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.clip(channel.a * (x - channel.b) / (y - channel.c), *channel.bounds)
        else:
            values = self._signal(channel, axis.compensation)
        return np.clip(axis.scale.apply(values), *axis.bounds)

    def _signal(self, name: str, compensation: str) -> Floats:
        matrix = self._matrix(compensation)
        column = None
        if matrix is not None:
            column = matrix.column_of(name)
            if column is None and self._events.has(name):
                column = matrix.column_of(self._events.channels[self._events.index(name)].detector)
        if matrix is None or column is None:
            return self._events.column(name).astype(np.float64)
        places, weights = self._unmixing_of(compensation, matrix)
        # Term by term as ``compensate`` does it, so that a run's gates find its events again to the last bit.
        return weighted(self._events.values, places, weights[:, column])

    def _matrix(self, compensation: str) -> SpectrumMatrix | None:
        # A file without a matrix of its own is gated as it is: Gating-ML 2.0 asks for that.
        if compensation in self._matrices or compensation in (UNCOMPENSATED, OWN_MATRIX):
            return self._matrices.get(compensation)
        raise UnknownName(
            f"{self._events.source}: no compensation matrix '{compensation}'; {nearest(compensation, self._matrices)}"
        )

    def _unmixing_of(self, compensation: str, matrix: SpectrumMatrix) -> tuple[list[int], Floats]:
        if compensation not in self._unmixing:
            missing = [name for name in matrix.detectors if not self._events.has(name)]
            if missing:
                known = [channel.detector for channel in self._events.channels]
                raise BadSpillover(
                    f"{self._events.source}: the matrix '{compensation}' has the detector '{missing[0]}', which the "
                    f"file lacks; {nearest(missing[0], known)}"
                )
            places = [self._events.index(name) for name in matrix.detectors]
            try:
                weights = matrix.weights
            except SingularSpillover as error:
                raise SingularSpillover(f"{self._events.source}: matrix '{compensation}': {error}") from error
            self._unmixing[compensation] = places, weights
        return self._unmixing[compensation]
