"""Reading Gating-ML 2.0: the gates of another program, ready to be applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from immunomon.cytometry.formats.gatingml_axes import GatingMlAxes, read_matrices, read_transformations
from immunomon.cytometry.formats.gatingml_gates import (
    GATE_ELEMENTS,
    Tailoring,
    dimensions_in,
    geometry_of,
    quadrants_of,
    tailoring,
)
from immunomon.cytometry.formats.gatingml_source import DATATYPES, GATING, OURS, TRANSFORMS, GatingMlSource
from immunomon.cytometry.formats.xmltree import XmlElement, read_xml
from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import Boolean, Gate
from immunomon.cytometry.model.placed import PlacedStrategy
from immunomon.errors import BadSpec, Problem
from immunomon.study.model.strategy import ROOT

__all__ = ["read_gatingml"]

_LARGEST = 16 * 1024 * 1024
_DEEPEST = 500  # gates inside each other


def read_gatingml(path: Path) -> PlacedStrategy:
    """Return the gates of a Gating-ML 2.0 document, parents and operands first, else in the document's order.

    Every gate and every quadrant is a population under its id. Raises BadSpec with every problem found, by line.

    >>> read_gatingml(Path("none.xml"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none.xml: no such file; check the path
    """
    root = read_xml(path, _LARGEST)
    if (root.namespace, root.name) != (GATING, "Gating-ML"):
        problem = f"its root element is '{root.name}', not Gating-ML 2.0's"
        raise BadSpec([Problem(str(path), root.line, "", problem, f"its namespace must be {GATING}")])
    source = GatingMlSource(path)
    parts = list(_parts(root))
    transformations = read_transformations(source, _named(parts, TRANSFORMS, "transformation"))
    matrices = read_matrices(source, _named(parts, TRANSFORMS, "spectrumMatrix"))
    gates = [part for part in parts if part.namespace == GATING and part.name in GATE_ELEMENTS]
    axes = GatingMlAxes(source, transformations, matrices)
    ours = next((info for part in _named(parts, DATATYPES, "custom_info") for info in part.all("strategy", OURS)), None)
    axes.declare([] if ours is None else list(ours.all("axis", OURS)))
    axes.name_all([dimension for gate in gates for dimension in dimensions_in(gate)])
    own = tailoring(source, gates)
    populations = _populations(source, gates, axes, own)
    tailored = _tailored(source, axes, own, {p.id: p for p in populations})
    source.findings.raise_any()
    name = None if ours is None else ours.get("name", OURS)
    return PlacedStrategy(name or path.stem, axes.axes, populations, matrices, tailored=tailored)


def _tailored(
    source: GatingMlSource, axes: GatingMlAxes, own: Tailoring, known: Mapping[str, PlacedPopulation]
) -> dict[str, dict[str, Gate]]:
    tailored: dict[str, dict[str, Gate]] = {}
    for base, files in own.files.items():
        for file, element in files.items():
            with source.noting():
                if base not in known or element.name == "QuadrantGate":
                    source.refuse(
                        element, "a crossing tailored for a file is not read", "make it rectangles in Cytobank"
                    )
                tailored.setdefault(file, {})[base] = geometry_of(source, element, axes, ids={})
    return tailored


def _named(parts: list[XmlElement], namespace: str, name: str) -> list[XmlElement]:
    return [part for part in parts if part.namespace == namespace and part.name == name]


def _parts(root: XmlElement) -> Iterator[XmlElement]:
    """Return gates, transformations, matrices and notes, those inside another program's own elements included."""
    ways = [iter(root.children)]
    while ways:
        element = next(ways[-1], None)
        if element is None:
            ways.pop()
        elif element.namespace in (GATING, TRANSFORMS, DATATYPES):
            yield element
        else:
            ways.append(iter(element.children))


@dataclass(frozen=True)
class _Found:
    """A gate as found: where, inside which other one, and its geometry."""

    element: XmlElement
    parent: str | None
    gate: Gate
    quadrant: bool
    failure: str = ""
    note: str = ""


def _populations(
    source: GatingMlSource, gates: list[XmlElement], axes: GatingMlAxes, own: Tailoring
) -> tuple[PlacedPopulation, ...]:
    ids = _ids(source, gates)
    ids |= {name: ids[base] for name, base in own.stands_for.items() if base in ids}
    populations: dict[str, _Found] = {}
    for element in gates:
        identity = element.get("id", GATING) or ""
        if own.stands_for.get(identity, identity) != identity:
            continue
        with source.noting():
            populations |= {ids[name]: item for name, item in _read(source, element, axes, ids) if name in ids}
        name = ids.get(identity, "")
        if name in populations:
            failure, note = own.failures.get(identity, ""), own.notes.get(identity, "")
            populations[name] = replace(populations[name], failure=failure, note=note)
    source.findings.raise_any()
    done: dict[str, PlacedPopulation] = {}
    order: list[str] = []
    with source.noting():
        order += _ordered(source, populations)
    depths = {ROOT: 0}
    for name in order:
        item = populations[name]
        parent = ROOT if item.parent is None else item.parent
        depths[name] = depths[parent] + 1
        if depths[name] > _DEEPEST:
            problem = Problem(
                str(source.path), item.element.line, name, f"more than {_DEEPEST} gates lie in each other"
            )
            raise BadSpec([problem])
        way = ("" if item.parent is None else done[parent].path) + f"/{name}"
        label = name if item.quadrant else item.element.get("label", OURS) or name
        method = item.element.get("method", OURS) or item.gate.kind
        gate = None if item.failure else item.gate
        done[name] = PlacedPopulation(name, label, parent, way, method, gate, note=item.note, failure=item.failure)
    return tuple(done.values())


def _ids(source: GatingMlSource, gates: list[XmlElement]) -> dict[str, str]:
    """Return the document's ids of gates and quadrants -> ids of populations; they differ where XML forbids ours."""
    ids: dict[str, str] = {}
    taken = {ROOT}
    for gate in gates:
        for element in gate.all("Quadrant", GATING) if gate.name == "QuadrantGate" else [gate]:
            with source.noting():
                name = source.text(element, "id", GATING)
                own = element.get("id", OURS) if element.attributes.get(f"{OURS}}}id") else name
                if name in ids or own in taken:
                    source.refuse(element, f"the id '{own}' is taken already", "give each gate its own id")
                ids[name] = own or name
                taken.add(ids[name])
    return ids


def _read(
    source: GatingMlSource, element: XmlElement, axes: GatingMlAxes, ids: Mapping[str, str]
) -> Iterator[tuple[str, _Found]]:
    reference = element.get("parent_id", GATING)
    if reference is not None and reference not in ids:
        source.refuse_unknown(element, "gate or quadrant to be its parent is named", reference, known=ids)
    parent = None if reference is None else ids[reference]
    if element.name == "QuadrantGate":
        for name, region in quadrants_of(source, element, axes).items():
            yield name, _Found(element, parent, region, True)
    else:
        gate = geometry_of(source, element, axes, ids=ids)
        yield source.text(element, "id", GATING), _Found(element, parent, gate, False)


def _ordered(source: GatingMlSource, populations: Mapping[str, _Found]) -> list[str]:
    """Return the ids so that parents and operands come first, else in the document's order."""
    needs = {
        name: [*([item.parent] if item.parent else []), *(item.gate.of if isinstance(item.gate, Boolean) else ())]
        for name, item in populations.items()
    }
    order: dict[str, None] = {}
    for start in needs:
        way = {start: iter(needs[start])} if start not in order else {}
        while way:
            name = next(reversed(way))
            needed = next((dependency for dependency in way[name] if dependency not in order), None)
            if needed is None:
                order[name] = None
                way.pop(name)
            elif needed in way:
                source.refuse(populations[needed].element, f"it needs itself, by way of '{name}'", "break the circle")
            else:
                way[needed] = iter(needs[needed])
    return list(order)
