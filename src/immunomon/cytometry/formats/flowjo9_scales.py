"""The axes of a FlowJo 9 sample: display tables, gains, and in which units its gates were stored.

FlowJo 9 draws each axis in 4,096 steps. A table in the file says which intensity lies at which step; a linear axis is
the intensity times the parameter's gain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.formats.flowjo_axes import AxisScale, SampleMatrix
from immunomon.cytometry.formats.flowjo_source import WorkspaceSource, attribute
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.scales import Biex, Linear, Log, Tabulated
from immunomon.study.model.channels import ChannelKind, kind_of

__all__ = ["Axes9", "DisplayTables", "axes_of"]

_STEPS = 4096
_BEYOND = 1.05  # gates may be drawn a little over an axis' end
_WIDE = 262144.0
_MOST_DECADES = 20.0
_SCATTER_IN_STEPS = ("FSC-A", "FSC-H", "SSC-A", "SSC-H")


class DisplayTables:
    """The ``CalibrationTables`` of a workspace, each read when an axis asks for it."""

    def __init__(self, source: WorkspaceSource, elements: Sequence[XmlElement]) -> None:
        self._path, self._elements = source.path, elements
        self._names = [(attribute(element, "name") or "").strip() for element in elements]
        self._read: dict[int, Tabulated] = {}

    def find(self, axis: str, *, matrix: str | None, index: int) -> Tabulated | None:
        """Return the table of an axis (``<PE-A>`` if compensated), or None if the file has none.

        matrix: the name of the sample's matrix, None on raw axes; index: the parameter's ``calibrationIndex``, from 1.
        Raises ValueError for a table that is none, and where several fit.
        """
        names = [axis] if matrix is None else [f"{matrix} {axis}", f"{matrix}{axis}", axis]
        places = next((indices for name in names if (indices := self._called(name))), [])
        if not places and matrix is not None:
            places = [
                index for index, name in enumerate(self._names) if name.endswith(f" {axis}" if axis[0] != "<" else axis)
            ]
        numbered = index - 1 if 1 <= index <= len(self._names) else None
        if numbered in places or (not places and numbered is not None and self._may_be(numbered, axis, matrix)):
            places = [numbered] if numbered is not None else places
        if not places:
            return None
        tables = {index: self._table(index) for index in places}
        if len(set(tables.values())) > 1:
            raise ValueError(
                f"{len(places)} display tables of '{axis}' are in the file, none of the sample's own matrix"
            )
        return tables[places[0]]

    def _called(self, name: str) -> list[int]:
        return [index for index, known in enumerate(self._names) if known == name]

    def _may_be(self, index: int, axis: str, matrix: str | None) -> bool:
        """Whether a table that a parameter names by number is not one of another channel or of a compensated one."""
        name = self._names[index]
        return axis in name or (matrix is None and not ("<" in name and name.endswith(">")))

    def _table(self, index: int) -> Tabulated:
        if index not in self._read:
            element = self._elements[index]
            try:
                self._read[index] = Tabulated(tuple(_nodes(element.text).tolist()))
            except ValueError as error:
                problem = f"the display table '{self._names[index]}': {error}"
                raise ValueError(f"{self._path} line {element.line}: {problem}") from error
        return self._read[index]


def _nodes(text: str) -> Floats:
    """Return the intensities at steps 0 to 4,096 from ``step,intensity`` pairs; what lies between is linear."""
    fields = text.replace(";", ",").split(",")
    if len(fields) % 2 or not 4 <= len(fields) <= 64 * _STEPS:
        raise ValueError(f"it has {len(fields)} values, which are no pairs of step and intensity")
    pairs = np.array(fields, dtype=np.float64).reshape(-1, 2)
    steps, intensities = pairs[:, 0], pairs[:, 1]
    if not (np.isfinite(pairs).all() and (np.diff(steps) > 0).all()):
        raise ValueError("its steps do not rise, or a value is not a number")
    if np.array_equal(steps, np.arange(steps.size)):
        return intensities
    return np.interp(np.linspace(steps[0], steps[-1], _STEPS + 1), steps, intensities)


@dataclass(frozen=True)
class Axes9:
    """A sample's scales by axis name, what its stored coordinates are multiplied with, and notes on axes.

    notes: on every gate; aslant: on gates with edges aslant.
    """

    scales: Mapping[str, AxisScale]
    units: Mapping[str, float]
    notes: Mapping[str, str]
    aslant: Mapping[str, str]


def axes_of(
    source: WorkspaceSource,
    sample: XmlElement,
    *,
    keywords: Mapping[str, str],
    matrix: SampleMatrix | None,
    tables: DisplayTables,
    node: XmlElement,
) -> Axes9:
    """Return the scales of a sample's parameters, raw and compensated; those that are not read say so when used."""
    reach = _reach(node)
    ranges = _ranges(keywords)
    prefix, suffix = (matrix.prefix, matrix.suffix) if matrix else ("<", ">")
    scales: dict[str, AxisScale] = {}
    units: dict[str, float] = {}
    notes: dict[str, str] = {}
    aslant: dict[str, str] = {}
    for element in sample.all("Parameter"):
        with source.noting():
            channel = source.text(element, "name")
            held = matrix is None or matrix.matrix.column_of(channel) is not None
            names = [channel, f"{prefix}{channel}{suffix}"] if held and (prefix or suffix) else [channel]
            for name in names:
                compensated = name != channel or (matrix is not None and held and not prefix + suffix)
                owner = (matrix.name if matrix else "Acquisition-defined") if compensated else None
                parameter = _Parameter(source, element, reach.get(name, (0.0, 0.0)), ranges.get(channel))
                scales[name] = parameter.scale(name, matrix=owner, tables=tables)
                units[name] = parameter.unit
                notes[name], aslant[name] = parameter.note, parameter.aslant
    return Axes9(scales, units, notes, aslant)


