"""Analysis plans: which changes are looked at, when, on which scale, which tests count together; before the data."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from immunomon.findings import Findings
from immunomon.shape import IsoDate, Name, Shaped, SpecModel, Text, noun_of, shape
from immunomon.trial.model.analysis import (
    LABORATORY,
    AnalysisPlan,
    AssayVariation,
    Composition,
    Endpoint,
    Expected,
    Family,
    NotReportable,
    Scale,
    VisitsOverTime,
    Window,
)
from immunomon.yamlfile import read_yaml

__all__ = [
    "AnalysisSpec",
    "AssaySpec",
    "CompositionSpec",
    "EndpointSpec",
    "FamilySpec",
    "PrimarySpec",
    "VariationSpec",
    "WindowSpec",
    "check_against_study",
    "load_analysis",
]

Percent = Annotated[float, Field(gt=0, le=200)]
Names = Annotated[list[Name], Field(min_length=1, max_length=200)]


class EndpointSpec(SpecModel):
    """One quantity that is looked at."""

    name: Name = Field(description="Name of the endpoint, by which families mean it.")
    panel: Name = Field(description="Panel it is measured with; NUMERATOR'S/DENOMINATOR'S for a ratio.")
    population: Name = Field(description="Population id, as in the table of changes.")
    of: Name | None = Field(None, description="Denominator's population id; needed for percent and ratio.")
    quantity: Literal["percent", "cells_per_ul", "ratio", "median_intensity", "laboratory"] = Field(
        "percent", description="What of the population; laboratory: a laboratory value, with panel laboratory."
    )
    marker: Name | None = Field(None, description="The marker of a median_intensity.")
    scale: Literal["log-odds", "log"] | None = Field(
        None, description="Scale of the change; default: log-odds for a percent, log for everything else."
    )
    expected: Literal["either", "up", "down"] = Field(
        "either", description="Which way a trend is expected to go; up and down make trend tests one-sided."
    )


class CompositionSpec(SpecModel):
    """Parts of one parent, looked at as centred log-ratios."""

    name: Name = Field(description="Name of the composition; its endpoints are NAME.PART.")
    panel: Name = Field(description="Panel.")
    parent: Name = Field(description="Population id of the parent of all parts.")
    parts: Annotated[list[Name], Field(min_length=2, max_length=50)] = Field(
        description="Population ids of the parts; all are children of the parent."
    )


class PrimarySpec(SpecModel):
    """What the study is judged by."""

    visit: Name = Field(description="Label of the visit.")
    endpoints: Names = Field(description="Names of the endpoints.")


class FamilySpec(SpecModel):
    """Further tests that are judged together."""

    name: Name = Field(description="Name of the family.")
    endpoints: Names = Field(description="Names of endpoints; a composition's are NAME.PART.")
    visits: Names = Field(description="Labels of visits.")


class WindowSpec(SpecModel):
    """A stretch of the study over which rate of change, area and trend over visits are worked out."""

    name: Name = Field(description="Name of the window.")
    first: Name = Field(description="Label of its first visit.")
    last: Name = Field(description="Label of its last visit.")


class VariationSpec(SpecModel):
    """Variation of one population; what is left out is as for all."""

    assay_cv_percent: Percent | None = Field(None, description="CV of the same blood measured again, in percent.")
    person_cv_percent: Percent | None = Field(None, description="CV of the same person on other days, in percent.")


class AssaySpec(SpecModel):
    """How much values vary without anything having changed: your laboratory's figures, please."""

    assay_cv_percent: Percent = Field(10.0, description="CV of the same blood measured again, in percent.")
    person_cv_percent: Percent = Field(15.0, description="CV of the same person on other days, in percent.")
    populations: dict[str, VariationSpec] = Field({}, max_length=500, description="Populations with their own figures.")


