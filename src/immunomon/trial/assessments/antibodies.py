"""Antibody to the cells: was it there before, did it come or rise after, and how often."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from immunomon.study.model.endpoints import AntibodyRules
from immunomon.trial.assessments.people import People
from immunomon.trial.assessments.tabulate import Row, incidence

__all__ = ["antibody_incidence", "antibody_row", "antibody_rows"]

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
