"""FlowJo 9's XML (also FlowJo 8, for Macintosh): populations with polygons in data units, one matrix a sample.

Vertices are intensities. FlowJo 9 draws a log axis by a table that it does not store in a documented form: edges
that run aslant are taken as straight on a biexponential scale of the axis' range, and borders that run along an axis,
which are most, do not depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from immunomon.errors import BadSpillover
from immunomon.io.flowjo import IDENTITY, base_name
from immunomon.io.flowjo_axes import AxisScale, SampleAxes, SampleMatrix
from immunomon.io.flowjo_gates import interval, polygon
from immunomon.io.flowjo_source import WorkspaceSource, attribute
from immunomon.io.workspace_tree import Branch, Formula, grow
from immunomon.io.xmltree import XmlElement
from immunomon.model.geometry import Gate, Rectangle
from immunomon.model.placed import PlacedStrategy
from immunomon.model.scales import Biex, Linear
from immunomon.model.spectrum import SpectrumMatrix
from immunomon.model.workspace import Workspace, WorkspaceSample

__all__ = ["is_flowjo9", "read_flowjo9"]

_LINEAR_STEPS = 4096.0
_WIDE = 262144.0


def is_flowjo9(root: XmlElement) -> bool:
    """Say whether a workspace has FlowJo 9's form: its own version is 2.0 or older, FlowJo 10's is 20."""
    version = attribute(root, "version") or ""
    try:
        return float(version) <= 2.0 and version != "1.8"
    except ValueError:
        return False


def read_flowjo9(path: Path, root: XmlElement) -> Workspace:
    """Return a FlowJo 9 workspace that was saved as XML.

    root: its XML. Raises BadSpec with every problem and its line; gates of a kind that is not read stay, with the
    reason.
    """
    source = WorkspaceSource(path)
    matrices = list(_matrices(source, root))
    analyses = {attribute(node, "sampleID"): node for node in _below(root, "SampleAnalyses", "Sample")}
    samples = []
    for element in (*_below(root, "SampleList", "Sample"), *_below(root, "Samples", "Sample")):
        node = element.first("SampleNode") or analyses.get(attribute(element, "sampleID"))
        if node is not None:
            with source.noting():
                samples.append(_sample(source, element, node=node, matrices=matrices))
    source.findings.raise_any()
    return Workspace(str(path), "FlowJo 9", tuple(samples))


def _below(element: XmlElement, holder: str, name: str) -> Iterator[XmlElement]:
    for found in element.all(holder):
        yield from found.all(name)


def _matrices(source: WorkspaceSource, root: XmlElement) -> Iterator[SampleMatrix]:
    for number, element in enumerate(_below(root, "CompensationMatrices", "CompensationMatrix"), start=1):
        with source.noting():
            rows = tuple(element.all("Channel"))
            names = tuple(source.text(row, "name") for row in rows)
            values = []
            for row in rows:
                cells = {source.text(c, "name"): source.number(c, "value") for c in row.all("ChannelValue")}
                values.append(
                    tuple(cells.get(name, 1.0 if name == source.text(row, "name") else 0.0) for name in names)
                )
            try:
                matrix = SpectrumMatrix(names, names, tuple(values))
            except BadSpillover as error:
                source.refuse(element, str(error))
            prefix, suffix = attribute(element, "prefix"), attribute(element, "suffix")
            name = attribute(element, "name") or f"matrix {number}"
            yield SampleMatrix(name, matrix, "<" if prefix is None else prefix, ">" if suffix is None else suffix)


def _sample(
    source: WorkspaceSource, element: XmlElement, *, node: XmlElement, matrices: list[SampleMatrix]
) -> WorkspaceSample:
    keywords = {
        (attribute(item, "name") or "").upper(): (attribute(item, "value") or "").strip()
        for holder in ("Keywords", "FCSHeader")
        for item in _below(element, holder, "Keyword")
    }
    chosen = source.optional_number(element, "compensationID")
    matrix = None
    if matrices and chosen is not None and chosen > 0:
        matrix = matrices[0] if len(matrices) == 1 else dict(enumerate(matrices, start=1)).get(int(chosen))
        if matrix is None:
            source.refuse(element, f"it asks for compensation matrix {int(chosen)} of {len(matrices)}")
    scales = dict(_scales(source, element))
    axes = SampleAxes(scales, matrix)
    units = {name: _unit(item) for item in element.all("Parameter") if (name := attribute(item, "name"))}
    tree = grow(_Reader(source, axes, units).branches(node))
    name = attribute(node, "name") or keywords.get("$FIL", "") or attribute(element, "sampleID") or ""
    return WorkspaceSample(
        attribute(element, "sampleID") or name,
        name,
        base_name(keywords.get("$FIL") or name),
        PlacedStrategy(name, axes.made, tree.populations, {} if matrix is None else {matrix.name: matrix.matrix}),
        tree.order,
        tree.counts,
        source.count(node),
        {key: keywords[key] for key in IDENTITY if keywords.get(key)},
    )


def _scales(source: WorkspaceSource, element: XmlElement) -> Iterator[tuple[str, AxisScale]]:
    for parameter in element.all("Parameter"):
        with source.noting():
            wide = source.number(parameter, "range", _WIDE)
            top = max(wide, 1024.0)
            log = attribute(parameter, "log") == "1"
            scale = Biex(top, 4.5, 0.0, -100.0) if log else Linear(top)
            yield source.text(parameter, "name"), AxisScale(scale, range=top)


def _unit(parameter: XmlElement) -> float:
    # FlowJo 9 writes scatter of 18 bits in steps of 64: range and highValue then both say 4096.
    scatter = (
        attribute(parameter, "name") in ("FSC-A", "FSC-H", "SSC-A", "SSC-H") and attribute(parameter, "log") != "1"
    )
    steps = attribute(parameter, "range") == "4096" and attribute(parameter, "highValue") == "4096"
    return _WIDE / _LINEAR_STEPS if scatter and steps else 1.0


class _Reader:
    def __init__(self, source: WorkspaceSource, axes: SampleAxes, units: dict[str, float]) -> None:
        self._source, self._axes, self._units = source, axes, units

    def branches(self, node: XmlElement) -> tuple[Branch, ...]:
        found = []
        for holder in (node, *node.all("Subpopulations")):
            for element in holder.all("Population"):
                with self._source.noting():
                    found.append(self._branch(element))
        return tuple(found)

    def _branch(self, element: XmlElement) -> Branch:
        branch = Branch(self._source.text(element, "name"), count=self._source.count(element))
        boolean = element.first("BooleanGate")
        try:
            if boolean is not None:
                branch = replace(branch, formula=self._formula(boolean))
            else:
                shapes = [shape for holder in element.all("PolygonGate") for shape in holder.children]
                if len(shapes) != 1:
                    raise ValueError(f"it has {len(shapes)} gates; one is read")
                branch = replace(branch, gate=self._shape(shapes[0]))
        except ValueError as error:
            branch = replace(branch, failure=str(error))
        return replace(branch, children=self.branches(element))

    def _shape(self, element: XmlElement) -> Gate:
        x = self._source.text(element, "xAxisName")
        vertices = list(_below(element, "Polygon", "Vertex")) or list(element.all("Vertex"))
        xs = [self._value(vertex, "x", x) for vertex in vertices]
        if not xs:
            self._source.refuse(element, "it has no vertices", "save the workspace again")
        if element.name == "Range":
            return interval(x, self._axes.axis(x), low=min(xs), high=max(xs))
        y = self._source.text(element, "yAxisName")
        ys = [self._value(vertex, "y", y) for vertex in vertices]
        if element.name == "PolyRect":
            low_high = interval(x, self._axes.axis(x), low=min(xs), high=max(xs))
            return Rectangle((low_high, interval(y, self._axes.axis(y), low=min(ys), high=max(ys))))
        if element.name == "Polygon":
            if len(xs) < 3:
                self._source.refuse(element, f"it has {len(xs)} corners; a polygon needs three")
            corners = list(zip(xs, ys, strict=True))
            return polygon((x, y), (self._axes.axis(x), self._axes.axis(y)), corners=corners, bins=None)
        raise ValueError(f"gates of the kind '{element.name}' are not read")

    def _value(self, vertex: XmlElement, side: str, axis: str) -> float:
        return self._source.number(vertex, side) * self._units.get(axis, 1.0)

    def _formula(self, element: XmlElement) -> Formula:
        """Return ``G0 & !G1 | G2`` over the listed paths; ``&`` binds more tightly than ``|``."""
        paths = [item.text for item in _strings(element)]
        tokens = re.split(r"([&|])", self._source.text(element, "specification"))
        terms = [token.strip() for token in tokens[0::2]]
        if len(terms) != len(paths):
            raise ValueError(f"its formula has {len(terms)} terms for {len(paths)} populations")
        either: list[list[Formula]] = [[]]
        for place, (term, path) in enumerate(zip(terms, paths, strict=True)):
            if place and tokens[2 * place - 1] == "|":
                either.append([])
            either[-1].append(("not", (path,)) if term.startswith("!") else path)
        joined = tuple(group[0] if len(group) == 1 else ("and", tuple(group)) for group in either)
        if len(joined) > 1:
            return ("or", joined)
        return joined[0]


def _strings(element: XmlElement) -> Iterator[XmlElement]:
    for holder in element.all("GatePaths"):
        yield from _below(holder, "StringArray", "String")
