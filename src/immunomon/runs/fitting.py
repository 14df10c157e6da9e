"""The gates of another program's workspace, fitted to one file: its channel names, its matrix, its units, its clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from immunomon.cytometry.formats.fcs import read_fcs, read_header
from immunomon.cytometry.model.clock import CLOCK, axis_gain, clock_of
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import span_along
from immunomon.cytometry.model.placed import (
    OWN_MATRIX,
    UNCOMPENSATED,
    GateAxis,
    PlacedStrategy,
    Ratio,
    Units,
    WorkspaceSample,
    rescaled,
)
from immunomon.cytometry.model.spillover import SpectrumMatrix, SpilloverMatrix
from immunomon.errors import BadSpillover, ExportFailed, SingularSpillover, nearest
from immunomon.runs.single import FROM_FILE, Compensation
from immunomon.study.model.channels import Channel, ChannelKind, folded, kind_of
from immunomon.study.model.fcs import FcsHeader

__all__ = ["Fitted", "fit_to_file", "in_flowjo_units"]

_SAME = 0.005  # two statements of one matrix, each rounded its own way
_MATRIX = "give one with --compensation MATRIX.csv, or --compensation none if the file is compensated already"


@dataclass(frozen=True, eq=False)
class Fitted:
    """Gates as one file needs them, the file's own matrix if they ask for it, and what should be known of them."""

    placed: PlacedStrategy
    spillover: SpilloverMatrix | None
    notes: tuple[str, ...] = ()


def fit_to_file(
    sample: WorkspaceSample, header: FcsHeader, events: EventTable, compensation: Compensation = FROM_FILE
) -> Fitted:
    """Return a workspace sample's gates with a file's channel names, in the units that the file's numbers are read in.

    Channels are known by $PnN, then by $PnS, exactly first, then whatever the case and the Unicode form, with ``/``
    written as ``_``. A channel that the file has under its compensated name is taken as it is. A population on what the
    file lacks, on compensated channels without a matrix, or on an axis whose unit is not known is left unplaced, with
    the reason. Raises BadSpillover and SingularSpillover for the file's own matrix.
    """
    return _Fitting(sample, header, events, compensation).fitted()


class _NoFit(Exception):
    """An axis that cannot be put onto the file; the message says why."""


