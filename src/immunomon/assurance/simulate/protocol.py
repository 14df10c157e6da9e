"""Who is in the simulated trial, when they come, and which cells each of them brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

import numpy as np

from immunomon.assurance.simulate.biology import Donor, draw_donor
from immunomon.assurance.simulate.seeding import generator
from immunomon.errors import UnknownName, nearest

__all__ = [
    "DOSE_GROUPS",
    "INFUSION_DAYS",
    "VISITS",
    "DoseGroup",
    "Patient",
    "Scenario",
    "Visit",
    "date_of_study_day",
    "draw_patients",
    "visits_named",
]


class Scenario(StrEnum):
    """The effect that is built into a simulated trial.

    ``mechanism``: the expected effect by dose, larger in platelet responders (x1.4) than in the others (x0.6).
    ``null``: no effect on any cell. ``responders``: an effect (x1.4) in platelet responders only. ``novel``: as
    ``mechanism``, and from week 4 on platelet responders have cells that no gating strategy knows (biology.NOVEL).

    >>> Scenario("null").factor(responder=True), Scenario("responders").factor(responder=False)
    (0.0, 0.0)
    >>> Scenario("mechnism")
    Traceback (most recent call last):
        ...
    ValueError: 'mechnism' is not a valid Scenario
    """

    MECHANISM = "mechanism"
    NULL = "null"
    RESPONDERS = "responders"
    NOVEL = "novel"

    def factor(self, *, responder: bool) -> float:
        """Return what a patient's dose effect is multiplied with."""
        if self is Scenario.NULL:
            return 0.0
        if responder:
            return 1.4
        return 0.6 if self in (Scenario.MECHANISM, Scenario.NOVEL) else 0.0


INFUSION_DAYS: tuple[int, ...] = (1, 8, 15, 22)
_FIRST_INFUSION = date(2025, 1, 13)
_WEEKS_BETWEEN_GROUPS = 6


@dataclass(frozen=True)
class DoseGroup:
    """A dose and, of every three patients, how many respond with their platelets: at least and at most."""

    name: str
    cells_per_kg: float
    responders: tuple[int, int]


DOSE_GROUPS: tuple[DoseGroup, ...] = (
    DoseGroup("A", 0.5e6, (0, 1)),
    DoseGroup("B", 1.0e6, (1, 2)),
    DoseGroup("C", 2.0e6, (2, 2)),
)


@dataclass(frozen=True)
class Visit:
    """A planned visit; study days have no Day 0."""

    label: str
    planned_day: int
    window: tuple[int, int]


VISITS: tuple[Visit, ...] = (
    Visit("D-1", -1, (-7, -1)),
    Visit("W2", 15, (12, 18)),
    Visit("W4", 29, (26, 32)),
    Visit("W8", 57, (52, 62)),
    Visit("W12", 85, (78, 92)),
    Visit("W16", 113, (106, 120)),
    Visit("W28", 197, (187, 207)),
)


def visits_named(labels: Sequence[str] | None) -> tuple[Visit, ...]:
    """Return the visits of these labels, in the order of the trial; all of them for None.

    Raises UnknownName for a label that is not in the trial.

    >>> [visit.planned_day for visit in visits_named(["W4", "D-1"])]
    [-1, 29]
    """
    known = {visit.label: visit for visit in VISITS}
    for label in labels or ():
        if label not in known:
            raise UnknownName(
                f"no visit named '{label}' in the simulated trial; {nearest(label, known, in_order=True)}"
            )
    return tuple(visit for visit in VISITS if labels is None or visit.label in labels)


def date_of_study_day(first_infusion: date, study_day: int) -> date:
    """Return the date of a study day: the first infusion is Day 1, the day before it Day -1.

    >>> date_of_study_day(date(2025, 1, 13), -1).isoformat(), date_of_study_day(date(2025, 1, 13), 15).isoformat()
    ('2025-01-12', '2025-01-27')
    """
    return first_infusion + timedelta(days=study_day - 1 if study_day > 0 else study_day)


