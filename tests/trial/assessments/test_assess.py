from __future__ import annotations

import dataclasses
import datetime

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.study.model.endpoints import AssessmentRules, EscalationRules, KineticRules
from immunomon.study.model.study import Cohort, DoseGroup, Study, Subject
from immunomon.study.model.uses import PanelUse
from immunomon.study.model.visits import Visit
from immunomon.trial.assessments.assess import assess
from immunomon.trial.assessments.pages import alarms, markdown, pages
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS
from immunomon.trial.model.tables import ASSESSMENT_TABLES

FIRST = datetime.date(2025, 1, 6)
STUDY = Study(
    name="DEMO",
    title="",
    dose_groups=(DoseGroup("B", 1e6), DoseGroup("A", 5e5)),
    cohorts=(Cohort("A", "A", 3), Cohort("more", "B", 3, expansion=True)),
    subjects=(
        Subject("S01", "A", "A", "F", (FIRST, FIRST + datetime.timedelta(7))),
        Subject("S02", "B", None, "M", (FIRST + datetime.timedelta(40),)),
        Subject("S03", "B", "more", "U", ()),
    ),
    visits=(Visit("D-1", -1, baseline=True), Visit("W4", 29)),
    panels=(PanelUse("treg", "treg"),),
)


def cells(column):
    if isinstance(column.kind, tuple):
        values = st.sampled_from(column.kind)
    elif column.name == "subject":
        values = st.sampled_from(["S01", "S02", "S03"])
    elif column.kind == "truth":
        values = st.booleans()
    elif column.kind == "date":
        values = st.dates(datetime.date(2024, 1, 1), datetime.date(2027, 1, 1)).map(datetime.date.isoformat)
    elif column.kind == "time":
        values = st.times().map(lambda clock: clock.strftime("%H:%M"))
    elif column.kind == "day":
        values = st.integers(-400, 400).filter(bool)
    elif column.kind == "whole":
        values = st.integers(int(column.low), int(column.high))
    elif column.kind == "number":
        low, high = column.low, 1e12 if column.high is None else column.high
        values = st.floats(low, high)
    else:
        values = st.sampled_from(["W4", "one", "| <b>", "other"])
    return values if column.needed else st.none() | values


def rows(name):
    row = st.fixed_dictionaries({column.name: cells(column) for column in ASSESSMENT_INPUTS[name].columns})
    return st.lists(row, max_size=8)


files = st.fixed_dictionaries({}, optional={name: rows(name) for name in ASSESSMENT_INPUTS})


@settings(max_examples=30, deadline=None)
@given(files, st.sampled_from(["3+3", "fixed"]), st.sampled_from(["zero", "half", "omit"]))
def test_whatever_fits_the_contract_is_assessed_into_tables_that_keep_theirs(given_files, rule, below):
    kinetics = KineticRules(sexes=("F", "M", "U"), leading=below, embedded=below, trailing=below)
    rules = AssessmentRules(escalation=EscalationRules(rule=rule), kinetics=kinetics)
    study = Study(**{**vars(STUDY), "assessments": rules})
    found = assess(study, given_files)
    assert set(found.tables) == set(ASSESSMENT_TABLES)
    for name, table in ASSESSMENT_TABLES.items():
        frame = found.tables[name]
        assert {column: str(dtype) for column, dtype in frame.dtypes.items()} == dict(table.dtypes)
        if name not in {"platelet_visits"}:  # two counts of one day are two rows
            assert not frame.duplicated(list(table.key)).any(), name
    shares = found.tables["incidence"]
    inside = shares.dropna(subset=["percent"])
    assert ((inside["low"] <= inside["percent"]) & (inside["percent"] <= inside["high"])).all()
    text = markdown(found.tables, found.facts, rules)
    assert all(page.title in text for page in pages(found.tables, found.facts, rules))
    assert all(("VIRUS CONVERSION" in text) for _ in alarms(found.tables))


def test_the_order_of_rows_in_a_file_does_not_matter():
    day = [{"subject": "S01", "visit": None, "study_day": n, "date": None, "platelets_1e9_per_l": 10.0 * n,
            "bleeding": False, "rescue_therapy": False} for n in (1, 8, 15, 22)]  # fmt: skip
    there, back = (assess(STUDY, {"platelets": one}).tables for one in (day, day[::-1]))
    for name, table in there.items():
        pd.testing.assert_frame_equal(table, back[name])


