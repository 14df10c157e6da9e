"""When a frequency may be reported, as a study file says it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from immunomon.errors import nearest
from immunomon.findings import DataPath, Findings, shown
from immunomon.shape import SpecModel, Text, noun_of
from immunomon.study.model.reportability import Reportability
from immunomon.study.model.trust import DOUBTS

__all__ = ["LimitsSpec", "ReportabilitySpec", "check_limits"]

Percent = Annotated[float, Field(ge=0, le=200)]
Events = Annotated[int, Field(ge=0, le=1_000_000_000)]


class LimitsSpec(SpecModel):
    """Limits of one population; what is left out is as for all."""

    min_parent_events: Events | None = Field(None, description="A frequency of an emptier parent is not reported.")
    lod_events: Events | None = Field(None, description="Limit of detection, in events.")
    lloq_events: Events | None = Field(None, description="Lower limit of quantification, in events.")


class ReportabilitySpec(SpecModel):
    """When a frequency may be reported."""

    min_parent_events: Events = Field(100, description="A frequency of an emptier parent is not reported.")
    lod_events: Events = Field(20, description="Limit of detection, in events.")
    lloq_events: Events = Field(50, description="Lower limit of quantification, in events.")
    populations: dict[str, LimitsSpec] = Field(
        {}, max_length=500, description="Populations with limits of their own, by id."
    )
    doubts: Literal["withhold", "report"] = Field(
        "withhold",
        description="Whether a value that rests on a doubtful gate is withheld, with the reason, or reported.",
    )
    accepted_doubts: list[Text] = Field(
        [], max_length=100, description="Codes of doubts that withhold nothing in this study, such as visit_outlier."
    )
    parts_percent: tuple[Percent, Percent] = Field(
        (85.0, 105.0),
        description="What the parts of a population (T, B and NK cells of lymphocytes) may add up to without a remark.",
    )

    def model(self) -> Reportability:
        """Return what holds everywhere, and for each population of its own."""
        everywhere = noun_of(Reportability, self, populations={})
        populations = {
            name: replace(everywhere, **own.model_dump(exclude_none=True)) for name, own in self.populations.items()
        }
        return replace(everywhere, populations=populations)


def check_limits(spec: ReportabilitySpec, findings: Findings) -> None:
    """Note codes that no doubt has, and limits that contradict each other."""
    for number, code in enumerate(spec.accepted_doubts):
        if code not in DOUBTS:
            message = f"no doubt with the code {shown(code)}; {nearest(code, DOUBTS)}"
            findings.add(("reportability", "accepted_doubts", number), message, "see docs/trust.md for the codes")
    own: list[tuple[DataPath, int, int]] = [(("reportability",), spec.lod_events, spec.lloq_events)]
    for name, limits in spec.populations.items():
        lod = spec.lod_events if limits.lod_events is None else limits.lod_events
        lloq = spec.lloq_events if limits.lloq_events is None else limits.lloq_events
        own.append((("reportability", "populations", name), lod, lloq))
    for path, lod, lloq in own:
        if lod > lloq:
            message = f"the limit of detection ({lod} events) is above the limit of quantification ({lloq} events)"
            findings.add(path, message, "lower lod_events or raise lloq_events")
