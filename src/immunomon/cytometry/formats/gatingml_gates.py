"""Gating-ML 2.0's gates, and those that Cytobank tailors to single files."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from immunomon.cytometry.formats.gatingml_axes import GatingMlAxes
from immunomon.cytometry.formats.gatingml_source import DATATYPES, GATING, OURS, GatingMlSource
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.geometry import Boolean, Ellipse, Ellipsoid, Gate, Interval, Polygon, Rectangle

__all__ = ["GATE_ELEMENTS", "Tailoring", "dimensions_in", "geometry_of", "quadrants_of", "tailoring"]

GATE_ELEMENTS = ("RectangleGate", "PolygonGate", "EllipsoidGate", "QuadrantGate", "BooleanGate")


def dimensions_in(gate: XmlElement) -> Iterator[XmlElement]:
    """Return the elements of a gate that name an axis: its dimensions, or a quadrant gate's dividers."""
    yield from gate.all("divider" if gate.name == "QuadrantGate" else "dimension", GATING)


def geometry_of(source: GatingMlSource, gate: XmlElement, axes: GatingMlAxes, *, ids: Mapping[str, str]) -> Gate:
    """Return a gate's geometry, of any gate but a quadrant gate.

    ids: the document's gate ids -> population ids. Refuses what is wrong through the source.
    """
    match gate.name:
        case "RectangleGate":
            return _rectangle(source, gate, axes)
        case "PolygonGate":
            return _polygon(source, gate, axes)
        case "EllipsoidGate":
            return _ellipsoid(source, gate, axes)
        case _:
            return _boolean(source, gate, ids)


def _box(sides: list[Interval]) -> Gate:
    return sides[0] if len(sides) == 1 else Rectangle(tuple(sides))


def _rectangle(source: GatingMlSource, gate: XmlElement, axes: GatingMlAxes) -> Gate:
    sides = []
    for dimension in source.children(gate, "dimension"):
        low = source.optional_number(dimension, "min", GATING)
        high = source.optional_number(dimension, "max", GATING)
        name = axes.name_of(dimension)
        sides.append(Interval(name, -math.inf if low is None else low, math.inf if high is None else high))
    return _box(sides)


def _coordinates(source: GatingMlSource, element: XmlElement, size: int, name: str = "coordinate") -> list[float]:
    values = [source.number(item, "value", DATATYPES) for item in source.children(element, name)]
    if len(values) != size:
        source.refuse(element, f"it has {len(values)} values on {size} axes")
    return values


def _polygon(source: GatingMlSource, gate: XmlElement, axes: GatingMlAxes) -> Gate:
    names = [axes.name_of(dimension) for dimension in source.children(gate, "dimension")]
    if len(names) != 2:
        source.refuse(gate, f"a polygon lies on two axes, this one on {len(names)}")
    vertices = [_coordinates(source, vertex, 2) for vertex in source.children(gate, "vertex")]
    if len(vertices) < 3:
        source.refuse(gate, f"a polygon needs at least 3 vertices, this one has {len(vertices)}")
    return Polygon(names[0], names[1], tuple((x, y) for x, y in vertices))


def _ellipsoid(source: GatingMlSource, gate: XmlElement, axes: GatingMlAxes) -> Gate:
    names = tuple(axes.name_of(dimension) for dimension in source.children(gate, "dimension"))
    center = tuple(_coordinates(source, source.children(gate, "mean")[0], len(names)))
    rows = source.children(source.children(gate, "covarianceMatrix")[0], "row")
    matrix = tuple(tuple(_coordinates(source, row, len(names), "entry")) for row in rows)
    distance = source.number(source.children(gate, "distanceSquare")[0], "value", DATATYPES)
    try:
        if len(names) == 2 and len(matrix) == 2 and _is_covariance(matrix):
            (a, b), (c, d) = matrix
            return Ellipse(names[0], names[1], (center[0], center[1]), ((a, b), (c, d)), distance)
        return Ellipsoid(names, center, matrix, distance)
    except ValueError as error:
        source.refuse(gate, str(error))


def _is_covariance(matrix: tuple[tuple[float, ...], ...]) -> bool:
    values = np.array(matrix)
    return bool(np.array_equal(values, values.T) and values[0, 0] > 0 and np.linalg.det(values) > 0)


def _boolean(source: GatingMlSource, gate: XmlElement, ids: Mapping[str, str]) -> Gate:
    operators = [child for child in gate.children if child.namespace == GATING and child.name in ("and", "or", "not")]
    if len(operators) != 1:
        source.refuse(gate, f"it has {len(operators)} operators", "give one of and, or, not")
    operands: list[str] = []
    complements: list[bool] = []
    for reference in source.children(operators[0], "gateReference"):
        name = source.text(reference, "ref", GATING)
        if name not in ids:
            source.refuse_unknown(reference, "gate", name, known=ids)
        operands.append(ids[name])
        complements.append(source.flag(reference, "use-as-complement", GATING))
    if operators[0].name == "not" and len(operands) != 1:
        source.refuse(operators[0], f"'not' takes one gate, here are {len(operands)}", "use 'or' inside it")
    operator = operators[0].name
    match gate.get("means", OURS):  # how immunomon writes what the standard's operators cannot say
        case "none" if operator == "and":
            operator, complements = "not", [not turned for turned in complements]
        case "one" if len(set(operands)) == 1:
            operands, complements = operands[:1], complements[:1]
    return Boolean(operator, tuple(operands), tuple(complements) if any(complements) else ())


