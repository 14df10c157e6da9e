"""Who is in the study, at which dose, and when they were treated: what every assessment needs to know."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from immunomon.study.model.study import NO_GROUP, Study
from immunomon.study.model.visits import study_day

__all__ = ["ALL", "People", "Person", "people_of"]

ALL = "all"


@dataclass(frozen=True)
class Person:
    """A subject: dose group and dose, cohort, sex, dates of infusions; expansion: entered to expand a chosen dose."""

    id: str
    dose_group: str
    cells_per_kg: float | None
    sex: str = "U"
    cohort: str = ""
    expansion: bool = False
    infusions: tuple[datetime.date, ...] = ()

    @property
    def first(self) -> datetime.date | None:
        """The date of the first infusion; None if there was none yet."""
        return min(self.infusions, default=None)

    @property
    def last_infusion_day(self) -> int | None:
        """The study day of the last infusion; None if there was none yet."""
        return None if self.first is None else study_day(max(self.infusions), self.first)

    def is_at_infusion(self, day: int) -> bool:
        """Say whether a study day is that of an infusion, or the day after one."""
        date = self.date_of(day)
        return date is not None and any((date - infusion).days in {0, 1} for infusion in self.infusions)

    def date_of(self, day: int) -> datetime.date | None:
        """Return the date of a study day.

        >>> Person("S01", "A", 1e6, infusions=(datetime.date(2025, 1, 13),)).date_of(-1)
        datetime.date(2025, 1, 12)
        """
        if self.first is None:
            return None
        return self.first + datetime.timedelta(days=day - 1 if day > 0 else day)


@dataclass(frozen=True)
class People:
    """All subjects of a study, in its order, and its dose groups from the lowest dose up, those without one last."""

    persons: Mapping[str, Person]
    doses: Mapping[str, float | None]

    def __getitem__(self, subject: str) -> Person:
        return self.persons[subject]

    @property
    def treated(self) -> tuple[str, ...]:
        """The subjects who had an infusion."""
        return tuple(person.id for person in self.persons.values() if person.first is not None)

    @property
    def first_expansion(self) -> datetime.date | None:
        """The date on which the first subject of an expansion was infused; None if none was."""
        return min(
            (person.first for person in self.persons.values() if person.expansion and person.first), default=None
        )

    @property
    def escalation(self) -> People:
        """The people without those who entered to expand a dose that was chosen before."""
        return People({name: person for name, person in self.persons.items() if not person.expansion}, self.doses)

    def whose(self, subject: str) -> dict[str, str]:
        """Return the columns that say whose a row is."""
        return {"subject": subject, "dose_group": self.persons[subject].dose_group}

    def groups(self, subjects: Iterable[str]) -> dict[str, list[str]]:
        """Return these subjects by dose group, from the lowest dose up, groups without any left out; ``all`` last."""
        chosen = set(subjects)
        ordered = [subject for subject in self.persons if subject in chosen]
        by_group = {
            name: [subject for subject in ordered if self.persons[subject].dose_group == name]
            for name in self.doses
            if name != NO_GROUP
        }
        return {**{name: members for name, members in by_group.items() if members}, ALL: ordered}

    def cohorts(self, group: str, members: Iterable[str]) -> dict[str, list[str]]:
        """Return these subjects by cohort if the dose group has an expansion cohort beside others; otherwise nothing.

        Those who name no cohort are together, before the others.
        """
        whole = [person for person in self.persons.values() if person.dose_group == group]
        if len({person.expansion for person in whole}) < 2:
            return {}
        chosen = set(members)
        names = sorted({person.cohort for person in whole}, key=lambda name: (self._expands(name), name))
        return {
            name or "no cohort": [person.id for person in whole if person.cohort == name and person.id in chosen]
            for name in names
        }

    def _expands(self, cohort: str) -> bool:
        return any(person.expansion for person in self.persons.values() if person.cohort == cohort)


def people_of(study: Study) -> People:
    """Return the people of a study."""
    ordered = sorted(study.dose_groups, key=lambda group: (group.cells_per_kg is None, group.cells_per_kg or 0.0))
    doses = {group.name: group.cells_per_kg for group in ordered}
    expansions = {cohort.name for cohort in study.cohorts if cohort.expansion}
    return People(
        {
            subject.id: Person(
                id=subject.id,
                dose_group=subject.dose_group,
                cells_per_kg=doses[subject.dose_group],
                sex=subject.sex,
                cohort=subject.cohort or "",
                expansion=subject.cohort in expansions,
                infusions=tuple(sorted(subject.infusion_dates)),
            )
            for subject in study.subjects
        },
        doses,
    )
