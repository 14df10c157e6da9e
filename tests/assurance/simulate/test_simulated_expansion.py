"""A simulated trial that goes as trials go: toxicity, enlarged cohort, expansion, visits late and missed."""

from __future__ import annotations

import csv

import pytest

from immunomon.assurance.simulate.expansion import ANALYSIS_PLAN, with_expansion
from immunomon.assurance.simulate.protocol import Scenario, draw_patients
from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.study.specs.study import load_study
from immunomon.trial.assessments.assess import assess
from immunomon.trial.specs.analysis import load_analysis
from immunomon.trial.specs.assessment_tables import load_assessments


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """Return the folder of such a trial with one small panel."""
    folder = tmp_path_factory.mktemp("expansion") / "trial"
    return simulate_trial(folder, events=60, panels=["nk"], controls=False, expansion=6, seed=3)


@pytest.fixture(scope="module")
def study(trial):
    return load_study(trial)


@pytest.fixture(scope="module")
def files(study):
    firsts = {one.id: min(map(str, one.infusion_dates), default=None) for one in study.subjects}
    return load_assessments(study.folder, firsts).tables


def test_eighteen_patients_in_four_cohorts_of_which_one_expands(study):
    cohorts = [(one.name, one.dose_group, one.planned_subjects, one.expansion) for one in study.cohorts]
    assert cohorts == [("A", "A", 3, False), ("B", "B", 3, False), ("C", "C", 6, False), ("expansion", "C", 6, True)]
    assert len(study.subjects) == 18


def test_one_patient_has_a_dose_limiting_toxicity_and_stopped_the_infusions(study, files):
    limiting = [row for row in files["adverse_events"] if row["dose_limiting"]]
    assert [(row["subject"], row["grade"], row["serious"]) for row in limiting] == [("S07", 3, True)]
    assert [len(one.infusion_dates) for one in study.subjects if one.id == "S07"] == [2]
    ends = {row["subject"]: row["event"] for row in files["disposition"] if row["of"] == "treatment"}
    assert ends["S07"] == "adverse event"


def test_the_rule_enlarges_the_cohort_and_then_allows_the_dose(study, files):
    steps = assess(study, files).tables["escalation"]
    last = steps[steps["dose_group"] == "C"].to_dict(orient="records")
    assert [(row["evaluable"], row["toxicities"], row["rule_says"]) for row in last] == [
        (3, 1, "more at this dose"),
        (6, 1, "escalate"),
    ]
    assert last[-1]["followed_by"] == "expansion at C"


def test_one_leaves_one_misses_a_visit_and_comes_late_to_others(trial, files):
    with (trial / "samples.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    came = {}
    for row in rows:
        came.setdefault(row["subject"], []).append(row["visit"])
    assert "W8" not in came["S04"]
    assert came["S13"] == ["D-1", "W2", "W4", "W8"] or came["S13"] == ["D-1", "W2", "W4"]
    left = [row for row in files["disposition"] if row["event"] == "withdrawal by subject"]
    assert {row["subject"] for row in left} == {"S13"}
    assert max(row["study_day"] for row in files["platelets"] if row["subject"] == "S13") <= 60


def test_those_of_the_expansion_are_not_tested_for_antibody(study, files):
    expanding = {one.id for one in study.subjects if one.cohort == "expansion"}
    assert expanding.isdisjoint(row["subject"] for row in files["antibodies"])


def test_without_an_expansion_nothing_is_otherwise_than_planned():
    patients = draw_patients(Scenario.MECHANISM, 3, seed=1)
    assert with_expansion(patients, 0, Scenario.MECHANISM, seed=1) == patients


def test_the_plan_of_analysis_that_comes_with_it_is_one(tmp_path):
    path = tmp_path / "analysis.yaml"
    path.write_text(ANALYSIS_PLAN, encoding="utf-8")
    plan = load_analysis(path)
    assert (plan.primary.visits, len(plan.endpoints)) == (("W4",), 5)
