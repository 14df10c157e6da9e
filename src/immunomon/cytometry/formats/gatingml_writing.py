"""Writing Gating-ML 2.0: placed gates for any program that reads the standard.

What the standard has no place for (labels, names of axes) goes where it lets other programs' notes be: into attributes
of gates and one ``custom_info`` element.
"""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

from immunomon.cytometry.formats.gatingml_axes import SCALE_ELEMENTS
from immunomon.cytometry.formats.gatingml_source import DATATYPES, GATING, OURS, TRANSFORMS
from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import (
    BinnedPolygon,
    Boolean,
    Ellipse,
    Ellipsoid,
    Interval,
    Polygon,
    Rectangle,
)
from immunomon.cytometry.model.placed import OWN_MATRIX, UNCOMPENSATED, GateAxis, PlacedStrategy, Ratio
from immunomon.cytometry.model.scales import AnyScale, Identity
from immunomon.cytometry.model.spillover import SpectrumMatrix
from immunomon.errors import ExportFailed
from immunomon.study.model.strategy import ROOT

__all__ = ["check_text", "left_out", "write_gatingml"]

_NAMESPACES = {"gating": GATING, "data-type": DATATYPES, "transforms": TRANSFORMS, "immunomon": OURS}
# The beginnings of names that XML allows everywhere; other letters are allowed too, but not by every reader.
_XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNIT = (-math.inf, math.inf)
_NAME_OF: dict[type[AnyScale], str] = {scale: name for name, scale in SCALE_ELEMENTS.items()}


def left_out(placed: PlacedStrategy) -> tuple[str, ...]:
    """Return the populations that cannot be written: not placed, below such a one, or made of one."""
    written: set[str] = {ROOT}
    missing: list[str] = []
    for population in placed.populations:
        needs = [population.parent, *(population.gate.of if isinstance(population.gate, Boolean) else ())]
        if population.gate is not None and all(name in written for name in needs):
            written.add(population.id)
        else:
            missing.append(population.id)
    return tuple(missing)


def write_gatingml(placed: PlacedStrategy) -> bytes:
    """Return placed gates as a Gating-ML 2.0 document, in UTF-8; ``read_gatingml`` gives the same gates back.

    Populations without a placed gate are left out, see ``left_out``. Raises ExportFailed for what the standard has no
    words for: a scale of another program, or a name with a character that XML forbids.

    >>> b"Gating-ML" in write_gatingml(PlacedStrategy("treg", {}, ()))
    True
    """
    if placed.tailored:
        problem = "gates tailored for single files are not written"
        raise ExportFailed(f"{placed.name}: {problem}; apply the document that they come from")
    check_text(placed)
    root = ET.Element("gating:Gating-ML", {f"xmlns:{prefix}": uri for prefix, uri in _NAMESPACES.items()})
    writer = _Writer(placed, root)
    writer.describe()
    missing = set(left_out(placed))
    for population in placed.populations:
        if population.id not in missing:
            writer.gate(population)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return document + b"\n"


def check_text(placed: PlacedStrategy, *more: str) -> None:
    """Raise ExportFailed for a name, of a strategy or another, with a character that no XML document can hold.

    >>> check_text(PlacedStrategy("a" + chr(1), {}, ()))
    Traceback (most recent call last):
        ...
    immunomon.errors.ExportFailed: a...: the name 'a...' has a character that XML forbids; rename it
    """
    labels = [text for population in placed.populations for text in (population.id, population.label)]
    channels = [str(axis.channel) for axis in placed.axes.values()]
    names = [name for matrix in placed.matrices.values() for name in (*matrix.fluorochromes, *matrix.detectors)]
    for text in (placed.name, *placed.axes, *labels, *channels, *names, *placed.matrices, *more):
        if _NOT_IN_XML.search(text):
            raise ExportFailed(f"{placed.name}: the name {text!r} has a character that XML forbids; rename it")


