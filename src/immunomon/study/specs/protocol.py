"""The section of a study file about the protocol: the trial's summary and criteria, as deliveries state them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from immunomon.findings import Findings, shown
from immunomon.shape import Name, SpecModel, Text
from immunomon.study.model.protocol import Criterion, Protocol, SummaryEntry, summary_parameters

__all__ = ["CriterionSpec", "ProtocolSpec", "SummarySpec", "check_protocol"]

Code = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{0,7}$")]
_FORMS = {
    "date": (re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?"), "a date: 2024-11-20, 2024-11 or 2024"),
    "number": (re.compile(r"\d{1,7}"), "a whole number"),
    "duration": (re.compile(r"P(?=\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?"), "a duration of ISO 8601, such as P18Y or P28W"),
    "yes/no": (re.compile("[YN]"), "Y or N"),
}


class SummarySpec(SpecModel):
    """One statement about the trial; a parameter may be stated several times, such as two objectives."""

    parameter: Code = Field(description="TSPARMCD: SSTDTC, TPHASE, OBJPRIM ...; see docs/deliveries.md.")
    value: Text | float | None = Field(None, description="Its value; at most 200 letters.")
    null_flavor: Literal["NI", "NA", "UNK", "PINF", "NINF"] | None = Field(
        None,
        description="In place of a value, why there is none: NA does not apply, NI nothing is said, PINF no limit.",
    )
    name: Annotated[str, StringConstraints(max_length=40)] | None = Field(
        None, description="TSPARM, for a parameter of the sponsor's own that is not among CDISC's known here."
    )


class CriterionSpec(SpecModel):
    """A criterion of inclusion or exclusion."""

    id: Code = Field(description="IETESTCD, at most 8 letters: INCL01.")
    category: Literal["inclusion", "exclusion"] = Field(description="inclusion or exclusion.")
    text: Text = Field(description="The criterion, at most 200 letters.")


class ProtocolSpec(SpecModel):
    """What the protocol says of the trial; nothing that is left out is made up."""

    version: Name | None = Field(None, description="Version of the protocol that the criteria are of.")
    summary: list[SummarySpec] = Field([], max_length=500, description="Statements about the trial: TS of deliveries.")
    criteria: list[CriterionSpec] = Field([], max_length=500, description="Who may take part: TI of deliveries.")

    def model(self) -> Protocol:
        """Return the section as a value."""
        return Protocol(
            version=self.version or "",
            summary=tuple(
                SummaryEntry(entry.parameter, _name(entry), _text(entry.value), entry.null_flavor or "")
                for entry in self.summary
            ),
            criteria=tuple(Criterion(entry.id, entry.category.upper(), entry.text) for entry in self.criteria),
        )


def _name(entry: SummarySpec) -> str:
    known = summary_parameters().get(entry.parameter)
    return entry.name or (known.name if known else "")


def _text(value: str | float | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.10g}"


def check_protocol(spec: ProtocolSpec | None, findings: Findings) -> None:
    """Note in ``findings`` what the section gets wrong: unknown parameters, values of another form, ids given twice."""
    if spec is None:
        return
    for number, entry in enumerate(spec.summary):
        _check_entry(entry, ("protocol", "summary", number), findings)
    ids: set[str] = set()
    for number, criterion in enumerate(spec.criteria):
        if criterion.id in ids:
            findings.add(("protocol", "criteria", number, "id"), f"{shown(criterion.id)} is there twice", "rename one")
        ids.add(criterion.id)


def _check_entry(entry: SummarySpec, place: tuple[str | int, ...], findings: Findings) -> None:
    known = summary_parameters().get(entry.parameter)
    if known is None and entry.name is None:
        noun = "parameter of a trial summary known here"
        findings.unknown((*place, "parameter"), noun, name=entry.parameter, known=list(summary_parameters()))
    if (entry.value is None) == (entry.null_flavor is None):
        findings.add(place, "a value or a null_flavor is wanted, and not both", "give one of them")
    form = _FORMS.get(known.form) if known else None
    if form is not None and entry.value is not None and not form[0].fullmatch(_text(entry.value)):
        findings.add((*place, "value"), f"{shown(_text(entry.value))} does not fit", f"write {form[1]}")
