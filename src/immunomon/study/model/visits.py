"""Visits and study days: the first infusion is Day 1, the day before it Day -1."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Visit", "in_order", "study_day", "visit_labels"]


@dataclass(frozen=True)
class Visit:
    """A planned visit: its study day if it has one, and the first and last study day that still count as it."""

    label: str
    planned_day: int | None
    window_days: tuple[int, int] | None = None
    baseline: bool = False


def in_order(visits: Iterable[Visit]) -> tuple[Visit, ...]:
    """Return visits by their planned days; as they are listed where one has none.

    >>> [visit.label for visit in in_order([Visit("W4", 29), Visit("D-1", -1)])]
    ['D-1', 'W4']
    >>> [visit.label for visit in in_order([Visit("V1", None), Visit("C1D1", 1)])]
    ['V1', 'C1D1']
    """
    listed = tuple(visits)
    days = {visit.label: visit.planned_day for visit in listed if visit.planned_day is not None}
    return tuple(sorted(listed, key=lambda visit: days[visit.label])) if len(days) == len(listed) else listed


def visit_labels(study: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the labels of the visits in the study section of a record, by their planned days, else as listed.

    >>> visit_labels({"visits": [{"label": "V1", "planned_day": None}, {"label": "A", "planned_day": None}]})
    ('V1', 'A')
    """
    return tuple(visit.label for visit in in_order(Visit(v["label"], v["planned_day"]) for v in study["visits"]))


def study_day(date: datetime.date, first_infusion: datetime.date) -> int:
    """Return the study day of a date: the first infusion is Day 1, the day before it Day -1; there is no Day 0.

    >>> first = datetime.date(2025, 1, 13)
    >>> study_day(first, first), study_day(datetime.date(2025, 1, 12), first)
    (1, -1)
    """
    days = (date - first_infusion).days
    return days + 1 if days >= 0 else days
