"""The trial as every delivered table needs it: subjects, their days and epochs, and the numbered plan of visits."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from immunomon.outputs.cp_map import SponsorSpec
from immunomon.outputs.delivery.assessments import Assessments
from immunomon.study.model.protocol import Protocol
from immunomon.study.model.study import NO_GROUP
from immunomon.study.model.visits import study_day

__all__ = ["Person", "PlannedVisit", "Trial", "trial_of"]

_WEEK = re.compile(r"W(\d{1,3})")


@dataclass(frozen=True)
class Person:
    """A subject: pseudonym, dose group if the study has any, and the days of infusions.

    consent: the date of informed consent; participation_end, death: dates from ``disposition.csv``; died: whether it
    says so; about: the row of ``demographics.csv``; given: doses recorded as given, 10^6 cells/kg, by infusion from 1.
    """

    id: str
    dose_group: str | None
    cohort: str
    sex: str
    infusions: tuple[str, ...] = ()
    flags: Mapping[str, bool] = field(default_factory=dict)
    expansion: bool = False
    consent: str | None = None
    participation_end: str | None = None
    died: bool = False
    death: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[int, float] = field(default_factory=dict)

    @property
    def first(self) -> str | None:
        """The date of the first infusion, ISO 8601; None if there was none."""
        return self.infusions[0] if self.infusions else None

    def day(self, date: str | None) -> int | None:
        """Return the study day of a date: the first infusion is day 1, the day before it -1; there is no day 0.

        >>> Person("S01", "A", "A", "F", ("2025-01-13",)).day("2025-01-12")
        -1
        """
        if not date or self.first is None:
            return None
        return study_day(datetime.date.fromisoformat(date), datetime.date.fromisoformat(self.first))

    def date(self, day: int | None) -> str | None:
        """Return the date of a study day; None for day 0, which there is not.

        >>> Person("S01", "A", "A", "F", ("2025-01-13",)).date(-1)
        '2025-01-12'
        """
        if not day or self.first is None:
            return None
        after = datetime.timedelta(days=day - 1 if day > 0 else day)
        return (datetime.date.fromisoformat(self.first) + after).isoformat()

    def epoch(self, date: str | None) -> str | None:
        """Return the epoch of a date: SCREENING, TREATMENT or FOLLOW-UP."""
        if not date or self.first is None:
            return None
        return "SCREENING" if date < self.first else "TREATMENT" if date <= self.infusions[-1] else "FOLLOW-UP"


@dataclass(frozen=True)
class PlannedVisit:
    """A visit of the plan: number, label, planned day, the days that count as it, what it is for."""

    number: int
    label: str
    planned_day: int | None
    window_days: tuple[int, int] | None = None
    baseline: bool = False
    infusion: int = 0


@dataclass(frozen=True, eq=False)
class Trial:
    """A study as deliveries see it."""

    name: str
    title: str
    dose_groups: tuple[Mapping[str, Any], ...]
    persons: tuple[Person, ...]
    visits: tuple[PlannedVisit, ...]
    sponsor: SponsorSpec
    protocol: Protocol = field(default_factory=Protocol)
    planned_subjects: tuple[int, ...] = ()

    @cached_property
    def _by_id(self) -> dict[str, Person]:
        return {person.id: person for person in self.persons}

    @cached_property
    def _by_label(self) -> dict[str, PlannedVisit]:
        return {visit.label: visit for visit in self.visits}

    def person(self, subject: str) -> Person:
        """Return a subject by id."""
        return self._by_id[subject]

    def visit(self, label: str) -> PlannedVisit:
        """Return a visit by label."""
        return self._by_label[label]

    @property
    def baseline(self) -> PlannedVisit | None:
        """The visit that changes are counted from."""
        return next((visit for visit in self.visits if visit.baseline), None)

    def usubjid(self, subject: str) -> str:
        """Return a subject's id that is unique across studies."""
        return f"{self.name}-{subject}"

    def dose(self, person: Person) -> float | None:
        """Return a subject's dose in 10^6 cells/kg; None if the study states none."""
        cells = self._group(person).get("cells_per_kg")
        return None if cells is None else float(cells) / 1e6

    def dose_given(self, person: Person) -> float | None:
        """Return a subject's mean dose over its infusions, the planned one where none was recorded as given."""
        numbers = range(1, len(person.infusions) + 1)
        doses = [person.given.get(number, self.dose(person)) for number in numbers]
        known = [dose for dose in doses if dose is not None]
        return float(f"{sum(known) / len(known):.10g}") if known and len(known) == len(doses) else None

    def _group(self, person: Person) -> Mapping[str, Any]:
        return next((group for group in self.dose_groups if group["name"] == person.dose_group), {})

    def dose_text(self, group: Mapping[str, Any]) -> str:
        """Return a dose group in words, such as ``A: 0.5 x10^6 cells/kg``; an arm without cells has its name."""
        if not group["cells_per_kg"]:
            return str(group["name"])
        return f"{group['name']}: {float(group['cells_per_kg']) / 1e6:g} x10^6 cells/kg"

    def arm(self, person: Person) -> str | None:
        """Return the description of a subject's planned arm; None in a study without any."""
        group = self._group(person)
        return self.dose_text(group) if group else None

    def is_in_arm(self, person: Person) -> bool:
        """Say whether a subject went the way that the arm plans: was treated, where the arm plans cells at all."""
        group = self._group(person)
        return bool(group) and not (person.first is None and (group["cells_per_kg"] or group.get("infusion_days")))

    @property
    def gives_cells(self) -> bool:
        """Whether anybody is, or was to be, infused."""
        return self.infusion() is not None or any(person.first for person in self.persons)

    def arm_number(self, dose_group: str) -> int:
        """Return a dose group's number, counted from the lowest dose."""
        ordered = sorted(self.dose_groups, key=lambda group: (float(group["cells_per_kg"] or 0), str(group["name"])))
        return 1 + [group["name"] for group in ordered].index(dose_group)

    def visit_or_unscheduled(self, label: str | None) -> PlannedVisit:
        """Return a visit by label; for a finding without one, a visit of that name and no number of the plan."""
        return PlannedVisit(0, "UNSCHEDULED", None) if label is None else self.visit(label)

    def when(self, label: str | None) -> dict[str, Any]:
        """Return VISITNUM, VISIT and VISITDY of a visit."""
        if label is None:
            return {}
        visit = self.visit(label)
        return {"VISITNUM": visit.number, "VISIT": visit.label, "VISITDY": visit.planned_day}

    def infusion(self, *, last: bool = False) -> str | None:
        """Return the label of the first or the last infusion's visit, if infusions are planned."""
        labels = [visit.label for visit in self.visits if visit.infusion]
        return (labels[-1] if last else labels[0]) if labels else None

    def assay(self, name: str) -> tuple[str, str] | None:
        """Return --TESTCD and --TEST of a test outside the cytometer, if the map gives them."""
        return next(((assay.testcd, assay.test) for assay in self.sponsor.assays if assay.name == name), None)