class _Names:
    """A file's channels by the names that a workspace may have for them."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._detectors = {channel.detector for channel in channels}
        detectors = [(channel.detector, channel.detector) for channel in channels]
        markers = [(channel.marker, channel.detector) for channel in channels if channel.marker]
        self._exactly = [_by_name(named) for named in (detectors, markers)]
        self._plainly = [_by_name((_plain(name), own) for name, own in named) for named in (detectors, markers)]

    def has(self, name: str) -> bool:
        """Say whether a detector has exactly this name."""
        return name in self._detectors

    def own(self, name: str) -> str:
        """Return the detector that a name means; raises _NoFit if it is none, or more than one."""
        for spelled in dict.fromkeys((name, unquote(name))):
            for tables, key in ((self._exactly, spelled), (self._plainly, _plain(spelled))):
                for table in tables:
                    detectors = table.get(key, [])
                    if len(detectors) == 1:
                        return detectors[0]
                    if detectors:
                        raise _NoFit(f"'{name}' may be any of the file's channels {', '.join(map(repr, detectors))}")
        raise _NoFit(f"the file has no channel '{name}'; {nearest(name[:80], sorted(self._detectors))}")


def _by_name(named: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for name, detector in named:
        table.setdefault(name, []).append(detector)
    return table


def _plain(name: str) -> str:
    return " ".join(folded(name).replace("/", "_").split())


@dataclass
class _Fitting:
    sample: WorkspaceSample
    header: FcsHeader
    events: EventTable
    compensation: Compensation
    matrices: dict[str, SpectrumMatrix] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._names = _Names(self.header.channels)
        placed = self.sample.placed
        asks = any(axis.compensation == OWN_MATRIX for axis in placed.axes.values())
        self._spillover = self.compensation.of(self.header) if asks else None

    def fitted(self) -> Fitted:
        placed = self.sample.placed
        for name, matrix in placed.matrices.items():
            self._fit_matrix(name, matrix)
        used = {axis for population in placed.populations if population.gate for axis in population.gate.axes}
        axes, failed = {}, {}
        for name in sorted(used & set(placed.axes)):
            try:
                axes[name] = self._fit_axis(name, placed.axes[name])
            except _NoFit as error:
                failed[name] = str(error)
        populations = tuple(_without(population, failed) for population in placed.populations)
        fitted = replace(placed, axes=axes, matrices=self.matrices, populations=populations)
        return Fitted(fitted, self._spillover, tuple(dict.fromkeys(self.notes)))

    def _fit_matrix(self, name: str, matrix: SpectrumMatrix) -> None:
        try:
            detectors = tuple(self._names.own(detector) for detector in matrix.detectors)
        except _NoFit as error:
            self.matrices[name] = matrix
            self.broken[name] = f"the compensation matrix '{name}' does not fit: {error}"
            return
        fitted = replace(matrix, detectors=detectors)
        self.matrices[name] = _of_read_numbers(
            self._held_against_own(fitted) if matrix.inverted else fitted, self.header
        )

    def _held_against_own(self, matrix: SpectrumMatrix) -> SpectrumMatrix:
        """Return coefficients that an experiment says of a file, as the file's own matrix tells how they are meant."""
        try:
            own = FROM_FILE.of(self.header)
            declared = np.array(matrix.values)
            if own is None or set(own.detectors) != set(matrix.detectors):
                return matrix
            order = [own.detectors.index(name) for name in matrix.detectors]
            own_weights = np.linalg.inv(own.array)[np.ix_(order, order)]
            readings = {"": declared, "spillover": np.linalg.inv(declared), "turned over": declared.T}
            readings["spillover, turned over"] = readings["spillover"].T
        except (BadSpillover, SingularSpillover, np.linalg.LinAlgError):
            return matrix  # said where the matrix is used
        far = {reading: float(np.abs(weights - own_weights).max()) for reading, weights in readings.items()}
        meant = min(far, key=lambda reading: (far[reading] > _SAME, list(far).index(reading)))
        if far[meant] > _SAME:
            self.notes.append(f"its own matrix and the experiment's differ by up to {far['']:.3g}; the latter is used")
            return matrix
        if meant:
            self.notes.append(f"the experiment's coefficients are read as {meant}: so they are the file's own matrix")
        return replace(matrix, values=tuple(map(tuple, readings[meant].tolist())))

    def _fit_axis(self, name: str, axis: GateAxis) -> GateAxis:
        if isinstance(axis.channel, Ratio):
            return axis
        key, name = name, axis.named or name
        if axis.compensation != UNCOMPENSATED and name != axis.channel and self._names.has(name):
            if axis.compensation != OWN_MATRIX:
                self.notes.append(f"its channel '{name}' is taken as compensated already, without the matrix")
            return self._in_units(key, replace(axis, channel=name, compensation=UNCOMPENSATED))
        if axis.compensation == OWN_MATRIX:
            return self._with_own_matrix(key, name, axis)
        if axis.compensation in self.broken:
            raise _NoFit(self.broken[axis.compensation])
        matrix = self.matrices.get(axis.compensation)
        if matrix is not None and matrix.column_of(axis.channel) is not None:
            if not self.compensation.from_file:
                self.notes.append(f"the workspace's matrix '{axis.compensation}' is used, not that of --compensation")
            return _rescaled(axis, axis.gain or 1.0)
        return self._in_units(key, replace(axis, channel=self._names.own(axis.channel), compensation=UNCOMPENSATED))

    def _with_own_matrix(self, key: str, name: str, axis: GateAxis) -> GateAxis:
        detector = self._names.own(str(axis.channel))
        asks_none = not self.compensation.from_file and self.compensation.matrix is None
        if asks_none and name != axis.channel and self._has_own_matrix():
            message = (
                "gates on compensated channels are applied to the values as they are, though the file has a matrix"
            )
            self.notes.append(f"{message} (--compensation none)")
        if asks_none or name == axis.channel:
            return self._in_units(key, replace(axis, channel=detector))
        if self._spillover is None:
            raise _NoFit(f"'{name}' is compensated, and neither the workspace nor the file has a matrix; {_MATRIX}")
        if detector not in self._spillover.detectors:
            raise _NoFit(f"'{name}' is compensated, and the matrix has no '{detector}'; {_MATRIX}")
        own, gain = SpectrumMatrix.of(self._spillover), axis.gain or 1.0
        matrix = own if axis.gain is None else _of_read_numbers(own, self.header)
        if matrix is own:
            return _rescaled(replace(axis, channel=detector), gain)
        of_stored = f"{OWN_MATRIX} of stored numbers"
        self.matrices[of_stored] = matrix
        return _rescaled(replace(axis, channel=detector, compensation=of_stored), gain)

    def _has_own_matrix(self) -> bool:
        try:
            return FROM_FILE.of(self.header) is not None
        except (BadSpillover, SingularSpillover):
            return True  # one that is broken, which is as good a reason to ask for none

    def _spans(self, key: str, axis: GateAxis) -> list[tuple[float, float]]:
        """Return from where to where the gates on an axis reach, in its units."""
        gates = [population.gate for population in self.sample.placed.populations if population.gate]
        spans = [span for gate in gates if (span := span_along(gate, key)) is not None]
        return [(float(low), float(high)) for low, high in axis.scale.inverse(np.array(spans).reshape(-1, 2)).tolist()]

    def _in_units(self, key: str, axis: GateAxis) -> GateAxis:
        """Return an axis of one channel for the numbers as they are read."""
        if axis.gain is None:
            return axis
        channel, gain, factor = str(axis.channel), axis.gain, self.header.factor_of(str(axis.channel))
        if kind_of(channel) is ChannelKind.TIME:
            ticks = self.events.column(channel)
            spread = float(np.ptp(ticks)) / factor if ticks.size else math.nan
            spans = self._spans(key, axis)
            try:
                gain, note = axis_gain(gain, axis.range, clock_of(self.header, self.sample.clock, spread), spans)
            except ValueError as error:
                raise _NoFit(f"its axis '{channel}': {error}") from error
            self.notes += [f"its axis '{channel}' {note}"] if note else []
            own = {folded(self.sample.file), folded(self.sample.name)}
            if axis.gain != 1.0 and folded(self.header.path.name) not in own:
                self.notes.append(f"its axis '{channel}' has the gain of '{self.sample.name}', which is another file's")
        return _rescaled(axis, gain / factor)


