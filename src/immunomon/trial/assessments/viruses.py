"""Viruses: what was found before the first infusion against what is found at each visit, and every conversion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from immunomon.study.model.endpoints import VirusRules
from immunomon.trial.assessments.people import People
from immunomon.trial.assessments.tabulate import Row, incidence

__all__ = ["VirusTests", "conversion_rows", "shift_rows", "virus_incidence", "virus_tests"]

_NO_RESULT = "no result"
_Row = Mapping[str, Any]


@dataclass(frozen=True)
class VirusTests:
    """The tests of a study: visits and viruses in order, each subject's result before, and the tests after by visit."""

    viruses: tuple[str, ...]
    visits: tuple[str, ...]
    subjects: tuple[str, ...]
    before: Mapping[tuple[str, str], str]
    after: Mapping[tuple[str, str, str], _Row]


def virus_tests(people: People, rows: Iterable[_Row], rules: VirusRules) -> VirusTests:
    """Return the tests in order; a test until Day 1 is one before the infusion, and the last of them counts.

    A positive among several tests of one visit counts.
    """
    dated = sorted(
        (row for row in rows if row["study_day"] is not None), key=lambda row: (row["study_day"], row["virus"])
    )
    before: dict[tuple[str, str], str] = {}
    after: dict[tuple[str, str, str], _Row] = {}
    visits_in_order: list[str] = []
    for row in dated:
        key = (row["subject"], row["virus"])
        if row["study_day"] <= 1:
            before[key] = row["result"] or before.get(key, _NO_RESULT)
            continue
        visit = row["visit"] or f"day {row['study_day']}"
        visits_in_order.append(visit)
        earlier = after.get((*key, visit))
        if earlier is None or earlier["result"] != "positive":
            after[(*key, visit)] = row
    extra = [visit for visit in dict.fromkeys(visits_in_order) if visit not in rules.visits]
    named = {row["subject"] for row in dated}
    return VirusTests(
        tuple(dict.fromkeys(row["virus"] for row in sorted(dated, key=lambda row: row["virus"]))),
        (*rules.visits, *extra),
        tuple(subject for subject in people.persons if subject in named),
        before,
        after,
    )


def _result(row: _Row | None) -> str:
    return _NO_RESULT if row is None else row["result"] or _NO_RESULT


def shift_rows(tests: VirusTests) -> Iterator[Row]:
    """Yield the shift table: so many subjects from this result before to that one at a visit."""
    for virus in tests.viruses:
        for visit in tests.visits:
            by_shift: dict[tuple[str, str], list[str]] = defaultdict(list)
            for subject in tests.subjects:
                before = tests.before.get((subject, virus), _NO_RESULT)
                by_shift[before, _result(tests.after.get((subject, virus, visit)))].append(subject)
            for (before, result), subjects in sorted(by_shift.items()):
                yield {
                    **{"virus": virus, "visit": visit, "baseline_result": before, "result": result},
                    "n": len(subjects),
                    "subjects": " ".join(sorted(subjects)),
                }


def conversion_rows(people: People, tests: VirusTests) -> Iterator[Row]:
    """Yield, for each subject and virus not positive before, the first visit at which it is positive."""
    for virus in tests.viruses:
        for subject in tests.subjects:
            before = tests.before.get((subject, virus), _NO_RESULT)
            later = [
                (row["study_day"], visit, row)
                for visit in tests.visits
                if (row := tests.after.get((subject, virus, visit))) is not None and row["result"] == "positive"
            ]
            if before == "positive" or not later:
                continue
            day, visit, row = min(later, key=lambda positive: positive[0])
            yield {
                **people.whose(subject),
                **{"virus": virus, "baseline_result": before, "visit": visit},
                "study_day": day,
                "date": row["date"],
            }


def virus_incidence(people: People, tests: VirusTests, conversions: Sequence[Row]) -> Iterator[Row]:
    """Yield how many subjects tested after the first infusion have any conversion."""
    after = {subject for (subject, _, _), row in tests.after.items() if row["result"] in {"positive", "negative"}}
    converted = {row["subject"] for row in conversions}
    kind = {"topic": "viruses", "measure": "conversion of any virus"}
    yield from incidence(people, kind, subjects=sorted(after), has=lambda subject: subject in converted)
