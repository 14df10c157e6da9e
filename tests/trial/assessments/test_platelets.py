from __future__ import annotations

import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.assurance.validation.assessments import counts_of, disagreements, hand_judged
from immunomon.study.model.endpoints import PlateletRules
from immunomon.trial.assessments.people import People, Person
from immunomon.trial.assessments.platelets import courses, response_incidence, response_row
from immunomon.trial.kernels.course import confirmed_episodes

COURSES = hand_judged()
FIRST = datetime.date(2025, 1, 13)


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course["rule"])
def test_a_course_is_judged_as_a_person_judged_it(course):
    assert list(disagreements(course)) == []


def test_there_are_thirty_courses_and_every_state_is_among_them():
    assert len({course["rule"] for course in COURSES}) == len(COURSES) >= 30
    states = {state for course in COURSES for state in course["expect"].get("states", "").split()}
    assert states == {"CR", "R", "NR", "NE", "loss"}


def test_a_course_judged_wrongly_is_found():
    wrong = {"rule": "r", "counts": "-1:10 8:50 15:50", "expect": {"best_response": "CR"}, "notes": {"8": "loss"}}
    assert [what for _, what in disagreements(wrong)] == [
        "best_response is R, a person says CR",
        "day 8 is noted '', a person says 'loss'",
    ]


days_and_good = st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=12).map(
    lambda pairs: (
        [1 + sum(step for step, _ in pairs[: n + 1]) for n in range(len(pairs))],
        [good for _, good in pairs],
    )
)


@given(days_and_good, st.integers(0, 14), st.integers(0, 7))
def test_episodes_begin_good_are_confirmed_and_never_overlap(case, confirm, loss):
    days, good = case
    found = confirmed_episodes(days, good, confirm_days=confirm, loss_days=loss)
    for one in found:
        row = next((n for n in range(one.start, len(days)) if not good[n]), len(days))
        assert good[one.start]
        assert row - one.start >= 2
        assert days[row - 1] - days[one.start] >= confirm
        assert one.loss is None or (not good[one.loss] and one.last < one.loss)
    assert all(earlier.loss is not None and earlier.loss < later.start for earlier, later in pairwise(found))


@given(days_and_good, st.integers(1, 14))
def test_more_days_to_confirm_never_make_an_earlier_response(case, confirm):
    days, good = case
    loose = confirmed_episodes(days, good, confirm_days=confirm, loss_days=1)
    strict = confirmed_episodes(days, good, confirm_days=confirm + 1, loss_days=1)
    assert not strict or (loose and loose[0].start <= strict[0].start)


def test_who_is_not_evaluable_is_not_in_the_share_of_responders():
    persons = {name: Person(name, "A", 1e6, infusions=(FIRST,)) for name in ("S01", "S02")}
    people = People(persons, {"A": 1e6})
    rows = [*counts_of("-1:10 8:50 15:50"), *({**row, "subject": "S02"} for row in counts_of("-1:10"))]
    found = courses(rows, PlateletRules())
    responses = {one: response_row(people, one, course, rules=PlateletRules()) for one, course in found.items()}
    rate = next(row for row in response_incidence(people, responses) if row["measure"] == "response (CR or R)")
    assert (rate["subjects_with"], rate["n"]) == (1, 1)
