"""When an adverse event began beside the infusions of its day: during one, after it, or before."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["infusions_by_day", "onset_of"]

Row = Mapping[str, Any]


def infusions_by_day(
    infusions: Iterable[Row], dates: Mapping[str, tuple[datetime.date, ...]]
) -> dict[tuple[str, str], Row]:
    """Return the record of each infusion by subject and ISO date: the date of the study file, by the infusion's number.

    infusions: rows of ``infusions.csv``; dates: each subject's infusions, in order.
    """
    by_day: dict[tuple[str, str], Row] = {}
    for row in infusions:
        given = dates.get(row["subject"], ())
        if row["infusion"] <= len(given):
            by_day[row["subject"], given[row["infusion"] - 1].isoformat()] = row
    return by_day


def onset_of(event: Row, infusion: Row | None) -> str:
    """Return when an event of an infusion's day began: ``during`` it, ``after``, ``before``, or ``unknown``.

    event: a row of ``adverse_events.csv`` whose first day is that of the infusion; infusion: its row of
    ``infusions.csv``, None if there is none. Both times are to the minute, and an event in the minute in which the
    infusion began or ended is one during it.

    >>> infusion = {"start_time": "09:30", "end_time": "10:15"}
    >>> [onset_of({"start_time": time}, infusion) for time in ("09:30", "10:16", "08:00", None)]
    ['during', 'after', 'before', 'unknown']
    """
    time = event.get("start_time")
    start, end = (infusion.get(name) if infusion else None for name in ("start_time", "end_time"))
    if not time or not start:
        return "unknown"
    if time < start:
        return "before"
    if not end:
        return "unknown"
    return "during" if time <= end else "after"
