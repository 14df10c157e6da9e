from __future__ import annotations

import dataclasses
import math

import pytest

from immunomon.study.model.endpoints import KineticRules
from immunomon.trial.assessments.kinetics import analysed, kinetic_rows, parameters_of, proportionality_rows
from immunomon.trial.assessments.people import People, Person

RULES = KineticRules()
PEOPLE = People(
    {
        "S01": Person("S01", "A", 1e6, sex="F"),
        "S02": Person("S02", "A", 1e6, sex="M"),
        "S03": Person("S03", "B", 2e6, sex="F"),
    },
    {"A": 1e6, "B": 2e6},
)


def samples(*pairs, lloq=10.0):
    return [
        {
            "subject": "S01",
            "planned_time_h": hours,
            "actual_time_h": None,
            "hours": hours,
            "concentration_cells_per_ml": value,
            "below_quantification": value is None,
            "lloq": lloq,
        }
        for hours, value in pairs
    ]


def values(*pairs, rules=RULES):
    return {code: value for code, (value, _) in parameters_of(samples(*pairs), rules).items()}


def test_a_course_worked_by_hand():
    # Falls by half every 2 h from 400 at 1 h: rises 0 to 400 in 1 h (200), then 400 to 25 in 8 h, logarithmic.
    found = values((-0.5, None), (1, 400.0), (3, 200.0), (5, 100.0), (7, 50.0), (9, 25.0), (11, None))
    fall = (400 - 25) / (math.log(2) / 2)
    assert (found["CMAX"], found["TMAX"], found["TLST"], found["CLST"]) == (400, 1, 9, 25)
    assert found["AUCLST"] == pytest.approx(200 + fall)
    assert found["LAMZHL"] == pytest.approx(2)
    assert (found["LAMZNPT"], found["LAMZLL"], found["LAMZUL"]) == (4, 3, 9)
    assert found["AUCIFO"] == pytest.approx(200 + fall + 25 / (math.log(2) / 2))
    assert found["AUCPEO"] == pytest.approx(100 * (25 / (math.log(2) / 2)) / found["AUCIFO"])


def test_what_cannot_be_estimated_has_its_reason():
    found = parameters_of(samples((-0.5, None), (1, 400.0), (3, 200.0), (5, 100.0), (7, None)), RULES)
    assert found["CMAX"] == (400, "")
    assert found["LAMZHL"][0] is None
    assert "3 or more points after Cmax" in found["LAMZHL"][1]
    found = parameters_of(samples((1, 400.0), (3, 100.0), (5, 220.0), (7, 90.0), (9, 200.0)), RULES)
    assert found["AUCIFO"][0] is None
    assert "adjusted R2" in found["AUCIFO"][1] or "falling" in found["AUCIFO"][1]


def test_a_course_below_quantification_throughout_has_no_parameter():
    found = parameters_of(samples((-0.5, None), (1, None), (3, None)), RULES)
    assert {value for value, _ in found.values()} == {None}
    assert {reason for _, reason in found.values()} == {"no concentration above the limit of quantification"}


def test_embedded_values_are_left_out_or_set_as_declared():
    pairs = ((0, None), (1, 100.0), (2, None), (3, 100.0))
    assert values(*pairs)["AUCLST"] == pytest.approx(50 + 200)
    zero = dataclasses.replace(RULES, embedded="zero")
    assert values(*pairs, rules=zero)["AUCLST"] == pytest.approx(50 + 50 + 50)
    half = dataclasses.replace(RULES, embedded="half")
    assert values(*pairs, rules=half)["AUCLST"] == pytest.approx(50 + 95 / math.log(20) + (5 + 100) / 2)


def test_without_a_sample_before_it_the_concentration_begins_at_zero():
    assert values((1, 100.0))["AUCLST"] == pytest.approx(50)


def test_only_the_declared_sexes_are_analysed():
    rows = [{**row, "subject": who} for who in ("S01", "S02") for row in samples((1, 100.0), (2, None))]
    assert set(analysed(PEOPLE, rows, RULES)) == {"S01"}
    assert set(analysed(PEOPLE, rows, dataclasses.replace(RULES, sexes=("F", "M")))) == {"S01", "S02"}


def test_actual_times_are_used_and_put_in_order():
    rows = samples((1, 100.0), (2, 50.0))
    rows[0]["actual_time_h"] = 2.5
    assert [row["hours"] for row in analysed(PEOPLE, rows, RULES)["S01"]] == [2, 2.5]


def test_dose_proportionality_needs_three_subjects_and_two_doses():
    found = {one: parameters_of(samples((1, 100.0), (2, 50.0)), RULES) for one in ("S01", "S03")}
    row = next(iter(proportionality_rows(PEOPLE, found, 0.9)))
    assert row["reason"] == "fewer than 3 subjects, or a single dose"
    assert next(iter(kinetic_rows(PEOPLE, found)))["parameter"] == "CMAX"
