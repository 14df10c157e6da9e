"""Values as strangers write them: text, numbers and dates, or nothing; never an error."""

from __future__ import annotations

import datetime
import math
import re

__all__ = [
    "Cell",
    "date_of",
    "is_iso_date",
    "is_iso_duration",
    "number_of",
    "number_text",
    "same",
    "sas_date",
    "study_day",
    "text_of",
]

Cell = str | int | float | bool | None
_SAS_EPOCH = datetime.date(1960, 1, 1)
_MOST_DAYS = 3_000_000
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.\d{1,6})?)?)?(?:Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_DURATION = re.compile(
    r"[+-]?P(?:\d+W|(?=[\dT])(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:[\d.]+S)?)?)", re.ASCII
)


def text_of(value: Cell) -> str:
    """Return a value as text; nothing is an empty one.

    >>> text_of(None), text_of(" x "), text_of(3.0)
    ('', ' x ', '3')
    """
    if value is None or isinstance(value, str):
        return value or ""
    return str(value) if isinstance(value, bool) else f"{value:.15g}"


def number_of(value: Cell) -> float | None:
    """Return a finite number, or None; text is none.

    >>> number_of(3), number_of("3"), number_of(float("inf"))
    (3.0, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def number_text(text: str) -> float | None:
    """Return the number that a text is, or None.

    >>> number_text("1.50"), number_text("<10"), number_text("1_0")
    (1.5, None, None)
    """
    if len(text) > 40 or not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        return None
    return number_of(float(text))


def same(left: float | None, right: float | None) -> bool:
    """Say whether two numbers are the same but for rounding in the last digits; nothing is the same as nothing.

    >>> same(0.1 + 0.2, 0.3), same(None, 0.0)
    (True, False)
    """
    if left is None or right is None:
        return left is right
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)


def date_of(text: str) -> datetime.date | None:
    """Return the day of a complete date, with or without a time; None for a partial or wrong one.

    >>> date_of("2025-01-13T10:00"), date_of("2025-01"), date_of("2025-02-30")
    (datetime.date(2025, 1, 13), None, None)
    """
    try:
        return datetime.date.fromisoformat(text[:10]) if is_iso_date(text) and len(text) >= 10 else None
    except ValueError:
        return None


def is_iso_date(text: str) -> bool:
    """Say whether a text is a date of ISO 8601, complete or cut from the right, that there is in the calendar.

    >>> is_iso_date("2025-01"), is_iso_date("13JAN2025"), is_iso_date("2025-13-01")
    (True, False, False)
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return False
    year, month, day, hour, minute, second = (int(part) if part else None for part in match.groups())
    try:
        datetime.datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0)
    except ValueError:
        return False
    return True


def is_iso_duration(text: str) -> bool:
    """Say whether a text is a duration of ISO 8601.

    >>> is_iso_duration("-PT30M"), is_iso_duration("PT"), is_iso_duration("2 h")
    (True, False, False)
    """
    return _DURATION.fullmatch(text) is not None


def study_day(date: datetime.date, first: datetime.date) -> int:
    """Return the study day of a date: the first one is 1, the day before it -1; there is no day 0.

    >>> study_day(datetime.date(2025, 1, 12), datetime.date(2025, 1, 13))
    -1
    """
    days = (date - first).days
    return days + 1 if days >= 0 else days


def sas_date(days: float | None) -> datetime.date | None:
    """Return the date that SAS counts as so many days from 1960-01-01; None if there is none.

    >>> sas_date(1.0)
    datetime.date(1960, 1, 2)
    """
    if days is None or not days.is_integer() or not -_MOST_DAYS < days < _MOST_DAYS:
        return None
    try:
        return _SAS_EPOCH + datetime.timedelta(days=int(days))
    except OverflowError:
        return None
