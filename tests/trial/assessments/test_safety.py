from __future__ import annotations

import dataclasses
import datetime
import itertools

import pytest

from immunomon.study.model.endpoints import (
    AdverseEventRules,
    AntibodyRules,
    AssessmentRules,
    EscalationRules,
    VirusRules,
)
from immunomon.trial.assessments.laboratory import (
    antibody_incidence,
    antibody_rows,
    conversion_rows,
    shift_rows,
    virus_incidence,
    virus_tests,
)
from immunomon.trial.assessments.people import People, Person
from immunomon.trial.assessments.safety import (
    adverse_event_incidence,
    emergent,
    escalation_rows,
    says,
    worst_rows,
)

RULES = AssessmentRules()


def person(name, group, entry, *, expansion=False, weeks=4):
    first = datetime.date.fromisoformat(entry)
    infusions = tuple(first + datetime.timedelta(weeks=n) for n in range(weeks))
    return Person(name, group, {"A": 5e5, "B": 1e6, "C": 2e6}[group], infusions=infusions, expansion=expansion)


def people(*persons):
    return People({one.id: one for one in persons}, {"A": 5e5, "B": 1e6, "C": 2e6})


THREE = people(*(person(f"S0{n}", "A", f"2025-01-{12 + n}") for n in (1, 2, 3)))


def event(subject, day=5, **more):
    given = {"term": "Pyrexia", "system_organ_class": "General disorders", "grade": 1, "end_day": None}
    flags = {"serious": False, "related": False, "dose_limiting": False}
    return {"subject": subject, "start_day": day, **given, **flags, **more}


def test_a_subject_counts_once_at_the_worst_grade():
    found = emergent(THREE, [event("S01"), event("S01", 9, grade=3, related=True), event("S02", grade=2)], RULES)
    rows = {(row["subject"], row["level"]): row for row in worst_rows(THREE, found)}
    assert (rows["S01", "term"]["worst_grade"], rows["S01", "term"]["events"]) == (3, 2)
    assert (rows["S01", "any"]["related"], rows["S02", "any"]["related"]) == (True, False)
    shares = {(row["measure"], row["dose_group"]): row for row in adverse_event_incidence(THREE, found)}
    assert (shares["any", "A"]["subjects_with"], shares["any", "A"]["n"]) == (2, 3)
    assert shares["grade >= 3", "all"]["who"] == "S01"


def test_an_event_before_the_first_infusion_is_not_treatment_emergent_and_one_without_a_day_is():
    found = emergent(THREE, [event("S01", -1), event("S02", None), event("S03", 1)], RULES)
    assert [one["subject"] for one in found.emergent] == ["S02", "S03"]
    assert (len(found.not_emergent), found.undated) == (1, 1)


def test_an_event_after_the_declared_days_is_not_treatment_emergent():
    rules = dataclasses.replace(RULES, adverse_events=AdverseEventRules(days_after_last_infusion=28))
    found = emergent(THREE, [event("S01", 22 + 28), event("S02", 22 + 29)], rules)
    assert [one["subject"] for one in found.emergent] == ["S01"]


def test_a_toxicity_outside_its_window_is_an_event_but_not_dose_limiting():
    found = emergent(THREE, [event("S01", 28, dose_limiting=True), event("S02", 29, dose_limiting=True)], RULES)
    assert found.toxicities == {"S01": 28}


def test_nobody_with_an_event_gives_the_exact_interval_of_none():
    found = {row["measure"]: row for row in adverse_event_incidence(THREE, emergent(THREE, [], RULES))}
    assert (found["serious"]["percent"], round(found["serious"]["high"], 1)) == (0, 70.8)


@pytest.mark.parametrize(
    ("rule", "case", "said"),
    [
        *(("3+3", case, said) for case, said in (
            ((3, 0), "escalate"), ((3, 1), "more at this dose"), ((3, 2), "stop"), ((6, 1), "escalate"),
            ((6, 2), "stop"), ((2, 0), "wait"), ((2, 2), "stop"), ((5, 1), "more at this dose"), ((1, 1), "wait"),
        )),
        *(("fixed", case, said) for case, said in (
            ((3, 0), "escalate"), ((3, 1), "escalate"), ((3, 2), "stop"), ((2, 1), "wait"),
        )),
    ],
)  # fmt: skip
def test_the_rule_says_what_its_table_says(rule, case, said):
    assert says(*case, EscalationRules(rule=rule)) == said


