"""Kaluza's gates: polygons, rectangles, ellipses, quadrants, lines and Boolean expressions, on the axes they name.

A gate's points lie on the display of its axes, 0 to 1,024 from end to end; some analyses hold intensities instead,
which shows where a point lies far beyond that.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from immunomon.cytometry.formats.flowjo9_gates import ellipse, read_formula
from immunomon.cytometry.formats.flowjo_source import WorkspaceSource, attribute
from immunomon.cytometry.formats.kaluza_axes import STEPS, KaluzaAxes
from immunomon.cytometry.formats.workspace_tree import Branch, Formula
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.geometry import Ellipse, Gate, Interval, Polygon, Rectangle
from immunomon.cytometry.model.placed import GateAxis
from immunomon.cytometry.model.scales import Linear

__all__ = ["KaluzaGates"]

INF = math.inf
_DEEPEST = 150  # gates in each other
_BEYOND = 0.05  # of an axis: gates may be drawn a little over its end
_SIGNS = {"--": (False, False), "-+": (False, True), "+-": (True, False), "++": (True, True)}
_TOKENS = re.compile(r'"([^"]*)"|([()&|!])|\b(AND|OR|NOT)\b', re.IGNORECASE)
_OPERATORS = {"AND": "&", "OR": "|", "NOT": "!"}
_ELLIPSE = (
    "Kaluza's makers have published no rule for ellipses: its coefficients are read as the squares of its half axes"
)
Named = tuple[str, GateAxis]


class KaluzaGates:
    """Reads the gates of one data set onto its axes, and nests them.

    holder: ``Gates``; constraints: ``GateConstraints``, which say what belongs together.
    """

    def __init__(
        self, source: WorkspaceSource, holder: XmlElement | None, constraints: XmlElement | None, axes: KaluzaAxes
    ) -> None:
        self._source, self._axes = source, axes
        self._elements = holder.children if holder is not None else ()
        dividers = tuple(constraints.all("HistogramDivider")) if constraints is not None else ()
        self._leftmost = {attribute(item, "LG") for item in dividers}
        self._rightmost = {attribute(item, "RG") for item in dividers}

    def branches(self) -> tuple[Branch, ...]:
        """Return the populations, each in the gate that it lies in; what is not read says so."""
        self._axes.in_steps = self._are_steps()
        parents: dict[str, str] = {}
        branches: dict[str, Branch] = {}
        formulas: list[tuple[str, XmlElement]] = []
        for element in self._elements:
            with self._source.noting():
                for branch in self._read(element):
                    name, number = branch.name, 2
                    while name in branches:
                        name, number = f"{branch.name} #{number}", number + 1
                    branches[name] = replace(branch, name=name)
                    parents[name] = (attribute(element, "G") or "").strip()
                    formulas += [(name, element)] if element.name == "B" else []
        paths = {name: _path(name, parents) for name in branches}
        for name, element in formulas:
            try:
                branches[name] = replace(branches[name], formula=_formula(element, paths))
            except ValueError as error:
                branches[name] = replace(branches[name], failure=str(error))
        return _nested(branches, parents)

    def _are_steps(self) -> bool:
        low, high = -_BEYOND * STEPS, (1 + _BEYOND) * STEPS
        values = (value for element in self._elements for value in itertools.chain(*_raw_points(element)))
        return all(low <= value <= high for value in values)

    def _read(self, element: XmlElement) -> Iterator[Branch]:
        branch = Branch(self._source.text(element, "N"))
        shapes = {"P": self._polygon, "R": self._rectangle, "E": self._ellipse, "L": self._line}
        try:
            if element.name == "B":
                yield branch
            elif element.name == "Q":
                yield from self._quadrants(element, branch)
            elif element.name in shapes:
                gate = shapes[element.name](element)
                note = _ELLIPSE if element.first("Coefficients") is not None and isinstance(gate, Ellipse) else ""
                yield replace(branch, gate=gate, note=note)
            else:
                raise ValueError(f"gates of the kind '{element.name}' are not read")
        except ValueError as error:
            yield replace(branch, failure=str(error))

    def _named_axes(self, element: XmlElement) -> list[Named]:
        axes = [item for holder in element.all("A") for item in (holder.children or (holder,)) if item.name == "A"]
        return [self._axes.axis(self._source.text(item, "M"), attribute(item, "S") or "I") for item in axes]

    def _pair(self, element: XmlElement) -> tuple[Named, Named]:
        named = self._named_axes(element)
        if len(named) != 2:
            raise ValueError(f"it has {len(named)} axes instead of two")
        return named[0], named[1]

    def _points(self, element: XmlElement) -> list[tuple[float, float]]:
        points = []
        vertices = [item for holder in element.all("P") for item in holder.all("P")]
        self._source.limit_corners(element, len(vertices))
        for vertex in vertices:
            parts = self._source.text(vertex, "O").split(",")
            if len(parts) > 2:
                self._source.refuse(vertex, f"its place has {len(parts)} coordinates instead of two")
            x = self._source.parsed(vertex, parts[0], "O")
            points.append((x, self._source.parsed(vertex, parts[1], "O") if len(parts) == 2 else 0.0))
        return points

    def _shown(self, element: XmlElement) -> tuple[tuple[str, str], list[tuple[float, float]]]:
        """Return the axes' names and the points on their display."""
        (x, first), (y, second) = self._pair(element)
        points = self._points(element)
        xs = self._axes.coordinates(first, [point[0] for point in points])
        ys = self._axes.coordinates(second, [point[1] for point in points])
        return (x, y), list(zip(xs, ys, strict=True))

    def _polygon(self, element: XmlElement) -> Gate:
        names, corners = self._shown(element)
        if len(corners) >= 3 and not any(map(any, self._points(element))):
            raise ValueError("it is part of a hinged quadrant, whose corners the analysis does not hold")
        return Polygon(*names, tuple(corners))

    def _rectangle(self, element: XmlElement) -> Gate:
        names, corners = self._shown(element)
        if len(corners) < 2:
            raise ValueError(f"a rectangle has two corners, this one {len(corners)}")
        sides = zip(names, zip(*corners, strict=True), strict=True)
        return Rectangle(tuple(_closed(name, min(values), max(values)) for name, values in sides))

    def _line(self, element: XmlElement) -> Gate:
        named = self._named_axes(element)
        if not named:
            raise ValueError("it has no axis")
        values = self._axes.coordinates(named[0][1], [point[0] for point in self._points(element)])
        if len(values) < 2:
            raise ValueError(f"a line has two ends, this one {len(values)}")
        gate = _closed(named[0][0], min(values), max(values))
        name = attribute(element, "N")
        gate = replace(gate, low=-INF) if name in self._leftmost else gate
        return replace(gate, high=INF) if name in self._rightmost else gate

    def _ellipse(self, element: XmlElement) -> Gate:
        names, points = self._shown(element)
        if not self._axes.in_steps and not all(isinstance(axis.scale, Linear) for _, axis in self._pair(element)):
            raise ValueError("an ellipse given in intensities is read on linear axes only")
        holder = element.first("Coefficients")
        if holder is None:
            return ellipse(names, np.array(points))
        squares = [self._source.parsed(item, item.text, "Coefficients") for item in holder.children]
        if len(points) != 1 or len(squares) != 2 or min(squares) <= 0:
            raise ValueError("an ellipse needs one middle and two positive coefficients")
        scales = [axis.scale for _, axis in self._pair(element)]
        units = [1 / (STEPS if self._axes.in_steps or not isinstance(s, Linear) else s.t + s.a) for s in scales]
        angle = math.radians(self._source.number(element, "L", 0.0))
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        (a, b), (_, d) = (np.diag(units) @ turn @ np.diag(squares) @ turn.T @ np.diag(units)).tolist()
        return Ellipse(*names, points[0], ((a, b), (b, d)))

    def _quadrants(self, element: XmlElement, branch: Branch) -> Iterator[Branch]:
        """Yield the part that a quadrant's name or corners tell, or all four of a crossing."""
        names, points = self._shown(element)
        sign = next((sign for sign in _SIGNS if branch.name.endswith(sign)), None)
        if len(points) > 1:
            sides = zip(names, zip(*points, strict=True), strict=True)
            yield replace(branch, gate=Rectangle(tuple(_open(name, min(ends), max(ends)) for name, ends in sides)))
        elif len(points) == 1:
            for part in (sign,) if sign else _SIGNS:
                ways = zip(names, points[0], _SIGNS[part], strict=True)
                gate = Rectangle(tuple(Interval(n, c, INF) if up else Interval(n, -INF, c) for n, c, up in ways))
                yield replace(branch, name=branch.name if sign else f"{branch.name}{part}", gate=gate)
        else:
            raise ValueError("a quadrant has a middle, this one none")


