"""Platelet courses that a person judged, each for one rule, beside what the program makes of them."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from immunomon.study.model.endpoints import PlateletRules
from immunomon.trial.assessments.people import People, Person
from immunomon.trial.assessments.platelets import course_of, response_row, visit_rows
from immunomon.yamlfile import read_yaml

__all__ = ["counts_of", "disagreements", "hand_judged"]

_FILE = Path(__file__).parent / "reference" / "platelet-courses.yaml"
_COUNT = re.compile(r"(-?\d+):(-|\d+)([br?]*)")
_WHO = "S01"
_PEOPLE = People({_WHO: Person(_WHO, "A", 1e6, infusions=(datetime.date(2025, 1, 13),))}, {"A": 1e6})


def hand_judged() -> list[dict[str, Any]]:
    """Return the courses: ``rule``, ``counts``, ``expect``, and ``rules`` that differ from the defaults."""
    courses: list[dict[str, Any]] = read_yaml(_FILE).data["courses"]
    return courses


def counts_of(text: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a course written as ``DAY:COUNT``, with b for bleeding, r for rescue therapy, ? for unknown.

    >>> [row["platelets_1e9_per_l"] for row in counts_of("-1:10 8:-b")]
    [10.0, None]
    """
    for word in text.split():
        match = _COUNT.fullmatch(word)
        if match is None:
            raise ValueError(f"'{word}' is not DAY:COUNT")
        day, count, marks = match.groups()
        yield {
            "subject": _WHO,
            "visit": f"day {day}",
            "study_day": int(day),
            "platelets_1e9_per_l": None if count == "-" else float(count),
            "bleeding": None if "?" in marks else "b" in marks,
            "rescue_therapy": "r" in marks,
        }


def disagreements(course: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the rule and what differs, for everything that the program judges otherwise than the person did."""
    rules = dataclasses.replace(PlateletRules(), **course.get("rules", {}))
    course_found = course_of(list(counts_of(course["counts"])), rules)
    visits = [row for row in visit_rows(_PEOPLE, _WHO, course_found) if row["state"] != "baseline"]
    summary = {
        **response_row(_PEOPLE, _WHO, course_found, rules=rules),
        "states": " ".join(str(row["state"]) for row in visits),
    }
    for name, expected in course["expect"].items():
        if summary.get(name) != expected:
            yield course["rule"], f"{name} is {summary.get(name)}, a person says {expected}"
    for day, note in course.get("notes", {}).items():
        actual = next(row["note"] for row in visits if row["study_day"] == int(day))
        if note not in actual:
            yield course["rule"], f"day {day} is noted '{actual}', a person says '{note}'"
