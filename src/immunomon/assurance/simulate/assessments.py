"""What is measured beside the cytometer: platelets, MSC in blood, antibodies, viruses, adverse events."""

from __future__ import annotations

import math

from immunomon.assurance.simulate.conduct import clock, infusion_times
from immunomon.assurance.simulate.protocol import DOSE_GROUPS, INFUSION_DAYS, Patient, date_of_study_day
from immunomon.assurance.simulate.seeding import generator
from immunomon.assurance.simulate.tables import Row

__all__ = [
    "ADVERSE_EVENT_COLUMNS",
    "MSC_COLUMNS",
    "adverse_event_rows",
    "antibody_rows",
    "msc_rows",
    "platelet_rows",
    "virus_rows",
]

_SAMPLING_HOURS = (-0.5, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 24.0, 48.0, 96.0)
_LLOQ_CELLS_PER_ML = 10.0
_VIRUSES = ("HBV", "HCV", "HIV", "syphilis")
_WEEKS = tuple(range(1, 29))
MSC_COLUMNS: tuple[str, ...] = (
    *("subject", "planned_time_h", "actual_time_h", "concentration_cells_per_ml", "below_quantification"),
    "lloq",
)


def platelet_rows(patient: Patient, seed: int) -> list[Row]:
    """Return weekly counts from the day before the first infusion to week 28.

    A responder rises to 50 to 170 x10^9/L within weeks 2 to 6 and stays above twice the baseline for months; the others
    wander below 30 and bleed or need rescue now and then.
    """
    rng = generator(seed, "platelets", patient.id)
    baseline = float(rng.uniform(6, 18))
    peak = float(rng.uniform(55, 170)) if patient.responder else float(rng.uniform(0, 7))
    onset, lasts = float(rng.uniform(2, 5)), float(rng.uniform(20, 60))
    rows = []
    for week in (0, *_WEEKS):
        day = -1 if week == 0 else 7 * week + 1 + int(rng.integers(-1, 2))
        label = f"W{week}" if week else "D-1"
        rise = peak / (1 + math.exp(-1.8 * (week - onset))) * math.exp(-max(week - 8, 0) / lasts) if week else 0.0
        count = max(1, round((baseline + rise) * math.exp(0.14 * float(rng.standard_normal()))))
        bleeding = count < 30 and bool(rng.random() < (0.25 if count < 10 else 0.08))
        rescue = count < 30 and bool(rng.random() < (0.12 if bleeding else 0.03)) and week > 0
        if not patient.is_followed(day, label):
            continue
        rows.append(
            {
                "subject": patient.id,
                "visit": label,
                "study_day": str(day),
                "date": date_of_study_day(patient.first_infusion, day).isoformat(),
                "platelets_1e9_per_l": str(count),
                "bleeding": str(bleeding).lower(),
                "rescue_therapy": str(rescue).lower(),
                "bleeding_grade": str(1 + int(count < 10) if bleeding else 0),
            }
        )
    return rows


def msc_rows(patient: Patient, seed: int) -> list[Row]:
    """Return a woman's MSC concentrations around the first infusion; a value below quantification is blank.

    Two falling exponentials, the first of lung entrapment; proportional to dose. Shape and figures are assumed.
    """
    if patient.sex != "F":
        return []
    rng = generator(seed, "msc", patient.id)
    person = math.exp(0.3 * float(rng.standard_normal()))
    scale = person * patient.group.cells_per_kg / 1e6
    rows = []
    for planned in _SAMPLING_HOURS:
        actual = planned + float(rng.uniform(-0.03, 0.06)) * max(1.0, math.sqrt(abs(planned)))
        level = scale * (900 * math.exp(-actual / 0.8) + 160 * math.exp(-actual / 9)) if planned > 0 else 0.0
        measured = level * math.exp(0.12 * float(rng.standard_normal()))
        below = measured < _LLOQ_CELLS_PER_ML
        rows.append(
            {
                "subject": patient.id,
                "planned_time_h": f"{planned:g}",
                "actual_time_h": f"{actual:.2f}",
                "concentration_cells_per_ml": "" if below else f"{measured:.1f}",
                "below_quantification": str(below).lower(),
                "lloq": f"{_LLOQ_CELLS_PER_ML:g}",
            }
        )
    return rows


def antibody_rows(patient: Patient, seed: int) -> list[Row]:
    """Return antibody to hUC-MSC 30 min before the first infusion and 48 h after the last; none in an expansion."""
    if patient.expansion:
        return []
    rng = generator(seed, "antibodies", patient.id)
    induced = bool(rng.random() < 0.05)
    rows = []
    last = INFUSION_DAYS[patient.infusions - 1]
    for point, day in (("pre-first-infusion", 1), ("48h-post-last-infusion", last + 2)):
        positive = induced and day > 1
        rows.append(
            {
                "subject": patient.id,
                "timepoint": point,
                "study_day": str(day),
                "date": date_of_study_day(patient.first_infusion, day).isoformat(),
                "titre": str(40 * 2 ** int(rng.integers(0, 3))) if positive else "0",
                "result": "positive" if positive else "negative",
            }
        )
    return rows


