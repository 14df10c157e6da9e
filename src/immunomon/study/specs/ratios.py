"""``ratios:`` in a study file: two populations whose percents are divided, of one tube or of two tubes of a visit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from immunomon.errors import Problem, nearest
from immunomon.findings import DataPath, Findings, shown
from immunomon.shape import MACHINE_NAME, Name, SpecModel, Text
from immunomon.study.model.ratios import RATIOS, RatioQuantity, RatioTerm
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import RoleKind, Sample, Study
from immunomon.study.model.uses import PanelUse, panels_meant
from immunomon.yamlfile import read_yaml

__all__ = ["RatioSpec", "check_ratios", "ratio_problems", "ratios_left_out"]


class RatioSpec(SpecModel):
    """A ratio that is followed over time: one population's percent over another's, both of the same population."""

    name: Annotated[str, StringConstraints(pattern=MACHINE_NAME)] = Field(
        description="Name of the ratio in tables: small letters, digits and _, such as cd4_cd8."
    )
    label: Text | None = Field(None, description="Label for people, such as CD4/CD8; default: the populations' labels.")
    panel: Name | Annotated[list[Name], Field(min_length=2, max_length=2)] = Field(
        description="Panel in use (or its strategy) that both are measured with, or a list of the numerator's and the "
        "denominator's."
    )
    numerator: Name = Field(description="Population id above the line.")
    denominator: Name = Field(description="Population id below the line.")
    of: Name = Field(description="Id of the population that both are reported in percent of.")

    def model(self) -> RatioQuantity:
        """Return the ratio as the rest of the program knows it."""
        upper, lower = (self.panel, self.panel) if isinstance(self.panel, str) else self.panel
        above, below = RatioTerm(upper, self.numerator, self.of), RatioTerm(lower, self.denominator, self.of)
        return RatioQuantity(self.name, self.label or "", above, below)


def check_ratios(specs: Iterable[tuple[DataPath, RatioSpec]], uses: Sequence[PanelUse], *, findings: Findings) -> None:
    """Note in ``findings`` what the section gets wrong: a panel not in use, a name or a pair of populations twice.

    specs: with their places in the file; uses: the panels in use.
    """
    known = list(dict.fromkeys([*(use.panel for use in uses), *(use.strategy for use in uses)]))
    names: set[str] = set()
    pairs = {pair: ratio.population for ratio in RATIOS for pair in _pairs(ratio, uses)}
    for path, spec in specs:
        ratio = spec.model()
        absent = [term.panel for term in (ratio.upper, ratio.lower) if not panels_meant(term.panel, uses)]
        for name in dict.fromkeys(absent):
            findings.unknown((*path, "panel"), "panel in use", name=name, known=known)
        if spec.name in names:
            findings.add((*path, "name"), f"{shown(spec.name)} is the name of a ratio already", "choose another")
        names.add(spec.name)
        if ratio.upper == ratio.lower:
            findings.add((*path, "denominator"), "a population over itself is always 1", "name two populations")
        of_every_study = next((every for every in RATIOS if every.population == spec.name), None)
        if of_every_study and not absent and set(_pairs(ratio, uses)) != set(_pairs(of_every_study, uses)):
            findings.add((*path, "name"), f"{shown(spec.name)} is {_terms(of_every_study)}", "choose another name")
        for pair in () if absent else _pairs(ratio, uses):
            if pairs.setdefault(pair, spec.name) != spec.name:
                message = f"the same ratio as {pairs[pair]}"
                remedy = "remove it" if pairs[pair] in names else f"call it {pairs[pair]}, or remove it: it is there"
                findings.add(path, message, remedy)
                break


def _pairs(ratio: RatioQuantity, uses: Sequence[PanelUse]) -> list[tuple[RatioTerm, RatioTerm]]:
    return [(meant.upper, meant.lower) for meant in ratio.on(uses)]


def _terms(ratio: RatioQuantity) -> str:
    sides = (f"{term.population} of {term.denominator} ({term.panel})" for term in (ratio.upper, ratio.lower))
    return " over ".join(sides)


def ratio_problems(study: Study, strategies: Mapping[str, GatingStrategy], file: Path) -> Iterator[Problem]:
    """Yield which populations of the declared ratios are not there, or not in percent of what they are to be of.

    strategies: by panel in use, as far as they could be read; file: the study's.
    """
    lines = read_yaml(file) if study.ratios else None
    for number, ratio in enumerate(study.ratios):
        sides = {"numerator": ratio.upper, "denominator": ratio.lower}
        for key, term in sides.items():
            for panel in panels_meant(term.panel, study.panels):
                if panel in strategies and (fault := _fault(strategies[panel], term, key)):
                    where, message, remedy = fault
                    line = lines.line_of(("ratios", number, where)) if lines else None
                    yield Problem(str(file), line, f"ratios[{number}].{where}", f"{message} (panel {panel})", remedy)
        for panel, other in _used(ratio, study):
            if panel == other and panel in strategies and (nested := _nested(strategies[panel], ratio)):
                line = lines.line_of(("ratios", number)) if lines else None
                yield Problem(str(file), line, f"ratios[{number}]", *nested)


def ratios_left_out(study: Study, strategies: Mapping[str, GatingStrategy], samples: Iterable[Sample]) -> Iterator[str]:
    """Yield the declared ratios that no table has a row of, as no sample has one of their populations.

    strategies: by panel in use, each with the populations that were measured.
    """
    panels = {sample.panel for sample in samples if sample.role.kind is RoleKind.SAMPLE}
    there = {panel: strategy for panel, strategy in strategies.items() if panel in panels}
    for ratio in study.ratios:
        pairs = ratio.on(study.panels)
        lacking = [[term for term in (pair.upper, pair.lower) if not _is_measured(term, there)] for pair in pairs]
        if all(lacking):
            terms = (f"{term.population} in percent of {term.denominator} (panel {term.panel})" for term in lacking[0])
            yield f"ratio '{ratio.population}' is left out: no sample has {' or '.join(terms)}"


def _is_measured(term: RatioTerm, strategies: Mapping[str, GatingStrategy]) -> bool:
    strategy = strategies.get(term.panel)
    if strategy is None or term.population not in strategy.ids:
        return False
    return term.denominator in strategy.denominators_of(term.population)


def _used(ratio: RatioQuantity, study: Study) -> Iterator[tuple[str, str]]:
    for meant in ratio.on(study.panels):
        yield meant.upper.panel, meant.lower.panel


def _fault(strategy: GatingStrategy, term: RatioTerm, key: str) -> tuple[str, str, str] | None:
    left = next((left for left in strategy.left_out if left.population == term.population), None)
    if left:
        lacking = ", ".join(left.lacking)
        return key, f"'{left.population}' is left out, for want of {lacking}", "remove the ratio, or add the marker"
    if term.population not in strategy.ids:
        noun = f"no population named {shown(term.population)} in strategy {strategy.name}"
        return key, noun, nearest(term.population, strategy.ids)
    of = strategy.denominators_of(term.population)
    if term.denominator in of:
        return None
    message = f"'{term.population}' is not reported in percent of {shown(term.denominator)}"
    whole = f"its percent is of: {', '.join(of)}"
    could = term.denominator in strategy.ancestors(term.population)
    more = f"; or add '{term.denominator}' to its line under report, in a strategy of your own" if could else ""
    return "of", message, whole + more


def _nested(strategy: GatingStrategy, ratio: RatioQuantity) -> tuple[str, str] | None:
    """Return why two populations have no ratio of their own: one is a part of the other."""
    part, whole = ratio.upper.population, ratio.lower.population
    for inner, outer in ((part, whole), (whole, part)):
        if inner in strategy.ids and outer in strategy.ancestors(inner):
            message = f"'{inner}' is a part of '{outer}', and a percent, whose error a ratio would not have"
            return message, f"report it so, in a strategy of your own: report: {{{inner}: [{outer}]}}"
    return None
