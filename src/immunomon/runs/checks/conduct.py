"""What a study's files of consent, infusions, medication and disposition say against study.yaml, and each other."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from immunomon.errors import Problem, counted, listed
from immunomon.study.model.study import Study, Subject
from immunomon.study.model.visits import study_day
from immunomon.trial.specs.assessment_tables import AssessmentFiles

__all__ = ["conduct_notes", "conduct_problems"]

Row = Mapping[str, Any]
_DOSE_SHARE = 0.1  # more or less than this share of the planned dose is remarked on
_RESCUE_DAYS = 7  # a count that says rescue therapy may be taken so many days after it


def conduct_problems(study: Study, files: AssessmentFiles) -> Iterator[Problem]:
    """Yield infusions that are not those of the study file: one too many, or on another date."""
    path = str(files.paths.get("infusions", ""))
    for row in files.rows("infusions"):
        dates = _dates(study, row["subject"])
        if row["infusion"] > len(dates):
            message = (
                f"{row['infusion']}, but study.yaml has {counted(len(dates), 'infusion date')} of {row['subject']}"
            )
            yield Problem(path, row["line"], "infusion", message, "add the date there, or correct the number")
        elif row["date"] and row["date"] != (given := dates[row["infusion"] - 1].isoformat()):
            message = f"{row['date']}, but study.yaml has infusion {row['infusion']} of {row['subject']} on {given}"
            yield Problem(path, row["line"], "date", message, "correct one of them")


def _dates(study: Study, subject: str) -> Sequence[datetime.date]:
    return next((sorted(person.infusion_dates) for person in study.subjects if person.id == subject), ())


def conduct_notes(study: Study, files: AssessmentFiles) -> Iterator[str]:
    """Yield what people should look at: late consent, other doses than planned, what goes on after somebody left."""
    for notes in (_consents, _doses, _unrecorded, _after_the_end, _deaths, _rescues):
        yield from notes(study, files)


def _consents(study: Study, files: AssessmentFiles) -> Iterator[str]:
    for row in files.rows("demographics"):
        dates = _dates(study, row["subject"])
        if dates and row["consent_date"] and row["consent_date"] > dates[0].isoformat():
            message = f"{row['subject']} consented on {row['consent_date']}, after the first infusion on {dates[0]}"
            yield f"demographics.csv line {row['line']}: {message}"


def _doses(study: Study, files: AssessmentFiles) -> Iterator[str]:
    planned = {group.name: group.cells_per_kg for group in study.dose_groups}
    for row in files.rows("infusions"):
        dose, given = planned.get(study.dose_group_of(row["subject"]) or ""), row["dose_1e6_per_kg"]
        if dose and given is not None and abs(given * 1e6 - dose) > _DOSE_SHARE * dose:
            message = (
                f"infusion {row['infusion']} of {row['subject']} was {given:g} x 10^6 cells/kg, planned {dose / 1e6:g}"
            )
            yield f"infusions.csv line {row['line']}: {message}"


def _unrecorded(study: Study, files: AssessmentFiles) -> Iterator[str]:
    if "infusions" not in files.tables:
        return
    recorded = {(row["subject"], row["infusion"]) for row in files.rows("infusions")}
    missing = [
        f"{subject.id} {number}"
        for subject in study.subjects
        for number in range(1, len(subject.infusion_dates) + 1)
        if (subject.id, number) not in recorded
    ]
    if missing:
        number = counted(len(missing), "infusion")
        yield f"infusions.csv: {number} of study.yaml not recorded: {listed(missing, 12)}"


def _after_the_end(study: Study, files: AssessmentFiles) -> Iterator[str]:
    subjects = {subject.id: subject for subject in study.subjects}
    ends = {row["subject"]: _day_of(row, subjects.get(row["subject"])) for row in files.rows("disposition")
            if row["of"] == "study"}  # fmt: skip
    for name in ("platelets", "viruses", "antibodies"):
        for row in files.rows(name):
            end, day = ends.get(row["subject"]), row["study_day"]
            if end is not None and day is not None and day > end:
                message = f"{row['subject']} was looked at on day {day}, and left the study on day {end}"
                yield f"{name}.csv line {row['line']}: {message}"


def _day_of(row: Row, subject: Subject | None) -> int | None:
    if row["study_day"] is not None or not row["date"] or subject is None or not subject.infusion_dates:
        day: int | None = row["study_day"]
        return day
    return study_day(datetime.date.fromisoformat(row["date"]), min(subject.infusion_dates))


def _deaths(_: Study, files: AssessmentFiles) -> Iterator[str]:
    if not {"disposition", "adverse_events"} <= files.tables.keys():
        return
    ended = {row["subject"] for row in files.rows("disposition") if row["event"] == "death"}
    events = {row["subject"] for row in files.rows("adverse_events") if row["grade"] == 5 or row["outcome"] == "fatal"}
    for subject in sorted(ended ^ events):
        where = "disposition.csv says death" if subject in ended else "adverse_events.csv has a fatal event"
        yield f"{subject}: {where}, the other file does not"


def _rescues(_: Study, files: AssessmentFiles) -> Iterator[str]:
    if "medications" not in files.tables:
        return
    given = [row for row in files.rows("medications") if row["purpose"] == "rescue" and row["start_day"] is not None]
    for row in files.rows("platelets"):
        day = row["study_day"]
        if not row["rescue_therapy"] or day is None:
            continue
        mine = [course for course in given if course["subject"] == row["subject"]]
        if not any(course["start_day"] <= day <= (course["end_day"] or day) + _RESCUE_DAYS for course in mine):
            message = f"says rescue therapy of {row['subject']} on day {day}, medications.csv names none"
            yield f"platelets.csv line {row['line']}: {message}"
