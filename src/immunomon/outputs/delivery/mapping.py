"""Which test a measured quantity is delivered as, by the map of tests, and how its population is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from immunomon.errors import BadSpec, Problem
from immunomon.files import is_there
from immunomon.findings import DataPath, Findings
from immunomon.outputs.cp_map import (
    CpMapSpec,
    CpPopulationSpec,
    CpTestSpec,
    LeftOutSpec,
    StimulationSpec,
    read_cp_map,
)
from immunomon.outputs.delivery.marker_strings import MarkerStrings, Written, marker_problem
from immunomon.outputs.delivery.terminology import cp_terms, nearest_terms
from immunomon.study.model.uses import PanelUse, panels_meant
from immunomon.study.specs.catalog import strategies

__all__ = ["CpMap", "Quantity", "load_cp_map", "read_map"]

S = TypeVar("S", CpTestSpec, StimulationSpec)
P = TypeVar("P", CpPopulationSpec, LeftOutSpec)


@dataclass(frozen=True, order=True)
class Quantity:
    """What is measured: with which panel, of which population, and how; blank where something does not apply."""

    panel: str
    population: str
    statistic: str
    denominator: str = ""
    marker: str = ""

    def __str__(self) -> str:
        of = f" of {self.denominator}" if self.denominator else ""
        on = f" of {self.marker}" if self.marker else ""
        return f"{self.panel}: {self.statistic}{on} {self.population}{of}"


@dataclass(frozen=True, eq=False)
class CpMap:
    """A checked mapping: what each quantity is delivered as, and what is left out on purpose.

    strategy_files: by panel as the map names it; they say what the map leaves to the gates: steps and marker strings.
    """

    file: str
    spec: CpMapSpec
    strategy_files: Mapping[str, Path] = field(default_factory=dict)

    @cached_property
    def tests(self) -> dict[Quantity, CpTestSpec]:
        """The test of each quantity."""
        return {_quantity(test): test for test in self.spec.tests}

    @cached_property
    def _markers(self) -> MarkerStrings:
        return MarkerStrings(self.spec, self.strategy_files)

    def population(self, panel: str, population: str) -> Written:
        """Return how a population is written down; raises KeyError if neither the map nor the strategy says."""
        if (written := self._markers.of(panel, population)) is None:
            raise KeyError((panel, population))
        return written

    def knows(self, panel: str, population: str) -> bool:
        """Say whether the map or the strategy tells how a population is written down."""
        return self._markers.of(panel, population) is not None

    def reason_left_out(self, quantity: Quantity) -> str:
        """Return why a quantity is left out on purpose, or an empty text if it is not."""
        for rule in self.spec.left_out:
            fits = quantity.panel in rule.panels and quantity.population == rule.population
            fits &= rule.statistic in {None, quantity.statistic}
            # Leaving out one denominator says nothing of the absolute count.
            fits &= rule.denominator is None or rule.denominator == quantity.denominator
            if fits:
                return rule.reason
        return ""

    def on(self, uses: Sequence[PanelUse]) -> CpMap:
        """Return the map with the names of panels in use where it names a strategy that looks at them.

        >>> cp_map = load_cp_map().on([PanelUse("blood20~treg", "treg")])
        >>> cp_map.knows("blood20~treg", "treg"), cp_map.knows("treg", "treg")
        (True, False)
        """

        def meant(panel: str) -> tuple[str, ...]:
            return panels_meant(panel, uses) or (panel,)

        def on_each(entries: Sequence[S]) -> list[S]:
            return [e.model_copy(update={"panel": panel}) for e in entries for panel in meant(e.panel)]

        def all_of(entries: Sequence[P]) -> list[P]:
            return [e.model_copy(update={"panels": [p for panel in e.panels for p in meant(panel)]}) for e in entries]

        spec = self.spec
        trees = {panel: path for name, path in self.strategy_files.items() for panel in meant(name)}
        in_use = {
            "populations": all_of(spec.populations),
            "tests": on_each(spec.tests),
            "left_out": all_of(spec.left_out),
            "stimulated": on_each(spec.stimulated),
        }
        return replace(self, spec=spec.model_copy(update=in_use), strategy_files=trees)

    def refuse_unmapped(self, quantities: Iterable[Quantity]) -> None:
        """Raise BadSpec, with the nearest terms, if a quantity has no test and is not left out on purpose."""
        problems = [
            Problem(self.file, None, "tests", f"no test for {quantity}", _remedy(quantity))
            for quantity in sorted(set(quantities))
            if quantity not in self.tests and not self.reason_left_out(quantity)
        ]
        if problems:
            raise BadSpec(problems)


def _quantity(test: CpTestSpec) -> Quantity:
    return Quantity(test.panel, test.population, test.statistic, test.denominator or "", test.marker or "")


def _remedy(quantity: Quantity) -> str:
    words = f"{quantity.population} {quantity.denominator}".replace("_", " ").strip()
    near = ", ".join(f"{term.code} ({term.name})" for term in nearest_terms(words))
    return f"add it to export/cp-map.yaml, or name it under left_out; the nearest terms are {near}"


def load_cp_map(study_folder: Path | None = None, uses: Sequence[PanelUse] = ()) -> CpMap:
    """Read a study's ``export/cp-map.yaml``, or the shipped one if it has none; raises BadSpec as ``read_map`` does.

    uses: the panels in use, whose names stand in the result where the map names a strategy. A strategy that looks at
    several panels gives several quantities, which need tests of their own: BadSpec.

    >>> load_cp_map().tests[Quantity("treg", "treg", "percent", "cd4")].cptestcd
    'TLHRTLH'
    """
    own = study_folder / "export" / "cp-map.yaml" if study_folder else None
    shipped = Path(str(files("immunomon.outputs.delivery") / "assets" / "cp-map.yaml"))
    path = own if own is not None and is_there(own) else shipped
    cp_map = _read(path, study_folder, uses).on(uses)
    _refuse_shared_codes(cp_map)
    return cp_map


def _refuse_shared_codes(cp_map: CpMap) -> None:
    first: dict[str, str] = {}
    problems = [
        Problem(cp_map.file, None, "tests", f"paramcd {test.paramcd} would be that of two panels", _TWO_PANELS)
        for test in cp_map.spec.tests
        if first.setdefault(test.paramcd, test.panel) != test.panel
    ]
    if problems:
        raise BadSpec(problems)


_TWO_PANELS = "write a test for each panel, with a paramcd of its own, into the study's export/cp-map.yaml"


def read_map(path: Path) -> CpMap:
    """Read a map of populations to tests.

    Raises BadSpec with every problem: unknown codes with the nearest ones, marker strings that do not keep the rules,
    ``Sub`` terms without markers or state, names used twice, populations that neither it nor a strategy describes.
    """
    return _read(path, path.parent.parent, None)


def _read(path: Path, study_folder: Path | None, uses: Sequence[PanelUse] | None) -> CpMap:
    """Read a map for the panels in use, whose strategies are in the study or shipped; None: for all that it names."""
    spec, findings = read_cp_map(path)
    known = strategies(study_folder)
    strategy_of = {test.panel: test.panel for test in spec.tests} | {use.panel: use.strategy for use in uses or ()}
    cp_map = CpMap(str(path), spec, {panel: known[name] for panel, name in strategy_of.items() if name in known})
    for index, population in enumerate(spec.populations):
        _check_written(findings, index, population)
    test_by_paramcd: dict[str, int] = {}
    for index, test in enumerate(spec.tests):
        _check_test(findings, index, test)
        if test.paramcd in test_by_paramcd:
            problem = f"paramcd {test.paramcd} is that of tests[{test_by_paramcd[test.paramcd]}], too"
            findings.add(("tests", index, "paramcd"), problem, "give each test its own")
        test_by_paramcd.setdefault(test.paramcd, index)
        # What a strategy says is read only where it is in use.
        if uses is None or test.panel not in cp_map.strategy_files or panels_meant(test.panel, uses):
            _check_described(findings, index, test, cp_map)
    if len(cp_map.tests) < len(spec.tests):
        findings.add(("tests",), "a quantity has two tests", "keep one of them")
    findings.raise_any()
    return cp_map


def _check_written(findings: Findings, index: int, population: CpPopulationSpec) -> None:
    where: DataPath = ("populations", index)
    if population.markers:
        _check_markers(findings, (*where, "markers"), population.markers)
    elif population.step:
        # The whole marker string is made with it.
        _check_markers(findings, (*where, "step"), population.step)


def _check_described(findings: Findings, index: int, test: CpTestSpec, cp_map: CpMap) -> None:
    for name in (test.population, test.denominator):
        if name and not cp_map.knows(test.panel, name):
            problem = f"population '{name}' of panel '{test.panel}' is not under populations"
            findings.add(("tests", index), problem, "add it with its step and marker string")


def _check_test(findings: Findings, index: int, test: CpTestSpec) -> None:
    where: DataPath = ("tests", index)
    term = cp_terms().get(test.cptestcd)
    if term is None:
        near = ", ".join(f"{term.code} ({term.name})" for term in nearest_terms(test.cptest or test.cptestcd))
        problem = f"no CPTESTCD '{test.cptestcd}' in CDISC's terminology"
        findings.add((*where, "cptestcd"), problem, f"the nearest are {near}")
        return
    if test.cptest is not None and test.cptest != term.name:
        findings.add((*where, "cptest"), f"'{test.cptest}' is not the name of {term.code}", f"write '{term.name}'")
    if bool(test.cpcelsta) != bool(test.cpcsmrks):
        findings.add(where, "cpcelsta and cpcsmrks go together", "give both, or neither")
    narrowed = bool(test.cpsbmrks or test.cpcelsta)
    if narrowed and not term.is_part:
        problem = f"{term.code} ({term.name}) is no 'Sub' term, but markers or a state narrow it"
        findings.add(where, problem, f"take a 'Sub' term, such as {nearest_terms(term.name + ' Sub', 1)[0].code}")
    if term.is_part and not narrowed:
        findings.add(
            where, f"{term.code} ({term.name}) needs markers or a state", "give cpsbmrks, or cpcelsta and cpcsmrks"
        )
    for name in ("cpsbmrks", "cpcsmrks"):
        if getattr(test, name):
            _check_markers(findings, (*where, name), getattr(test, name))
    _check_statistic(findings, where, test)


def _check_statistic(findings: Findings, where: DataPath, test: CpTestSpec) -> None:
    if (test.statistic == "percent") != bool(test.denominator):
        findings.add(where, "a percent has a denominator, and nothing else has", "correct statistic or denominator")
    if (test.statistic == "median_intensity") != bool(test.marker):
        findings.add(where, "a median intensity has a marker, and nothing else has", "correct statistic or marker")
    if (test.statistic == "median_intensity") != cp_terms()[test.cptestcd].name.endswith(" Expression"):
        findings.add(where, "'Expression' terms are those of median intensities", "correct cptestcd or statistic")


def _check_markers(findings: Findings, where: DataPath, markers: str) -> None:
    problem = marker_problem(markers)
    if problem:
        findings.add(where, problem, "write markers like CD3+CD4+CD25hiCD127loViability-")
