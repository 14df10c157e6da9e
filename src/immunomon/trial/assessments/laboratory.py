"""Laboratory tests: antibody to the cells, and viruses; before the first infusion against after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from immunomon.study.model.endpoints import AntibodyRules, VirusRules
from immunomon.trial.assessments.people import People
from immunomon.trial.assessments.tabulate import Row, incidence

__all__ = [
    "VirusTests",
    "antibody_incidence",
    "antibody_row",
    "antibody_rows",
    "conversion_rows",
    "shift_rows",
    "virus_incidence",
    "virus_tests",
]

_KNOWN = {"positive", "negative"}


def antibody_rows(
    people: People, rows: Iterable[Mapping[str, Any]], rules: AntibodyRules, *, beside: Mapping[str, Row]
) -> list[Row]:
    """Return a row of ``antibody_response`` for each subject tested.

    beside: what else is known of a subject: best_response, cmax_cells_per_ml, auclast_h_cells_per_ml.
    """
    by_subject: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_subject[row["subject"]].append(row)
    return [
        {**people.whose(subject), **antibody_row(by_subject[subject], rules), **beside.get(subject, {})}
        for subject in people.persons
        if subject in by_subject
    ]


def antibody_row(rows: Sequence[Mapping[str, Any]], rules: AntibodyRules) -> Row:
    """Return what a subject's tests say: the last one until Day 1 against those after it.

    >>> def test(day, titre):
    ...     return {"study_day": day, "result": "positive" if titre else "negative", "titre": titre}
    >>> pairs = ((0, 40), (40, 160), (40, 80))
    >>> [antibody_row([test(1, a), test(24, b)], AntibodyRules())["category"] for a, b in pairs]
    ['induced', 'boosted', 'unchanged']
    """
    dated = sorted((row for row in rows if row["study_day"] is not None), key=lambda row: row["study_day"])
    before = [row for row in dated if row["study_day"] <= 1 and row["result"]][-1:]
    after = [row for row in dated if row["study_day"] > 1 and row["result"]]
    worst = sorted(after, key=lambda row: (row["result"] == "positive", row["titre"] or 0))[-1:]
    titres = [row[0]["titre"] if row else None for row in (before, worst)]
    fold = titres[1] / titres[0] if titres[0] and titres[1] is not None else None
    category, reason = _category(
        before[0]["result"] if before else "", worst[0]["result"] if worst else "", fold=fold, rules=rules
    )
    return {
        "before_result": before[0]["result"] if before else None,
        "before_titre": titres[0],
        "after_result": worst[0]["result"] if worst else None,
        "after_titre": titres[1],
        "fold": fold,
        "category": category,
        "reason": reason,
    }


def _category(before: str, after: str, *, fold: float | None, rules: AntibodyRules) -> tuple[str, str]:
    if before not in _KNOWN or after not in _KNOWN:
        lacking = "before" if before not in _KNOWN else "after"
        word = {"": "no result"}.get(before if lacking == "before" else after, "an indeterminate result")
        return "not evaluable", f"{word} {lacking} the first infusion"
    if after == "negative":
        return ("negative", "") if before == "negative" else ("unchanged", "positive before, negative after")
    if before == "negative":
        return "induced", ""
    if fold is None:
        return "not evaluable", "positive before and after, but a titre is missing"
    return ("boosted" if fold >= rules.boost_factor else "unchanged"), ""


def antibody_incidence(people: People, rows: Sequence[Row]) -> Iterator[Row]:
    """Yield how many evaluable subjects have an induced or boosted antibody, and how many had one before."""
    category = {row["subject"]: row["category"] for row in rows if row["category"] != "not evaluable"}
    positive = {row["subject"] for row in rows if row["before_result"] == "positive"}
    tested = [row["subject"] for row in rows if row["before_result"] in _KNOWN]
    for measure in ("induced", "boosted"):
        yield from incidence(
            people,
            {"topic": "antibodies", "measure": measure},
            subjects=list(category),
            has=lambda subject, expected=measure: category[subject] == expected,  # type: ignore[misc]
        )
    yield from incidence(
        people,
        {"topic": "antibodies", "measure": "induced or boosted"},
        subjects=list(category),
        has=lambda subject: category[subject] in {"induced", "boosted"},
    )
    yield from incidence(
        people,
        {"topic": "antibodies", "measure": "positive before the first infusion"},
        subjects=tested,
        has=lambda subject: subject in positive,
    )


# Viruses: what was found before the first infusion against what is found at each visit, and every conversion.

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
