"""Events during an infusion are told from those after it, and only where times were recorded."""

import datetime

import pytest

from immunomon.study.model.endpoints import AssessmentRules
from immunomon.trial.assessments.people import People, Person
from immunomon.trial.assessments.safety import adverse_event_incidence, emergent

FIRST = datetime.date(2025, 1, 13)
PEOPLE = People({"S01": Person("S01", "A", 1e6, infusions=(FIRST, FIRST + datetime.timedelta(days=7)))}, {"A": 1e6})
INFUSIONS = [
    {"subject": "S01", "infusion": 1, "date": None, "start_time": "09:00", "end_time": "10:00"},
    {"subject": "S01", "infusion": 2, "date": None, "start_time": "09:00", "end_time": None},
]


def event(day, time):
    names = dict.fromkeys(("system_organ_class", "grade", "end_day", "serious", "related", "dose_limiting"))
    return {"subject": "S01", "term": "Chills", "start_day": day, "start_time": time, **names}


@pytest.mark.parametrize(
    ("day", "time", "onset"),
    [
        (1, "09:20", "during"),
        (1, "10:00", "during"),
        (1, "15:00", "after"),
        (8, "08:00", "before"),
        (8, "15:00", "unknown"),
        (1, None, "unknown"),
        (2, "09:20", ""),
    ],
)
def test_an_event_of_an_infusions_day_says_when_it_began(day, time, onset):
    events = emergent(PEOPLE, [event(day, time)], AssessmentRules(), INFUSIONS)
    assert [row["onset"] for row in events.emergent] == [onset]


def test_an_event_before_the_first_infusion_on_its_day_is_not_treatment_emergent():
    events = emergent(PEOPLE, [event(1, "08:00")], AssessmentRules(), INFUSIONS)
    assert (len(events.emergent), len(events.not_emergent)) == (0, 1)


def test_without_times_nobody_is_said_to_have_had_no_event_during_an_infusion():
    def measures(time):
        events = emergent(PEOPLE, [event(1, time)], AssessmentRules(), INFUSIONS)
        return events.untimed, {row["measure"] for row in adverse_event_incidence(PEOPLE, events)}

    untimed, counted = measures(None)
    assert untimed == 1
    assert "during infusion" not in counted
    untimed, counted = measures("09:20")
    assert untimed == 0
    assert "during infusion" in counted
