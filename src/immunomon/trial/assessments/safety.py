"""Adverse events, each subject's worst grade, and what the escalation rule makes of dose-limiting toxicities."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from immunomon.study.model.endpoints import AssessmentRules, EscalationRules
from immunomon.trial.assessments.infusions import infusions_by_day, onset_of
from immunomon.trial.assessments.people import People, Person
from immunomon.trial.assessments.tabulate import Row, incidence

__all__ = ["RULES", "Events", "adverse_event_incidence", "emergent", "escalation_rows", "says", "worst_rows"]

_NO_CLASS = "not coded"
Event = Mapping[str, Any]


@dataclass(frozen=True)
class Events:
    """The treatment-emergent events, those before the first infusion or after the window, and those without a day.

    An event is ``limiting`` if it is dose-limiting by the protocol and began within the declared window,
    ``at_infusion`` if it began on the day of an infusion or on the day after.
    """

    emergent: tuple[Event, ...]
    not_emergent: tuple[Event, ...]
    undated: int

    @property
    def unsaid(self) -> dict[str, int]:
        """How many treatment-emergent events do not say if they are serious, related, limiting, or how bad."""
        names = ("serious", "related", "dose_limiting", "grade")
        return {name: sum(event[name] is None for event in self.emergent) for name in names}

    @property
    def untimed(self) -> int:
        """How many events of an infusion's day do not say whether they began during it, for want of a time."""
        return sum(event["onset"] == "unknown" for event in self.emergent)

    @property
    def toxicities(self) -> dict[str, int]:
        """The study day of each subject's first dose-limiting toxicity; one without a first day counts from Day 1."""
        first_day: dict[str, int] = {}
        limiting = [event for event in self.emergent if event["limiting"]]
        for event in limiting:
            if event["start_day"] is not None:
                first_day[event["subject"]] = min(
                    event["start_day"], first_day.get(event["subject"], event["start_day"])
                )
        # A rule that overlooked it might let the dose rise.
        for event in limiting:
            first_day.setdefault(event["subject"], 1)
        return first_day


def emergent(people: People, rows: Iterable[Event], rules: AssessmentRules, infusions: Iterable[Event] = ()) -> Events:
    """Return the events parted: on or after Day 1 and within the declared days, and others.

    infusions: rows of ``infusions.csv``, by which an event of an infusion's day says if it began during it (``onset``).
    An event whose first day is not recorded counts as treatment-emergent, so that none is overlooked; one of a subject
    who was not treated, or that began on Day 1 before the infusion, does not.
    """
    first, last = rules.escalation.window_days
    window = rules.adverse_events.days_after_last_infusion
    given = infusions_by_day(infusions, {person.id: person.infusions for person in people.persons.values()})
    during, not_emergent, undated = list[Event](), list[Event](), 0
    for row in rows:
        day, end = row["start_day"], people[row["subject"]].last_infusion_day
        if end is None:
            not_emergent.append(row)
            continue
        undated += day is None
        onset = _onset(people[row["subject"]], row, given)
        in_window = day is None or (day >= 1 and (window is None or day <= end + window))
        in_window &= (day, onset) != (1, "before")
        limiting = bool(row["dose_limiting"]) and (day is None or first <= day <= last)
        event = {
            **row,
            "system_organ_class": row["system_organ_class"] or _NO_CLASS,
            "limiting": limiting,
            "at_infusion": day is not None and people[row["subject"]].is_at_infusion(day),
            "onset": onset,
        }
        (during if in_window else not_emergent).append(event)
    return Events(tuple(during), tuple(not_emergent), undated)


def _onset(person: Person, event: Event, given: Mapping[tuple[str, str], Event]) -> str:
    day = event["start_day"]
    date = None if day is None else person.date_of(day)
    if date is None or date not in person.infusions:
        return ""
    return onset_of(event, given.get((person.id, date.isoformat())))


def worst_rows(people: People, events: Events) -> Iterator[Row]:
    """Yield rows of ``adverse_event_worst``: by subject and term, by subject and class, and by subject."""
    by_key: dict[tuple[str, str, str, str], list[Event]] = defaultdict(list)
    for event in events.emergent:
        subject, organ, term = event["subject"], event["system_organ_class"], event["term"]
        for key in ((subject, "any", "", ""), (subject, "class", organ, ""), (subject, "term", organ, term)):
            by_key[key].append(event)
    position = {subject: number for number, subject in enumerate(people.persons)}
    for (subject, level, organ, term), grouped in sorted(
        by_key.items(), key=lambda item: (position[item[0][0]], item[0])
    ):
        days = [event["start_day"] for event in grouped if event["start_day"] is not None]
        yield {
            **people.whose(subject),
            **{"level": level, "system_organ_class": organ, "term": term},
            "worst_grade": max((event["grade"] for event in grouped if event["grade"] is not None), default=None),
            "events": len(grouped),
            "first_day": min(days, default=None),
            "related": any(event["related"] for event in grouped),
            "serious": any(event["serious"] for event in grouped),
            "dose_limiting": any(event["limiting"] for event in grouped),
        }


_MEASURES: Mapping[str, Callable[[Event], bool]] = {
    "any": lambda _: True,
    "related": lambda event: bool(event["related"]),
    "serious": lambda event: bool(event["serious"]),
    "serious and related": lambda event: bool(event["serious"] and event["related"]),
    "grade >= 3": lambda event: (event["grade"] or 0) >= 3,
    "dose-limiting": lambda event: bool(event["limiting"]),
    "at infusion": lambda event: bool(event["at_infusion"]),
}
# Only where times were recorded: otherwise nobody would be said to have had an event during an infusion.
_BY_TIME: Mapping[str, Callable[[Event], bool]] = {
    "during infusion": lambda event: event["onset"] == "during",
    "after infusion, on its day": lambda event: event["onset"] == "after",
}


def adverse_event_incidence(people: People, events: Events) -> Iterator[Row]:
    """Yield in how many treated subjects: of each kind, each system organ class, and each term."""
    timed = any(event["onset"] in {"before", "during", "after"} for event in events.emergent)
    for measure, is_counted in {**_MEASURES, **(_BY_TIME if timed else {})}.items():
        yield from _rows(people, {"measure": measure}, [event for event in events.emergent if is_counted(event)])
    by_class: dict[str, dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
    for event in events.emergent:
        by_class[event["system_organ_class"]][event["term"]].append(event)
    for organ, terms in sorted(by_class.items()):
        within = [event for matching in terms.values() for event in matching]
        yield from _rows(people, {"measure": "class", "system_organ_class": organ}, within)
        for term, matching in sorted(terms.items()):
            yield from _rows(people, {"measure": "term", "system_organ_class": organ, "term": term}, matching)


def _rows(people: People, kind: Mapping[str, str], events: Sequence[Event]) -> Iterator[Row]:
    affected = {event["subject"] for event in events}
    yield from incidence(
        people, {"topic": "adverse events", **kind}, subjects=people.treated, has=lambda subject: subject in affected
    )


# Dose escalation: the declared rule applied to the data, with what was known at each step and what was done.

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
    # Who gets no cells, or an unknown number, has no place in an escalation.
    persons = [person for person in people.persons.values() if person.cells_per_kg]
    return [(person.first, person) for person in persons if person.first is not None]


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
    is_higher = (following.cells_per_kg or 0.0) > (current.cells_per_kg or 0.0)
    return ("next dose " if is_higher else "lower dose ") + following.dose_group


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