@pytest.mark.parametrize(("case", "treated", "said"), [((5, 1), 6, "wait"), ((4, 1), 5, "more at this dose"),
                                                       ((5, 2), 6, "stop"), ((6, 1), 6, "escalate")])  # fmt: skip
def test_with_both_cohorts_entered_their_windows_are_waited_for(case, treated, said):
    assert says(*case, EscalationRules(), treated=treated) == said


def test_a_toxicity_without_a_first_day_is_not_overlooked_by_the_rule():
    found = emergent(THREE, [event("S01", None, dose_limiting=True), event("S02", 9, dose_limiting=True)], RULES)
    assert found.toxicities == {"S01": 1, "S02": 9}
    (row,) = steps(THREE, found.toxicities)
    assert (row["toxicities"], row["rule_says"]) == (2, "stop")


def steps(everyone, toxicities=(), last="2025-12-31", rule="3+3"):
    found = escalation_rows(
        everyone, dict(toxicities), EscalationRules(rule=rule), last_date=datetime.date.fromisoformat(last)
    )
    return list(found)


def test_the_trial_as_it_was_run_three_three_six_and_an_expansion():
    entries = {"A": ("01-06", "01-07", "01-08"), "B": ("02-10", "02-11", "02-12"),
               "C": ("03-17", "03-18", "03-19", "04-21", "04-22", "04-23")}  # fmt: skip
    numbers = itertools.count(1)
    everyone = [person(f"P{next(numbers):02d}", g, f"2025-{day}") for g, days in entries.items() for day in days]
    expansion = [person(f"X{n}", "C", f"2025-06-0{n}", expansion=True) for n in range(1, 7)]
    rows = steps(people(*everyone, *expansion), {"P08": 10})
    assert [(row["dose_group"], row["evaluable"], row["toxicities"], row["rule_says"]) for row in rows] == [
        ("A", 3, 0, "escalate"),
        ("B", 3, 0, "escalate"),
        ("C", 3, 1, "more at this dose"),
        ("C", 6, 1, "escalate"),
    ]
    assert [row["followed_by"] for row in rows] == ["next dose B", "next dose C", "more at this dose", "expansion at C"]
    assert {row["note"] for row in rows} == {""}
    assert rows[2]["who"] == "P08"


def test_a_next_dose_begun_before_the_windows_were_over_is_said():
    everyone = people(*(person(f"A{n}", "A", f"2025-01-0{n}") for n in (1, 2, 3)), person("B1", "B", "2025-01-20"))
    first = steps(everyone)[0]
    assert (first["rule_said_then"], first["evaluable_then"]) == ("wait", 0)
    assert "next dose B was begun when the rule said: wait (0 of 3 evaluable" in first["note"]


def test_a_toxicity_that_began_after_the_next_entry_was_not_known_then():
    everyone = people(*(person(f"A{n}", "A", f"2025-01-0{n}") for n in (1, 2, 3)), person("B1", "B", "2025-01-20"))
    first = steps(everyone, {"A3": 25})[0]
    assert (first["toxicities"], first["toxicities_then"]) == (1, 0)
    assert "1 with a toxicity that began later" in first["note"]


def test_a_higher_dose_after_two_toxicities_is_said():
    everyone = people(*(person(f"A{n}", "A", f"2025-01-0{n}") for n in (1, 2, 3)), person("B1", "B", "2025-03-20"))
    first = steps(everyone, {"A1": 3, "A2": 4})[0]
    assert first["rule_says"] == "stop"
    assert "was begun when the rule said: stop" in first["note"]