def _raw_points(element: XmlElement) -> Iterator[tuple[float, ...]]:
    for vertex in (item for holder in element.all("P") for item in holder.all("P")):
        try:
            values = tuple(map(float, (attribute(vertex, "O") or "").split(",")))
        except ValueError:
            continue  # said where the gate is read
        if all(map(math.isfinite, values)):
            yield values


def _closed(name: str, low: float, high: float) -> Interval:
    """Return the events between two ends, which belong to it; the end of an axis holds all beyond it."""
    return Interval(name, -INF if low <= 0.0 else low, INF if high >= 1.0 else math.nextafter(high, INF))


def _open(name: str, low: float, high: float) -> Interval:
    """Return the events from one end up to the other, so that neighbours share none."""
    return Interval(name, -INF if low <= 0.0 else low, INF if high >= 1.0 else high)


def _path(name: str, parents: Mapping[str, str]) -> str:
    steps = [name]
    while (above := parents.get(steps[0], "")) in parents and len(steps) <= _DEEPEST:
        steps.insert(0, above)
    return "/".join(steps)


def _formula(element: XmlElement, paths: Mapping[str, str]) -> Formula:
    holder = element.first("ExpressionText")
    text = holder.text if holder is not None else ""
    if not text:
        raise ValueError("it is a Boolean gate without an expression")
    written: list[str] = []
    operands: list[str] = []
    index = 0
    for match in itertools.chain(_TOKENS.finditer(text), (None,)):
        bare = text[index : match.start() if match else len(text)].strip()
        named = [bare] if bare else []
        named += [match.group(1)] if match and match.group(1) is not None else []
        for name in named:
            if name not in paths:
                raise ValueError(f"it is made of '{name[:60]}', which is not among the gates")
            written.append(f"G{len(operands)}")
            operands.append(paths[name])
        if match is None:
            break
        written.append(match.group(2) or _OPERATORS.get((match.group(3) or "").upper(), ""))
        index = match.end()
    return read_formula(" ".join(written), operands, parent=())


def _nested(branches: Mapping[str, Branch], parents: Mapping[str, str]) -> tuple[Branch, ...]:
    """Return the branches in each other; those that lie in an unknown gate, or in themselves, say so."""
    reached = [name for name in branches if _has_top(name, parents)]
    below: dict[str, list[str]] = {}
    for name in reached:
        below.setdefault(parents[name], []).append(name)

    def grown(name: str) -> Branch:
        return replace(branches[name], children=tuple(grown(child) for child in below.get(name, ())))

    roots = [grown(name) for name in below.get("", ())]
    for parent in [parent for parent in below if parent and parent not in branches]:
        failure = f"it lies in the gate '{parent[:60]}', which is not in the analysis"
        roots += [replace(grown(name), failure=failure) for name in below[parent]]
    failure = f"it lies in itself, by way of the gates that it lies in, or more than {_DEEPEST} deep"
    return (*roots, *(replace(branches[name], failure=failure) for name in branches if name not in set(reached)))


def _has_top(name: str, parents: Mapping[str, str]) -> bool:
    for _ in range(_DEEPEST):
        name = parents.get(name, "")
        if name not in parents:
            return True
    return False
