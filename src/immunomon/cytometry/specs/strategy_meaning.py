"""What a strategy means: its names resolve, its tree is a tree, its gates can be made and lie on the panel's axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immunomon.cytometry.model.placement import GateMethod
from immunomon.cytometry.model.scales import SCALES
from immunomon.cytometry.specs.gatecall import Methods, check_gate, declaration_of
from immunomon.errors import nearest
from immunomon.findings import DataPath, Findings, shown
from immunomon.shape import Shaped
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import (
    ROOT,
    Expectation,
    GateDeclaration,
    GatingStrategy,
    Population,
    ScaleDeclaration,
)

if TYPE_CHECKING:
    from immunomon.cytometry.specs.strategy import ExpectationSpec, PopulationSpec, ScaleSpec, StrategySpec

__all__ = ["cycle_in", "parents_first", "strategy_of"]


def parents_first(needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the names so that what each one needs comes before it, else in the order given.

    needs: name -> names that come before it; names that are no keys are taken as there. Raises ValueError for a cycle.

    >>> parents_first({"treg": ["cd4"], "live": ["root"], "cd4": ["live"]})
    ('live', 'cd4', 'treg')
    """
    done: dict[str, None] = {}
    while len(done) < len(needs):
        waiting = (name for name in needs if name not in done)
        ready = next((name for name in waiting if all(b in done or b not in needs for b in needs[name])), None)
        if ready is None:
            raise ValueError("the names need each other in a circle")
        done[ready] = None
    return tuple(done)