def _ranges(keywords: Mapping[str, str]) -> dict[str, float]:
    """Return $PnR by $PnN, of the file as the workspace knows it."""
    ranges = {}
    for key, name in keywords.items():
        if key.startswith("$P") and key.endswith("N"):
            try:
                ranges[name] = float(keywords.get(f"{key[:-1]}R", ""))
            except ValueError:
                continue
    return ranges


def _reach(node: XmlElement) -> dict[str, tuple[float, float]]:
    """Return the lowest and highest stored coordinate of each axis among the gates of a sample."""
    reach: dict[str, tuple[float, float]] = {}
    pending = [node]
    while pending:
        element = pending.pop()
        pending.extend(element.children)
        for side in ("x", "y"):
            axis = attribute(element, f"{side}AxisName")
            if axis:
                for value in _coordinates(element, side):
                    low, high = reach.get(axis, (value, value))
                    reach[axis] = min(low, value), max(high, value)
    return reach


def _coordinates(shape: XmlElement, side: str) -> Iterator[float]:
    for holder in (shape, *shape.all("Polygon")):
        for vertex in holder.all("Vertex"):
            try:
                value = float((attribute(vertex, side) or "").replace(",", "."))
            except ValueError:
                continue  # said where the gate is read
            if math.isfinite(value):
                yield value


class _Parameter:
    """One ``Parameter`` as an axis; ``unit``, ``note`` and ``aslant`` are known once ``scale`` was asked."""

    def __init__(
        self, source: WorkspaceSource, element: XmlElement, reach: tuple[float, float], declared_range: float | None
    ) -> None:
        self._reach, self._declared = reach, declared_range
        self._channel = source.text(element, "name")
        self._is_log = (attribute(element, "log") or "") == "1"
        self._steps = source.number(element, "range", float(_STEPS))
        self._high = source.number(element, "highValue", max(self._steps, _WIDE if self._is_log else 0.0))
        self._low = source.number(element, "lowValue", 0.0)
        self._decades = source.number(element, "decades", 0.0)
        self._gain = source.number(element, "gain", 1.0)
        self._index = int(source.number(element, "calibrationIndex", 0.0))
        self.unit, self.note, self.aslant = 1.0, "", ""

    def scale(self, name: str, *, matrix: str | None, tables: DisplayTables) -> AxisScale:
        """Return the axis; matrix: whose compensation it shows, None for a raw one."""
        try:
            table = tables.find(name, matrix=matrix, index=self._index if self._is_log else 0)
            if self._gain != 1.0 and (table is not None or self._is_log):
                self.note = (
                    f"its gain of {self._gain:g} is not applied: its gates are read in the intensities of its scale"
                )
            if table is not None:
                return AxisScale(table, shift=0.0, range=table.intensities[-1])
            return self._log(matrix) if self._is_log else self._linear()
        except ValueError as error:
            return AxisScale(failure=str(error))

    def _log(self, matrix: str | None) -> AxisScale:
        top = max(self._high, self._steps, 1024.0)
        self.aslant = (
            "its logarithmic axis has no display table in the file: edges that run aslant may lie elsewhere in FlowJo"
        )
        if matrix is not None or self._reach[0] < 0:
            return AxisScale(Biex(top, 4.5, 0.0, -100.0), range=top)
        decades = self._decades if self._decades > 0 else math.log10(top / max(self._low, 1.0))
        if not 0 < decades <= _MOST_DECADES:
            raise ValueError(f"the parameter '{self._channel}' has a logarithmic axis of {decades:g} decades")
        return AxisScale(Log(top, decades), (0.0, math.inf), 0.0, top)

    def _linear(self) -> AxisScale:
        if not (self._gain > 0 and self._steps > 0):
            raise ValueError(f"the parameter '{self._channel}' has a gain or range that is not positive")
        self.unit = self._unit()
        top = self._steps / self._gain if self._gain != 1.0 else max(self._high, self._steps) * self.unit
        ends = (self._reach[1] * self.unit, self._declared or 0.0)
        # Steps end with the axis: what lies beyond sits in the last one. Time has no such end.
        closed = kind_of(self._channel) is not ChannelKind.TIME and max(ends) <= top * _BEYOND
        bounds = (0.0, 1.0) if closed else (-math.inf, math.inf)
        return AxisScale(Linear(top), bounds, 0.0 if closed else None, top)

    def _unit(self) -> float:
        """Return 1 where gates are stored in intensities, else how many of them a step is.

        FlowJo 9 stores either: in steps, range and highValue both say 4,096, whatever the file's own range is.
        """
        if self._high > self._steps * _BEYOND or self._reach[1] > self._steps * _BEYOND:
            return 1.0
        if self._gain != 1.0:
            return 1.0 / self._gain
        if self._steps == self._high == _STEPS:
            if self._declared is not None:
                return max(self._declared / _STEPS, 1.0)
            return _WIDE / _STEPS if self._channel in _SCATTER_IN_STEPS else 1.0
        return 1.0
