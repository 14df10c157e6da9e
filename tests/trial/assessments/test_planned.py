"""What was planned, and what became of it: every assessment that a study's schedule names."""

import dataclasses
import datetime

import pytest

from immunomon.runs.checks.plan import schedule_notes
from immunomon.study.model.endpoints import AssessmentRules, AssessmentSchedule
from immunomon.study.model.study import Cohort, DoseGroup, Study, Subject
from immunomon.study.model.uses import PanelUse
from immunomon.study.model.visits import Visit
from immunomon.trial.assessments.assess import assess
from immunomon.trial.assessments.pages import markdown
from immunomon.trial.model.planned import planned_assessments

FIRST = datetime.date(2025, 1, 13)
LATER = datetime.date(2026, 1, 1)
SCHEDULE = (
    AssessmentSchedule("platelets", days=(-1, 8, 15), visits=("D-1", "W1", "W2")),
    AssessmentSchedule("msc_concentration", hours=(-0.5, 24.0), sexes=("F",)),
    AssessmentSchedule("antibodies", days=(1, 24), within_days=1, expansion=False),
    AssessmentSchedule("viruses", days=(29,), visits=("W4",), within_days=7, tests=("HBV", "HIV")),
)
WEEKLY = tuple(FIRST + datetime.timedelta(7 * week) for week in range(4))


def study_of(*subjects, folder=None):
    rules = AssessmentRules(schedule=SCHEDULE)
    study = Study(
        name="S",
        title="S",
        dose_groups=(DoseGroup("A", 5e5, (1, 8, 15, 22)),),
        cohorts=(Cohort("A", "A", 3), Cohort("more", "A", 6, expansion=True)),
        subjects=subjects,
        visits=(Visit("D-1", -1, (-3, -1), baseline=True),),
        panels=(PanelUse("treg", "treg"),),
        assessments=rules,
    )
    return study if folder is None else dataclasses.replace(study, folder=folder)


def count(day, visit=None, number=20.0):
    about = {
        "subject": "S01",
        "visit": visit,
        "study_day": day,
        "date": None,
        "bleeding": False,
        "rescue_therapy": False,
    }
    return {**about, "platelets_1e9_per_l": number}


def sample(hours, level=1.0):
    about = {
        "subject": "S01",
        "planned_time_h": hours,
        "actual_time_h": None,
        "below_quantification": False,
        "lloq": 10.0,
    }
    return {**about, "concentration_cells_per_ml": level}


def statuses(study, files, today=LATER):
    found = planned_assessments(study, files, today)
    return {" ".join(filter(None, (one.assessment, one.planned, one.test))): one.status for one in found}


def test_every_planned_assessment_is_done_missing_without_result_or_outside_its_window():
    study = study_of(Subject("S01", "A", "A", "F", WEEKLY[:3]))
    virus = {"subject": "S01", "visit": None, "study_day": 30, "date": None, "virus": "HBV", "result": "negative"}
    antibody = {"subject": "S01", "timepoint": "before", "study_day": 1, "date": None, "titre": 0.0, "result": None}
    files = {
        "platelets": [count(-1, "D-1"), count(12, "W1"), count(16, "W2", None)],
        "msc_concentration": [sample(-0.5)],
        "antibodies": [antibody],
        "viruses": [virus],
    }
    assert statuses(study, files) == {
        "infusions infusion 1": "done",
        "infusions infusion 2": "done",
        "infusions infusion 3": "done",
        "infusions infusion 4": "missing",
        "platelets D-1": "done",
        "platelets W1": "outside the window",
        "platelets W2": "not done",
        "msc_concentration -0.5 h": "done",
        "msc_concentration 24 h": "missing",
        "antibodies day 1": "not done",
        "antibodies day 24": "missing",
        "viruses W4 HBV": "done",
        "viruses W4 HIV": "missing",
    }


def test_what_is_planned_later_or_for_others_is_not_missing():
    man = Subject("S01", "A", "more", "M", WEEKLY)
    found = statuses(study_of(man), {}, today=FIRST + datetime.timedelta(days=20))
    assert not [name for name in found if name.startswith(("msc", "antibodies"))]
    assert found["platelets W1"] == "missing"
    assert found["viruses W4 HBV"] == "not due yet"
    assert statuses(study_of(Subject("S01", "A", "A", "F", ())), {}) == {}


def test_an_infusion_on_another_day_is_outside_its_window():
    late = (*WEEKLY[:3], FIRST + datetime.timedelta(30))
    assert statuses(study_of(Subject("S01", "A", "A", "M", late)), {})["infusions infusion 4"] == "outside the window"


@pytest.fixture
def folder(tmp_path):
    head = "subject,visit,study_day,date,platelets_1e9_per_l,bleeding,rescue_therapy"
    rows = ["S01,D-1,-1,,9,false,false", "S01,W2,15,,40,false,false"]
    (tmp_path / "platelets.csv").write_text("\n".join([head, *rows]), encoding="utf-8")
    head = "subject,timepoint,study_day,date,titre,result"
    (tmp_path / "antibodies.csv").write_text(f"{head}\nS01,before,1,,0,negative\n", encoding="utf-8")
    return tmp_path


def test_check_notes_each_missing_assessment_by_name(folder):
    notes = list(schedule_notes(study_of(Subject("S01", "A", "A", "M", WEEKLY[:3]), folder=folder), LATER))
    assert notes == [
        "study.yaml, infusion_dates: 1 of 4 planned are missing: S01 infusion 4 (day 22)",
        "platelets.csv: 1 of 3 planned are missing: S01 W1 (day 8)",
        "antibodies.csv: 1 of 2 planned are missing: S01 day 24",
        "viruses.csv: the study has no such file, and 2 planned assessments are due",
    ]
    unplanned = dataclasses.replace(
        study_of(Subject("S01", "A", "A", "M", WEEKLY), folder=folder), assessments=AssessmentRules()
    )
    assert list(schedule_notes(unplanned, LATER)) == [
        "platelets.csv, antibodies.csv: study.yaml declares no schedule (assessments: schedule:), "
        "so what is missing cannot be told"
    ]


def test_the_page_says_what_is_missing_and_whom_the_denominators_leave_out():
    study = study_of(Subject("S01", "A", "A", "F", WEEKLY), Subject("S02", "A", "A", "M", WEEKLY))
    found = assess(study, {"platelets": [count(-1, "D-1"), *(count(day, None, 60.0) for day in (8, 15, 22, 29))]})
    planned = found.tables["planned"]
    assert set(planned[planned["subject"] == "S02"].query("assessment == 'platelets'")["status"]) == {"missing"}
    shares = found.tables["incidence"].set_index(["measure", "dose_group"])
    assert shares.loc[("response (CR or R)", "all"), ["n", "left_out"]].to_list() == [1, "S02"]
    page = markdown(found.tables, found.facts, study.assessments)
    assert "| S02 | A | platelets | W1 | 8 | - | missing |" in page
    assert "| platelets | response (CR or R) | 1 | S02 |" in page
