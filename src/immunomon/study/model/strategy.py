"""Gating strategies as declared: a tree of populations in a biologist's words, before any data is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from immunomon.errors import UnknownName, nearest
from immunomon.study.model.marker_names import known_marker

__all__ = [
    "ROOT",
    "Expectation",
    "Fit",
    "GateDeclaration",
    "GatingStrategy",
    "LeftOut",
    "Population",
    "ScaleDeclaration",
]

ROOT = "root"

# On whose events a gate is placed: each sample's own; all of a subject's; all of a batch's; the subject's baseline
# sample's; all samples' of the panel.
Fit = Literal["sample", "subject", "batch", "baseline", "cohort"]


@dataclass(frozen=True)
class ScaleDeclaration:
    """A display scale as declared; ``w`` may be ``None``, which means: from the data."""

    kind: str = "logicle"
    parameters: tuple[tuple[str, float | None], ...] = ()


@dataclass(frozen=True)
class GateDeclaration:
    """A gate as declared: the name of a registered method and its arguments, as plain data.

    place_on: the population on whose events the gate is placed, where that is not the parent: a threshold for a rare
    subset is surer on the many cells above it. What the gate holds is decided among the parent's events either way.
    fit: on whose events it is placed. consensus: each sample's own placement is an estimate with its error, drawn
    to what the other samples of its subject and its batch say, the more the less sure it is.
    """

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)
    place_on: str | None = None
    fit: Fit = "sample"
    consensus: bool = False

    def __hash__(self) -> int:
        """Return what equal declarations have in common; with the texts among the arguments, such as the axes."""
        texts = frozenset(item for item in self.arguments.items() if isinstance(item[1], str))
        return hash((self.method, texts, self.place_on, self.fit, self.consensus))

    @property
    def is_shared(self) -> bool:
        """Whether other samples have a say in where the gate lies."""
        return self.fit != "sample" or self.consensus


@dataclass(frozen=True)
class Population:
    """A population as declared: an id for machines, a label for people, its parent, and which region of which gate."""

    id: str
    label: str
    parent: str
    gate: GateDeclaration
    keep: str


@dataclass(frozen=True)
class Expectation:
    """What a population is expected to be, in percent of its parent, and who says so; outside it a person must look.

    possible: what it can be in a living patient; a value outside is withheld until a person has moved the gate.
    """

    low: float
    high: float
    source: str = ""
    possible: tuple[float, float] = (0.0, 100.0)


@dataclass(frozen=True)
class LeftOut:
    """A population that a panel cannot show, and the markers or channels that it or what it rests on needs for it."""

    population: str
    label: str
    lacking: tuple[str, ...]


@dataclass(frozen=True)
class GatingStrategy:
    """A tree of populations, parents before children, with the scales they are gated on and what is reported.

    panel: the panel that it was designed for; any that has its markers carries it. expected: population id -> what it
    is expected to be. beads: the population of counting beads, by whose number cells a microlitre are worked out where
    the sample list says how many were added. left_out: the populations of the declared tree that the panel in use has
    not the markers for.
    """

    name: str
    label: str
    version: int
    panel: str | None
    populations: tuple[Population, ...]
    scales: Mapping[str, ScaleDeclaration] = field(default_factory=dict)
    denominators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    expected: Mapping[str, Expectation] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    beads: str | None = None

    @cached_property
    def _by_id(self) -> dict[str, Population]:
        return {population.id: population for population in self.populations}

    @property
    def ids(self) -> tuple[str, ...]:
        """The population ids, parents before children."""
        return tuple(population.id for population in self.populations)

    def population(self, population_id: str) -> Population:
        """Return a population by id; raises UnknownName with the nearest id."""
        if population_id not in self._by_id:
            raise UnknownName(
                f"strategy {self.name}: no population '{population_id}'; {nearest(population_id, self._by_id)}"
            )
        return self._by_id[population_id]

    @cached_property
    def _leads(self) -> dict[str, str]:
        first: dict[str, str] = {}
        return {
            population.id: first.setdefault(
                repr((population.gate.place_on or population.parent, population.gate)), population.id
            )
            for population in self
        }

    def __iter__(self) -> Iterator[Population]:
        return iter(self.populations)

    def gate_id(self, population_id: str) -> str:
        """Return what a population's gate is called: the first population that uses it, placed on the same events.

        >>> gate = GateDeclaration("quadrants", {"x": "CXCR3", "y": "CCR6"})
        >>> tree = (Population("th1", "Th1", "root", gate, "x+ y-"), Population("th17", "Th17", "root", gate, "x- y+"))
        >>> GatingStrategy("s", "S", 1, None, tree).gate_id("th17")
        'th1'
        """
        return self._leads[self.population(population_id).id]

    def path(self, population_id: str) -> str:
        """Return the way from the root, such as ``/singlets/live/lymphocytes``.

        >>> gate = GateDeclaration("interval")
        >>> tree = (Population("a", "A", "root", gate, "inside"), Population("b", "B", "a", gate, "inside"))
        >>> GatingStrategy("s", "S", 1, None, tree).path("b")
        '/a/b'
        """
        steps = [population_id]
        while (parent := self.population(steps[-1]).parent) != ROOT:
            steps.append(parent)
        return "/" + "/".join(reversed(steps))

    def ancestors(self, population_id: str) -> tuple[str, ...]:
        """Return the ids from the parent up to the root."""
        return tuple(reversed(self.path(population_id).strip("/").split("/")[:-1]))

    def denominators_of(self, population_id: str) -> tuple[str, ...]:
        """Return what a population is given in percent of: its parent first, then what the strategy reports it in.

        >>> tree = (Population("a", "A", "root", GateDeclaration("interval"), "inside"),)
        >>> GatingStrategy("s", "S", 1, None, tree).denominators_of("a")
        ('root',)
        """
        parent = self.population(population_id).parent
        return tuple(dict.fromkeys((parent, *self.denominators.get(population_id, ()))))

    @property
    def targets(self) -> tuple[str, ...]:
        """The populations that it is for: those it reports, or, where it names none, those that end a branch."""
        parents = {population.parent for population in self}
        return tuple(self.denominators) or tuple(name for name in self.ids if name not in parents)

    def without(self, lacking: Mapping[str, Sequence[str]], rests_on: Mapping[str, Sequence[str]]) -> GatingStrategy:
        """Return the strategy without the populations that lack an axis, and without all that rests on these.

        lacking: population id -> axes of its gate that are not there; rests_on: population id -> the populations that
        it is placed on or made of, besides its parent.

        >>> gate = GateDeclaration("interval", {"axis": "CCR4"})
        >>> tree = (Population("a", "A", "root", gate, "inside"), Population("b", "B", "a", gate, "inside"))
        >>> GatingStrategy("s", "S", 1, None, tree).without({"b": ["CCR4"]}, {}).left_out
        (LeftOut(population='b', label='B', lacking=('CCR4',)),)
        """
        missing: dict[str, tuple[str, ...]] = {}
        for population in self:
            below = (missing.get(name, ()) for name in (population.parent, *rests_on.get(population.id, ())))
            axes = dict.fromkeys(axis for names in (*below, lacking.get(population.id, ())) for axis in names)
            if axes:
                missing[population.id] = tuple(axes)
        if not missing:
            return self
        absent = {axis for axes in lacking.values() for axis in axes}
        return replace(
            self,
            populations=tuple(population for population in self if population.id not in missing),
            scales={axis: scale for axis, scale in self.scales.items() if axis not in absent},
            denominators={name: of for name, of in self.denominators.items() if name not in missing},
            expected={name: expectation for name, expectation in self.expected.items() if name not in missing},
            beads=None if self.beads in missing else self.beads,
            left_out=tuple(LeftOut(p.id, p.label, missing[p.id]) for p in self if p.id in missing),
        )

    def with_axes(self, names: Mapping[str, str]) -> GatingStrategy:
        """Return the strategy with axes under other names: those by which a panel or a file has them.

        >>> gate = GateDeclaration("interval", {"axis": "CXCR3", "low": 1.0})
        >>> tree = (Population("a", "A", "root", gate, "inside"),)
        >>> GatingStrategy("s", "S", 1, None, tree).with_axes({"CXCR3": "CD183"}).populations[0].gate.arguments
        {'axis': 'CD183', 'low': 1.0}
        """
        if not names:
            return self
        populations = tuple(
            replace(population, gate=replace(population.gate, arguments=_renamed(population.gate.arguments, names)))
            for population in self
        )
        scales = {names.get(axis, axis): scale for axis, scale in self.scales.items()}
        return replace(self, populations=populations, scales=scales)

    def about_left_out(self, whose: str, known: Sequence[str] = ()) -> tuple[str, ...]:
        """Return what is left out, and for want of which markers, a sentence each; whose: what lacks them.

        known: the names that it has; one that is near a name that is no marker's is proposed.

        >>> left = (LeftOut("memory", "Memory", ("CCR4",)),)
        >>> GatingStrategy("treg", "Treg", 1, None, (), left_out=left).about_left_out("panel 'flow10'")
        ("panel 'flow10' has no CCR4: strategy 'treg' leaves out memory",)
        >>> left = (LeftOut("memory", "Memory", ("CCCR4",)),)
        >>> GatingStrategy("treg", "Treg", 1, None, (), left_out=left).about_left_out("panel 'x'", ["CCR4", "CD4"])
        ("panel 'x' has no CCCR4: strategy 'treg' leaves out memory; did you mean 'CCR4'?",)
        """
        names: dict[tuple[str, ...], list[str]] = {}
        for left in self.left_out:
            names.setdefault(left.lacking, []).append(left.population)
        return tuple(
            f"{whose} has no {' and no '.join(lacking)}: strategy '{self.name}' leaves out {', '.join(left)}"
            + _meant(lacking, known)
            for lacking, left in names.items()
        )


def _meant(lacking: Sequence[str], known: Sequence[str]) -> str:
    """Return the known names that are near to those that no marker has: these are more likely misspelt than absent."""
    near = (nearest(name, known) for name in lacking if not known_marker(name))
    return "".join(f"; {question}" for question in near if question.startswith("did you mean"))


def _renamed(value: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - whatever a gate's arguments hold
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, Mapping):
        return {key: item if key == "method" else _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_renamed(item, names) for item in value)
    return value
