"""Adverse events: which are treatment-emergent, each subject's worst grade, and in how many subjects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from immunomon.study.model.endpoints import AssessmentRules
from immunomon.trial.assessments.people import People
from immunomon.trial.assessments.tabulate import Row, incidence

__all__ = ["Events", "adverse_event_incidence", "emergent", "worst_rows"]

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
        """How many treatment-emergent events do not say whether they are serious, related, limiting, or how bad."""
        names = ("serious", "related", "dose_limiting", "grade")
        return {name: sum(event[name] is None for event in self.emergent) for name in names}

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


def emergent(people: People, rows: Iterable[Event], rules: AssessmentRules) -> Events:
    """Return the events parted: on or after Day 1 and within the declared days, and others.

    An event whose first day is not recorded counts as treatment-emergent, so that none is overlooked; one of a subject
    who was not treated does not.
    """
    first, last = rules.escalation.window_days
    window = rules.adverse_events.days_after_last_infusion
    during: list[Event] = []
    not_emergent: list[Event] = []
    undated = 0
    for row in rows:
        day, end = row["start_day"], people[row["subject"]].last_infusion_day
        if end is None:
            not_emergent.append(row)
            continue
        undated += day is None
        in_window = day is None or (day >= 1 and (window is None or day <= end + window))
        limiting = bool(row["dose_limiting"]) and (day is None or first <= day <= last)
        event = {
            **row,
            "system_organ_class": row["system_organ_class"] or _NO_CLASS,
            "limiting": limiting,
            "at_infusion": day is not None and people[row["subject"]].is_at_infusion(day),
        }
        (during if in_window else not_emergent).append(event)
    return Events(tuple(during), tuple(not_emergent), undated)


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


def adverse_event_incidence(people: People, events: Events) -> Iterator[Row]:
    """Yield in how many treated subjects: of each kind, each system organ class, and each term."""
    for measure, is_counted in _MEASURES.items():
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
