"""FlowJo workspaces (.wsp) of FlowJo 10 and 11: each sample's gates, scales, matrix and stored counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote

from immunomon.cytometry.formats.flowjo_axes import (
    SampleAxes,
    SampleMatrix,
    lacking_matrix,
    read_derived,
    read_matrix,
    read_scales,
)
from immunomon.cytometry.formats.flowjo_gates import GateReader
from immunomon.cytometry.formats.flowjo_source import WorkspaceSource, attribute
from immunomon.cytometry.formats.workspace_tree import Branch, grow
from immunomon.cytometry.formats.xmltree import XmlElement
from immunomon.cytometry.model.clock import CLOCK
from immunomon.cytometry.model.placed import PlacedStrategy, Workspace, WorkspaceSample
from immunomon.cytometry.model.spillover import SpectrumMatrix

__all__ = ["IDENTITY", "base_name", "read_flowjo"]

# What tells two files apart when their names do not.
IDENTITY = ("$FIL", "GUID", "$TOT", "$DATE", "$BTIM", "$ETIM", "$CYT")
_BOOLEANS = {"AndNode": "and", "OrNode": "or", "NotNode": "not"}


def base_name(uri: str) -> str:
    r"""Return a file's own name from a URI or path of any system.

    >>> base_name("file:/C:/Users/me/day%201/a.fcs"), base_name("C:\\data\\b.fcs")
    ('a.fcs', 'b.fcs')
    """
    return PureWindowsPath(PurePosixPath(unquote(uri)).name).name


def read_flowjo(path: Path, root: XmlElement, *, bins: bool = False) -> Workspace:
    """Return a FlowJo 10 or 11 workspace.

    root: its XML. bins: gates are decided on FlowJo's 256 bins an axis instead of exactly. Raises BadSpec with every
    problem and its line; a population whose gate or scale is of a kind that is not read is kept, with the reason.
    """
    source = WorkspaceSource(path)
    members = _members(root)
    samples, axes = [], {}
    holder = root.first("SampleList")
    for element in holder.all("Sample") if holder else ():
        with source.noting():
            sample, prepared = _sample(source, element, bins=bins)
            joined = tuple(name for name, ids in members.items() if sample.id in ids)
            samples.append(replace(sample, groups=joined))
            axes[sample.id] = prepared
    groups = list(_groups(source, root, members=members, axes=axes, bins=bins))
    source.findings.raise_any()
    program = f"FlowJo {attribute(root, 'flowJoVersion') or '10'}"
    return Workspace(str(path), program, tuple(samples), tuple(groups), source.remarks)


def _nodes(root: XmlElement) -> Iterator[XmlElement]:
    holder = root.first("Groups")
    yield from holder.all("GroupNode") if holder else ()


def _members(root: XmlElement) -> dict[str, tuple[str, ...]]:
    members = {}
    for node in _nodes(root):
        group = node.first("Group")
        references = group.first("SampleRefs") if group else None
        listed = references.all("SampleRef") if references else ()
        members[attribute(node, "name") or ""] = tuple(attribute(item, "sampleID") or "" for item in listed)
    return members


def _groups(
    source: WorkspaceSource,
    root: XmlElement,
    *,
    members: dict[str, tuple[str, ...]],
    axes: dict[str, SampleAxes],
    bins: bool,
) -> Iterator[WorkspaceSample]:
    for node in _nodes(root):
        name = attribute(node, "name") or ""
        prepared = next((axes[member] for member in members[name] if member in axes), None)
        if prepared is None or node.first("Subpopulations") is None:
            continue
        with source.noting():
            own = replace(prepared, made={})
            tree = grow(_branches(source, node, GateReader(source, own, bins=bins)))
            placed = PlacedStrategy(name, own.made, tree.populations, _matrices(own.matrix))
            yield WorkspaceSample(f"group {name}", name, "", placed, tree.order)


def _matrices(matrix: SampleMatrix | None) -> dict[str, SpectrumMatrix]:
    return {} if matrix is None else {matrix.name: matrix.matrix}


def _sample(source: WorkspaceSource, element: XmlElement, *, bins: bool) -> tuple[WorkspaceSample, SampleAxes]:
    node = element.first("SampleNode")
    if node is None:
        source.refuse(element, "the sample has no SampleNode", "save the workspace again")
    keywords = _keywords(element)
    detectors = frozenset(value for name, value in keywords.items() if name.startswith("$P") and name.endswith("N"))
    axes = SampleAxes(
        read_scales(source, element),
        read_matrix(source, element),
        detectors,
        missing=lacking_matrix(source, element),
        derived=read_derived(source, element),
    )
    tree = grow(_branches(source, node, GateReader(source, axes, bins=bins)))
    name = attribute(node, "name") or attribute(node, "sampleID") or ""
    data = element.first("DataSet")
    uri = attribute(data, "uri") if data else None
    sample = WorkspaceSample(
        attribute(node, "sampleID") or name,
        name,
        base_name(uri or name),
        PlacedStrategy(name, axes.made, tree.populations, _matrices(axes.matrix)),
        tree.order,
        tree.counts,
        source.count(node),
        {key: keywords[key].strip() for key in IDENTITY if keywords.get(key, "").strip()},
        clock={key: keywords[key].strip() for key in CLOCK if keywords.get(key, "").strip()},
    )
    return sample, axes


def _keywords(element: XmlElement) -> dict[str, str]:
    holder = element.first("Keywords")
    listed = holder.all("Keyword") if holder else ()
    return {(attribute(item, "name") or "").upper(): attribute(item, "value") or "" for item in listed}


def _branches(source: WorkspaceSource, node: XmlElement, gates: GateReader) -> tuple[Branch, ...]:
    holder = node.first("Subpopulations")
    branches = []
    for element in holder.children if holder else ():
        if element.name == "Population" or element.name in _BOOLEANS:
            with source.noting():
                branches.append(_branch(source, element, gates))
    return tuple(branches)


def _branch(source: WorkspaceSource, element: XmlElement, gates: GateReader) -> Branch:
    branch = Branch(source.text(element, "name"), count=source.count(element))
    if element.name == "Population":
        listed = tuple(element.all("Gate"))
        gate = listed[0] if listed else None
        if gate is None or len(listed) > 1:
            failure = "it has two gates in the workspace, not one" if listed else "it has no gate in the workspace"
            branch = replace(branch, failure=failure)
        else:
            try:
                shape, inside = gates.read(gate)
                branch = replace(branch, gate=shape, outside=not inside)
            except ValueError as error:
                branch = replace(branch, failure=str(error))
    else:
        holder = element.first("Dependents")
        operands = tuple(source.text(item, "name") for item in holder.all("Dependent")) if holder else ()
        if not operands:
            branch = replace(branch, failure="it combines populations, but the workspace does not say which")
        else:
            branch = replace(branch, formula=(_BOOLEANS[element.name], operands))
    return replace(branch, children=_branches(source, element, gates))
