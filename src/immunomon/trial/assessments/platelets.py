"""Platelet response: what each count is, what the confirmation rules make of it, and what became of each subject.

Definitions of the International Working Group (Rodeghiero et al., Blood 2009;113:2386); rescue therapy and the durable
response are the protocol's choice and stand in ``study.yaml``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from immunomon.study.model.endpoints import PlateletRules
from immunomon.trial.assessments.people import People
from immunomon.trial.assessments.tabulate import Row, incidence
from immunomon.trial.kernels.course import Episode, confirmed_episodes

__all__ = ["Course", "course_of", "courses", "days_of", "response_incidence", "response_row", "visit_rows"]

GOOD = {"CR", "R"}
_OF_COMPLETE = {
    "response_day": "complete_response_day",
    "days_to_response": "days_to_complete_response",
    "loss_day": "complete_loss_day",
    "duration_days": "complete_duration_days",
    "duration_censored": "complete_duration_censored",
}


@dataclass(frozen=True)
class Course:
    """One subject's counts in order, and what they are.

    rows: as in the file, with ``level`` (CR, R, NR, NE, baseline) and ``after_rescue``. after: the places of evaluable
    counts after the first infusion; responses, complete: confirmed episodes, as places in ``after``; rescues: study
    days of rescue therapy.
    """

    rows: tuple[Row, ...]
    baseline: float | None
    after: tuple[int, ...]
    responses: tuple[Episode, ...]
    complete: tuple[Episode, ...]
    rescues: tuple[int, ...] = ()

    @property
    def days(self) -> list[int]:
        """The study days of the evaluable counts after the first infusion."""
        return [int(self.rows[index]["study_day"]) for index in self.after]

    @property
    def levels(self) -> list[str]:
        """Their levels."""
        return [str(self.rows[index]["level"]) for index in self.after]


def courses(
    rows: Iterable[Mapping[str, Any]], rules: PlateletRules, medications: Iterable[Mapping[str, Any]] = ()
) -> dict[str, Course]:
    """Return the course of every subject with counts; medications: rows of ``medications.csv``, for rescue."""
    by_subject: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_subject[row["subject"]].append(row)
    rescues: dict[str, list[int]] = defaultdict(list)
    for course in medications:
        if course["purpose"] == "rescue" and course["start_day"] is not None:
            rescues[course["subject"]] += days_of(course["start_day"], course["end_day"])
    return {subject: course_of(counts, rules, rescues[subject]) for subject, counts in by_subject.items()}


def days_of(start_day: int, end_day: int | None) -> list[int]:
    """Return the study days of a course of medication; of one whose last day is not known, the first.

    >>> days_of(-1, 2), days_of(9, None)
    ([-1, 1, 2], [9])
    """
    return [day for day in range(start_day, (start_day if end_day is None else end_day) + 1) if day]


def course_of(rows: Sequence[Mapping[str, Any]], rules: PlateletRules, rescue_days: Iterable[int] = ()) -> Course:
    """Return the course of one subject; counts without a study day are left out.

    rescue_days: study days of rescue therapy beside those on which a count says so. A count on Day 1 is taken to be
    from before the infusion.
    """
    dated = sorted((dict(row) for row in rows if row["study_day"] is not None), key=lambda row: row["study_day"])
    before = [row["platelets_1e9_per_l"] for row in dated if row["study_day"] <= 1]
    counts = [float(count) for count in before if count is not None]
    baseline = (
        {"last": lambda: counts[-1], "mean": lambda: mean(counts), "highest": lambda: max(counts)}[rules.baseline]()
        if counts
        else None
    )
    rescues = sorted({*rescue_days, *(row["study_day"] for row in dated if row["rescue_therapy"])})
    for row in dated:
        row["after_rescue"] = any(0 <= row["study_day"] - day <= rules.rescue_days for day in rescues)
        row["level"] = "baseline" if row["study_day"] <= 1 else _level(row, baseline, rules)
    after = tuple(index for index, row in enumerate(dated) if row["level"] not in {"baseline", "NE"})
    days = [dated[index]["study_day"] for index in after]
    levels = [dated[index]["level"] for index in after]
    apart = {"confirm_days": rules.confirm_response_days, "loss_days": rules.confirm_loss_days}
    responses = confirmed_episodes(days, [level in GOOD for level in levels], **apart)
    complete = confirmed_episodes(days, [level == "CR" for level in levels], **apart)
    return Course(tuple(dated), baseline, after, responses, complete, tuple(rescues))


def _level(row: Row, baseline: float | None, rules: PlateletRules) -> str:
    """Return what a count is by itself; NE where it hangs on something that is not recorded."""
    count = row["platelets_1e9_per_l"]
    if row["bleeding"] or row["after_rescue"]:
        return "NR"
    if count is None:
        return "NE"
    enough = count >= rules.response_1e9_per_l
    if count >= rules.complete_response_1e9_per_l:
        level = "CR"
    elif not enough:
        return "NR"
    elif baseline is None:
        return "NE"
    else:
        level = "R" if count >= rules.response_fold * baseline else "NR"
    return level if row["bleeding"] is not None or level == "NR" else "NE"


def visit_rows(people: People, subject: str, course: Course) -> Iterator[Row]:
    """Yield a row of ``platelet_visits`` for each count of a subject."""
    states = _states(course)
    for index, row in enumerate(course.rows):
        count = row["platelets_1e9_per_l"]
        state, note = states.get(index, (row["level"], _why_not(row, course) if row["level"] == "NE" else ""))
        yield {
            **people.whose(subject),
            **{name: row[name] for name in ("visit", "study_day", "platelets_1e9_per_l", "bleeding", "rescue_therapy")},
            "baseline_1e9_per_l": course.baseline,
            "fold": count / course.baseline if count is not None and course.baseline else None,
            "after_rescue": row["after_rescue"],
            "level": row["level"],
            "state": state,
            "note": note,
        }


def _why_not(row: Row, course: Course) -> str:
    if row["platelets_1e9_per_l"] is None:
        return "not counted"
    return "no baseline" if course.baseline is None else "bleeding not recorded"


def _states(course: Course) -> dict[int, tuple[str, str]]:
    """Return the confirmed state and a note for each evaluable count after the first infusion, by its place."""
    states: dict[int, tuple[str, str]] = {}
    for number, (index, level) in enumerate(zip(course.after, course.levels, strict=True)):
        response = _covering(course.responses, number)
        complete = _covering(course.complete, number)
        lost = any(episode.loss is not None and episode.loss <= number for episode in course.responses)
        if response is not None:
            notes = [] if level in GOOD else ["one count below, not confirmed"]
            notes += [] if level == "CR" or complete is None or notes else ["one count below CR"]
            notes += ["loss of CR"] if any(episode.loss == number for episode in course.complete) else []
            notes += ["CR not confirmed"] if level == "CR" and complete is None else []
            states[index] = ("R" if complete is None else "CR", "; ".join(notes))
            continue
        loss = any(episode.loss == number for episode in course.responses)
        note = "loss of response" if loss else f"{level} not confirmed" if level in GOOD else ""
        states[index] = ("loss" if lost else "NR", note)
    return states


def _covering(episodes: Sequence[Episode], number: int) -> Episode | None:
    return next((episode for episode in episodes if episode.start <= number <= episode.last), None)


def response_row(people: People, subject: str, course: Course, *, rules: PlateletRules) -> Row:
    """Return the row of ``platelet_response``."""
    days, levels = course.days, course.levels
    best, reason = _best(course, rules)
    rescues = [day for day in course.rescues if day >= 1]
    observed = days[-1] - 1 if days else None
    spent = sum(_end(episode, days) - days[episode.start] for episode in course.responses)
    durable, window = _durable(course, rules, rescues)
    return {
        **people.whose(subject),
        "baseline_1e9_per_l": course.baseline,
        "best_response": best,
        "responder": None if best == "NE" else best in GOOD,
        **_first(course.responses, days),
        **{_OF_COMPLETE[name]: value for name, value in _first(course.complete, days).items()},
        "episodes": len(course.responses),
        "days_in_response": spent,
        "days_observed": observed,
        "share_in_response": spent / observed if observed else None,
        "counts": len(levels),
        "rescue_courses": len(rescues),
        "first_rescue_day": rescues[0] if rescues else None,
        "durable": durable,
        "durable_counts": len(window),
        "durable_counts_in_response": sum(level in GOOD for level in window),
        "reason": reason or (_why_not_durable(len(window), rules) if durable is None else ""),
    }


def _why_not_durable(counts: int, rules: PlateletRules) -> str:
    if counts < rules.durable_fewest_counts:
        return f"fewer than {rules.durable_fewest_counts} counts in the window of a durable response"
    return f"no count in the last {rules.durable_tail_days} days of the window of a durable response"


def _best(course: Course, rules: PlateletRules) -> tuple[str, str]:
    days = course.days
    if course.responses:
        return ("CR" if course.complete else "R"), ""
    if course.baseline is None:
        return "NE", "no count before the first infusion"
    if not days or days[-1] - days[0] < rules.confirm_loss_days:
        return "NE", f"no two evaluable counts at least {rules.confirm_loss_days} day apart"
    return "NR", ""


def _end(episode: Episode, days: Sequence[int]) -> int:
    return days[episode.last if episode.loss is None else episode.loss]


def _first(episodes: Sequence[Episode], days: Sequence[int]) -> Row:
    """Return when the first of the episodes began, how long that was after the first infusion, its loss and length."""
    if not episodes:
        return {}
    first = episodes[0]
    start = days[first.start]
    return {
        "response_day": start,
        "days_to_response": start - 1,
        "loss_day": None if first.loss is None else days[first.loss],
        "duration_days": _end(first, days) - start,
        "duration_censored": first.loss is None,
    }


def _durable(course: Course, rules: PlateletRules, rescues: Sequence[int]) -> tuple[bool | None, list[str]]:
    """Return whether the response is durable, None if that is not evaluable, and the levels it is judged by."""
    first, last = rules.durable_first_day, rules.durable_last_day
    within = [(day, level) for day, level in zip(course.days, course.levels, strict=True) if first <= day <= last]
    window = [level for _, level in within]
    if len(window) < rules.durable_fewest_counts or course.days[-1] <= last - rules.durable_tail_days:
        return None, window
    if rules.durable_without_rescue and any(first <= day <= last for day in rescues):
        return False, window
    return sum(level in GOOD for level in window) >= rules.durable_share * len(window), window


def response_incidence(people: People, responses: Mapping[str, Row]) -> Iterator[Row]:
    """Yield how many subjects responded, completely, durably, or needed rescue therapy."""
    evaluable = [subject for subject, row in responses.items() if row["responder"] is not None]
    judged = [subject for subject, row in responses.items() if row["durable"] is not None]
    measures = (
        ("response (CR or R)", evaluable, lambda subject: bool(responses[subject]["responder"])),
        ("complete response (CR)", evaluable, lambda subject: responses[subject]["best_response"] == "CR"),
        ("durable response", judged, lambda subject: bool(responses[subject]["durable"])),
        ("rescue therapy", list(responses), lambda subject: responses[subject]["rescue_courses"] > 0),
    )
    for measure, subjects, has in measures:
        yield from incidence(people, {"topic": "platelets", "measure": measure}, subjects=subjects, has=has)