def virus_rows(patient: Patient) -> list[Row]:
    """Return virus detection at screening and at weeks 4 and 16: negative, as carriers are not enrolled."""
    return [
        {
            "subject": patient.id,
            "visit": visit,
            "study_day": str(day),
            "date": date_of_study_day(patient.first_infusion, day).isoformat(),
            "virus": virus,
            "result": "negative",
        }
        for visit, day in (("screening", -14), ("W4", 29), ("W16", 113))
        for virus in _VIRUSES
        if patient.is_followed(day, visit)
    ]


ADVERSE_EVENT_COLUMNS: tuple[str, ...] = (
    *("subject", "term", "system_organ_class", "grade", "start_day", "end_day"),
    *("serious", "related", "dose_limiting", "reported_term", "start_time", "end_time", "action_taken", "outcome"),
)
_REPORTED = {
    "Pyrexia": "fever",
    "Chills": "shivering",
    "Epistaxis": "nose bleed",
    "Upper respiratory tract infection": "a cold",
}

# term, system organ class, chance in a patient, whether it comes with infusions, grades
_EVENTS: tuple[tuple[str, str, float, bool, tuple[int, int]], ...] = (
    ("Pyrexia", "General disorders and administration site conditions", 0.35, True, (1, 2)),
    ("Chills", "General disorders and administration site conditions", 0.15, True, (1, 1)),
    ("Headache", "Nervous system disorders", 0.20, True, (1, 2)),
    ("Upper respiratory tract infection", "Infections and infestations", 0.30, False, (1, 2)),
    ("Epistaxis", "Respiratory, thoracic and mediastinal disorders", 0.20, False, (1, 2)),
    ("Gingival bleeding", "Gastrointestinal disorders", 0.15, False, (1, 2)),
    ("Nausea", "Gastrointestinal disorders", 0.15, True, (1, 1)),
    ("Pneumonia", "Infections and infestations", 0.10, False, (3, 3)),
)


def adverse_event_rows(patients: tuple[Patient, ...], seed: int) -> list[Row]:
    """Return the adverse events of all patients, and the dose-limiting toxicity of one who has it."""
    return [row for patient in patients for row in (*_toxicity(patient), *_events_of(patient, seed))]


def _toxicity(patient: Patient) -> list[Row]:
    day = patient.toxicity_day
    if day is None:
        return []
    organ_class = "Respiratory, thoracic and mediastinal disorders"
    row = _event_row(patient, "Pulmonary embolism", organ_class, (3, day, day + 20), related=True)
    more = {"dose_limiting": "true", "reported_term": "clot in the right lung", "action_taken": "drug withdrawn"}
    return [row | more]


def _events_of(patient: Patient, seed: int) -> list[Row]:
    rng = generator(seed, "adverse events", patient.id)
    dose = [group.name for group in DOSE_GROUPS].index(patient.group.name)
    rows = []
    for term, organ_class, chance, with_infusion, (low, high) in _EVENTS:
        happens = rng.random() < chance * (1 + 0.15 * dose)
        grade, late = int(rng.integers(low, high + 1)), int(rng.integers(5, 190))
        start, lasts = (7 * int(rng.integers(0, 4)) + 1 if with_infusion else late), int(rng.integers(0, 8))
        if happens and patient.is_followed(start):
            related = with_infusion and bool(rng.random() < 0.7)
            row = _event_row(patient, term, organ_class, (grade, start, start + lasts), related=related)
            rows.append(row | {"start_time": _onset(patient, start, seed, term) if with_infusion else ""})
    return rows


def _onset(patient: Patient, day: int, seed: int, term: str) -> str:
    """Return the time of day at which an event of an infusion's day began: within the infusion, or hours after it."""
    rng = generator(seed, "onset", patient.id, term)
    number = INFUSION_DAYS.index(day) + 1 if day in INFUSION_DAYS else 1
    start, end = infusion_times(patient, number, seed)
    return clock(int(rng.integers(start, end)) if rng.random() < 0.4 else end + int(rng.integers(10, 600)))


def _event_row(
    patient: Patient, term: str, organ_class: str, grade_start_end: tuple[int, int, int], *, related: bool
) -> Row:
    grade, start, end = grade_start_end
    return {
        "subject": patient.id,
        "term": term,
        "system_organ_class": organ_class,
        "grade": str(grade),
        "start_day": str(start),
        "end_day": str(end),
        "serious": str(grade >= 3).lower(),
        "related": str(related).lower(),
        "dose_limiting": "false",
        "reported_term": _REPORTED.get(term, term.lower()),
        "start_time": "",
        "end_time": "",
        "action_taken": "dose not changed",
        "outcome": "recovered/resolved",
    }