def trial_of(
    study: Mapping[str, Any], assessments: Assessments, sponsor: SponsorSpec, protocol: Protocol | None = None
) -> Trial:
    """Return the trial of a run's study, its plan completed by infusions and by visits of other assessments.

    A visit that only an assessment names has a planned day if its label is that of a week (W6: day 43); its place in
    the plan is by that day, without one first. A visit of the study without a day follows the one listed before it.
    """
    expansions = {cohort["name"] for cohort in study.get("cohorts") or () if cohort.get("expansion")}
    persons = tuple(
        _as_recorded(
            Person(
                id=str(subject["id"]),
                dose_group=None if subject["dose_group"] == NO_GROUP else str(subject["dose_group"]),
                cohort=str(subject.get("cohort") or ""),
                expansion=subject.get("cohort") in expansions,
                sex=str(subject.get("sex") or "U"),
                infusions=tuple(sorted(subject.get("infusion_dates") or ())),
                flags=dict(subject.get("flags") or {}),
            ),
            assessments,
        )
        for subject in study["subjects"]
    )
    return Trial(
        name=str(study["name"]),
        title=str(study.get("title") or study["name"]),
        dose_groups=tuple(group for group in study["dose_groups"] if group["name"] != NO_GROUP),
        persons=persons,
        visits=_plan(study, assessments),
        sponsor=_with_location(sponsor, study),
        protocol=protocol or Protocol(),
        planned_subjects=tuple(int(cohort.get("planned_subjects") or 0) for cohort in study.get("cohorts") or ()),
    )


