"""FlowJo 11's own workbenches (.flowjo): a ZIP of analyses in JSON, each a graph of nodes by id.

The form is not published. What is read of it here is what open descriptions of real files agree on: gates in display
coordinates of their own axes, 0 to ``gateResolution``; a gate changed for one file in ``desyncTable``; populations, one
a file and gate, with FlowJo's count; Boolean ones as children of their operands; matrices among the platforms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from immunomon.cytometry.formats.flowjo import IDENTITY, base_name
from immunomon.cytometry.formats.flowjo11_gates import FlowJo11Gates, JsonNode, read_analyses
from immunomon.cytometry.formats.flowjo_axes import SampleAxes, SampleMatrix
from immunomon.cytometry.formats.workspace_tree import Branch, grow
from immunomon.cytometry.model.clock import CLOCK
from immunomon.cytometry.model.placed import PlacedStrategy, Workspace, WorkspaceSample
from immunomon.cytometry.model.spillover import SpectrumMatrix
from immunomon.errors import BadSpec, BadSpillover, Problem

__all__ = ["read_flowjo11"]

_REMEDY = "save it as a workspace (.wsp) in FlowJo"
_REMARK = (
    "FlowJo 11's own form is not published: its polygons, rectangles, ranges, ellipses, quadrants, Boolean "
    "populations, matrices and counts are read; clusters, derived parameters, reports and rules of groups are not. "
    f"Hold the counts against FlowJo's (--compare-counts), or {_REMEDY}"
)
_BOOLEANS = ("and", "or", "not")
_DEEPEST = 200
_PREFIX = "Comp-"


def read_flowjo11(path: Path, *, bins: bool = False) -> Workspace:
    """Return a FlowJo 11 workbench, with the samples of all its analyses.

    bins: polygons are decided on 256 bins an axis. Raises BadSpec, with the remedy, for what is no such file, is larger
    than is read, or whose graph makes no sense; a population that cannot be read is kept, with the reason.
    """
    samples: list[WorkspaceSample] = []
    for analysis in read_analyses(path):
        try:
            graph = _Graph(analysis, bins)
            samples.extend(graph.samples())
        except ValueError as error:
            raise BadSpec([Problem(str(path), None, "", str(error), _REMEDY)]) from error
    return Workspace(str(path), "FlowJo 11", tuple(samples), remarks=(_REMARK,))


@dataclass(frozen=True, eq=False)
class _Population:
    """One population of one file: its definition, which part of it, the populations it names as parents, its count."""

    id: str
    definition: JsonNode
    name: str
    number: int
    parents: tuple[str, ...]
    count: int | None

    @property
    def kind(self) -> str:
        """Return root, gate, quad, and, or, not."""
        return self.definition.get("type").text("gate")


@dataclass(eq=False)
class _Graph:
    analysis: JsonNode
    bins: bool

    def samples(self) -> Iterator[WorkspaceSample]:
        for identity, source in self.analysis.get("dataSources").items():
            yield self._sample(identity, source)

    def _sample(self, identity: str, source: JsonNode) -> WorkspaceSample:
        keywords = {name.upper(): value.text("") for name, value in source.get("results").get("keywords").items()}
        uri = source.get("definition").get("uri").text("")
        name = source.get("definition").get("customKeywords").get("File Name").text("") or base_name(uri)
        axes = self._axes(source)
        populations = {p.id: p for p in self._populations(identity)}
        gates = FlowJo11Gates(identity, axes, bins=self.bins)
        tree = _Tree(populations, gates)
        grown = grow(tree.branches())
        root = next((p for p in populations.values() if p.kind == "root"), None)
        matrices = {} if axes.matrix is None else {axes.matrix.name: axes.matrix.matrix}
        return WorkspaceSample(
            identity,
            name or identity,
            base_name(uri) or name,
            PlacedStrategy(name, axes.made, grown.populations, matrices),
            grown.order,
            grown.counts,
            root.count if root else None,
            {key: keywords[key].strip() for key in IDENTITY if keywords.get(key, "").strip()},
            tuple(self._groups(identity)),
            {key: keywords[key].strip() for key in CLOCK if keywords.get(key, "").strip()},
        )

    def _groups(self, identity: str) -> Iterator[str]:
        for _, group in self.analysis.get("groups").items():
            if identity in group.get("parents").get("dataSources").texts():
                yield group.get("definition").get("name").text("")

    def _populations(self, identity: str) -> Iterator[_Population]:
        definitions = self.analysis.get("populationDefinitions")
        for key, node in self.analysis.get("populations").items():
            parents = node.get("parents")
            if identity not in (*parents.get("_dataSource").texts(), *parents.get("dataSources").texts()):
                continue
            defined = next(iter(parents.get("populationDefinitions").texts()), "")
            definition = definitions.get(defined).get("definition")
            number = int(node.get("definition").get("populationNumber").number(0.0))
            names = definition.get("name").texts()
            named = names[number] if 0 <= number < len(names) else next(iter(names), "unnamed")
            count = node.get("results").get("count").number(-1.0)
            valid = count >= 0 and node.get("results").get("status").text("") != "invalid"
            above = parents.get("populations").texts()
            yield _Population(key, definition, named, number, above, int(count) if valid else None)

    def _axes(self, source: JsonNode) -> SampleAxes:
        platforms = self.analysis.get("platforms").get("spilloverMatrix")
        used = [platforms.get(key) for key in source.get("parents").get("platforms").texts() if platforms.has(key)]
        try:
            if len(used) > 1:
                raise ValueError(f"the file has {len(used)} compensation matrices")
            return SampleAxes({}, _matrix(used[0].get("definition")) if used else None)
        except (ValueError, BadSpillover) as error:
            return SampleAxes({}, missing=f"its compensation is not read ({error}); {_REMEDY}")


def _matrix(definition: JsonNode) -> SampleMatrix:
    spillover, spec = definition.get("spillover"), definition.get("compSpec").get("CompensationSpec")
    if definition.get("isSpectral").flag() or spec.get("spectral").flag():
        raise ValueError("its matrix unmixes spectra")
    rows, columns = spillover.get("rows").texts(), spillover.get("columns").texts()
    values = [line.numbers() for line in spillover.get("values").list()]
    if not rows:
        rows = tuple(item.get("name").text() for item in spec.get("parameters").list())
        columns = tuple(item.get("name").text() for item in spec.get("detectors").list())
        values = [line.numbers() for line in spec.get("coefficients").list()]
    adjusted = [line.numbers() for line in definition.get("adjustment").get("values").list()]
    if any(value != (row == column) for row, line in enumerate(adjusted) for column, value in enumerate(line)):
        raise ValueError("its matrix was adjusted by hand")
    own = definition.get("fluorToPrimaryDetector")
    detectors = tuple(own.get(row).text(row.removeprefix(_PREFIX)) for row in rows)
    matrix = SpectrumMatrix(detectors, columns, tuple(values))
    diagonal = {line[columns.index(name)] for name, line in zip(detectors, values, strict=True) if name in columns}
    if diagonal == {100.0}:
        matrix = replace(matrix, values=tuple(tuple(value / 100.0 for value in line) for line in values))
    elif diagonal != {1.0}:
        raise ValueError("its diagonal is neither 1 nor 100")
    name = definition.get("name").text("compensation")
    return SampleMatrix(f"FlowJo 11 {name}", matrix, _PREFIX)


@dataclass(eq=False)
class _Tree:
    """The populations of one file as branches: Boolean ones lie in the parent that their operands share."""

    populations: Mapping[str, _Population]
    gates: FlowJo11Gates
    above: dict[str, str | None] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)

    def branches(self) -> tuple[Branch, ...]:
        below: dict[str | None, list[_Population]] = {}
        for population in self.populations.values():
            if population.kind != "root":
                below.setdefault(self._above(population), []).append(population)
        roots = [key for key, population in self.populations.items() if population.kind == "root"]
        tops = [population for root in (*roots, None) for population in below.pop(root, [])]
        self._name(tops, below, "")
        if len(self.paths) + len(roots) < len(self.populations):
            raise ValueError("populations lie in each other in a circle")
        return self._grown(tops, below)

    def _above(self, population: _Population, depth: int = 0) -> str | None:
        """Return the id of the population that one lies in, None for one without."""
        if depth > _DEEPEST:
            raise ValueError(f"populations are made of each other in a circle, or more than {_DEEPEST} deep")
        if population.id not in self.above:
            known = [key for key in population.parents if key in self.populations]
            if population.kind in _BOOLEANS and known:
                self.above[population.id] = self._shared(known, depth + 1)
            else:
                self.above[population.id] = known[0] if known else None
        return self.above[population.id]

    def _shared(self, operands: list[str], depth: int) -> str | None:
        chains = []
        for key in operands:
            chain: list[str] = []
            above = self._above(self.populations[key], depth)
            while above is not None and above not in chain:
                chain.append(above)
                above = self._above(self.populations[above], depth)
            chains.append(chain)
        return next((key for key in chains[0] if all(key in chain for chain in chains)), None)

    def _name(
        self, siblings: list[_Population], below: Mapping[str | None, list[_Population]], above: str, depth: int = 0
    ) -> None:
        if depth > _DEEPEST:
            raise ValueError(f"populations lie more than {_DEEPEST} deep in each other")
        taken: set[str] = set()
        for population in siblings:
            name, number = population.name, 1
            while name in taken:
                number += 1
                name = f"{population.name} #{number}"
            taken.add(name)
            self.names[population.id], self.paths[population.id] = name, f"{above}/{name}"
            self._name(below.get(population.id, []), below, self.paths[population.id], depth + 1)

    def _grown(self, siblings: list[_Population], below: Mapping[str | None, list[_Population]]) -> tuple[Branch, ...]:
        return tuple(
            replace(self._branch(population), children=self._grown(below.get(population.id, []), below))
            for population in siblings
        )

    def _branch(self, population: _Population) -> Branch:
        branch = Branch(self.names[population.id], count=population.count)
        try:
            if not population.parents or any(key not in self.populations for key in population.parents):
                raise ValueError("it lies in, or is made of, populations that the file does not have")
            if population.kind in _BOOLEANS:
                return replace(branch, formula=(population.kind, tuple(self.paths[key] for key in population.parents)))
            return replace(branch, gate=self.gates.read(population.definition, population.number))
        except ValueError as error:
            return replace(branch, failure=f"{error}; {_REMEDY}")
