"""Consent, infusions, medication and disposition are held against study.yaml, and against each other."""

import pytest

from immunomon.runs.checks.conduct import conduct_notes, conduct_problems
from immunomon.study.specs.study import load_study
from immunomon.trial.specs.assessment_tables import read_assessment_files

STUDY = """\
schema: immunomon.study/2
name: X
dose_groups: [{name: A, cells_per_kg: 1e6, infusion_days: [1, 8]}]
subjects: [{id: S01, dose_group: A, infusion_dates: [2025-01-13, 2025-01-20]}]
visits: [{label: D1}]
panels: [{panel: treg, strategy: treg}]
"""
INFUSIONS = "subject,infusion,date,start_time,end_time,dose_1e6_per_kg,weight_kg,lot,viability_percent,interrupted\n"


@pytest.fixture
def said(write):
    """Return the problems and the notes of a study with some files."""

    def of(**files):
        study = load_study(write(STUDY, "study.yaml"))
        for name, text in files.items():
            write(text, f"{name}.csv")
        read = read_assessment_files(study.folder, {"S01": "2025-01-13"})
        assert read.problems == ()
        return [str(one).partition("csv ")[2] for one in conduct_problems(study, read)], list(
            conduct_notes(study, read)
        )

    return of


def test_an_infusion_that_study_yaml_does_not_have_is_a_problem(said):
    problems, _ = said(infusions=INFUSIONS + "S01,3,,,,1,60,L1,90,false\n")
    assert problems == [
        "line 2: infusion: 3, but study.yaml has 2 infusion dates of S01; add the date there, or correct the number"
    ]


def test_an_infusion_on_another_date_is_a_problem(said):
    problems, _ = said(infusions=INFUSIONS + "S01,2,2025-01-21,,,1,60,L1,90,false\n")
    assert problems == [
        "line 2: date: 2025-01-21, but study.yaml has infusion 2 of S01 on 2025-01-20; correct one of them"
    ]


def test_another_dose_and_an_infusion_without_record_are_noted(said):
    _, notes = said(infusions=INFUSIONS + "S01,1,2025-01-13,,,0.8,60,L1,90,true\n")
    assert notes == [
        "infusions.csv line 2: infusion 1 of S01 was 0.8 x 10^6 cells/kg, planned 1",
        "infusions.csv: 1 infusion of study.yaml not recorded: S01 2",
    ]


def test_consent_after_the_first_infusion_is_noted(said):
    _, notes = said(demographics="subject,consent_date,age_years,race\nS01,2025-01-14,30,asian\n")
    assert notes == ["demographics.csv line 2: S01 consented on 2025-01-14, after the first infusion on 2025-01-13"]


def test_a_count_after_somebody_left_is_noted(said):
    platelets = "subject,visit,study_day,date,platelets_1e9_per_l,bleeding,rescue_therapy\nS01,,30,,50,false,false\n"
    ended = "subject,of,event,study_day,date\nS01,study,withdrawal by subject,,2025-01-31\n"
    _, notes = said(platelets=platelets, disposition=ended)
    assert notes == ["platelets.csv line 2: S01 was looked at on day 30, and left the study on day 19"]


def test_rescue_that_no_medication_names_and_a_death_in_one_file_only_are_noted(said):
    platelets = "subject,visit,study_day,date,platelets_1e9_per_l,bleeding,rescue_therapy\nS01,,30,,5,true,true\n"
    medications = "subject,medication,purpose,start_day,end_day\nS01,IVIG,rescue,9,10\n"
    event = "subject,term,system_organ_class,grade,start_day,end_day,serious,related,dose_limiting\n"
    ended = "subject,of,event,study_day,date\nS01,study,death,40,\n"
    _, notes = said(platelets=platelets, medications=medications, disposition=ended, adverse_events=event)
    assert notes == [
        "S01: disposition.csv says death, the other file does not",
        "platelets.csv line 2: says rescue therapy of S01 on day 30, medications.csv names none",
    ]
