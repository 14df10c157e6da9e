from __future__ import annotations

import pytest

from immunomon.errors import BadSpec
from immunomon.study.model.endpoints import AssessmentRules
from immunomon.study.specs.assessments import AssessmentsSpec
from immunomon.study.specs.study import load_study

STUDY = """\
schema: immunomon.study/1
name: DEMO
dose_groups: [{name: A, cells_per_kg: 1e6}]
visits: [{label: D-1, planned_day: -1, baseline: true}]
panels: [{panel: treg, strategy: treg}]
"""


def load(folder, section):
    (folder / "study.yaml").write_text(STUDY + section, encoding="utf-8")
    return load_study(folder).assessments


def test_a_study_that_declares_nothing_has_the_defaults_that_the_model_has(tmp_path):
    assert load(tmp_path, "") == AssessmentsSpec().model() == AssessmentRules()


def test_what_is_declared_is_what_holds(tmp_path):
    rules = load(
        tmp_path,
        "assessments:\n  platelets: {rescue_days: 7}\n  kinetics: {sexes: [F, M]}\n  viruses: {visits: [W4]}\n"
        "  escalation: {rule: fixed, window_days: [1, 42]}\n  adverse_events: {days_after_last_infusion: 30}\n",
    )
    assert (rules.platelets.rescue_days, rules.platelets.response_fold) == (7, 2)
    assert (rules.kinetics.sexes, rules.viruses.visits) == (("F", "M"), ("W4",))
    assert (rules.escalation.rule, rules.escalation.window_days) == ("fixed", (1, 42))
    assert rules.adverse_events.days_after_last_infusion == 30


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("platelets: {complete_response_1e9_per_l: 20}", "complete_response_1e9_per_l: 20 is below 30"),
        ("platelets: {durable_last_day: 50}", "durable_last_day: 50 is below 99"),
        ("escalation: {window_days: [28, 1]}", "window_days: 1 is below 28"),
        ("escalation: {rule: 4+4}", "is not one of '3+3' or 'fixed'"),
        ("platelets: {respnse_fold: 3}", "did you mean 'response_fold'?"),
    ],
)
def test_what_cannot_be_is_said(tmp_path, section, said):
    with pytest.raises(BadSpec) as error:
        load(tmp_path, f"assessments:\n  {section}\n")
    assert said in str(error.value)