def cycle_in(needs: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """Return each circle of names that need each other, where every name needs at most one other.

    >>> cycle_in({"a": ["b"], "b": ["a"], "c": ["a"]})
    [('a', 'b')]
    """
    cycles: list[tuple[str, ...]] = []
    settled: set[str] = set()
    for start in needs:
        way: list[str] = []
        name = start
        while name in needs and name not in settled and name not in way:
            way.append(name)
            name = next(iter(needs[name]), "")
        if name in way:
            cycles.append(tuple(way[way.index(name) :]))
        settled.update(way)
    return cycles


_KINDS_OF_AXES = ("fluorescence", "scatter", "time")
_PARAMETERS = {"logicle": "twma", "asinh": "tma", "linear": "ta", "identity": ""}


@dataclass
class _Gates:
    """The gates of a strategy as they are met: which were checked, and which of the shared ones are used.

    spelled: the panel's names of axes that the strategy calls otherwise.
    """

    methods: Methods
    findings: Findings
    shared: Mapping[str, Mapping[str, object]]
    panel: Panel | None
    lacking: dict[str, list[str]] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)
    checked: dict[DataPath, GateMethod | None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def check(self, call: Mapping[str, object], path: DataPath) -> GateMethod | None:
        if path not in self.checked:
            method = check_gate(call, path, methods=self.methods, findings=self.findings)
            self.checked[path] = method
        return self.checked[path]

    def of(self, population: PopulationSpec, path_inside: DataPath) -> tuple[GateMethod | None, GateDeclaration | None]:
        """Return a population's gate and its declaration; None where it cannot be made."""
        path: DataPath = (*path_inside, "gate")
        call = population.gate
        if isinstance(call, str):
            self.used.add(call)
            if call not in self.shared:
                self.findings.unknown(path, "gate", name=call, known=list(self.shared))
                return None, None
            path, call = ("gates", call), dict(self.shared[call])
        method = self.check(call, path)
        if method and self.panel:
            own = {axis: self.panel.own_name(axis) for axis in method.axes}
            self.lacking[population.id] = [axis for axis, name in own.items() if not name]
            self.spelled |= {axis: name for axis, name in own.items() if name not in ("", axis)}
        return method, declaration_of(call) if method else None


def strategy_of(
    shaped: Shaped[StrategySpec], known_ids: Sequence[str], *, methods: Methods, panel: Panel | None, findings: Findings
) -> GatingStrategy | None:
    """Return the strategy that a well-shaped file means, noting what is wrong with it in ``findings``.

    known_ids: the ids of all populations in the file, of those that lost their shape as well. None if it has problems.
    """
    spec = shaped.spec
    gates = _Gates(methods, findings, spec.gates, panel)
    _check_ids(shaped, findings)
    populations, references = _populations(shaped, gates, known_ids)
    for name, call in spec.gates.items():
        gates.check(call, ("gates", name))
        if name not in gates.used and "populations" not in shaped.dropped:
            findings.add(("gates", name), "no population uses this gate", "use it or remove it")
    scales = {axis: _scale(scale, axis, gates, findings) for axis, scale in spec.scales.items()}
    above = {population.id: population.parent for _, population in shaped.items("populations")}
    _check_report(spec.report, known_ids, above, findings)
    _check_expected(spec.expect, known_ids, findings)
    if spec.beads not in (None, *known_ids):
        findings.unknown(("beads",), "population", name=str(spec.beads), known=known_ids)
    _check_cycles(shaped, populations, references, findings)
    if findings.problems:
        return None
    order = parents_first({p.id: (p.parent, *references[p.id]) for p in populations})
    by_id = {population.id: population for population in populations}
    denominators = {name: tuple(names) for name, names in spec.report.items()}
    tree = tuple(by_id[name] for name in order)
    expected = {
        name: Expectation(*expectation.percent_of_parent, expectation.source or "", expectation.possible)
        for name, expectation in spec.expect.items()
    }
    named = (spec.name, spec.label, spec.version, spec.panel, tree)
    whole = GatingStrategy(*named, scales, denominators, expected, beads=spec.beads)
    carried = _carried(whole, references, gates)
    return carried.with_axes(gates.spelled) if carried else None


def _carried(whole: GatingStrategy, references: Mapping[str, Sequence[str]], gates: _Gates) -> GatingStrategy | None:
    """Return what of a strategy its panel carries; None, with the finding, if that is nothing of what it is for."""
    carried = whole.without(gates.lacking, references)
    if gates.panel is None or set(whole.targets) & set(carried.ids):
        return carried
    least = min((left.lacking for left in carried.left_out if left.population in whole.targets), key=len)
    problem = f"panel {shown(gates.panel.name)} has no {' and '.join(least)}, which all that is reported rests on"
    near = nearest(least[0], (*gates.panel.names, *gates.panel.detectors))
    gates.findings.add(("populations",), problem, f"correct the panel or the strategy, or use another one: {near}")
    return None


def _check_ids(shaped: Shaped[StrategySpec], findings: Findings) -> None:
    paths: dict[str, DataPath] = {}
    for path, population in shaped.items("populations"):
        if population.id == ROOT:
            findings.add((*path, "id"), "'root' means all events of the file", "choose another id")
        if population.id in paths:
            first = f"populations[{paths[population.id][1]}]"
            findings.add((*path, "id"), f"{shown(population.id)} is the id of {first} already", "choose another id")
        paths.setdefault(population.id, path)


def _populations(
    shaped: Shaped[StrategySpec], gates: _Gates, known_ids: Sequence[str]
) -> tuple[list[Population], dict[str, tuple[str, ...]]]:
    """Return the populations whose gates can be made, and which others each is made of."""
    populations: list[Population] = []
    references: dict[str, tuple[str, ...]] = {}
    for path, spec in shaped.items("populations"):
        if spec.parent not in (ROOT, *known_ids):
            gates.findings.unknown((*path, "parent"), "population", name=spec.parent, known=(ROOT, *known_ids))
        method, declaration = gates.of(spec, path)
        if method is None or declaration is None:
            continue
        ground = () if declaration.place_on in (None, ROOT) else (str(declaration.place_on),)
        needed = (*method.references, *ground)
        for name in dict.fromkeys(needed):
            if name not in known_ids:
                gates.findings.unknown((*path, "gate"), "population", name=name, known=known_ids)
        keep = _keep(spec, method, path, gates.findings)
        references[spec.id] = needed
        populations.append(Population(spec.id, spec.label or spec.id, spec.parent, declaration, keep))
    return populations, references


def _keep(spec: PopulationSpec, method: GateMethod, path: DataPath, findings: Findings) -> str:
    regions = method.regions
    if spec.keep is None and len(regions) != 1:
        choice = ", ".join(regions)
        findings.add((*path, "keep"), f"is missing, and the gate has the regions {choice}", "add 'keep: ...'")
    elif spec.keep is not None and spec.keep not in regions:
        findings.unknown((*path, "keep"), "region of this gate", name=spec.keep, known=regions)
    return spec.keep if spec.keep is not None else regions[0]


def _scale(spec: ScaleSpec, axis: str, gates: _Gates, findings: Findings) -> ScaleDeclaration:
    path = ("scales", axis)
    if axis not in _KINDS_OF_AXES:
        if gates.panel and (own := gates.panel.own_name(axis)) not in ("", axis):
            gates.spelled[axis] = own
        if gates.panel and not gates.panel.has(axis) and not any(axis in axes for axes in gates.lacking.values()):
            known = (*gates.panel.names, *gates.panel.detectors)
            findings.unknown(path, f"channel of panel '{gates.panel.name}'", name=axis, known=known)
    named = [name for name in "twma" if name in spec.model_fields_set]
    for name in named:
        if name not in _PARAMETERS[spec.kind]:
            findings.add((*path, name), f"the scale '{spec.kind}' has no parameter '{name}'", "remove it")
            return ScaleDeclaration(spec.kind)
    parameters: dict[str, float | None] = {name: getattr(spec, name) for name in named}
    try:
        SCALES[spec.kind](**{name: value for name, value in parameters.items() if value is not None})
    except (ValueError, ArithmeticError) as error:
        findings.add(path, f"no such scale: {error}", "correct the parameters")
    return ScaleDeclaration(spec.kind, tuple(parameters.items()))


def _ancestors(name: str, above: Mapping[str, str]) -> list[str]:
    ancestors: list[str] = []
    while name in above and above[name] not in ancestors:
        name = above[name]
        ancestors.append(name)
    return ancestors


def _check_expected(expected: Mapping[str, ExpectationSpec], known_ids: Sequence[str], findings: Findings) -> None:
    for name, expectation in expected.items():
        low, high = expectation.percent_of_parent
        if name not in known_ids:
            findings.unknown(("expect", name), "population", name=name, known=known_ids)
        if low >= high:
            findings.add(("expect", name), f"from {low:g} to {high:g} % is no range", "write the smaller percent first")
        least, most = expectation.possible
        if low < least or most < high:
            message = f"{low:g} to {high:g} % is expected, but only {least:g} to {most:g} % is possible"
            findings.add(("expect", name), message, "let 'possible' hold 'percent_of_parent'")


def _check_report(
    report: Mapping[str, Sequence[str]], known_ids: Sequence[str], above: Mapping[str, str], findings: Findings
) -> None:
    for name, denominators in report.items():
        if name not in known_ids:
            findings.unknown(("report", name), "population", name=name, known=known_ids)
        for index, denominator in enumerate(denominators):
            path = ("report", name, index)
            if denominator not in (ROOT, *known_ids):
                findings.unknown(path, "population", name=denominator, known=(ROOT, *known_ids))
            elif denominator == name:
                findings.add(path, "a population is always 100 % of itself", "name another denominator")
            elif name in above and denominator not in _ancestors(name, above):
                problem = f"{shown(denominator)} does not hold {shown(name)}, so that no percent of it can be given"
                findings.add(path, problem, "name one of: " + ", ".join(_ancestors(name, above)))
            elif denominator in denominators[:index]:
                findings.add(path, f"{shown(denominator)} is in the list twice", "remove one")


def _check_cycles(
    shaped: Shaped[StrategySpec],
    populations: Iterable[Population],
    references: Mapping[str, Sequence[str]],
    findings: Findings,
) -> None:
    places = {population.id: path for path, population in shaped.items("populations")}
    needs = {population.id: (population.parent,) for _, population in shaped.items("populations")}
    for cycle in cycle_in(needs):
        round_trip = " -> ".join((*cycle, cycle[0]))
        findings.add(
            (*places[cycle[0]], "parent"), f"a population cannot descend from itself: {round_trip}", "correct a parent"
        )
    for population in populations:
        for name in references[population.id]:
            if _rests_on(name, population.id, needs, references):
                problem = f"{shown(population.id)} cannot be made of {shown(name)}, which is itself or made from it"
                findings.add((*places[population.id], "gate"), problem, "name another population")


def _rests_on(
    start: str, target: str, needs: Mapping[str, Sequence[str]], references: Mapping[str, Sequence[str]]
) -> bool:
    """Say whether a population is the target, or needs it as an ancestor or an operand."""
    waiting, visited = [start], set()
    while waiting:
        name = waiting.pop()
        if name == target:
            return True
        if name not in visited:
            visited.add(name)
            waiting.extend((*needs.get(name, ()), *references.get(name, ())))
    return False