class AnalysisSpec(SpecModel):
    """An analysis plan."""

    stand_ins: ClassVar[Mapping[str, object]] = {"name": "?"}

    declared_schema: Literal["immunomon.analysis/1"] = Field(
        alias="schema", description="Format and version of this file."
    )
    name: Name = Field(description="Short name of the plan.")
    title: Text | None = Field(None, description="Title for people.")
    declared_on: IsoDate | None = Field(None, description="When the plan was fixed: year-month-day.")
    primary: PrimarySpec = Field(description="The primary endpoints and their visit.")
    endpoints: list[EndpointSpec] = Field(min_length=1, max_length=200, description="What is looked at.")
    compositions: list[CompositionSpec] = Field([], max_length=50, description="Parts of one parent.")
    families: list[FamilySpec] = Field([], max_length=50, description="Further families of tests.")
    windows: list[WindowSpec] = Field([], max_length=20, description="Stretches of the study.")
    not_reportable: Literal["leave out", "use counts"] = Field(
        "leave out", description="What is done with values below the limits of what is reported."
    )
    visits_over_time: Literal["factor", "smooth"] = Field(
        "factor", description="Visits in the models over time: each for itself, or as points on one smooth course."
    )
    alpha: float = Field(0.05, gt=0, lt=0.5, description="Level of the tests; intervals have 100 (1 - alpha) %.")
    assay: AssaySpec = Field(AssaySpec(), description="Variation of assay and person.")


def load_analysis(path: Path) -> AnalysisPlan:
    """Read an analysis plan; raises BadSpec with every problem found.

    >>> load_analysis(Path("none/analysis.yaml"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none/analysis.yaml: no such file; check the path
    """
    file = read_yaml(path)
    shaped = shape(file, AnalysisSpec)
    if shaped is not None:
        _check(shaped, file.findings)
    file.findings.raise_any()
    assert shaped is not None
    return _plan(shaped.spec, path.name)


def check_against_study(
    path: Path,
    *,
    visits: Sequence[str],
    populations: Mapping[str, Mapping[str, Collection[str]]],
    ratios: Mapping[str, str] | None = None,
) -> AnalysisPlan:
    """Read a plan and hold it against a study; raises BadSpec for what the study lacks.

    That is a visit, a panel, a population, or a percent of another population than the strategy reports. visits:
    labels; populations: panel -> population id of its strategy -> what its percent is of; ratios: those that the
    study follows -> the population below; None if they are not known.
    """
    plan = load_analysis(path)
    file = read_yaml(path)
    for location, label in _visits_named(file.data):
        if label not in visits:
            file.findings.unknown(location, "visit", name=label, known=visits, in_order=True)
    for section in ("endpoints", "compositions"):
        for index, item in enumerate(file.data.get(section, [])):
            _check_populations((section, index), item, populations, file.findings)
            if ratios is not None and item.get("quantity") == "ratio":
                _check_ratio((section, index), item, ratios, file.findings)
    file.findings.raise_any()
    return plan


