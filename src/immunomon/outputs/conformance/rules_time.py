"""Rules of time: dates, study days, visits, epochs, time points."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from itertools import pairwise

from immunomon.outputs.conformance.book import CHECKS, Issue
from immunomon.outputs.conformance.cells import (
    date_of,
    is_iso_date,
    is_iso_duration,
    number_of,
    study_day,
    text_of,
)
from immunomon.outputs.conformance.kinds import not_one_to_one
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.table import Record, Table

__all__ = ["is_before_first"]

_EPOCHS = {"SCREENING", "RUN-IN", "INDUCTION TREATMENT", "TREATMENT", "WASHOUT", "FOLLOW-UP", "BLINDED TREATMENT"}
_DURATIONS = ("ELTM", "DUR", "STINT", "ENINT", "EVLINT")


@CHECKS.register("SD030")
def _dates(table: Table, _: Received) -> Iterator[Issue]:
    for name in table.names:
        if not name.endswith("DTC"):
            continue
        for value, number in table.distinct(name).items():
            if not is_iso_date(text_of(value)):
                yield Issue(table.name, f"{name} is '{text_of(value)[:40]}'", str(number))


@CHECKS.register("SD031")
def _days(table: Table, received: Received) -> Iterator[Issue]:
    for kind in ("", "ST", "EN"):
        date_name, day_name = table.own(f"{kind}DTC"), table.own(f"{kind}DY")
        if not table.prefix or not table.has(date_name, day_name):
            continue
        for record in table.records:
            date, first = date_of(record.text(date_name)), _reference(record, received, "RFSTDTC")
            expected_day = study_day(date, first) if date and first else None
            if expected_day is not None and record.number_in(day_name) != expected_day:
                reported_day = record.text(day_name)[:20] or "missing"
                yield Issue.at(table.name, record, f"{day_name} is {reported_day}, {date_name} says {expected_day}")


def _reference(record: Record, received: Received, name: str) -> datetime.date | None:
    subject = received.subjects.get(record.text("USUBJID"))
    return date_of(subject.text(name)) if subject is not None else None


@CHECKS.register("SD032")
def _no_day_zero(table: Table, _: Received) -> Iterator[Issue]:
    for name in table.names:
        if name != "VISITDY" and name not in {table.own(f"{kind}DY") for kind in ("", "ST", "EN")}:
            continue
        for value, number in table.distinct(name).items():
            if number_of(value) == 0:
                yield Issue(table.name, f"{name} is 0", str(number))


@CHECKS.register("SD033")
def _in_order(table: Table, _: Received) -> Iterator[Issue]:
    pairs = [(table.own("STDTC"), table.own("ENDTC")), ("RFSTDTC", "RFENDTC"), ("RFXSTDTC", "RFXENDTC")]
    for start_name, end_name in pairs:
        for record in table.records if table.has(start_name, end_name) else ():
            start, end = date_of(record.text(start_name)), date_of(record.text(end_name))
            if start and end and end < start:
                yield Issue.at(table.name, record, f"{end_name} {end} is before {start_name} {start}")


@CHECKS.register("SD035")
def _planned(table: Table, received: Received) -> Iterator[Issue]:
    if table.is_analysis:
        return
    plan, visits = received.table("TV"), received.table("SV")
    planned = {record.text("VISITNUM"): record for record in (plan.records if plan else ())}
    unplanned = {record.text("VISITNUM") for record in (visits.records if visits else ()) if record.has("SVUPDES")}
    for (number, name, day), records in table.grouped(("VISITNUM", "VISIT", "VISITDY")):
        if not number or number in unplanned:
            continue
        planned_visit = planned.get(number)
        if planned_visit is None:
            yield Issue.at(table.name, records[0], f"VISITNUM {number[:20]} is not in TV")
        elif (name and name != planned_visit.text("VISIT")) or (day and day != planned_visit.text("VISITDY")):
            shown = f"{planned_visit.text('VISIT')} on day {planned_visit.text('VISITDY')}"
            yield Issue.at(
                table.name, records[0], f"VISITNUM {number} is '{name[:40]}' on day {day[:10]}, in TV {shown}"
            )


@CHECKS.register("SD036")
def _epochs(table: Table, received: Received) -> Iterator[Issue]:
    name = table.own("STDTC") if table.has(table.own("STDTC")) else table.own("DTC")
    for record in table.records if table.prefix and table.has("EPOCH") else ():
        epoch, date = record.text("EPOCH"), date_of(record.text(name))
        first, last = _reference(record, received, "RFXSTDTC"), _reference(record, received, "RFXENDTC")
        if epoch and epoch not in _EPOCHS:
            yield Issue.at(table.name, record, f"EPOCH '{epoch[:40]}' is none of the terminology's")
        elif epoch and date and first and last:
            before = date < first or (date == first and is_before_first(record, table))
            expected_epoch = "SCREENING" if before else "TREATMENT" if date <= last else "FOLLOW-UP"
            if epoch != expected_epoch:
                yield Issue.at(table.name, record, f"EPOCH is {epoch} on {date}, exposure was from {first} to {last}")


def is_before_first(record: Record, table: Table) -> bool:
    """Say whether a record's planned time point is before the first exposure, in words or as elapsed time."""
    point = record.text(table.own("TPT")).upper()
    return record.text(table.own("ELTM")).startswith("-") or point.startswith("PRE") or point.endswith("BEFORE")