def quadrants_of(source: GatingMlSource, gate: XmlElement, axes: GatingMlAxes) -> dict[str, Gate]:
    """Return a quadrant gate's regions by id: the box between the dividers' values where its position lies."""
    dividers: dict[str, tuple[str, list[float]]] = {}
    for divider in source.children(gate, "divider"):
        values = [source.parsed(item, item.text, "its value") for item in source.children(divider, "value")]
        dividers[source.text(divider, "id", GATING)] = axes.name_of(divider), sorted(values)
    regions: dict[str, Gate] = {}
    for quadrant in source.children(gate, "Quadrant"):
        sides = []
        for position in source.children(quadrant, "position"):
            name = source.text(position, "divider_ref", GATING)
            if name not in dividers:
                source.refuse_unknown(position, "divider", name, known=dividers)
            axis, values = dividers[name]
            above = bisect_right(values, source.number(position, "location", GATING))
            edges = (-math.inf, *values, math.inf)
            sides.append(Interval(axis, edges[above], edges[above + 1]))
        regions[source.text(quadrant, "id", GATING)] = _box(sides)
    return regions


# Cytobank's file-specific gates: further elements of one gate, each tailored for one FCS file.
# Cytobank writes them beside the general gate, with the same ``gate_id`` and the file's name, in its own element inside
# ``custom_info``. Sets of gates refer to the general one.

_REMEDY = "make it one gate for each in Cytobank"


@dataclass(frozen=True)
class Tailoring:
    """Which gates are tailored for which file.

    stands_for: a tailored element's id -> the id of the gate that it stands for; files: that id -> file -> element;
    failures, notes: what is wrong with, and should be known of, the gates that have tailored forms, by id.
    """

    stands_for: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, XmlElement]] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Cytobank:
    gate_id: str = ""
    file: str = ""
    is_tailored: bool = False
    is_of_population: bool = False


def tailoring(source: GatingMlSource, gates: Sequence[XmlElement]) -> Tailoring:
    """Return the tailored gates of a document; two for one file are refused through the source."""
    described = [(gate, _cytobank(gate)) for gate in gates]
    plain = [(info.gate_id, gate) for gate, info in described if not (info.is_tailored or info.is_of_population)]
    general = {gate_id: gate for gate_id, gate in plain if gate_id}
    stands_for: dict[str, str] = {}
    files: dict[str, dict[str, XmlElement]] = {}
    failures: dict[str, str] = {}
    unnamed: dict[str, int] = {}
    for gate, info in described:
        identity = gate.get("id", GATING) or ""
        if not (info.is_tailored or info.is_of_population):
            continue
        with source.noting():
            if not info.gate_id:
                source.refuse(gate, "it is tailored for a file, but has no gate_id", "export it again from Cytobank")
            base = _identity(general.setdefault(info.gate_id, gate))
            stands_for[identity] = base
            if info.is_of_population:
                failures[base] = f"its gate is tailored for single populations, which is not read; {_REMEDY}"
            elif not info.file:
                unnamed[base] = unnamed.get(base, 0) + 1
            elif info.file in files.setdefault(base, {}):
                source.refuse(gate, f"gate_id {info.gate_id} is tailored twice for '{info.file}'", "keep one of them")
            else:
                files[base][info.file] = gate
    alone = {base for identity, base in stands_for.items() if identity == base}
    for base in sorted(alone - set(failures)):
        failures[base] = f"it has no general gate, only ones tailored for {_listed(files.get(base, {}))}"
    notes = {base: _note(files.get(base, {}), unnamed.get(base, 0)) for base in sorted({*files, *unnamed})}
    return Tailoring(stands_for, files, failures, notes)


def _identity(gate: XmlElement) -> str:
    return gate.get("id", GATING) or ""


def _listed(files: Mapping[str, XmlElement]) -> str:
    names = [f"'{name}'" for name in files]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "unnamed files"


def _note(files: Mapping[str, XmlElement], unnamed: int) -> str:
    listed = [f"the general gate; another is tailored for {_listed(files)}"] if files else []
    more = f"{unnamed} more for files that the document does not name" if unnamed else ""
    return ", and ".join([*(listed or ["the general gate"]), *([more] if more else [])])


def _cytobank(gate: XmlElement) -> _Cytobank:
    info = gate.first("custom_info", DATATYPES)
    own = info.first("cytobank") if info else None
    if own is None or gate.name == "BooleanGate":
        return _Cytobank()

    def text(name: str) -> str:
        child = own.first(name)
        return child.text.strip() if child else ""

    def is_true(name: str) -> bool:
        return text(name).casefold() in ("true", "1")

    of_population = is_true("tailored_per_population") or bool(text("tailored_per_population_gateset_id"))
    is_tailored = bool(text("fcs_file_filename") or text("fcs_file_id")) or (is_true("tailored") and not of_population)
    return _Cytobank(text("gate_id"), text("fcs_file_filename"), is_tailored, of_population)
