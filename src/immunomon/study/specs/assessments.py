"""The section of a study file about the other assessments: what a response is, when an event counts, who escalates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from immunomon.findings import Findings
from immunomon.shape import Name, SpecModel, noun_of
from immunomon.study.model.endpoints import (
    AdverseEventRules,
    Analyte,
    AntibodyRules,
    AssessmentRules,
    AssessmentSchedule,
    EscalationRules,
    KineticRules,
    PlateletRules,
    VirusRules,
)

__all__ = [
    "AdverseEventsSpec",
    "AnalyteSpec",
    "AntibodiesSpec",
    "AssessmentsSpec",
    "EscalationSpec",
    "KineticsSpec",
    "PlateletsSpec",
    "ScheduleSpec",
    "VirusesSpec",
    "check_assessment_rules",
]

Count = Annotated[float, Field(gt=0, le=10_000)]
Days = Annotated[int, Field(ge=0, le=10_000)]
StudyDay = Annotated[int, Field(ge=1, le=10_000)]
Below = Literal["zero", "half", "omit"]


class PlateletsSpec(SpecModel):
    """When a platelet count is a response (IWG 2009), and what is durable."""

    complete_response_1e9_per_l: Count = Field(100, description="Complete response: at least so many, no bleeding.")
    response_1e9_per_l: Count = Field(30, description="Response: at least so many, no bleeding, and the fold below.")
    response_fold: float = Field(2, ge=1, le=100, description="Response: at least so many times the baseline.")
    confirm_response_days: Days = Field(7, description="Two counts at least so far apart confirm a response.")
    confirm_loss_days: Days = Field(1, description="Two counts at least so far apart confirm no response, and a loss.")
    baseline: Literal["last", "mean", "highest"] = Field(
        "last", description="Which count before the first infusion is the baseline."
    )
    rescue_days: Days = Field(
        28, description="Counts from a rescue therapy to so many days after it are no response. A protocol's choice."
    )
    durable_first_day: StudyDay = Field(99, description="First study day of the durable response's window (week 14).")
    durable_last_day: StudyDay = Field(197, description="Last study day of it (week 28).")
    durable_share: float = Field(0.75, gt=0, le=1, description="Share of the window's counts that must be responses.")
    durable_fewest_counts: int = Field(4, ge=1, le=1000, description="With fewer counts there, it is not evaluable.")
    durable_tail_days: Days = Field(
        28, description="Without a count in so many last days of the window, it is not evaluable: no follow-up there."
    )
    durable_without_rescue: bool = Field(True, description="Whether rescue therapy in the window rules it out.")


class KineticsSpec(SpecModel):
    """Whose concentrations of the cells in blood are analysed, and how."""

    sexes: list[Literal["F", "M", "U"]] = Field(["F"], min_length=1, max_length=3, description="Whose: F, M, U.")
    leading: Below = Field("zero", description="A value below quantification before the first quantifiable one.")
    embedded: Below = Field("omit", description="One between two quantifiable ones.")
    trailing: Below = Field("omit", description="One after the last quantifiable one.")
    fewest_points: int = Field(3, ge=3, le=20, description="Fewest points after the highest for the last slope.")
    least_r2: float = Field(0.8, ge=0, lt=1, description="With a smaller adjusted R2 the half-life is not estimable.")
    extrapolated_percent: float = Field(
        20, gt=0, le=100, description="An area of which more is extrapolated is remarked on."
    )
    confidence: float = Field(0.9, ge=0.5, lt=1, description="Confidence of dose proportionality's interval.")


class AntibodiesSpec(SpecModel):
    """When an antibody that was there before is called boosted."""

    boost_factor: float = Field(4, gt=1, le=10_000, description="So many times the titre before.")


class VirusesSpec(SpecModel):
    """When viruses are looked for."""

    visits: list[Name] = Field(
        [], max_length=50, description="Visits after the first infusion, as in viruses.csv; left out: those in it."
    )


class AdverseEventsSpec(SpecModel):
    """When an adverse event is treatment-emergent."""

    days_after_last_infusion: Days | None = Field(
        None, description="Until so many days after the last infusion; left out: until the end of follow-up."
    )


class EscalationSpec(SpecModel):
    """The rule of dose escalation."""

    rule: Literal["3+3", "fixed"] = Field("3+3", description="3+3, or fixed cohorts (3-3-3).")
    cohort_size: int = Field(3, ge=1, le=100, description="Patients looked at together.")
    most_toxicities: int = Field(
        1, ge=0, le=100, description="For fixed cohorts: with more toxicities than these the escalation stops."
    )
    window_days: Annotated[list[StudyDay], Field(min_length=2, max_length=2)] = Field(
        [1, 28], description="First and last study day on which a toxicity may begin to be dose-limiting."
    )


class ScheduleSpec(SpecModel):
    """When one assessment is planned, and for whom; hours for msc_concentration, days for the others."""

    days: list[Annotated[int, Field(ge=-9999, le=9999)]] = Field(
        [], max_length=500, description="Planned study days; there is no Day 0."
    )
    visits: list[Name] = Field(
        [], max_length=500, description="What the days are called in the file, one a day; left out: found by their day."
    )
    hours: list[Annotated[float, Field(ge=-1000, le=100_000)]] = Field(
        [], max_length=500, description="Planned hours from the first infusion."
    )
    within_days: Days = Field(3, description="How far from its day an assessment still counts as that one.")
    tests: list[Name] = Field([], max_length=50, description="Viruses looked for each time.")
    sexes: list[Literal["F", "M", "U"]] = Field(["F", "M", "U"], min_length=1, max_length=3, description="Whose.")
    expansion: bool = Field(True, description="Whether those who expand a chosen dose have it, too.")


Amount = Annotated[float, Field(gt=0, le=1e12)]


class AnalyteSpec(SpecModel):
    """A laboratory value of ``laboratory.csv``, such as a cytokine; its changes are of its logarithm."""

    label: Name | None = Field(None, description="Its name for people; default: its id.")
    unit: Annotated[str, StringConstraints(min_length=1, max_length=20)] = Field(
        description="Unit of results and limits, such as pg/mL; a row in another unit is refused."
    )
    lloq: Amount | None = Field(None, description="Lower limit of quantification; a row may state its own.")
    uloq: Amount | None = Field(None, description="Upper limit of quantification; a row may state its own.")
    reference_low: float | None = Field(None, ge=0, le=1e12, description="Lower end of the reference range.")
    reference_high: Amount | None = Field(None, description="Upper end of the reference range.")
    specimen: Literal["serum", "plasma", "blood"] = Field("serum", description="What it is measured in.")
    method: Name | None = Field(None, description="How it is measured, such as ELISA or bead array.")


AnalyteId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,39}$")]
Scheduled = Literal["platelets", "msc_concentration", "antibodies", "viruses"]


class AssessmentsSpec(SpecModel):
    """Definitions of the other assessments; what is left out has its default."""

    platelets: PlateletsSpec = Field(PlateletsSpec(), description="Platelet response.")
    kinetics: KineticsSpec = Field(KineticsSpec(), description="The cells' concentration in blood.")
    antibodies: AntibodiesSpec = Field(AntibodiesSpec(), description="Antibody to the cells.")
    viruses: VirusesSpec = Field(VirusesSpec(), description="Virus detection.")
    adverse_events: AdverseEventsSpec = Field(AdverseEventsSpec(), description="Adverse events.")
    escalation: EscalationSpec = Field(EscalationSpec(), description="Dose escalation.")
    schedule: dict[Scheduled, ScheduleSpec] = Field(
        {}, description="When each assessment is planned; what is left out is not looked for."
    )
    laboratory: dict[AnalyteId, AnalyteSpec] = Field(
        {}, max_length=200, description="Laboratory values of laboratory.csv, by the id that its column analyte has."
    )

    def model(self) -> AssessmentRules:
        """Return the section as a value."""
        return AssessmentRules(
            platelets=noun_of(PlateletRules, self.platelets),
            kinetics=noun_of(KineticRules, self.kinetics),
            antibodies=noun_of(AntibodyRules, self.antibodies),
            viruses=noun_of(VirusRules, self.viruses),
            adverse_events=noun_of(AdverseEventRules, self.adverse_events),
            escalation=noun_of(EscalationRules, self.escalation),
            schedule=tuple(
                noun_of(AssessmentSchedule, times, assessment=name) for name, times in self.schedule.items()
            ),
            laboratory=tuple(
                noun_of(Analyte, analyte, name=name, label=analyte.label or name, method=analyte.method or "")
                for name, analyte in self.laboratory.items()
            ),
        )


def check_assessment_rules(spec: AssessmentsSpec, findings: Findings) -> None:
    """Note in ``findings`` what the section gets wrong: limits and windows that are the wrong way round."""
    platelets, section = spec.platelets, "assessments"
    pairs: Sequence[tuple[tuple[str, ...], float, float]] = (
        (("platelets", "complete_response_1e9_per_l"), platelets.response_1e9_per_l,
         platelets.complete_response_1e9_per_l),
        (("platelets", "durable_last_day"), platelets.durable_first_day, platelets.durable_last_day),
        (("escalation", "window_days"), spec.escalation.window_days[0], spec.escalation.window_days[1]),
    )  # fmt: skip
    analytes = [
        (("laboratory", name, high_key), low, high)
        for name, analyte in spec.laboratory.items()
        for high_key, low, high in (
            ("uloq", analyte.lloq, analyte.uloq),
            ("reference_high", analyte.reference_low, analyte.reference_high),
        )
        if low is not None and high is not None
    ]
    for path, low, high in (*pairs, *analytes):
        if low > high:
            findings.add((section, *path), f"{high:g} is below {low:g}", "put them in order")
    for name, schedule in spec.schedule.items():
        where, unit = (section, "schedule", name), "hours" if name == "msc_concentration" else "days"
        if bool(schedule.hours) != (unit == "hours") or bool(schedule.days) != (unit == "days"):
            findings.add(where, f"its times are {unit}", f"give {unit}, and no others")
        if 0 in schedule.days:
            findings.add((*where, "days"), "there is no Day 0", "the first infusion is Day 1, the day before it Day -1")
        if schedule.visits and len(schedule.visits) != len(schedule.days):
            message = f"{len(schedule.visits)} visits for {len(schedule.days)} days"
            findings.add((*where, "visits"), message, "name each day's visit, or none")
        if schedule.tests and name != "viruses":
            findings.add((*where, "tests"), "only viruses have tests", "take them out")
