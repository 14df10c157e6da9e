"""What the trial's other assessments are judged by: definitions that a study declares, with defaults."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "AdverseEventRules",
    "Analyte",
    "AntibodyRules",
    "AssessmentRules",
    "AssessmentSchedule",
    "EscalationRules",
    "KineticRules",
    "PlateletRules",
    "VirusRules",
]


@dataclass(frozen=True)
class PlateletRules:
    """When a platelet count is a response (IWG 2009), what rescue therapy does to it, and what is durable.

    Counts in 10^9/L, days are study days. confirm_*_days: how far apart two counts must lie that confirm it.
    rescue_days: a count from a rescue therapy to so many days after it is no response. baseline: ``last`` count before
    the first infusion, or the ``mean`` or the ``highest`` of those before it. durable_tail_days: without a count in so
    many last days of the window a durable response is not evaluable, as follow-up does not reach there.
    """

    complete_response_1e9_per_l: float = 100.0
    response_1e9_per_l: float = 30.0
    response_fold: float = 2.0
    confirm_response_days: int = 7
    confirm_loss_days: int = 1
    baseline: str = "last"
    rescue_days: int = 28
    durable_first_day: int = 99
    durable_last_day: int = 197
    durable_share: float = 0.75
    durable_fewest_counts: int = 4
    durable_tail_days: int = 28
    durable_without_rescue: bool = True


@dataclass(frozen=True)
class KineticRules:
    """Whose concentrations are analysed and how: sexes, and what stands for a value below quantification.

    leading: before the first quantifiable value; embedded: between two; trailing: after the last. Each is ``zero``,
    ``half`` of the limit or ``omit``. extrapolated_percent: above it the area to infinity is remarked on.
    """

    sexes: tuple[str, ...] = ("F",)
    leading: str = "zero"
    embedded: str = "omit"
    trailing: str = "omit"
    fewest_points: int = 3
    least_r2: float = 0.8
    extrapolated_percent: float = 20.0
    confidence: float = 0.9


@dataclass(frozen=True)
class AntibodyRules:
    """When an antibody that was there before is called boosted."""

    boost_factor: float = 4.0


@dataclass(frozen=True)
class VirusRules:
    """At which visits viruses are looked for after the first infusion; none named: at those in the data."""

    visits: tuple[str, ...] = ()


@dataclass(frozen=True)
class AdverseEventRules:
    """When an adverse event is treatment-emergent.

    From the first infusion until so many days after the last one; None: until the end of follow-up.
    """

    days_after_last_infusion: int | None = None


@dataclass(frozen=True)
class EscalationRules:
    """The rule of dose escalation: ``3+3``, or ``fixed`` cohorts; the window in which a toxicity is dose-limiting.

    cohort_size: patients looked at together; most_toxicities: for ``fixed``, how many in a cohort still let the dose
    rise. window_days: first and last study day.
    """

    rule: str = "3+3"
    cohort_size: int = 3
    most_toxicities: int = 1
    window_days: tuple[int, int] = (1, 28)


@dataclass(frozen=True)
class AssessmentSchedule:
    """When one assessment is planned, and for whom.

    assessment: the file's name without suffix. days: planned study days, or hours: planned hours from the first
    infusion; visits: what the days are called in the file, one name a day, or none; within_days: how far from its day
    an assessment still counts as that one. tests: the viruses looked for each time. expansion: whether it is planned
    for those who expand a chosen dose, too.
    """

    assessment: str
    days: tuple[int, ...] = ()
    hours: tuple[float, ...] = ()
    visits: tuple[str, ...] = ()
    within_days: int = 3
    tests: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ("F", "M", "U")
    expansion: bool = True


@dataclass(frozen=True)
class Analyte:
    """A laboratory value that the study declares: its id in ``laboratory.csv``, its name, unit, limits and specimen.

    lloq, uloq: limits of quantification in the unit, of results whose row states none of its own. A value beyond one is
    censored: known to lie below or above, never taken to be 0, the limit or half of it. reference_low, reference_high:
    the laboratory's reference range.
    """

    name: str
    label: str
    unit: str
    lloq: float | None = None
    uloq: float | None = None
    reference_low: float | None = None
    reference_high: float | None = None
    specimen: str = "serum"
    method: str = ""


@dataclass(frozen=True)
class AssessmentRules:
    """All definitions of a study's other assessments."""

    platelets: PlateletRules = field(default_factory=PlateletRules)
    kinetics: KineticRules = field(default_factory=KineticRules)
    antibodies: AntibodyRules = field(default_factory=AntibodyRules)
    viruses: VirusRules = field(default_factory=VirusRules)
    adverse_events: AdverseEventRules = field(default_factory=AdverseEventRules)
    escalation: EscalationRules = field(default_factory=EscalationRules)
    schedule: tuple[AssessmentSchedule, ...] = ()
    laboratory: tuple[Analyte, ...] = ()
