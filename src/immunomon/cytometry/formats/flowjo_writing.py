"""Writing FlowJo 10 workspaces: placed gates to be looked at in FlowJo, or read by what reads its workspaces.

Borders are written as intensities, ellipses in 256 bins of the display, as FlowJo has them. FlowJo holds both bounds of
a rectangle, immunomon's intervals not the upper one: the upper bound is written as the number just below it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree import ElementTree as ET

import numpy as np

from immunomon.cytometry.formats.gatingml_writing import check_text
from immunomon.cytometry.kernels.regions import clip_to_box
from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import Boolean, Ellipse, Gate, Interval, Polygon, Rectangle
from immunomon.cytometry.model.placed import (
    UNCOMPENSATED,
    GateAxis,
    PlacedStrategy,
    Ratio,
    Units,
    WorkspaceSample,
    rescaled,
)
from immunomon.cytometry.model.scales import AnyScale, Asinh, Biex, Identity, Linear, Log, Logicle, Tabulated
from immunomon.errors import ExportFailed
from immunomon.study.model.strategy import ROOT

__all__ = ["write_flowjo"]

_STANDARD = "http://www.isac-net.org/std/Gating-ML/v2.0/"
_NAMESPACES = {
    "xmlns:gating": _STANDARD + "gating",
    "xmlns:transforms": _STANDARD + "transformations",
    "xmlns:data-type": _STANDARD + "datatypes",
}
_BINS = 256.0
_BOOLEANS = {"and": "AndNode", "or": "OrNode", "not": "NotNode"}


def write_flowjo(samples: Sequence[WorkspaceSample]) -> bytes:
    """Return a FlowJo 10 workspace with one gate tree a sample, in UTF-8.

    A sample's ``file`` is written as it is, best a URI; populations that were not placed are left out, with those below
    and made of them. Raises ExportFailed for what a workspace has no place for: two scales of one channel, a ratio,
    an ellipsoid of three axes, hyperlog.

    >>> b"flowJoVersion" in write_flowjo([])
    True
    """
    root = ET.Element("Workspace", {"version": "20.0", "flowJoVersion": "10.8.1", **_NAMESPACES})
    for empty in ("Matrices", "Cytometers"):
        ET.SubElement(root, empty)
    groups = ET.SubElement(root, "Groups")
    node = ET.SubElement(groups, "GroupNode", name="All Samples", owningGroup="All Samples", count="-1")
    group = ET.SubElement(node, "Group", name="All Samples", live="1", role="ws.group.dlog.test")
    references = ET.SubElement(group, "SampleRefs")
    listed = ET.SubElement(root, "SampleList")
    for number, sample in enumerate(samples, start=1):
        check_text(sample.placed, sample.name, sample.file, *sample.identity.values(), *sample.clock.values())
        ET.SubElement(references, "SampleRef", sampleID=str(number))
        _Sample(sample, str(number)).write(listed)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return document + b"\n"


def _reach(scale: AnyScale) -> tuple[float, float]:
    """Return the coordinates beyond which no event lies; a corner out there may have no intensity."""
    if isinstance(scale, Identity | Linear):
        return -math.inf, math.inf
    return (0.0, 1.0) if isinstance(scale, Biex) else (-1.0, 2.0)


class _Sample:
    def __init__(self, sample: WorkspaceSample, number: str) -> None:
        self._sample, self._number = sample, number
        self._placed: PlacedStrategy = sample.placed
        self._gates = 0
        self._prefix = self._free_prefix()
        self._names = {name: self._channel(axis) for name, axis in self._placed.axes.items()}

    def _free_prefix(self) -> str:
        """Return what compensated channels begin with: Comp-, unless the file has a channel of such a name itself."""
        taken = {*self._sample.detectors, *(str(axis.channel) for axis in self._placed.axes.values())}
        names = [
            name for matrix in self._placed.matrices.values() for name in (*matrix.fluorochromes, *matrix.detectors)
        ]
        prefixes = ("Comp-", *(f"Comp{number}-" for number in range(2, len(taken) + 3)))
        return next(prefix for prefix in prefixes if not any(prefix + name in taken for name in names))

    def _units(self, channel: object) -> Units:
        return self._sample.units.get(str(channel), Units())

    def _refuse(self, problem: str) -> ExportFailed:
        return ExportFailed(f"{self._sample.name}: {problem}; export it as Gating-ML instead")

    def write(self, listed: ET.Element) -> None:
        element = ET.SubElement(listed, "Sample")
        ET.SubElement(element, "DataSet", uri=self._sample.file, sampleID=self._number)
        self._matrix(element)
        self._scales(ET.SubElement(element, "Transformations"))
        keywords = ET.SubElement(element, "Keywords")
        for name, value in {**self._sample.identity, **self._sample.clock}.items():
            ET.SubElement(keywords, "Keyword", name=name, value=value)
        total = self._sample.event_count
        node = ET.SubElement(
            element,
            "SampleNode",
            name=self._sample.name,
            owningGroup="",
            count=str(-1 if total is None else total),
            sampleID=self._number,
        )
        self._populations(node)

    def _channel(self, axis: GateAxis) -> str:
        if isinstance(axis.channel, Ratio):
            raise self._refuse(f"a FlowJo workspace has no place for the ratio {axis.channel}")
        return axis.channel if axis.compensation == UNCOMPENSATED else self._prefix + axis.channel

    def _matrix(self, element: ET.Element) -> None:
        if len(self._placed.matrices) > 1:
            raise self._refuse("a FlowJo sample has one compensation matrix")
        for name, matrix in self._placed.matrices.items():
            values = np.linalg.inv(np.array(matrix.values)) if matrix.inverted else np.array(matrix.values)
            # FlowJo compensates stored numbers, and gives them back in the units of each fluorochrome's own detector.
            stored = np.array([self._units(name).per_number for name in matrix.detectors])
            if (stored != 1.0).any():
                own = np.array([self._units(name).per_number for name in matrix.own_detectors])
                values = values / own[:, np.newaxis] * stored
            attributes = {"prefix": self._prefix, "suffix": "", "name": name, "spectral": "0", "editable": "0"}
            holder = ET.SubElement(element, "transforms:spilloverMatrix", attributes)
            parameters = ET.SubElement(holder, "data-type:parameters")
            for detector in matrix.detectors:
                ET.SubElement(parameters, "data-type:parameter", {"data-type:name": detector})
            for fluorochrome, row in zip(matrix.fluorochromes, values.tolist(), strict=True):
                spill = ET.SubElement(holder, "transforms:spillover", {"data-type:parameter": fluorochrome})
                for detector, value in zip(matrix.detectors, row, strict=True):
                    cell = {"data-type:parameter": detector, "transforms:value": repr(value)}
                    ET.SubElement(spill, "transforms:coefficient", cell)

    def _scales(self, holder: ET.Element) -> None:
        written: dict[str, tuple[AnyScale, float]] = {}
        for name, axis in self._placed.axes.items():
            units = self._units(axis.channel)
            for channel in dict.fromkeys((self._names[name], str(axis.channel))):  # FlowJo lists both
                if written.setdefault(channel, (axis.scale, axis.range)) != (axis.scale, axis.range):
                    if channel == self._names[name]:
                        raise self._refuse(f"the channel '{channel}' has two scales, and FlowJo has one a channel")
                    continue
                kind, parameters = self._scale(axis, units)
                element = ET.SubElement(holder, f"transforms:{kind}", parameters)
                ET.SubElement(element, "data-type:parameter", {"data-type:name": channel})

    def _scale(self, axis: GateAxis, units: Units) -> tuple[str, dict[str, str]]:
        scale = axis.scale if isinstance(axis.scale, Identity) else rescaled(axis.scale, 1.0 / units.per_number)
        match scale:
            case Identity():
                kind, settings = "linear", {"minRange": 0.0, "maxRange": axis.range * units.per_number}
            case Linear():
                kind, settings = "linear", {"minRange": -scale.a, "maxRange": scale.t}
            case Log():
                kind, settings = "log", {"offset": scale.t / 10.0**scale.m, "decades": scale.m}
            case Logicle():
                kind, settings = "logicle", {"T": scale.t, "W": scale.w, "M": scale.m, "A": scale.a}
            case Asinh():
                kind, settings = "fasinh", {"maxRange": scale.t, "T": scale.t, "A": scale.a, "M": scale.m, "W": -10.0}
            case Biex():
                parameters = {"neg": scale.neg, "width": scale.width, "pos": scale.pos}
                kind, settings = "biex", {"maxRange": scale.max_range, **parameters}
            case Tabulated():
                problem = "neither a FlowJo 10 workspace nor Gating-ML has a place for a scale that is a table"
                raise ExportFailed(f"{self._sample.name}: {problem}; apply the gates from the workspace they come from")
            case _:
                raise self._refuse(f"a FlowJo workspace has no place for the scale '{scale.kind}'")
        extra = {} if kind == "log" else {"transforms:length": "256"}
        if kind == "linear":
            extra = {"gain": repr(units.gain).removesuffix(".0")}
        return kind, {**{f"transforms:{key}": repr(float(value)) for key, value in settings.items()}, **extra}

    def _populations(self, node: ET.Element) -> None:
        nodes = {ROOT: node}
        paths: dict[str, str] = {ROOT: ""}
        for population in self._placed.populations:
            needs = [population.parent, *(population.gate.of if isinstance(population.gate, Boolean) else ())]
            if population.gate is None or any(name not in nodes for name in needs):
                continue
            above = nodes[population.parent]
            holder = above.find("Subpopulations")
            if holder is None:
                holder = ET.SubElement(above, "Subpopulations")
            name = population.id.rpartition("/")[2]
            paths[population.id] = f"{paths[population.parent]}/{name}".lstrip("/")
            nodes[population.id] = self._population(holder, population, name=name, paths=paths)

    def _population(
        self, holder: ET.Element, population: PlacedPopulation, *, name: str, paths: dict[str, str]
    ) -> ET.Element:
        count = self._sample.counts.get(population.id, -1)
        gate = population.gate
        common = {"name": name, "owningGroup": "", "count": str(count)}
        if isinstance(gate, Boolean):
            operands = [paths[operand] for operand in gate.of]
            if gate.operator == "not" and len(operands) > 1:  # FlowJo's is of one population
                operands = [self._united(holder, operands, beside=paths[population.id])]
            element = ET.SubElement(holder, _BOOLEANS[gate.operator], common)
            dependents = ET.SubElement(element, "Dependents")
            for operand in operands:
                ET.SubElement(dependents, "Dependent", name=operand)
            return element
        element = ET.SubElement(holder, "Population", common)
        self._gates += 1
        identity = {"gating:id": f"ID{int(self._number) * 100000 + self._gates}"}
        assert gate is not None
        self._gate(ET.SubElement(element, "Gate", identity), gate)
        return element

    def _united(self, holder: ET.Element, operands: list[str], *, beside: str) -> str:
        name = f"any of {beside.rpartition('/')[2]}"
        element = ET.SubElement(holder, "OrNode", name=name, owningGroup="", count="-1")
        dependents = ET.SubElement(element, "Dependents")
        for operand in operands:
            ET.SubElement(dependents, "Dependent", name=operand)
        return f"{beside.rpartition('/')[0]}/{name}".lstrip("/")

    def _gate(self, holder: ET.Element, gate: Gate) -> None:
        match gate:
            case Interval():
                self._rectangle(holder, (gate,))
            case Rectangle():
                self._rectangle(holder, gate.sides)
            case Polygon():
                self._polygon(holder, gate)
            case Ellipse():
                self._ellipse(holder, gate)
            case _:
                raise self._refuse(f"a FlowJo workspace has no place for a gate of the kind '{gate.kind}'")

    def _dimension(self, holder: ET.Element, axis: str, **bounds: float) -> None:
        attributes = {f"gating:{key}": repr(value) for key, value in bounds.items() if math.isfinite(value)}
        element = ET.SubElement(holder, "gating:dimension", attributes)
        ET.SubElement(element, "data-type:fcs-dimension", {"data-type:name": self._names[axis]})

    def _intensity(self, axis: str, shown: float) -> float:
        if math.isinf(shown):
            return shown
        placed = self._placed.axes[axis]
        return float(placed.scale.inverse(np.array([shown]))[0]) * self._units(placed.channel).per_number

    def _rectangle(self, holder: ET.Element, sides: tuple[Interval, ...]) -> None:
        element = ET.SubElement(holder, "gating:RectangleGate", eventsInside="1")
        for side in sides:
            low, high = self._intensity(side.axis, side.low), self._intensity(side.axis, side.high)
            below = high if math.isinf(high) else math.nextafter(high, -math.inf)
            self._dimension(element, side.axis, min=low, max=below)

    def _polygon(self, holder: ET.Element, gate: Polygon) -> None:
        box = [_reach(self._placed.axes[axis].scale) for axis in gate.axes]
        corners = clip_to_box(np.array(gate.vertices, dtype=np.float64), np.array(box))
        if len(corners) < 3:
            raise self._refuse("a polygon lies where no event can be")
        attributes = {"eventsInside": "1", "quadId": "-1", "gateResolution": "256"}
        element = ET.SubElement(holder, "gating:PolygonGate", attributes)
        for axis in gate.axes:
            self._dimension(element, axis)
        self._points(element, [tuple(map(self._intensity, gate.axes, corner)) for corner in corners.tolist()])

    def _points(self, holder: ET.Element, points: Sequence[Sequence[float]]) -> None:
        for point in points:
            vertex = ET.SubElement(holder, "gating:vertex")
            for value in point:
                ET.SubElement(vertex, "gating:coordinate", {"data-type:value": repr(float(value))})

    def _ellipse(self, holder: ET.Element, gate: Ellipse) -> None:
        spans = [a.range if isinstance(a.scale, Identity) else 1.0 for a in map(self._placed.axes.get, gate.axes) if a]
        unit = _BINS / np.array(spans)
        center = np.array(gate.center) * unit
        squares, axes = np.linalg.eigh(np.array(gate.covariance) * np.outer(unit, unit) * gate.distance_square)
        minor, major = np.sqrt(squares).tolist()
        focal = max(math.sqrt(major**2 - minor**2), 1e-6 * major)  # readers need a direction, of a circle too
        attributes = {"eventsInside": "1", "gating:distance": repr(2 * major)}
        element = ET.SubElement(holder, "gating:EllipsoidGate", attributes)
        for axis in gate.axes:
            self._dimension(element, axis)
        long, short = axes[:, 1], axes[:, 0]
        for name, points in (
            ("foci", [center - focal * long, center + focal * long]),
            ("edge", [center + way for way in (major * long, -major * long, minor * short, -minor * short)]),
        ):
            self._points(ET.SubElement(element, f"gating:{name}"), [point.tolist() for point in points])