@dataclass(frozen=True, eq=False)
class Patient:
    """A patient: dose group, history, whether the platelets respond, and the cells before treatment.

    infusions: how many were given; leaves: the study day and why, of one who leaves the trial before its end;
    toxicity_day: of a dose-limiting toxicity; missed: visits that were not kept; late: days after a visit's window;
    wave: who was entered together, and whose tubes are run together (default: the dose group); cohort: its name in the
    study file, default the dose group's.
    """

    id: str
    group: DoseGroup
    sex: str
    first_infusion: date
    flags: dict[str, bool]
    responder: bool
    donor: Donor
    infusions: int = len(INFUSION_DAYS)
    leaves: tuple[int, str] | None = None
    toxicity_day: int | None = None
    missed: frozenset[str] = frozenset()
    late: Mapping[str, int] = field(default_factory=dict)
    wave: str = ""
    cohort: str = ""
    expansion: bool = False

    def is_followed(self, day: int, label: str = "") -> bool:
        """Say whether anything was done on a study day: the patient had not left, and came to that visit."""
        return label not in self.missed and (self.leaves is None or day <= self.leaves[0])

    def comes_to(self, visit: Visit, seed: int) -> bool:
        """Say whether the patient came to a visit."""
        return self.is_followed(self.study_day(visit, seed), visit.label)

    def study_day(self, visit: Visit, seed: int) -> int:
        """Return the study day on which the patient came: mostly the planned one, within the window unless late."""
        rng = generator(seed, "visit day", self.id, visit.label)
        shift = round(float(rng.normal(0, 1.2)))
        day = visit.planned_day + shift
        low, high = visit.window
        if visit.label in self.late:
            return high + self.late[visit.label]
        return int(np.clip(day, low, high))

    def collection_date(self, visit: Visit, seed: int) -> date:
        """Return the date of the blood sample."""
        return date_of_study_day(self.first_infusion, self.study_day(visit, seed))

    def lymphocytes_per_ul(self, visit: Visit, seed: int) -> int:
        """Return the haematology laboratory's lymphocyte count."""
        person = generator(seed, "lymphocyte count", self.id).normal(7.38, 0.13)
        noise = generator(seed, "lymphocyte count", self.id, visit.label).normal(0, 0.07)
        return int(np.clip(np.exp(person + noise), 900, 2600).round(-1))


def draw_patients(scenario: Scenario, per_group: int, *, seed: int) -> tuple[Patient, ...]:
    """Return the patients of all dose groups; dose groups follow one another, within one they start days apart.

    A patient is the same whatever the scenario: only the effect on the cells differs.

    >>> [patient.id for patient in draw_patients(Scenario.NULL, 1, seed=1)]
    ['S01', 'S02', 'S03']
    """
    total = per_group * len(DOSE_GROUPS)
    rng = generator(seed, "patients", str(per_group))
    men = _chosen(total, total // 6, rng)
    rituximab = _chosen(total, round(total * 13 / 18), rng)
    depleted = set(sorted(rituximab, key=lambda _: rng.random())[: max(1, round(total * 2 / 9))])
    splenectomy = _chosen(total, round(total * 10 / 18), rng)
    responders = _responders(per_group, rng)
    patients = []
    for number in range(total):
        dose = number // per_group
        name = f"S{number + 1:02d}"
        flags = {
            "prior_rituximab": number in rituximab,
            "recent_rituximab": number in depleted,
            "splenectomy": number in splenectomy,
        }
        factor = scenario.factor(responder=number in responders)
        donor = draw_donor(name, dose, factor, b_depleted=number in depleted, rng=generator(seed, "donor", name))
        if scenario is Scenario.NOVEL:
            donor = replace(donor, novel=number in responders)
        start = _FIRST_INFUSION + timedelta(weeks=_WEEKS_BETWEEN_GROUPS * dose, days=number % per_group)
        sex = "M" if number in men else "F"
        patients.append(Patient(name, DOSE_GROUPS[dose], sex, start, flags, number in responders, donor))
    return tuple(patients)


def _chosen(total: int, count: int, rng: np.random.Generator) -> set[int]:
    return set(rng.permutation(total)[:count].tolist())


def _responders(per_group: int, rng: np.random.Generator) -> set[int]:
    out: set[int] = set()
    for dose, group in enumerate(DOSE_GROUPS):
        of_three = int(rng.integers(group.responders[0], group.responders[1] + 1))
        members = dose * per_group + rng.permutation(per_group)
        out |= set(members[: round(of_three * per_group / 3)].tolist())
    return out