def _of_read_numbers(matrix: SpectrumMatrix, header: FcsHeader) -> SpectrumMatrix:
    """Return a matrix of stored numbers for the numbers as they are read; what it gives stays the same."""
    factors = np.array([header.factor_of(name) for name in matrix.detectors])
    if (factors == 1.0).all():
        return matrix
    values = np.array(matrix.values)
    values = values / factors[:, np.newaxis] if matrix.inverted else values * factors
    return replace(matrix, values=tuple(tuple(row) for row in values.tolist()))


def _rescaled(axis: GateAxis, factor: float) -> GateAxis:
    if factor == 1.0:
        return replace(axis, gain=None)
    return replace(axis, scale=rescaled(axis.scale, factor), range=axis.range / factor, gain=None)


def _without(population: PlacedPopulation, failed: Mapping[str, str]) -> PlacedPopulation:
    lying = [axis for axis in population.gate.axes if axis in failed] if population.gate else []
    return replace(population, gate=None, failure=failed[lying[0]]) if lying else population


def in_flowjo_units(sample: WorkspaceSample, file: Path) -> WorkspaceSample:
    """Return a sample to be written, with what its file tells of the units that FlowJo counts in.

    FlowJo's linear axes are the stored numbers; its time is ticks x its own gain, of the times of day. Raises
    ExportFailed if a gate lies on time and the file is not there.
    """
    used = {axis for population in sample.placed.populations if population.gate for axis in population.gate.axes}
    channels = {str(sample.placed.axes[name].channel) for name in used}
    timed = sorted(name for name in channels if kind_of(name) is ChannelKind.TIME)
    if not file.is_file():
        if timed:
            message = f"{sample.name}: FlowJo's unit of '{timed[0]}' is told by the file, which is not at {file}"
            raise ExportFailed(f"{message}; put the files where the run read them, or export Gating-ML")
        return sample
    header, events = read_fcs(file) if timed else (read_header(file), None)
    units = {}
    for channel in header.channels:
        factor, gain = header.factor_of(channel.detector), 1.0
        if channel.detector in timed and events is not None:
            ticks = events.column(channel.detector)
            clock = clock_of(header, {}, float(np.ptp(ticks)) / factor if ticks.size else math.nan)
            gain = clock.flowjo_gain or 1.0
        if (gain, factor) != (1.0, 1.0):
            units[channel.detector] = Units(gain, gain / factor)
    clock_words = {name: header.keyword(name) for name in CLOCK if header.keyword(name)}
    detectors = tuple(channel.detector for channel in header.channels)
    return replace(sample, units=units, clock=clock_words if timed else {}, detectors=detectors)
