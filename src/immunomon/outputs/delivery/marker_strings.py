"""Marker strings of CP: their grammar, and what a strategy's gates and tree of populations already say of them.

Names of letters and digits, each followed by ``-``, ``lo``, ``mid``, ``+`` or ``hi``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.outputs.cp_map import CpMapSpec, CpPopulationSpec
from immunomon.study.model.strategy import ROOT, GatingStrategy, Population

__all__ = ["MarkerStrings", "Written", "below", "marker_problem", "markers_of", "step_of"]

_LEVELS = ("lo", "mid", "hi")


def markers_of(text: str) -> tuple[tuple[str, str], ...]:
    """Return the markers of a string, each with its level; raises ValueError if it is no marker string.

    A level stands where a name ends: before the next capital letter, or at the end.

    >>> markers_of("CD3+CD25hiCD127loViability-")
    (('CD3', '+'), ('CD25', 'hi'), ('CD127', 'lo'), ('Viability', '-'))
    """
    markers: list[tuple[str, str]] = []
    name = ""
    for index, letter in enumerate(text):
        if letter in "+-":
            markers.append((_named(name, text), letter))
            name = ""
            continue
        if not (letter.isascii() and letter.isalnum()):
            raise ValueError(f"'{letter}' stands in the marker string '{text}'")
        name += letter
        ends = index + 1 == len(text) or text[index + 1].isupper()
        level = next((level for level in _LEVELS if ends and name.endswith(level)), "")
        if level and len(name) > len(level):
            markers.append((name.removesuffix(level), level))
            name = ""
    if name:
        raise ValueError(f"'{name}' has no level in the marker string '{text}'")
    return tuple(markers)


def _named(name: str, text: str) -> str:
    if not name:
        raise ValueError(f"a level without a marker stands in the marker string '{text}'")
    return name


def marker_problem(text: str) -> str:
    """Return what is wrong with a marker string, or an empty text: its grammar, a marker twice, viability not last.

    >>> marker_problem("HLA-DR+"), marker_problem("CD3+CD4+")
    ("marker 'DR' may belong to 'HLA': names have no hyphen", '')
    """
    try:
        markers = markers_of(text)
    except ValueError as error:
        return str(error)
    names = [name for name, _ in markers]
    if not names:
        return "the marker string is empty"
    if "HLA" in names:
        return "marker 'DR' may belong to 'HLA': names have no hyphen"
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        return f"marker '{doubled[0]}' stands twice in '{text}'"
    if "Viability" in names[:-1]:
        return f"viability does not stand last in '{text}'"
    return ""


# Methods that part the negative from the positive, and the sign of what each of their regions keeps.
_PARTS_ONE_AXIS = ("valley", "mixture", "control")
_SIGNS: Mapping[str, str] = {"low": "-", "high": "+"}
_SCATTER = ("FSC", "SSC")


def step_of(population: Population) -> str:
    """Return what a population's own gate keeps, as a step of CPGATDEF, where its declaration alone says so.

    That is where the negative and the positive of one axis are parted, or of two; an empty text elsewhere: what is
    dim or bright, a cloud of scatter and a combination of populations have no name that follows from the gate.

    >>> from immunomon.study.model.strategy import GateDeclaration
    >>> lineage = GateDeclaration("valley", {"axis": "CD3/CD19"})
    >>> step_of(Population("a", "A", "root", lineage, "low")), step_of(Population("b", "B", "root", lineage, "high"))
    ('CD3-CD19-', '')
    >>> step_of(Population("c", "C", "a", GateDeclaration("quadrants", {"x": "HLA-DR", "y": "CCR6"}), "x+ y-"))
    'HLADR+CCR6-'
    """
    gate, keep = population.gate, population.keep
    if gate.method in _PARTS_ONE_AXIS and keep in _SIGNS:
        return _signed(str(gate.arguments.get("axis", "")), _SIGNS[keep])
    if gate.method == "quadrants":
        regions = keep.split()
        if [region[:1] for region in regions] == ["x", "y"]:
            steps = [_signed(str(gate.arguments.get(region[0], "")), region[1:]) for region in regions]
            return "".join(steps) if all(steps) else ""
    return ""


def _signed(axis: str, sign: str) -> str:
    """Return the markers of an axis with a sign; nothing for what is positive for one of several, nobody knows which.

    Nothing, too, for a name that the grammar does not give back as it was put in.
    """
    names = ["Viability" if name == "viability" else "".join(filter(str.isalnum, name)) for name in axis.split("/")]
    text = "".join(name + sign for name in names)
    is_clear = axis.isascii() and not marker_problem(text) and markers_of(text) == tuple((name, sign) for name in names)
    return text if is_clear and all(name[0].isupper() for name in names) and (sign == "-" or len(names) == 1) else ""


def below(parent: str, step: str) -> str:
    """Return the marker string of a population: its parent's, narrowed by its own step; viability stands last.

    A marker's later level replaces the earlier one, and scatter is left out as soon as a marker is named. Raises
    ValueError if one of them is no marker string.

    >>> below("FSCmidSSCloViability-", "CD56+"), below("CD3-CD56+Viability-", "CD56loCD16+")
    ('CD56+Viability-', 'CD3-CD56loCD16+Viability-')
    """
    levels, own = dict(markers_of(parent)), dict(markers_of(step))
    if not own.keys() <= {*_SCATTER, "Viability"}:
        levels = {name: level for name, level in levels.items() if name not in _SCATTER}
    levels |= own
    ordered = sorted(levels, key=lambda name: name == "Viability")
    return "".join(name + levels[name] for name in ordered)


@dataclass(frozen=True)
class Written:
    """How a population is written down: its own gate as a step of CPGATDEF, and its whole marker string."""

    step: str
    markers: str


@dataclass(frozen=True, eq=False)
class MarkerStrings:
    """How populations are written down: as the map of tests says, and, where it does not, as their strategies do.

    strategy_files: by panel, as the map names it; a file is read when something of its panel is looked for.
    """

    spec: CpMapSpec
    strategy_files: Mapping[str, Path]
    _trees: dict[str, GatingStrategy | None] = field(default_factory=dict, repr=False)
    _written: dict[tuple[str, str], Written | None] = field(default_factory=dict, repr=False)

    def of(self, panel: str, population: str) -> Written | None:
        """Return how a population is written down; None for one that the map neither lists nor has a test below."""
        key = (panel, population)
        if key not in self._written:
            listed = self._listed.get(key)
            if listed is not None and listed.step and listed.markers:
                self._written[key] = Written(listed.step, listed.markers)
            elif listed is not None or self._leads_to_a_test(panel, population):
                self._written[key] = self._by_its_gate(panel, population, listed)
            else:
                self._written[key] = None
        return self._written[key]

    @cached_property
    def _listed(self) -> dict[tuple[str, str], CpPopulationSpec]:
        return {(panel, entry.population): entry for entry in self.spec.populations for panel in entry.panels}

    @cached_property
    def _tested(self) -> dict[str, set[str]]:
        names: dict[str, set[str]] = {}
        for test in self.spec.tests:
            names.setdefault(test.panel, set()).update(filter(None, (test.population, test.denominator)))
        return names

    def _tree(self, panel: str) -> GatingStrategy | None:
        if panel not in self._trees:
            path = self.strategy_files.get(panel)
            self._trees[panel] = None if path is None else load_strategy(path, methods=GATE_METHODS)
        return self._trees[panel]

    def _leads_to_a_test(self, panel: str, population: str) -> bool:
        named = self._tested.get(panel, set())
        tree = self._tree(panel) if named else None
        return tree is not None and any(population in (name, *tree.ancestors(name)) for name in named & {*tree.ids})

    def _by_its_gate(self, panel: str, population: str, listed: CpPopulationSpec | None) -> Written | None:
        tree = self._tree(panel)
        if tree is None or population not in tree.ids:
            return None
        declared = tree.population(population)
        step = (listed.step if listed else None) or step_of(declared)
        parent = Written("", "") if declared.parent == ROOT else self.of(panel, declared.parent)
        if listed is not None and listed.markers:
            return Written(step, listed.markers) if step else None
        return Written(step, below(parent.markers, step)) if step and parent is not None else None