def test_windows_that_are_not_over_by_the_last_date_are_waited_for():
    everyone = people(*(person(f"A{n}", "A", f"2025-01-0{n}") for n in (1, 2, 3)))
    assert [row["rule_says"] for row in steps(everyone, last="2025-01-29")] == ["wait"]
    assert [row["rule_says"] for row in steps(everyone, last="2025-01-30")] == ["escalate"]


def virus(subject, day, result, visit="W4", name="HBV"):
    return {"subject": subject, "visit": visit, "study_day": day, "date": None, "virus": name, "result": result}


def test_a_conversion_is_whoever_was_not_positive_before_and_is_after():
    rows = [
        *(virus(f"S0{n}", -14, result, "screening") for n, result in ((1, "negative"), (2, "positive"))),
        *(virus(f"S0{n}", 29, "positive") for n in (1, 2, 3)),
        virus("S01", 113, "positive", "W16"),
    ]
    found = virus_tests(THREE, rows, VirusRules(("W4", "W16")))
    conversions = [(row["subject"], row["baseline_result"], row["visit"]) for row in conversion_rows(THREE, found)]
    assert conversions == [("S01", "negative", "W4"), ("S03", "no result", "W4")]
    shifts = {(row["visit"], row["baseline_result"], row["result"]): row["n"] for row in shift_rows(found)}
    assert shifts == {
        ("W4", "negative", "positive"): 1, ("W4", "no result", "positive"): 1, ("W4", "positive", "positive"): 1,
        ("W16", "negative", "positive"): 1, ("W16", "no result", "no result"): 1, ("W16", "positive", "no result"): 1,
    }  # fmt: skip
    counted = next(row for row in virus_incidence(THREE, found, list(conversion_rows(THREE, found))) if row["n"])
    assert (counted["subjects_with"], counted["n"]) == (2, 3)


def test_a_test_on_day_1_is_before_the_infusion_and_the_last_one_before_counts():
    rows = [virus("S01", -14, "negative"), virus("S01", 1, "positive"), virus("S01", 29, "positive")]
    assert list(conversion_rows(THREE, virus_tests(THREE, rows, VirusRules()))) == []


def antibody(subject, day, result, titre=None):
    return {"subject": subject, "timepoint": str(day), "study_day": day, "result": result, "titre": titre}


@pytest.mark.parametrize(
    ("before", "after", "category"),
    [
        (("negative", 0), ("positive", 40), "induced"),
        (("positive", 40), ("positive", 160), "boosted"),
        (("positive", 40), ("positive", 159), "unchanged"),
        (("positive", 40), ("negative", 0), "unchanged"),
        (("negative", None), ("negative", None), "negative"),
        (("positive", None), ("positive", 160), "not evaluable"),
        (("indeterminate", None), ("positive", 160), "not evaluable"),
        ((None, None), ("positive", 160), "not evaluable"),
        (("negative", 0), (None, None), "not evaluable"),
    ],
)
def test_an_antibody_is_induced_or_boosted_by_its_definition(before, after, category):
    rows = [antibody("S01", 1, *before), antibody("S01", 24, *after)]
    (row,) = antibody_rows(THREE, rows, AntibodyRules(), beside={})
    assert row["category"] == category
    assert bool(row["reason"]) == (category == "not evaluable" or after[0] == "negative" != before[0])


def test_the_highest_of_several_titres_after_it_counts_and_shares_leave_out_who_is_not_evaluable():
    rows = [
        *(antibody("S01", day, "positive", titre) for day, titre in ((1, 40), (24, 320), (60, 80))),
        *(antibody(who, day, "negative", 0) for who, day in (("S02", 1), ("S02", 24), ("S03", 1))),
    ]
    found = antibody_rows(THREE, rows, AntibodyRules(), beside={"S01": {"best_response": "R"}})
    assert (found[0]["fold"], found[0]["best_response"]) == (8, "R")
    shares = {row["measure"]: row for row in antibody_incidence(THREE, found) if row["dose_group"] == "all"}
    assert (shares["boosted"]["subjects_with"], shares["boosted"]["n"]) == (1, 2)
    assert (shares["positive before the first infusion"]["subjects_with"], shares["induced"]["subjects_with"]) == (1, 0)
