"""FlowJo 9's XML (also FlowJo 8, for Macintosh): populations with gates in data units, one matrix a sample.

Vertices are intensities. Edges are straight, and ellipses are ellipses, on the display axes that the file holds as
tables (``flowjo9_scales``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from immunomon.cytometry.formats.flowjo import IDENTITY, base_name
from immunomon.cytometry.formats.flowjo9_gates import GateReader9, below, name_of
from immunomon.cytometry.formats.flowjo9_scales import Axes9, DisplayTables, axes_of
from immunomon.cytometry.formats.flowjo_axes import SampleAxes, SampleMatrix, read_derived
from immunomon.cytometry.formats.flowjo_source import WorkspaceSource, attribute
from immunomon.cytometry.formats.spillover import parse_spillover
from immunomon.cytometry.formats.workspace_tree import Tree, grow
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.matrix_labels import MatrixTable
from immunomon.cytometry.model.placed import OWN_MATRIX, UNCOMPENSATED, PlacedStrategy, Workspace, WorkspaceSample
from immunomon.cytometry.model.spillover import SpectrumMatrix
from immunomon.errors import BadSpillover
from immunomon.study.model.channels import Channel

__all__ = ["is_flowjo9", "read_flowjo9"]

_BINS = 256
_NO_MATRIX = -2
_SPILL = ("$SPILLOVER", "SPILLOVER", "SPILL", "$SPILL", "$COMP", "COMP")


def is_flowjo9(root: XmlElement) -> bool:
    """Say whether a workspace has FlowJo 9's form: its own version is 3.0 or older, FlowJo 10's is 20."""
    version = attribute(root, "version") or ""
    try:
        return float(version) <= 3.0 and version != "1.8"
    except ValueError:
        return False


def read_flowjo9(path: Path, root: XmlElement, *, bins: bool = False) -> Workspace:
    """Return a FlowJo 9 workspace that was saved as XML.

    root: its XML. bins: polygons are decided on 256 bins an axis instead of exactly. Raises BadSpec with every problem
    and its line; gates of a kind that is not read stay, with the reason.
    """
    source = WorkspaceSource(path)
    reader = _Workspace9(source, root, bins=bins)
    samples = tuple(reader.samples())
    groups = tuple(reader.groups())
    source.findings.raise_any()
    return Workspace(str(path), "FlowJo 9", samples, groups, source.remarks)


class _Workspace9:
    def __init__(self, source: WorkspaceSource, root: XmlElement, *, bins: bool) -> None:
        self._source, self._root, self._bins = source, root, bins
        self._matrices = list(self._read_matrices())
        self._tables = DisplayTables(source, tuple(below(root, "CalibrationTables", "Table")))
        self._prepared: dict[str, tuple[Axes9, SampleAxes]] = {}

    def samples(self) -> Iterator[WorkspaceSample]:
        analyses = {attribute(node, "sampleID"): node for node in below(self._root, "SampleAnalyses", "Sample")}
        members = dict(self._members())
        listed = (*below(self._root, "SampleList", "Sample"), *below(self._root, "Samples", "Sample"))
        for element in listed:
            node = element.first("SampleNode") or analyses.get(attribute(element, "sampleID"))
            if node is not None and attribute(node, "deleted") != "1":
                with self._source.noting():
                    sample = self._sample(element, node)
                    joined = tuple(name for name, ids in members.items() if sample.id in ids)
                    yield replace(sample, groups=joined)

    def groups(self) -> Iterator[WorkspaceSample]:
        members = dict(self._members())
        for node in below(self._root, "Groups", "GroupNode"):
            name = name_of(node)
            prepared = next((self._prepared[m] for m in members.get(name, ()) if m in self._prepared), None)
            if prepared is not None and node.first("Population") is not None:
                with self._source.noting():
                    axes, made = prepared
                    tree, placed = self._placed(name, node, axes, replace(made, made={}))
                    yield WorkspaceSample(f"group {name}", name, "", placed, tree.order)

    def _members(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for node in below(self._root, "Groups", "GroupNode"):
            references = [item for group in node.all("Group") for item in below(group, "SampleRefs", "SampleRef")]
            yield name_of(node), tuple(attribute(item, "sampleID") or "" for item in references)

    def _sample(self, element: XmlElement, node: XmlElement) -> WorkspaceSample:
        keywords = {
            (attribute(item, "name") or "").strip().upper(): (attribute(item, "value") or "").strip()
            for holder in ("Keywords", "FCSHeader")
            for item in below(element, holder, "Keyword")
        }
        matrix, notes = self._matrix_of(element, keywords)
        axes = axes_of(self._source, element, keywords=keywords, matrix=matrix, tables=self._tables, node=node)
        identity = {key: keywords[key] for key in IDENTITY if keywords.get(key)}
        name = name_of(node) or name_of(element) or keywords.get("$FIL", "") or attribute(element, "sampleID") or ""
        number = attribute(element, "sampleID") or name
        detectors = frozenset(value for key, value in keywords.items() if key.startswith("$P") and key.endswith("N"))
        made = SampleAxes(axes.scales, matrix, detectors, derived=read_derived(self._source, element))
        self._prepared[number] = axes, made
        tree, placed = self._placed(name, node, axes, made)
        total = self._source.count(node)
        if total is None:
            total = self._source.count(element, "eventCount")
        if total is not None:
            identity.setdefault("$TOT", str(total))
        file = base_name(keywords.get("$FIL") or name)
        return WorkspaceSample(number, name, file, placed, tree.order, tree.counts, total, identity, notes=notes)

    def _placed(self, name: str, node: XmlElement, axes: Axes9, made: SampleAxes) -> tuple[Tree, PlacedStrategy]:
        tree = grow(GateReader9(self._source, axes, made, bins=_BINS if self._bins else None).branches(node))
        matrices = {} if made.matrix is None else {made.matrix.name: made.matrix.matrix}
        return tree, PlacedStrategy(name, made.made, tree.populations, matrices)

    def _matrix_of(
        self, element: XmlElement, keywords: Mapping[str, str]
    ) -> tuple[SampleMatrix | None, tuple[str, ...]]:
        """Return a sample's matrix, and what should be said of the choice."""
        chosen = self._source.optional_number(element, "compensationID")
        if chosen is None or chosen == _NO_MATRIX:
            return None, ()
        if chosen < 0:
            return self._acquired(element, keywords), ()
        if len(self._matrices) == 1:
            only = self._matrices[0]
            problem = f"it asks for compensation matrix {chosen:g}; '{only.name}', the workspace's only one, is used"
            remedy = "if that is not its own, apply the matrix in FlowJo and save the workspace again"
            note = f"{self._source.path} line {element.line}: {problem}; {remedy}"
            return only, (note,) if chosen != 1 else ()
        if chosen == 0:
            return None, ()
        if chosen > len(self._matrices):
            problem = f"it asks for compensation matrix {int(chosen)} of {len(self._matrices)}"
            self._source.refuse(element, problem, "save the workspace again")
        return self._matrices[int(chosen) - 1], ()

    def _acquired(self, element: XmlElement, keywords: Mapping[str, str]) -> SampleMatrix | None:
        """Return the matrix that the sample's file was acquired with, as its keywords in the workspace have it."""
        keyword = next((key for key in _SPILL if keywords.get(key, "").strip("0,; ")), None)
        names = [value for key, value in keywords.items() if key.startswith("$P") and key.endswith("N") and value]
        if keyword is None or not names:
            return None  # the file's own, when it is gated
        try:
            spillover = parse_spillover(keywords[keyword], tuple(map(Channel, names)), keyword)
        except BadSpillover as error:
            self._source.refuse(element, str(error))
        return SampleMatrix("Acquisition-defined", SpectrumMatrix.of(spillover), "<", ">")

    def _read_matrices(self) -> Iterator[SampleMatrix]:
        source = self._source
        for number, element in enumerate(below(self._root, "CompensationMatrices", "CompensationMatrix"), start=1):
            with source.noting():
                name = attribute(element, "name") or f"matrix {number}"
                name = f"{name} matrix" if name in (OWN_MATRIX, UNCOMPENSATED) else name
                prefix, suffix = attribute(element, "prefix"), attribute(element, "suffix")
                matrix = self._matrix(element)
                yield SampleMatrix(name, matrix, "<" if prefix is None else prefix, ">" if suffix is None else suffix)

    def _matrix(self, element: XmlElement) -> SpectrumMatrix:
        source, rows = self._source, tuple(element.all("Channel"))
        names = tuple(source.text(row, "name") for row in rows)
        values = []
        for row, name in zip(rows, names, strict=True):
            cells = {source.text(c, "name"): source.number(c, "value") for c in row.all("ChannelValue")}
            unknown = [cell for cell in cells if cell not in names]
            if unknown:
                source.refuse(row, f"it has a value for '{unknown[0]}', which is no channel of the matrix")
            values.append(tuple(cells.get(column, 1.0 if column == name else 0.0) for column in names))
        try:
            return MatrixTable(names, names, values, tuple(row.line for row in rows)).spectrum()
        except BadSpillover as error:
            source.refuse(element, str(error))
