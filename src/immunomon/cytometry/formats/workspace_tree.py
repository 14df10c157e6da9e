"""From populations as a workspace nests them to a placed strategy: unique ids, operands first, helpers marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import Boolean, Gate
from immunomon.cytometry.model.placed import HELPER
from immunomon.study.model.strategy import ROOT

__all__ = ["Branch", "Formula", "Tree", "grow"]

# A path of another population, or an operator over formulas: ("and" | "or" | "not", formulas).
Formula = str | tuple[str, tuple["Formula", ...]]


@dataclass(frozen=True)
class Branch:
    """A population as a workspace has it: its own gate (or that gate's outside), or a formula over other populations.

    more: further gates that it must lie in too, each with whether its outside is meant. formula: other populations by
    the path the workspace gives, names joined by ``/``, or relative to the parent. failure: why it has neither; note:
    what should be known of its gate.
    """

    name: str
    gate: Gate | None = None
    outside: bool = False
    formula: Formula | None = None
    count: int | None = None
    failure: str = ""
    note: str = ""
    more: tuple[tuple[Gate, bool], ...] = ()
    children: tuple[Branch, ...] = ()


@dataclass(frozen=True)
class Tree:
    """Populations in an order that can be applied; ``order``: the reported ones' ids as the workspace lists them."""

    populations: tuple[PlacedPopulation, ...]
    order: tuple[str, ...]
    counts: Mapping[str, int]


@dataclass
class _Grown:
    branch: Branch
    id: str
    parent: str
    path: str


@dataclass
class _Grower:
    known: dict[str, _Grown] = field(default_factory=dict)
    made: list[PlacedPopulation] = field(default_factory=list)

    def plant(self, branches: Sequence[Branch], parent: str = ROOT) -> None:
        for branch in branches:
            path = ("" if parent == ROOT else self.known[parent].path) + "/" + branch.name
            unique, number = path, 2
            while unique in self.known:
                unique, number = f"{path} #{number}", number + 1
            self.known[unique] = _Grown(branch, unique, parent, path)
            self.plant(branch.children, unique)

    def populations(self, grown: _Grown) -> Iterator[PlacedPopulation]:
        branch = grown.branch
        method = branch.gate.kind if branch.gate else "boolean"
        placed = branch.gate
        try:
            if branch.failure:
                raise ValueError(branch.failure)
            formula = branch.formula
            if branch.more and placed is not None:
                gates = ((placed, branch.outside), *branch.more)
                parts = [f"{grown.id} (gate {number})" for number in range(1, len(gates) + 1)]
                for part, (gate, _) in zip(parts, gates, strict=True):
                    yield PlacedPopulation(part, branch.name, grown.parent, part, HELPER, gate)
                turned = tuple(outside for _, outside in gates)
                placed = Boolean("and", tuple(parts), turned if any(turned) else ())
            elif branch.outside and placed is not None:
                inside = f"{grown.id} (inside)"
                yield PlacedPopulation(inside, branch.name, grown.parent, inside, HELPER, placed)
                placed = Boolean("not", (inside,))
            elif formula is not None:
                operator, operands = formula if isinstance(formula, tuple) else ("and", (formula,))
                names = []
                for number, operand in enumerate(operands, start=1):
                    helpers, name = self._operand(operand, grown, f"{grown.id} ({number})")
                    yield from helpers
                    names.append(name)
                placed = Boolean(operator, tuple(names))
        except ValueError as error:
            yield PlacedPopulation(grown.id, branch.name, grown.parent, grown.path, method, None, failure=str(error))
            return
        note = branch.note
        yield PlacedPopulation(grown.id, branch.name, grown.parent, grown.path, method, placed, note=note)

    def _operand(self, operand: Formula, grown: _Grown, helper: str) -> tuple[list[PlacedPopulation], str]:
        if isinstance(operand, str):
            return [], self._find(operand, grown)
        helpers, names = [], []
        for number, inner in enumerate(operand[1], start=1):
            more, name = self._operand(inner, grown, f"{helper}.{number}")
            helpers.extend(more)
            names.append(name)
        shape = Boolean(operand[0], tuple(names))
        return [*helpers, PlacedPopulation(helper, helper, grown.parent, helper, HELPER, shape)], helper

    def _find(self, path: str, grown: _Grown) -> str:
        base = "" if grown.parent == ROOT else grown.parent
        for candidate in ("/" + path.lstrip("/"), f"{base}/{path}"):
            if f"{candidate} #2" in self.known and self.known[f"{candidate} #2"].path == candidate:
                raise ValueError(
                    f"it is made of '{path}', and two populations are called so; give them different names"
                )
            if candidate in self.known and candidate != grown.id:
                return candidate
        raise ValueError(f"it is made of '{path}', which is not among the populations")


def grow(branches: Sequence[Branch]) -> Tree:
    """Return the populations of a nested tree, parents and operands first.

    Ids are paths, such as ``/Time/Singlets``, with `` #2`` behind the second of two that are called the same.

    >>> [p.id for p in grow([Branch("a", formula=("not", ("b",))), Branch("b", failure="no gate")]).populations]
    ['/b', '/a']
    """
    grower = _Grower()
    grower.plant(branches)
    pending = {grown.id: list(grower.populations(grown)) for grown in grower.known.values()}
    done: list[PlacedPopulation] = []
    ready = {ROOT}
    while pending:
        turn = [name for name, group in pending.items() if _needs(group) <= ready]
        if not turn:  # operands that wait for each other
            turn = list(pending)[:1]
            last = pending[turn[0]][-1]
            failed = "it is made of populations that are made of it"
            pending[turn[0]] = [
                PlacedPopulation(last.id, last.label, last.parent, last.path, last.method, None, failure=failed)
            ]
        for name in turn:
            done.extend(pending.pop(name))
            ready.add(name)
    counts = {grown.id: grown.branch.count for grown in grower.known.values() if grown.branch.count is not None}
    return Tree(tuple(done), tuple(grower.known), counts)


def _needs(group: Sequence[PlacedPopulation]) -> set[str]:
    needed = {group[-1].parent}
    for population in group:
        if isinstance(population.gate, Boolean):
            needed.update(population.gate.of)
    return needed - {population.id for population in group[:-1]}
