"""FlowJo 9's populations: polygons, rectangles, ranges, ellipses, and formulas over other populations."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from immunomon.cytometry.formats.flowjo9_scales import Axes9
from immunomon.cytometry.formats.flowjo_axes import AxisScale, SampleAxes
from immunomon.cytometry.formats.flowjo_gates import interval, polygon
from immunomon.cytometry.formats.flowjo_source import WorkspaceSource, attribute
from immunomon.cytometry.formats.workspace_tree import Branch, Formula
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.geometry import Ellipse, Gate, Interval, Rectangle
from immunomon.cytometry.model.scales import Tabulated

__all__ = ["GateReader9", "below", "ellipse", "name_of", "read_formula"]

_DEEPEST = 200
_SHAPES = ("Polygon", "PolyRect", "Range", "Ellipse")
_NO_GATES = ("Graph", "ParameterNames", "Statistic", "Population", "Subpopulations", "PolygonGate", "BooleanGate")
_TOKEN = re.compile(r"\s*(G\d+|[&|!()])")
_MOST_TOKENS, _MOST_BRACKETS = 2000, 50


def below(element: XmlElement, holder: str, name: str) -> Iterator[XmlElement]:
    """Return the elements of a name inside the children of another name."""
    for parent in element.all(holder):
        yield from parent.all(name)


def name_of(element: XmlElement | None) -> str:
    """Return the name of a sample, group or population; version 3.0 of the form calls it ``nodeName``."""
    if element is None:
        return ""
    return attribute(element, "name") or attribute(element, "nodeName") or ""


class GateReader9:
    """Reads the populations of one sample onto its axes."""

    def __init__(self, source: WorkspaceSource, axes: Axes9, made: SampleAxes, *, bins: int | None) -> None:
        self._source, self._axes, self._made, self._bins = source, axes, made, bins

    def branches(self, node: XmlElement, path: tuple[str, ...] = ()) -> tuple[Branch, ...]:
        """Return the populations of a sample's or group's node, or those in a population, with what they hold."""
        if len(path) > _DEEPEST:
            self._source.refuse(node, f"populations lie more than {_DEEPEST} deep in each other")
        branches = []
        for element in itertools.chain(node.children, *(holder.children for holder in node.all("Subpopulations"))):
            with self._source.noting():
                if element.name == "Population":
                    branches.append(self._branch(element, path))
                elif element.name.endswith("Node") and not element.name.startswith("Stat"):
                    failure = f"nodes of the kind '{element.name}' are not read"
                    branches.append(Branch(name_of(element) or element.name, failure=failure))
        return tuple(branches)

    def _branch(self, element: XmlElement, path: tuple[str, ...]) -> Branch:
        name = name_of(element)
        if not name:
            self._source.refuse(element, "the attribute 'name' is missing", "save the workspace again")
        branch = Branch(name, count=self._source.count(element))
        try:
            branch = self._gated(branch, element, path)
        except ValueError as error:
            branch = replace(branch, failure=str(error))
        return replace(branch, children=self.branches(element, (*path, name)))

    def _gated(self, branch: Branch, element: XmlElement, path: tuple[str, ...]) -> Branch:
        strange = [item.name for item in element.children if item.name.endswith("Gate") and item.name not in _NO_GATES]
        if strange:
            raise ValueError(f"gates of the kind '{strange[0]}' are not read")
        boolean = element.first("BooleanGate")
        shapes = [item for holder in element.all("PolygonGate") for item in _shapes(holder)]
        if boolean is not None and not shapes:
            paths = [
                item.text for holder in boolean.all("GatePaths") for item in below(holder, "StringArray", "String")
            ]
            specification = self._source.text(boolean, "specification")
            return replace(branch, formula=read_formula(specification, paths, parent=path))
        if not shapes or boolean is not None:
            raise ValueError("it has no gate" if not shapes else "it has both a polygon and a Boolean gate")
        gates = [(self._shape(item), _is_inverted(item)) for item in shapes]
        noted = dict.fromkeys(note for gate, _ in gates for note in self._notes(gate))
        (gate, outside), *more = gates
        return replace(branch, gate=gate, outside=outside, more=tuple(more), note="; ".join(noted))

    def _notes(self, gate: Gate) -> Iterator[str]:
        is_aslant = not isinstance(gate, Interval | Rectangle)
        for notes in (self._axes.notes, self._axes.aslant) if is_aslant else (self._axes.notes,):
            yield from (f"'{axis}': {notes[axis]}" for axis in gate.axes if notes.get(axis))

    def _axis(self, name: str) -> AxisScale:
        matrix = self._made.matrix
        if matrix is not None and name not in self._made.detectors and matrix.bare(name) is None:
            ends = len(matrix.prefix), len(name) - len(matrix.suffix)
            if matrix.prefix + matrix.suffix and name == f"{matrix.prefix}{name[slice(*ends)]}{matrix.suffix}":
                raise ValueError(f"it lies on '{name}', and the matrix '{matrix.name}' has no '{name[slice(*ends)]}'")
        return self._made.axis(name)

    def _shape(self, element: XmlElement) -> Gate:
        vertices = list(below(element, "Polygon", "Vertex")) or list(element.all("Vertex"))
        self._source.limit_corners(element, len(vertices))
        x = self._source.text(element, "xAxisName")
        xs = self._values(vertices, "x", x)
        if not xs:
            self._source.refuse(element, "it has no vertices", "save the workspace again")
        if element.name == "Range":
            return self._interval(x, xs)
        y = self._source.text(element, "yAxisName")
        ys = self._values(vertices, "y", y)
        if element.name == "PolyRect":
            return Rectangle((self._interval(x, xs), self._interval(y, ys)))
        corners = list(zip(xs, ys, strict=True))
        axes = self._axis(x), self._axis(y)
        if element.name == "Ellipse":
            shown = polygon((x, y), axes, corners=corners, bins=None) if len(corners) > 2 else None
            return ellipse((x, y), np.array(shown.vertices if shown else ()))
        if len(corners) < 3:
            self._source.refuse(element, f"it has {len(xs)} corners; a polygon needs three")
        return polygon((x, y), axes, corners=corners, bins=self._bins)

    def _values(self, vertices: Sequence[XmlElement], side: str, axis: str) -> list[float]:
        unit = self._axes.units.get(axis, 1.0)
        return [self._source.number(vertex, side) * unit for vertex in vertices]

    def _interval(self, name: str, values: Sequence[float]) -> Interval:
        axis = self._axis(name)
        low: float | None = min(values)
        high: float | None = max(values)
        if axis.bounds == (0.0, 1.0) or isinstance(axis.scale, Tabulated):  # its ends hold all that lies beyond
            first, last = axis.scale.inverse(np.array([0.0, 1.0])).tolist()
            low = None if min(values) <= first else low
            high = None if max(values) >= last else high
        return interval(name, axis, low=low, high=high)


def _shapes(holder: XmlElement) -> Iterator[XmlElement]:
    for item in holder.children:
        if item.name in _SHAPES:
            yield item
        elif item.name not in _NO_GATES:
            raise ValueError(f"gates of the kind '{item.name}' are not read")


def _is_inverted(shape: XmlElement) -> bool:
    return attribute(shape, "negated") == "1" or attribute(shape, "eventsInside") == "0"


def ellipse(names: tuple[str, str], ends: np.ndarray) -> Ellipse:
    """Return the ellipse of which the four ends of the axes are given, (4, 2) on the display, in any order.

    Raises ValueError if they are not the ends of two lines with one middle.

    >>> ellipse(("A", "B"), np.array([[0.5, 0.9], [0.1, 0.5], [0.9, 0.5], [0.5, 0.1]])).center
    (0.5, 0.5)
    """
    if ends.shape != (4, 2):
        raise ValueError(f"an ellipse has four ends of its axes, this one {len(ends)}")
    # Ends of one axis lie opposite each other: of the three pairings, the one whose lines share their middle.
    pairings = [ends[list(order)] for order in ((0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2))]
    apart = [float(np.hypot(*(p[0] + p[1] - p[2] - p[3])) / 2) for p in pairings]
    chosen = pairings[int(np.argmin(apart))]
    first, second = (chosen[0] - chosen[1]) / 2, (chosen[2] - chosen[3]) / 2
    if min(apart) > 0.05 * max(float(np.hypot(*first)), float(np.hypot(*second))):
        raise ValueError("the four ends of its axes do not lie opposite each other")
    (a, b), (_, d) = (np.outer(first, first) + np.outer(second, second)).tolist()
    center = ends.mean(axis=0).tolist()
    return Ellipse(*names, (center[0], center[1]), ((a, b), (b, d)))


def read_formula(specification: str, paths: Sequence[str], *, parent: tuple[str, ...]) -> Formula:
    """Return a formula over populations; ``!`` binds most tightly, then ``&``, then ``|``.

    paths: what G0, G1, ... stand for; one that begins with ``/`` is seen from the population's parent (``//`` from the
    parent's parent), others from the sample. Raises ValueError, with the reason.

    >>> read_formula("G0 & !G1 | G2", ["T", "T/CD4", "/B"], parent=("Live",))
    ('or', (('and', ('T', ('not', ('T/CD4',)))), 'Live/B'))
    """
    tokens: list[str] = []
    index = 0
    text = specification.strip()
    while index < len(text):
        match = _TOKEN.match(text, index)
        if match is None or len(tokens) > _MOST_TOKENS:
            raise ValueError(f"its formula '{text[:60]}' is not read")
        tokens.append(match.group(1))
        index = match.end()
    used = {int(token[1:]) for token in tokens if token.startswith("G")}
    if used != set(range(len(paths))):
        raise ValueError(f"its formula '{text[:60]}' does not go with the {len(paths)} populations it lists")
    reader = _Formula(tokens, [_absolute(path, parent) for path in paths])
    formula = reader.either(0)
    if reader.rest:
        raise ValueError(f"its formula '{text[:60]}' is not read")
    return formula


def _absolute(path: str, parent: tuple[str, ...]) -> str:
    name = path.lstrip("/")
    above = len(path) - len(name) - 1
    if above < 0:
        return name
    if above > len(parent):
        raise ValueError(f"it is made of '{path}', which lies above the sample")
    return "/".join([*parent[: len(parent) - above], name])


class _Formula:
    def __init__(self, tokens: list[str], paths: list[str]) -> None:
        self.rest, self._paths = tokens[::-1], paths

    def either(self, depth: int) -> Formula:
        return self._joined("or", "|", self._both, depth)

    def _both(self, depth: int) -> Formula:
        return self._joined("and", "&", self._term, depth)

    def _joined(self, operator: str, sign: str, part: Callable[[int], Formula], depth: int) -> Formula:
        parts = [part(depth)]
        while self.rest and self.rest[-1] == sign:
            self.rest.pop()
            parts.append(part(depth))
        return parts[0] if len(parts) == 1 else (operator, tuple(parts))

    def _term(self, depth: int) -> Formula:
        token = self.rest.pop() if self.rest else "its end"
        if depth > _MOST_BRACKETS:
            raise ValueError(f"its formula has brackets more than {_MOST_BRACKETS} deep in each other")
        if token == "!":
            return ("not", (self._term(depth + 1),))
        if token == "(":
            inner = self.either(depth + 1)
            if not self.rest or self.rest.pop() != ")":
                raise ValueError("its formula has a bracket that is not closed")
            return inner
        if token.startswith("G"):
            return self._paths[int(token[1:])]
        raise ValueError(f"its formula has {token} where a population is expected")