def test_dose_groups_stand_from_the_lowest_dose_up():
    blank = dict.fromkeys(ASSESSMENT_INPUTS["adverse_events"].names)
    events = [{**blank, "subject": who, "term": "Chills", "start_day": 2} for who in ("S02", "S01")]
    found = assess(STUDY, {"adverse_events": events})
    shares = found.tables["incidence"]
    assert list(dict.fromkeys(shares["dose_group"])) == ["A", "B", "all"]
    whole = shares[shares["cohort"].isna()]
    assert whole[whole["measure"] == "at infusion"]["who"].to_list() == ["S01", "S02", "S01 S02"]
    assert found.facts["events"]["unsaid"] == {"serious": 2, "related": 2, "dose_limiting": 2, "grade": 2}
    assert "count as if it were not so: 2 without 'serious'" in markdown(found.tables, found.facts, STUDY.assessments)


def _ae(subject, day):
    names = [column.name for column in ASSESSMENT_INPUTS["adverse_events"].columns]
    row = dict.fromkeys(names) | {"subject": subject, "term": "Fever", "grade": 3, "start_day": day}
    return row | {"serious": False, "related": True, "dose_limiting": True}


def test_candidates_are_compared_on_the_patients_before_the_expansion_as_known_when_it_began():
    day = datetime.timedelta(1)
    subjects = (
        Subject("S01", "A", "A", "F", (FIRST,)),
        Subject("S02", "B", None, "M", (FIRST + 40 * day,)),
        Subject("S03", "B", "more", "F", (FIRST + 80 * day,)),
    )
    study = dataclasses.replace(STUDY, subjects=subjects)
    # S01 on study day 10; S02's second event and S03's begin after the expansion did.
    events = [_ae("S01", 10), _ae("S02", 60), _ae("S03", 5)]
    candidates = assess(study, {"adverse_events": events}).tables["candidates"]
    limiting = candidates[candidates["measure"] == "grade >= 3"].set_index("dose_group")["text"]
    assert limiting["A"].startswith("1 of 1")
    assert limiting["B"].startswith("0 of 1")
    assert "expansion began on 2025-03-27" in markdown_of(study, events)
    without = dataclasses.replace(study, cohorts=(Cohort("A", "A", 3), Cohort("more", "B", 3)))
    everyone = assess(without, {"adverse_events": events}).tables["candidates"]
    everyone = everyone[everyone["measure"] == "grade >= 3"].set_index("dose_group")["text"]
    assert everyone["B"].startswith("2 of 2")


def test_an_expanded_dose_is_counted_whole_and_by_cohort():
    subjects = (
        Subject("S01", "A", "A", "F", (FIRST,)),
        Subject("S02", "B", "B", "M", (FIRST,)),
        Subject("S03", "B", "more", "F", (FIRST,)),
        Subject("S04", "B", "more", "F", (FIRST,)),
    )
    study = dataclasses.replace(STUDY, subjects=subjects)
    events = [_ae("S02", 10), _ae("S03", 5)]
    shares = assess(study, {"adverse_events": events}).tables["incidence"]
    any_event = shares[shares["measure"] == "any"].fillna({"cohort": "whole"})
    assert {(row.dose_group, row.cohort): (row.n, row.who) for row in any_event.itertuples()} == {
        ("A", "whole"): (1, pd.NA),
        ("B", "whole"): (3, "S02 S03"),
        ("B", "B"): (1, "S02"),
        ("B", "more"): (2, "S03"),
        ("all", "whole"): (4, "S02 S03"),
    }
    assert "B, cohort more" in markdown_of(study, events)
    without = dataclasses.replace(study, cohorts=(Cohort("A", "A", 3), Cohort("B", "B", 3), Cohort("more", "B", 3)))
    assert assess(without, {"adverse_events": events}).tables["incidence"]["cohort"].isna().all()


def markdown_of(study, events):
    found = assess(study, {"adverse_events": events})
    return markdown(found.tables, found.facts, study.assessments)
