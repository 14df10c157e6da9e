"""How the simulated trial was carried out: consent, demographics, infusions, other medication, how each one ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from immunomon.assurance.simulate.protocol import INFUSION_DAYS, Patient, date_of_study_day
from immunomon.assurance.simulate.seeding import generator
from immunomon.assurance.simulate.tables import Row

__all__ = [
    "MEDICATION_COLUMNS",
    "clock",
    "demographic_rows",
    "disposition_rows",
    "infusion_rows",
    "infusion_times",
    "medication_rows",
]

MEDICATION_COLUMNS: tuple[str, ...] = (
    *("subject", "medication", "purpose", "start_day", "end_day", "standard_name", "dose", "dose_unit", "route"),
    "indication",
)
_LAST_DAY = 208  # after the window of the last visit


def demographic_rows(patients: Iterable[Patient], seed: int) -> list[Row]:
    """Return consent, age, race and ethnicity of each patient."""
    rows = []
    for patient in patients:
        rng = generator(seed, "demographics", patient.id)
        consent = patient.first_infusion - timedelta(days=int(rng.integers(16, 29)))
        rows.append(
            {
                "subject": patient.id,
                "consent_date": consent.isoformat(),
                "age_years": str(int(rng.integers(19, 66))),
                "race": "asian",
                "ethnicity": "not hispanic or latino",
            }
        )
    return rows


def infusion_times(patient: Patient, number: int, seed: int) -> tuple[int, int]:
    """Return when an infusion began and ended, in minutes after midnight."""
    rng = generator(seed, "infusion times", patient.id, str(number))
    start = 9 * 60 + int(rng.integers(0, 24)) * 5
    return start, start + int(rng.integers(6, 13)) * 5


def clock(minutes: int) -> str:
    """Return minutes after midnight as hours and minutes.

    >>> clock(575)
    '09:35'
    """
    return f"{minutes // 60:02}:{minutes % 60:02}"


def infusion_rows(patients: Iterable[Patient], seed: int) -> list[Row]:
    """Return the infusions that each patient got: lot, dose given, weight; now and then one was interrupted."""
    return [_infusion(patient, number, seed) for patient in patients for number in range(1, patient.infusions + 1)]


def _infusion(patient: Patient, number: int, seed: int) -> Row:
    person, rng = (generator(seed, *key) for key in (("weight", patient.id), ("infusion", patient.id, str(number))))
    weight = float(person.normal(60 if patient.sex == "F" else 71, 8)) + float(rng.normal(0, 0.4))
    interrupted = bool(rng.random() < 0.04)
    share = float(rng.uniform(0.5, 0.9)) if interrupted else float(rng.uniform(0.97, 1.03))
    dose, weight = round(share * patient.group.cells_per_kg / 1e6, 3), round(weight, 1)
    start, end = infusion_times(patient, number, seed)
    day = INFUSION_DAYS[number - 1]
    given_on = date_of_study_day(patient.first_infusion, day)
    return {
        "subject": patient.id,
        "infusion": str(number),
        "date": given_on.isoformat(),
        "start_time": clock(start),
        "end_time": clock(end),
        "dose_1e6_per_kg": f"{dose:g}",
        "cells_1e6": f"{dose * weight:.1f}",
        "weight_kg": f"{weight:g}",
        "lot": _lot(given_on),
        "viability_percent": f"{float(rng.uniform(87, 97)):.1f}",
        "interrupted": str(interrupted).lower(),
        "reason": "vein lost; the rest was not given" if interrupted else "",
    }


def _lot(given_on: date) -> str:
    year, week, _ = given_on.isocalendar()
    return f"UC{year % 100:02}{(week + 1) // 2:02}"


def medication_rows(patients: Iterable[Patient], platelets: Iterable[Mapping[str, str]]) -> list[Row]:
    """Return other medication: what was given against ITP before and beside, and rescue where the counts say so.

    platelets: the rows of platelets.csv.
    """
    rows = [row for patient in patients for row in _against_itp(patient)]
    for count in platelets:
        if count["rescue_therapy"] == "true":
            day = count["study_day"]
            course = ("immunoglobulin i.v.", "rescue", day, day)
            rows.append(_course(count["subject"], course, ("immunoglobulins", "400", "mg/kg", "INTRAVENOUS")))
    return rows


def _against_itp(patient: Patient) -> list[Row]:
    course = ("prednisone, stable dose", "itp therapy", "", "")
    rows = [_course(patient.id, course, ("prednisone", "10", "mg", "ORAL"))]
    if patient.flags["prior_rituximab"]:
        end = "-60" if patient.flags["recent_rituximab"] else "-400"
        rows.append(
            _course(patient.id, ("rituximab", "itp therapy", "", end), ("rituximab", "375", "mg/m2", "INTRAVENOUS"))
        )
    return rows


def _course(subject: str, course: tuple[str, str, str, str], drug: tuple[str, str, str, str]) -> Row:
    columns = dict(zip(("medication", "purpose", "start_day", "end_day"), course, strict=True))
    columns |= dict(zip(("standard_name", "dose", "dose_unit", "route"), drug, strict=True))
    return {"subject": subject, **columns, "indication": "immune thrombocytopenia"}


def disposition_rows(patients: Iterable[Patient]) -> list[Row]:
    """Return how the infusions and the participation of each patient ended."""
    rows = []
    for patient in patients:
        last = INFUSION_DAYS[patient.infusions - 1]
        left, why = patient.leaves or (_LAST_DAY, "completed")
        stopped = "adverse event" if patient.toxicity_day else why
        is_whole = patient.infusions == len(INFUSION_DAYS)
        rows.append(_end(patient, "treatment", (last, "completed" if is_whole else stopped)))
        rows.append(_end(patient, "study", (left, why)))
    return rows


def _end(patient: Patient, of: str, end: tuple[int, str]) -> Row:
    day, event = end
    when = date_of_study_day(patient.first_infusion, day).isoformat()
    return {
        "subject": patient.id,
        "of": of,
        "event": event,
        "study_day": str(day),
        "date": when,
        "reason": "",
    }