def _visits_named(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield ("primary", "visit"), str(data["primary"]["visit"])
    for index, family in enumerate(data.get("families", [])):
        yield from ((("families", index, "visits", position), str(v)) for position, v in enumerate(family["visits"]))
    for index, window in enumerate(data.get("windows", [])):
        yield from ((("windows", index, end), str(window[end])) for end in ("first", "last"))


def _check_populations(
    location: tuple[str | int, ...],
    item: Mapping[str, Any],
    populations: Mapping[str, Mapping[str, Collection[str]]],
    findings: Findings,
) -> None:
    ratio = item.get("quantity") == "ratio"
    named = str(item["panel"]).split("/") if ratio else [str(item["panel"])]
    for panel in named:
        if panel not in populations:
            findings.unknown((*location, "panel"), "panel", name=panel, known=sorted(populations))
    if ratio or any(panel not in populations for panel in named):
        return
    known = populations[named[0]]
    for key in ("population", "of", "parent"):
        if key in item and item[key] not in known:
            findings.unknown((*location, key), "population", name=str(item[key]), known=list(known))
    for index, part in enumerate(item.get("parts", [])):
        if part not in known:
            findings.unknown((*location, "parts", index), "population", name=str(part), known=list(known))
        elif item["parent"] in known and item["parent"] not in known[part]:
            problem = f"'{part}' is not reported as a percent of '{item['parent']}'"
            findings.add((*location, "parts", index), problem, f"its percent is of: {', '.join(sorted(known[part]))}")


def _check_ratio(
    location: tuple[str | int, ...], item: Mapping[str, Any], ratios: Mapping[str, str], findings: Findings
) -> None:
    name = str(item["population"])
    if name not in ratios:
        findings.unknown((*location, "population"), "ratio (ratios: in study.yaml)", name=name, known=list(ratios))
    elif "of" in item and item["of"] != ratios[name]:
        findings.add((*location, "of"), f"the population below in {name} is '{ratios[name]}'", "write that")


def _check(shaped: Shaped[AnalysisSpec], findings: Findings) -> None:
    spec = shaped.spec
    names = [endpoint.name for endpoint in spec.endpoints] + [
        f"{c.name}.{part}" for c in spec.compositions for part in c.parts
    ]
    for section in ("endpoints", "compositions", "families", "windows"):
        names_so_far: set[str] = set()
        for location, item in shaped.items(section):
            if item.name in names_so_far:
                findings.add((*location, "name"), f"'{item.name}' is a name already", "choose another")
            names_so_far.add(item.name)
    for location, endpoint in shaped.items("endpoints"):
        _check_endpoint(location, endpoint, findings)
    for index, name in enumerate(spec.primary.endpoints):
        if name not in names and not shaped.dropped & {"endpoints", "compositions"}:
            findings.unknown(("primary", "endpoints", index), "endpoint", name=name, known=names)
    for location, family in shaped.items("families"):
        if family.name == "primary":
            findings.add((*location, "name"), "'primary' is the family of 'primary:'", "choose another")
        for index, name in enumerate(family.endpoints):
            if name not in names and not shaped.dropped & {"endpoints", "compositions"}:
                findings.unknown((*location, "endpoints", index), "endpoint", name=name, known=names)
    for location, window in shaped.items("windows"):
        if window.first == window.last:
            findings.add((*location, "last"), "the window begins and ends at one visit", "name a later visit")


def _check_endpoint(location: tuple[str | int, ...], endpoint: EndpointSpec, findings: Findings) -> None:
    whole = endpoint.quantity in {"percent", "ratio"}
    if whole and endpoint.of is None:
        findings.add((*location, "of"), "is missing", f"add 'of: ...', the denominator of the {endpoint.quantity}")
    if not whole and endpoint.of is not None:
        findings.add((*location, "of"), f"a {endpoint.quantity} has no denominator", "remove it")
    if endpoint.scale == "log-odds" and endpoint.quantity != "percent":
        findings.add((*location, "scale"), f"a {endpoint.quantity} has no log-odds", "write 'scale: log'")
    if (endpoint.quantity == LABORATORY) != (endpoint.panel == LABORATORY):
        message = "the panel laboratory and the quantity laboratory belong together"
        findings.add((*location, "panel"), message, "write both for a laboratory value, whose id is its population")
    if (endpoint.quantity == "median_intensity") != (endpoint.marker is not None):
        findings.add((*location, "marker"), "belongs to a median_intensity, and it needs one", "add or remove it")


def _plan(spec: AnalysisSpec, source: str) -> AnalysisPlan:
    everywhere = AssayVariation(spec.assay.assay_cv_percent, spec.assay.person_cv_percent)
    own = {
        name: AssayVariation(
            variation.assay_cv_percent or everywhere.assay_cv_percent,
            variation.person_cv_percent or everywhere.person_cv_percent,
        )
        for name, variation in spec.assay.populations.items()
    }
    return AnalysisPlan(
        name=spec.name,
        primary=Family("primary", tuple(spec.primary.endpoints), (spec.primary.visit,)),
        endpoints=tuple(_endpoint(endpoint) for endpoint in spec.endpoints),
        families=tuple(noun_of(Family, family) for family in spec.families),
        windows=tuple(noun_of(Window, window) for window in spec.windows),
        compositions=tuple(noun_of(Composition, composition) for composition in spec.compositions),
        assay=AssayVariation(everywhere.assay_cv_percent, everywhere.person_cv_percent, own),
        not_reportable=NotReportable(spec.not_reportable),
        visits_over_time=VisitsOverTime(spec.visits_over_time),
        alpha=spec.alpha,
        declared_on=spec.declared_on,
        source=source,
    )


def _endpoint(spec: EndpointSpec) -> Endpoint:
    scale = Scale(spec.scale or ("log-odds" if spec.quantity == "percent" else "log"))
    marker, of = spec.marker or "", spec.of or ""
    return Endpoint(spec.name, spec.panel, spec.population, of, spec.quantity, marker, scale, Expected(spec.expected))
