"""What is wrong with the study's files of other assessments: platelets, concentrations, antibodies, viruses, events."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from immunomon.errors import Problem, nearest
from immunomon.model.study import Study, Visit
from immunomon.specs.assessment_tables import read_assessment_files
from immunomon.specs.findings import shown

__all__ = ["check_assessments"]

_WITHIN_DAYS = 7
_WEEK = re.compile(r"W(\d{1,3})")


def check_assessments(study: Study) -> tuple[tuple[Problem, ...], tuple[Path, ...]]:
    """Return the problems of the study's files of other assessments, and the files that were read."""
    firsts = {
        person.id: min(days).isoformat() if (days := person.infusion_dates) else None for person in study.subjects
    }
    files = read_assessment_files(study.folder, firsts)
    of_visits = (
        problem
        for name, rows in files.tables.items()
        for row in rows
        for problem in _check_visit(row, study, files.paths[name])
    )
    return (*files.problems, *of_visits), tuple(files.paths.values())


def _check_visit(row: Mapping[str, Any], study: Study, path: Path) -> Iterator[Problem]:
    """Yield a visit that is a study's visit misspelt, or means nothing, or whose day is in another visit's window.

    Assessments have visits of their own, such as a platelet count every week: a label that is none of the study's is
    right if it is that of a week, or if the row says when it was.
    """
    label, day = row.get("visit"), row.get("study_day")
    if not label:
        return
    visits = {visit.label: visit for visit in study.visits}
    if label not in visits:
        meant = {_bare(known) for known in visits}
        if _bare(label) not in meant and _is_of_its_own(label, day):
            return
        remedy = f"{nearest(label[:80], visits, in_order=True)} (blank if unscheduled)"
        yield Problem(str(path), row["line"], "visit", f"no visit named {shown(label)}", remedy)
    elif day is not None and not _holds(visits[label], day):
        others = [visit.label for visit in study.visits if visit.window_days and _holds(visit, day)]
        if others:
            what = f"{label}, but day {day} is in the window of {others[0]}"
            yield Problem(str(path), row["line"], "visit", what, "correct the visit or the day")


def _is_of_its_own(label: str, day: int | None) -> bool:
    """Say whether a label is that of a week, which the day does not contradict, or has a day at all.

    Platelets may be followed for longer than cells are looked at: the study's last visit is no limit.
    """
    week = _WEEK.fullmatch(label)
    if week is None:
        return day is not None
    return day is None or abs(day - (7 * int(week[1]) + 1)) <= _WITHIN_DAYS


def _bare(label: str) -> str:
    return "".join(letter for letter in label.casefold() if letter.isalnum() or letter == "-")


def _holds(visit: Visit, day: int) -> bool:
    return visit.window_days is None or visit.window_days[0] <= day <= visit.window_days[1]
