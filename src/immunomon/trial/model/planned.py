"""Which assessments a study planned for whom and when, and which of them were done."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from immunomon.study.model.endpoints import AssessmentSchedule
from immunomon.study.model.study import Study, Subject
from immunomon.study.model.visits import study_day

__all__ = [
    "DONE",
    "INFUSIONS",
    "MISSING",
    "NOT_DONE",
    "NOT_DUE",
    "OUTSIDE",
    "SCHEDULED",
    "PlannedAssessment",
    "planned_assessments",
]

DONE, OUTSIDE, MISSING = "done", "outside the window", "missing"
NOT_DONE, NOT_DUE = "not done", "not due yet"
INFUSIONS = "infusions"
# The files of which a study may declare a schedule; the others are kept as things happen.
SCHEDULED = ("platelets", "msc_concentration", "antibodies", "viruses")
_INFUSION_WINDOW_DAYS = 3  # half of a week between infusions; one that was given later is said to be outside
Row = Mapping[str, Any]


@dataclass(frozen=True)
class PlannedAssessment:
    """One planned assessment of one subject, and what became of it.

    assessment: the file's name, or ``infusions``; planned: its visit, day or hours; test: of a virus, otherwise blank;
    planned_day: study day; study_day: when it was done, if it was; status: done, outside the window, not done (a row
    without a result), missing, or not due yet.
    """

    subject: str
    assessment: str
    planned: str
    test: str
    planned_day: int
    study_day: int | None
    status: str


def planned_assessments(
    study: Study, files: Mapping[str, Sequence[Row]], today: datetime.date
) -> Iterator[PlannedAssessment]:
    """Yield every planned assessment of every treated subject: infusions first, then what the schedule declares.

    files: rows by table, as the readers of the other assessments return them; today: what is planned later is not due.
    A row belongs to a planned time if it names its visit, or else if its day lies within the window.
    """
    schedules = study.assessments.schedule
    for subject in (candidate for candidate in study.subjects if candidate.infusion_dates):
        yield from _infusions(study, subject, today)
        for schedule in schedules:
            if _is_planned_for(schedule, study, subject):
                mine = [row for row in files.get(schedule.assessment, ()) if row["subject"] == subject.id]
                for test in schedule.tests or ("",):
                    rows = [row for row in mine if not test or row["virus"] == test]
                    yield from _assessed(schedule, subject, test, rows, today)


def _is_planned_for(schedule: AssessmentSchedule, study: Study, subject: Subject) -> bool:
    expansions = {cohort.name for cohort in study.cohorts if cohort.expansion}
    return subject.sex in schedule.sexes and (schedule.expansion or subject.cohort not in expansions)


def _infusions(study: Study, subject: Subject, today: datetime.date) -> Iterator[PlannedAssessment]:
    first = min(subject.infusion_dates)
    days = sorted(study_day(date, first) for date in subject.infusion_dates)
    planned = next(group.infusion_days for group in study.dose_groups if group.name == subject.dose_group)
    matched = {day: _nearest(days, day, _INFUSION_WINDOW_DAYS) for day in planned}
    unmatched = [day for day in days if day not in matched.values()]
    for number, day in enumerate(planned, start=1):
        actual, status = matched[day], DONE
        if actual is None:
            actual = unmatched.pop(0) if unmatched else None
            status = OUTSIDE if actual is not None else _undone(first, day + _INFUSION_WINDOW_DAYS, today)
        yield PlannedAssessment(subject.id, INFUSIONS, f"infusion {number}", "", day, actual, status)


def _nearest(days: Sequence[int], planned: int, within: int) -> int | None:
    near = [day for day in days if abs(day - planned) <= within]
    return min(near, key=lambda day: abs(day - planned), default=None)


def _assessed(
    schedule: AssessmentSchedule, subject: Subject, test: str, rows: Sequence[Row], today: datetime.date
) -> Iterator[PlannedAssessment]:
    first = min(subject.infusion_dates)
    about = (subject.id, schedule.assessment)
    for hours in schedule.hours:
        matching = [row for row in rows if row["planned_time_h"] == hours]
        day = study_day(first + datetime.timedelta(days=max(0, int(hours // 24))), first)
        status = _status(schedule, matching, None) if matching else _undone(first, day, today)
        yield PlannedAssessment(*about, f"{hours:g} h", test, day, None, status)
    for number, day in enumerate(schedule.days):
        label = schedule.visits[number] if schedule.visits else ""
        matching = [row for row in rows if label and _label(row) == label] or _unnamed(schedule, rows, day)
        status = _status(schedule, matching, day) if matching else _undone(first, day + schedule.within_days, today)
        days = [row["study_day"] for row in matching if row["study_day"] is not None]
        actual = min(days, key=lambda actual_day: abs(actual_day - day), default=None)
        yield PlannedAssessment(*about, label or f"day {day}", test, day, actual, status)


def _label(row: Row) -> str:
    return str(row.get("visit") or row.get("timepoint") or "")


def _unnamed(schedule: AssessmentSchedule, rows: Sequence[Row], day: int) -> list[Row]:
    """Return the rows within a window that name none of the planned visits."""
    known = set(schedule.visits)
    days = [(row, row["study_day"]) for row in rows if _label(row) not in known]
    return [row for row, when in days if when is not None and abs(when - day) <= schedule.within_days]


def _status(schedule: AssessmentSchedule, rows: Sequence[Row], day: int | None) -> str:
    known = [row for row in rows if _has_result(schedule.assessment, row)]
    if not known:
        return NOT_DONE
    days = [row["study_day"] for row in known if day is not None and row["study_day"] is not None]
    if day is not None and days and all(abs(when - day) > schedule.within_days for when in days):
        return OUTSIDE
    return DONE


def _has_result(assessment: str, row: Row) -> bool:
    if assessment == "msc_concentration":
        return row["concentration_cells_per_ml"] is not None or bool(row["below_quantification"])
    return row["platelets_1e9_per_l" if assessment == "platelets" else "result"] is not None


def _undone(first: datetime.date, day: int, today: datetime.date) -> str:
    last = first + datetime.timedelta(days=day - 1 if day > 0 else day)
    return MISSING if last < today else NOT_DUE
