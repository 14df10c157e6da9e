"""Rows of the assessments' tables, and how many subjects of how many have something, with the exact interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from immunomon.trial.assessments.people import ALL, People
from immunomon.trial.kernels.intervals import clopper_pearson

__all__ = ["Row", "incidence"]

Row = dict[str, Any]


def incidence(
    people: People,
    kind: Mapping[str, str],
    *,
    subjects: Sequence[str],
    has: Callable[[str], bool],
) -> Iterator[Row]:
    """Yield, for each dose group, each cohort of one that was expanded, and all, how many of these have something.

    kind: the columns that say what (topic, measure ...); subjects: those who could have it.
    """
    treated = [*people.treated, *(subject for subject in subjects if subject not in people.treated)]
    parts: list[tuple[str, str | None, list[str]]] = []
    for group, members in people.groups(treated).items():
        parts.append((group, None, members))
        parts += [(group, cohort, part) for cohort, part in people.cohorts(group, members).items()]
    counted = set(subjects)
    for group, cohort, everyone in parts:
        members = [subject for subject in everyone if subject in counted]
        affected = [subject for subject in members if has(subject)]
        low, high = clopper_pearson(len(affected), len(members))
        yield {
            **kind,
            "dose_group": group,
            "cells_per_kg": None if group == ALL else people.doses[group],
            "cohort": cohort,
            "n": len(members),
            "subjects_with": len(affected),
            "percent": 100 * len(affected) / len(members) if members else None,
            "low": 100 * low,
            "high": 100 * high,
            "who": " ".join(sorted(affected)),
            "left_out": " ".join(sorted(set(everyone) - counted)),
        }