def _as_recorded(person: Person, assessments: Assessments) -> Person:
    """Return a subject with consent, demographics and the end of participation, as far as they were recorded."""
    about = next((row for row in assessments.rows("demographics") if row["subject"] == person.id), {})
    ends = [row for row in assessments.rows("disposition") if row["subject"] == person.id]
    dates = {str(row["of"]): row["date"] or person.date(row["study_day"]) for row in ends}
    deaths = [row["date"] or person.date(row["study_day"]) for row in ends if row["event"] == "death"]
    return replace(
        person,
        consent=about.get("consent_date"),
        participation_end=dates.get("study"),
        died=bool(deaths),
        death=next(iter(deaths), None),
        about=about,
        given={
            int(row["infusion"]): row["dose_1e6_per_kg"]
            for row in assessments.rows("infusions")
            if row["subject"] == person.id and row["dose_1e6_per_kg"] is not None
        },
    )


def _with_location(sponsor: SponsorSpec, study: Mapping[str, Any]) -> SponsorSpec:
    """Return the sponsor with the study's site and country where the map names none."""
    location = {name: getattr(sponsor, name) or study.get(name) for name in ("site", "country")}
    return sponsor.model_copy(update=location)


def _plan(study: Mapping[str, Any], assessments: Assessments) -> tuple[PlannedVisit, ...]:
    visits: dict[str, PlannedVisit] = {}
    for visit in study["visits"]:
        window = visit.get("window_days")
        days = (int(window[0]), int(window[1])) if window else None
        label = str(visit["label"])
        planned = None if visit["planned_day"] is None else int(visit["planned_day"])
        visits[label] = PlannedVisit(0, label, planned, days, bool(visit.get("baseline")))
    for number, day in enumerate(_infusion_days(study["dose_groups"]), start=1):
        label = f"INFUSION {number}"
        visits.setdefault(label, PlannedVisit(0, label, day, infusion=number))
    for table in ("platelets", "viruses"):
        for row in assessments.rows(table):
            if row["visit"] is None:
                continue  # unscheduled: a finding without a visit
            label = str(row["visit"])
            week = _WEEK.fullmatch(label)
            visits.setdefault(label, PlannedVisit(0, label, 7 * int(week[1]) + 1 if week else None))
    ordered = _in_order(list(visits.values()), listed=len(study["visits"]))
    return tuple(replace(visit, number=number) for number, visit in enumerate(ordered, start=1))


def _infusion_days(groups: Iterable[Mapping[str, Any]]) -> list[int]:
    return sorted({int(day) for group in groups for day in group.get("infusion_days") or ()})


def _in_order(visits: Sequence[PlannedVisit], *, listed: int) -> list[PlannedVisit]:
    """Return visits by their days; of those without one, the study's follow the visit listed before, others are first.

    listed: how many, from the first, are those that the study lists, in its order.
    """
    order: dict[str, tuple[int, int, int, str]] = {}
    before = -10_000
    for number, visit in enumerate(visits):
        is_listed = number < listed
        day = visit.planned_day if visit.planned_day is not None else before if is_listed else -10_000
        before = day if is_listed else before
        order[visit.label] = (day, 0 if visit.infusion else 1, min(number, listed), visit.label)
    return sorted(visits, key=lambda visit: order[visit.label])