def _add(parent: ET.Element, tag: str, **attributes: str | float) -> ET.Element:
    """Add an element; its attributes are in its own namespace, numbers are written so that they are read back equal."""
    prefix = tag.split(":")[0]
    named = {f"{prefix}:{name}": v if isinstance(v, str) else _number(v) for name, v in attributes.items()}
    return ET.SubElement(parent, tag, named)


def _number(value: float) -> str:
    if math.isinf(value):
        return "INF" if value > 0 else "-INF"
    return repr(float(value))


class _Writer:
    """Writes one document; ids are unique in it, as XML asks, whatever they name."""

    def __init__(self, placed: PlacedStrategy, root: ET.Element) -> None:
        self._placed, self._root = placed, root
        self._taken: set[str] = {UNCOMPENSATED, OWN_MATRIX, ROOT}
        self._gates = {population.id: self._id(population.id) for population in placed.populations}
        self._matrices = {name: self._id(name) for name in placed.matrices}
        self._transformations: dict[tuple[AnyScale | Ratio, tuple[float, float]], str] = {}

    def _id(self, name_wanted: str) -> str:
        base = name_wanted if _XML_NAME.fullmatch(name_wanted) else "_" + re.sub(r"[^A-Za-z0-9._-]", "_", name_wanted)
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name

    def describe(self) -> None:
        """Write matrices, transformations, and what only immunomon reads: the names of strategy and axes."""
        info = ET.SubElement(self._root, "data-type:custom_info")
        ours = _add(info, "immunomon:strategy", name=self._placed.name)
        for name, matrix in self._placed.matrices.items():
            self._matrix(self._matrices[name], matrix)
        for name, axis in self._placed.axes.items():
            declared = _add(ours, "immunomon:axis", name=name, range=axis.range)
            self._on_axis(declared, axis)

    def _matrix(self, identity: str, matrix: SpectrumMatrix) -> None:
        element = _add(self._root, "transforms:spectrumMatrix", id=identity)
        if matrix.inverted:
            element.set("transforms:matrix-inverted-already", "true")
        for tag, names in (("fluorochromes", matrix.fluorochromes), ("detectors", matrix.detectors)):
            group = ET.SubElement(element, f"transforms:{tag}")
            for item in names:
                _add(group, "data-type:fcs-dimension", name=item)
        for row in matrix.values:
            spectrum = ET.SubElement(element, "transforms:spectrum")
            for value in row:
                _add(spectrum, "transforms:coefficient", value=value)

    def _transformation(self, does: AnyScale | Ratio, bounds: tuple[float, float]) -> str:
        key = (does, bounds)
        if key not in self._transformations:
            self._transformations[key] = self._write_transformation(does, bounds)
        return self._transformations[key]

    def _write_transformation(self, does: AnyScale | Ratio, bounds: tuple[float, float]) -> str:
        if isinstance(does, Ratio):
            name, tag, parameters = f"ratio_{does.x}_{does.y}", "fratio", {"A": does.a, "B": does.b, "C": does.c}
        elif type(does) in _NAME_OF:
            tag = _NAME_OF[type(does)]
            parameters = {key: getattr(does, key.lower()) for key in "TWMA" if hasattr(does, key.lower())}
            name = "_".join([tag, *(f"{value:.12g}" for value in parameters.values())])
        else:
            problem = f"Gating-ML 2.0 has no scale '{does.kind}'"
            raise ExportFailed(f"{self._placed.name}: {problem}; apply the gates from the workspace they come from")
        identity = self._id(name)
        element = _add(self._root, "transforms:transformation", id=identity)
        for word, bound, free in zip(("boundMin", "boundMax"), bounds, _UNIT, strict=True):
            if bound != free:
                element.set(f"transforms:{word}", _number(bound))
        function = _add(element, f"transforms:{tag}", **parameters)
        for channel in (does.x, does.y) if isinstance(does, Ratio) else ():
            _add(function, "data-type:fcs-dimension", name=channel)
        return identity

    def _on_axis(self, element: ET.Element, axis: GateAxis) -> None:
        """Give an element the channel, compensation and transformation of an axis."""
        element.set("gating:compensation-ref", self._matrices.get(axis.compensation, axis.compensation))
        if not isinstance(axis.scale, Identity) or axis.bounds != _UNIT:
            if isinstance(axis.scale, Identity):
                raise ExportFailed(f"{self._placed.name}: Gating-ML 2.0 has no bounds without a scale")
            element.set("gating:transformation-ref", self._transformation(axis.scale, axis.bounds))
        if isinstance(axis.channel, Ratio):
            reference = self._transformation(axis.channel, axis.channel.bounds)
            ET.SubElement(element, "data-type:new-dimension", {"data-type:transformation-ref": reference})
        else:
            _add(element, "data-type:fcs-dimension", name=axis.channel)

    def _dimension(self, gate: ET.Element, axis: str) -> ET.Element:
        element = ET.SubElement(gate, "gating:dimension")
        self._on_axis(element, self._placed.axes[axis])
        return element

    def gate(self, population: PlacedPopulation) -> None:
        """Write a population's gate."""
        shape = population.gate
        match shape:
            case Interval() | Rectangle():
                element = self._element(population, "RectangleGate")
                for side in (shape,) if isinstance(shape, Interval) else shape.sides:
                    dimension = self._dimension(element, side.axis)
                    for word, value in (("min", side.low), ("max", side.high)):
                        if not math.isinf(value) or (value > 0) is (word == "min"):
                            dimension.set(f"gating:{word}", _number(value))
            case BinnedPolygon():
                raise ExportFailed(f"{population.path}: Gating-ML 2.0 has no binned gates; gate without bins")
            case Polygon():
                element = self._element(population, "PolygonGate")
                for axis in shape.axes:
                    self._dimension(element, axis)
                for vertex in shape.vertices:
                    self._values(ET.SubElement(element, "gating:vertex"), "coordinate", vertex)
            case Ellipse() | Ellipsoid():
                self._ellipsoid(population, shape)
            case Boolean():
                self._boolean(population, shape)

    def _element(self, population: PlacedPopulation, tag: str) -> ET.Element:
        identity = self._gates[population.id]
        element = _add(self._root, f"gating:{tag}", id=identity)
        if population.parent != ROOT:
            element.set("gating:parent_id", self._gates[population.parent])
        ours = {"id": population.id} if identity != population.id else {}
        ours |= {"label": population.label} if population.label != population.id else {}
        kind = population.gate.kind if population.gate else ""
        ours |= {"method": population.method} if population.method != kind else {}
        for name, text in ours.items():
            element.set(f"immunomon:{name}", text)
        return element

    def _values(self, element: ET.Element, tag: str, values: tuple[float, ...]) -> None:
        for value in values:
            ET.SubElement(element, f"gating:{tag}", {"data-type:value": _number(value)})

    def _ellipsoid(self, population: PlacedPopulation, shape: Ellipse | Ellipsoid) -> None:
        element = self._element(population, "EllipsoidGate")
        for axis in shape.axes:
            self._dimension(element, axis)
        self._values(ET.SubElement(element, "gating:mean"), "coordinate", shape.center)
        matrix = ET.SubElement(element, "gating:covarianceMatrix")
        for row in shape.covariance:
            self._values(ET.SubElement(matrix, "gating:row"), "entry", row)
        ET.SubElement(element, "gating:distanceSquare", {"data-type:value": _number(shape.distance_square)})

    def _boolean(self, population: PlacedPopulation, shape: Boolean) -> None:
        element = self._element(population, "BooleanGate")
        operator, names = shape.operator, shape.of
        complements = shape.complements or (False,) * len(names)
        # The standard's "not" takes one gate and its "and" and "or" at least two; ours take any number.
        if operator == "not" and len(names) > 1:
            element.set("immunomon:means", "none")
            operator, complements = "and", tuple(not turned for turned in complements)
        elif operator != "not" and len(names) == 1:
            element.set("immunomon:means", "one")
            names, complements = names * 2, complements * 2
        operation = ET.SubElement(element, f"gating:{operator}")
        for name, turned in zip(names, complements, strict=True):
            reference = _add(operation, "gating:gateReference", ref=self._gates[name])
            if turned:
                reference.set("gating:use-as-complement", "true")