@CHECKS.register("SD037")
def _points(table: Table, _: Received) -> Iterator[Issue]:
    for name in table.names:
        if not table.prefix or name not in {table.own(suffix) for suffix in _DURATIONS}:
            continue
        for value, number in table.distinct(name).items():
            if not is_iso_duration(text_of(value)):
                yield Issue(table.name, f"{name} is '{text_of(value)[:40]}'", str(number))
    if table.prefix:
        yield from not_one_to_one(table, table.own("TPTNUM"), table.own("TPT"))


@CHECKS.register("SD038")
def _elapsed(table: Table, _: Received) -> Iterator[Issue]:
    elapsed, number, reference = table.own("ELTM"), table.own("TPTNUM"), table.own("TPTREF")
    if not table.prefix or not table.has(elapsed):
        return
    hours_by_point: dict[float, float] = {}
    for record in table.records:
        if record.has(elapsed) and not record.has(reference):
            yield Issue.at(table.name, record, f"{elapsed} has no {reference}")
        hours, point = _hours(record.text(elapsed)), record.number_in(number)
        if hours is not None and point is not None:
            hours_by_point.setdefault(point, hours)
    ordered = [hours_by_point[point] for point in sorted(hours_by_point)]
    if ordered != sorted(ordered):
        yield Issue(table.name, f"{number} is not in the order of {elapsed}")


def _hours(text: str) -> float | None:
    """Return the hours of a plain duration of days, hours and minutes; None for others."""
    if not is_iso_duration(text) or any(letter in text.partition("T")[0] for letter in "YMW"):
        return None
    hours, digits = 0.0, ""
    for letter in text.lstrip("+-"):
        if letter.isdigit() or letter == ".":
            digits += letter
        elif digits:
            hours += float(digits) * {"D": 24, "H": 1, "M": 1 / 60, "S": 1 / 3600}.get(letter, 0)
            digits = ""
    return -hours if text.startswith("-") else hours


@CHECKS.register("TV001")
def _plan(table: Table, _: Received) -> Iterator[Issue]:
    for (arm,), records in table.grouped(("ARMCD",)):
        days = [
            (record.number_in("VISITNUM"), record.number_in("VISITDY"), record)
            for record in records
            if record.has("VISITDY")
        ]
        ordered = sorted(
            (number, day, record.number, record)
            for number, day, record in days
            if number is not None and day is not None
        )
        for earlier, later in pairwise(ordered):
            if later[1] < earlier[1]:
                problem = f"VISITNUM {later[0]:g} is on day {later[1]:g}, {earlier[0]:g} on {earlier[1]:g}"
                yield Issue.at(table.name, later[3], f"{problem}{' in arm ' + arm if arm else ''}")


@CHECKS.register("SV002")
def _visited(table: Table, received: Received) -> Iterator[Issue]:
    visits = received.table("SV")
    if visits is None or table.name == "SV" or not table.has("USUBJID", "VISITNUM"):
        return
    known = {record.texts(("USUBJID", "VISITNUM")): record for record in visits.records}
    names = [name for name in (table.own("DTC"), table.own("STDTC")) if table.has(name)][:1]
    for record in table.records:
        visit = known.get(record.texts(("USUBJID", "VISITNUM")))
        if not record.has("VISITNUM"):
            continue
        if visit is None:
            yield Issue.at(table.name, record, f"the subject's VISITNUM {record.text('VISITNUM')[:20]} is not in SV")
            continue
        date = date_of(record.text(names[0])) if names else None
        start, end = date_of(visit.text("SVSTDTC")), date_of(visit.text("SVENDTC"))
        if date and start and end and not start <= date <= end:
            yield Issue.at(
                table.name, record, f"{names[0]} {date} is outside the visit's dates in SV, {start} to {end}"
            )
