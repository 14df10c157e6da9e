"""Dose escalation: the declared rule applied to the data, with what was known at each step and what was done.

3+3: Storer, Biometrics 1989;45:925. The program lays out; people decide.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence

from immunomon.study.model.endpoints import EscalationRules
from immunomon.trial.assessments.people import People, Person
from immunomon.trial.assessments.tabulate import Row

__all__ = ["RULES", "escalation_rows", "says"]

ESCALATE, MORE, STOP, WAIT = "escalate", "more at this dose", "stop", "wait"


def _three_plus_three(evaluable: int, toxicities: int, rules: EscalationRules, treated: int) -> str:
    size = rules.cohort_size
    if toxicities >= 2:
        return STOP
    if evaluable < size:
        return WAIT
    if toxicities == 0 or evaluable >= 2 * size:
        return ESCALATE
    # With both cohorts entered there is nobody more to enter at this dose: their windows are waited for.
    return MORE if treated < 2 * size else WAIT


def _fixed(evaluable: int, toxicities: int, rules: EscalationRules, treated: int) -> str:  # noqa: ARG001
    if toxicities > rules.most_toxicities:
        return STOP
    return WAIT if evaluable < rules.cohort_size else ESCALATE


RULES = {"3+3": _three_plus_three, "fixed": _fixed}


def says(evaluable: int, toxicities: int, rules: EscalationRules, *, treated: int = 0) -> str:
    """Return what the declared rule says: escalate, more at this dose, stop, or wait.

    evaluable: subjects of a dose who passed the window or had a toxicity; toxicities: those who had one; treated: all
    who were entered at this dose, by default as many as are evaluable.

    >>> rules = EscalationRules()
    >>> [says(*counts, rules) for counts in ((3, 0), (3, 1), (6, 1), (3, 2), (2, 0))]
    ['escalate', 'more at this dose', 'escalate', 'stop', 'wait']
    >>> says(5, 1, rules, treated=6)
    'wait'
    """
    return RULES[rules.rule](evaluable, toxicities, rules, max(treated, evaluable))


def escalation_rows(
    people: People, toxicities: Mapping[str, int], rules: EscalationRules, *, last_date: datetime.date
) -> Iterator[Row]:
    """Yield the steps of ``escalation``: each dose looked at after each full cohort, and after the last subject of it.

    toxicities: the study day of each subject's first; last_date: until which the data reach. Subjects of an expansion
    are no part of the escalation, but their entry is what followed.
    """
    entered = sorted(_entered(people), key=lambda entry: entry[0])
    step = 0
    for group in people.doses:
        members = [person for _, person in entered if person.dose_group == group and not person.expansion]
        ends = list(range(rules.cohort_size, len(members) + 1, rules.cohort_size))
        ends += [len(members)] if members and len(members) not in ends else []
        for end in ends:
            step += 1
            yield {"step": step, **_step(members[:end], entered, toxicities, rules=rules, last_date=last_date)}


def _entered(people: People) -> list[tuple[datetime.date, Person]]:
    return [(person.first, person) for person in people.persons.values() if person.first is not None]


def _step(
    members: Sequence[Person],
    entered: Sequence[tuple[datetime.date, Person]],
    toxicities: Mapping[str, int],
    *,
    rules: EscalationRules,
    last_date: datetime.date,
) -> Row:
    entries = [person.first for person in members if person.first is not None]
    ends = {person.id: person.date_of(rules.window_days[1]) for person in members}
    struck = {person.id: person.date_of(toxicities[person.id]) for person in members if person.id in toxicities}

    def known(on: datetime.date) -> tuple[int, int]:
        begun = {subject for subject, date in struck.items() if date is not None and date <= on}
        over = {subject for subject, date in ends.items() if date is not None and date <= on}
        return len(over | begun), len(begun)

    now = known(last_date)
    cohort = {person.id for person in members}
    follows = next(
        ((date, person) for date, person in entered if date >= entries[-1] and person.id not in cohort), None
    )
    row: Row = {
        "dose_group": members[0].dose_group,
        "cells_per_kg": members[0].cells_per_kg,
        "subjects": " ".join(person.id for person in members),
        "first_infusion": entries[0].isoformat(),
        "last_entry": entries[-1].isoformat(),
        "window_complete": max(date for date in ends.values() if date is not None).isoformat(),
        "evaluable": now[0],
        "toxicities": now[1],
        "who": " ".join(sorted(struck)),
        "rule": rules.rule,
        "rule_says": says(*now, rules, treated=len(members)),
        "followed_by": "nothing yet",
    }
    if follows is None:
        return row
    then = known(follows[0])
    decision = says(*then, rules, treated=len(members))
    done = _done(members[0], follows[1])
    return {
        **row,
        "next_entry": follows[0].isoformat(),
        "followed_by": done,
        "evaluable_then": then[0],
        "toxicities_then": then[1],
        "rule_said_then": decision,
        "note": _note(done, decision, then=then, now=now, treated=len(members)),
    }


def _done(current: Person, following: Person) -> str:
    if following.expansion:
        return f"expansion at {following.dose_group}"
    if following.dose_group == current.dose_group:
        return MORE
    return ("next dose " if following.cells_per_kg > current.cells_per_kg else "lower dose ") + following.dose_group


def _note(done: str, decision: str, *, then: tuple[int, int], now: tuple[int, int], treated: int) -> str:
    """Say where what was done departs from what the rule said of what was known; empty if nowhere."""
    allowed = {ESCALATE: ("next dose", "expansion"), MORE: (MORE,), STOP: ("lower dose",), WAIT: ()}[decision]
    notes = []
    if not done.startswith(allowed):
        known = f"{then[0]} of {treated} evaluable, {then[1]} with a toxicity"
        notes.append(f"{done} was begun when the rule said: {decision} ({known})")
    if now[1] > then[1]:
        notes.append(f"{now[1] - then[1]} with a toxicity that began later")
    return "; ".join(notes)
