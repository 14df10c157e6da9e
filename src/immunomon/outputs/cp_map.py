"""The mapping of populations and statistics to CDISC's cell phenotype tests: ``export/cp-map.yaml`` in a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from immunomon.findings import Findings
from immunomon.shape import Name, SpecModel, Text, shape
from immunomon.yamlfile import read_yaml

__all__ = [
    "AssaySpec",
    "CpMapSpec",
    "CpPopulationSpec",
    "CpTestSpec",
    "LeftOutSpec",
    "RatioSpec",
    "ReferenceChangeSpec",
    "SponsorSpec",
    "StimulationSpec",
    "read_cp_map",
]

Code = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,7}$")]
ParamCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{0,5}$")]
TermCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,9}$")]
Statistic = Literal["percent", "cells_per_ul", "median_intensity"]


class CpPopulationSpec(SpecModel):
    """How a population is written down in a delivery, as far as its strategy does not say it.

    Left out, ``step`` is what the gate keeps of its markers, and ``markers`` are the parent's, narrowed by the step.
    """

    panels: list[Name] = Field(min_length=1, max_length=50, description="The panels in which it is gated so.")
    population: Name = Field(description="Population id, as in the gating strategy.")
    step: Text | None = Field(None, description="What its own gate keeps, as one step of CPGATDEF: CD25hiCD127lo.")
    markers: Text | None = Field(
        None, description="Its whole marker string: hierarchy order, viability last, HLADR not HLA-DR."
    )


class CpTestSpec(SpecModel):
    """The test of a population and statistic."""

    panel: Name = Field(description="Panel it is measured with.")
    population: Name = Field(description="Population id.")
    statistic: Statistic = Field("percent", description="percent, cells_per_ul or median_intensity.")
    denominator: Name | None = Field(None, description="Population id of the denominator of a percent.")
    marker: Name | None = Field(None, description="The marker of a median intensity.")
    cptestcd: TermCode = Field(description="CPTESTCD, from CDISC's terminology.")
    cptest: Text | None = Field(None, description="CPTEST; it must be the one of the code.")
    cpsbmrks: Text | None = Field(None, description="CPSBMRKS: markers of the part of a 'Sub' term.")
    cpcelsta: Text | None = Field(None, description="CPCELSTA: the cells' state, such as ACTIVATED; with cpcsmrks.")
    cpcsmrks: Text | None = Field(None, description="CPCSMRKS: markers of the cells' state; with cpcelsta.")
    paramcd: ParamCode = Field(description="PARAMCD in ADaM, at most 6 letters: a percent's log-odds adds LO.")


class LeftOutSpec(SpecModel):
    """What is measured and deliberately not delivered as SDTM."""

    panels: list[Name] = Field(min_length=1, max_length=50, description="The panels it is measured with.")
    population: Name = Field(description="Population id.")
    statistic: Statistic | None = Field(None, description="One statistic only; default: all.")
    denominator: Name | None = Field(None, description="One denominator only; default: all.")
    reason: Text = Field(description="Why; it goes into the manifest.")


class RatioSpec(SpecModel):
    """A ratio of two populations, which CDISC has no test for: a parameter of ADaM only."""

    population: Name = Field(description="Id of the ratio, as in the table of changes.")
    denominator: Name = Field(description="Its denominator, as in the table of changes.")
    paramcd: Code = Field(description="PARAMCD in ADaM.")


class StimulationSpec(SpecModel):
    """A panel whose cells are stimulated."""

    panel: Name = Field(description="Panel name.")
    agent: Text = Field(description="The stimulating agent: CPCNDAGT.")


class AssaySpec(SpecModel):
    """A test outside the cytometer."""

    name: Name = Field(description="Its name in the study's table, such as HBV.")
    testcd: Code = Field(description="Short name of the test (--TESTCD).")
    test: Annotated[str, StringConstraints(max_length=40)] = Field(description="Its name (--TEST), at most 40 letters.")


class ReferenceChangeSpec(SpecModel):
    """The variation that a change must exceed: coefficients of variation of the assay and within a person."""

    assay_cv_percent: float = Field(10, ge=0, le=200, description="Of the assay, between runs, in percent.")
    person_cv_percent: float = Field(15, ge=0, le=200, description="Within a person, in percent.")


class SponsorSpec(SpecModel):
    """What deliveries say beyond the study file."""

    site: Name | None = Field(None, description="SITEID; left blank, and named as blank, if not given.")
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = Field(
        None, description="COUNTRY, three letters of ISO 3166; left blank, and named as blank, if not given."
    )
    laboratory: Text | None = Field(None, description="CPNAM: the laboratory.")
    treatment: Text = Field("STUDY TREATMENT", description="EXTRT.")
    dose_form: Text = Field("INJECTION, SUSPENSION", description="EXDOSFRM.")
    route: Text = Field("INTRAVENOUS", description="EXROUTE.")
    assays: list[AssaySpec] = Field([], max_length=200, description="Codes of the tests outside the cytometer.")
    reference_change: ReferenceChangeSpec = Field(
        ReferenceChangeSpec(), description="The variation that a change must exceed."
    )


class CpMapSpec(SpecModel):
    """A mapping of populations and statistics to CDISC's tests."""

    stand_ins: ClassVar[dict[str, object]] = {"populations": [], "tests": []}

    declared_schema: Literal["immunomon.cp-map/1"] = Field(
        alias="schema", description="Format and version of this file."
    )
    sponsor: SponsorSpec = Field(SponsorSpec(), description="What deliveries say beyond the study file.")
    populations: list[CpPopulationSpec] = Field(max_length=1000, description="Populations: steps and marker strings.")
    tests: list[CpTestSpec] = Field(max_length=2000, description="The tests.")
    left_out: list[LeftOutSpec] = Field([], max_length=1000, description="What is deliberately not delivered.")
    ratios: list[RatioSpec] = Field([], max_length=100, description="Ratios, for ADaM.")
    stimulated: list[StimulationSpec] = Field([], max_length=50, description="Panels of stimulated cells.")


def read_cp_map(path: Path) -> tuple[CpMapSpec, Findings]:
    """Read a mapping file; returns it with the findings that further checks add theirs to.

    Raises BadSpec with every problem of its shape. Whether codes are in the terminology is checked where it is used.

    >>> read_cp_map(Path("none/cp-map.yaml"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none/cp-map.yaml: no such file; check the path
    """
    file = read_yaml(path)
    shaped = shape(file, CpMapSpec)
    file.findings.raise_any()
    assert shaped is not None
    return shaped.spec, file.findings
