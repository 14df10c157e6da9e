import datetime
from pathlib import Path

import pytest

from immunomon.study.model.reportability import Reportability
from immunomon.study.model.study import Cohort, DoseGroup
from immunomon.study.model.uses import PanelUse
from immunomon.study.model.visits import Visit
from immunomon.study.specs.study import load_study

STUDY = """\
schema: immunomon.study/1
name: DEMO
title: A demo
dose_groups:
  - {name: A, cells_per_kg: 0.5e6, infusion_days: [1, 8]}
  - {name: B, cells_per_kg: 1.0e6}
cohorts:
  - {name: first, dose_group: A, planned_subjects: 3}
  - {name: more, dose_group: B, planned_subjects: 6, expansion: true}
subjects:
  - {id: S01, dose_group: A, cohort: first, sex: F, infusion_dates: [2025-01-13, 2025-01-20], flags: {rituximab: true}}
  - {id: S02, dose_group: B}
visits:
  - {label: D-1, planned_day: -1, window_days: [-7, -1], baseline: true}
  - {label: W2, planned_day: 15, window_days: [12, 18]}
  - {label: W4, planned_day: 29}
panels:
  - {panel: treg, strategy: treg}
  - {panel: nk, strategy: nk}
compensation: {source: file}
samples: list.csv
reportability: {min_parent_events: 200, lod_events: 20, lloq_events: 50, populations: {nk: {lloq_events: 30}}}
"""


def test_a_study_is_read_as_written(write):
    study = load_study(write(STUDY, "study.yaml"))
    assert study.dose_groups == (DoseGroup("A", 500000.0, (1, 8)), DoseGroup("B", 1000000.0))
    assert study.cohorts == (Cohort("first", "A", 3), Cohort("more", "B", 6, expansion=True))
    assert study.subjects[0].infusion_dates == (datetime.date(2025, 1, 13), datetime.date(2025, 1, 20))
    assert study.subjects[0].flags == {"rituximab": True}
    assert (study.subjects[1].sex, study.subjects[1].cohort) == ("U", None)
    assert study.visits[1:] == (Visit("W2", 15, (12, 18)), Visit("W4", 29))
    assert study.baseline.label == "D-1"
    assert study.panels == (PanelUse("treg", "treg"), PanelUse("nk", "nk"))
    assert study.samples_file == Path("list.csv")


def test_a_study_is_found_in_its_folder_too(write):
    path = write(STUDY, "study.yaml")
    assert load_study(path.parent) == load_study(path)
    assert load_study(path).folder == path.parent


def test_a_population_s_own_limits_leave_the_others_as_they_are_for_all(write):
    limits = load_study(write(STUDY, "study.yaml")).reportability
    assert limits.of("nk") == Reportability(200, 20, 30)
    assert limits.of("treg").lloq_events == 50


def test_a_study_says_whether_doubts_withhold_and_which_are_accepted(write):
    plain = load_study(write(STUDY, "study.yaml")).reportability
    assert plain.withholds("weak_stain")
    assert plain.withholds("visit_outlier")
    said = "reportability: {doubts: withhold, accepted_doubts: [visit_outlier], parts_percent: [80, 110], "
    own = load_study(write(STUDY.replace("reportability: {", said), "study.yaml")).reportability
    assert (own.withholds("weak_stain"), own.withholds("visit_outlier"), own.parts_percent) == (True, False, (80, 110))
    said = "reportability: {doubts: report, "
    assert not load_study(write(STUDY.replace("reportability: {", said), "study.yaml")).reportability.withholds(
        "saturated"
    )


def test_a_doubt_that_does_not_exist_cannot_be_accepted(write, problems_of):
    path = write(STUDY.replace("reportability: {", "reportability: {accepted_doubts: [weak_stains], "), "study.yaml")
    assert problems_of(lambda: load_study(path)) == [
        "line 22: reportability.accepted_doubts[0]: no doubt with the code 'weak_stains'; did you mean 'weak_stain'?; "
        "see docs/trust.md for the codes"
    ]


def test_a_study_s_own_panels_are_found(write, problems_of):
    text = STUDY.replace("panel: nk, strategy: nk", "panel: mine, strategy: mine")
    path = write(text, "study.yaml")
    assert [one.split(";")[0] for one in problems_of(lambda: load_study(path))] == [
        "line 19: panels[1].panel: no panel (shipped, or in the study's folder panels/) named 'mine'",
        "line 19: panels[1].strategy: no strategy (shipped, or in the study's folder gating/) named 'mine'",
    ]
    write("", "panels/mine.yaml")
    write("", "gating/mine.yaml")
    assert load_study(path).strategy_of("mine") == "mine"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "study/1",
            "study/9",
            "line 1: schema: 'immunomon.study/9' is not one of 'immunomon.study/1' or 'immunomon.study/2'",
        ),
        ("cohorts:", "cohort:", "line 7: cohort: no such key here; did you mean 'cohorts'?"),
        ("0.5e6", "-1", "line 5: dose_groups[0].cells_per_kg: should be greater than or equal to 0.0, not -1"),
        ("0.5e6", "half", "line 5: dose_groups[0].cells_per_kg: should be a number, not 'half'"),
        (
            "[1, 8]",
            "[0, 8]",
            "line 5: dose_groups[0].infusion_days: there is no Day 0: the first infusion is Day 1 and",
        ),
        ("[1, 8]", "[2, 8]", "line 5: dose_groups[0].infusion_days: the first infusion is on day 2, but Day 1 is"),
        ("[1, 8]", "[1, 8, 8]", "line 5: dose_groups[0].infusion_days[2]: day 8 is not after 8; put them in order"),
        (
            "name: B",
            "name: a",
            "line 6: dose_groups[1].name: 'a' is the name of dose_groups[0] already; choose another",
        ),
        (
            "name: B",
            "name: all",
            "line 6: dose_groups[1].name: 'all' stands for all dose groups together in the tables",
        ),
        (
            "name: more",
            "name: first",
            "line 9: cohorts[1].name: 'first' is the name of cohorts[0] already; choose another",
        ),
        (
            "first, dose_group: A",
            "first, dose_group: AA",
            "line 8: cohorts[0].dose_group: no dose group named 'AA'; did you",
        ),
        (
            "S01, dose_group: A",
            "S01, dose_group: D",
            "line 11: subjects[0].dose_group: no dose group named 'D'; known are: A",
        ),
        ("S01, dose_group: A, ", "S01, ", "line 11: subjects[0].dose_group: is missing; add 'dose_group: ...'"),
        (
            "cohort: first",
            "cohort: frist",
            "line 11: subjects[0].cohort: no cohort named 'frist'; did you mean 'first'?",
        ),
        (
            "cohort: first",
            "cohort: more",
            "line 11: subjects[0].cohort: cohort 'more' has dose group 'B', the subject 'A'",
        ),
        ("sex: F", "sex: f", "line 11: subjects[0].sex: 'f' is not one of 'F', 'M' or 'U'; write one of them"),
        (
            "2025-01-20]",
            "20.01.2025]",
            "line 11: subjects[0].infusion_dates[1]: '20.01.2025' may be 2025-01-20; write it as year-",
        ),
        (
            "2025-01-20]",
            "2025-01-20, 2025-01-27, 2025-02-03]",
            "line 11: subjects[0].infusion_dates: 4 infusion dates, but dose group 'A' plans",
        ),
        (
            "2025-01-20]",
            "2025-02-30]",
            "line 11: subjects[0].infusion_dates[1]: '2025-02-30' is not a date; write it as",
        ),
        ("2025-01-20]", "2025-01-06]", "line 11: subjects[0].infusion_dates[1]: infusion date 2025-01-06 is not after"),
        (
            "rituximab: true",
            "rituximab: maybe",
            "line 11: subjects[0].flags.rituximab: should be true or false, not 'maybe'",
        ),
        ("id: S02", "id: S01", "line 12: subjects[1].id: 'S01' is the id of subjects[0] already; choose another"),
        ("id: S02", "id: 002", "line 12: subjects[1].id: should be text, not 002; write it in quotes: '002'"),
        ("planned_day: 15", "planned_day: 0", "line 15: visits[1].planned_day: there is no Day 0"),
        ("[12, 18]", "[0, 18]", "line 15: visits[1].window_days: there is no Day 0"),
        ("[12, 18]", "[16, 18]", "line 15: visits[1].window_days: the planned day 15 is outside the window 16 to 18"),
        (
            "[12, 18]",
            "[18, 12]",
            "line 15: visits[1].window_days: the window ends on day 12, before it starts on day 18",
        ),
        ("[12, 18]", "[12]", "line 15: visits[1].window_days: should be of at least 2 items, not a list"),
        (
            "planned_day: 29",
            "planned_day: 15",
            "line 16: visits[2].planned_day: visit 'W4' on day 15 is not after 'W2' on",
        ),
        ("label: W4", "label: W2", "line 16: visits[2].label: 'W2' is the label of visits[1] already; choose another"),
        (
            ", baseline: true",
            "",
            "line 13: visits: no visit is the baseline; add 'baseline: true' to the visit changes are",
        ),
        (
            "planned_day: 29",
            "planned_day: 29, baseline: true",
            "line 16: visits[2].baseline: 'W4' is a second baseline, after",
        ),
        (
            "panel: nk",
            "panel: nkk",
            "line 19: panels[1].panel: no panel (shipped, or in the study's folder panels/) named 'nkk'",
        ),
        (
            "panel: nk",
            "panel: treg",
            "line 19: panels[1].panel: 'treg' is the panel of panels[0] already; choose another",
        ),
        (
            "strategy: nk",
            "strategy: tregs",
            "line 19: panels[1].strategy: no strategy (shipped, or in the study's folder",
        ),
        ("source: file", "source: matrix", "line 20: compensation.path: 'source: matrix' needs the matrix; add 'path:"),
        (
            "source: file",
            "source: matrix, path: m.csv",
            "line 20: compensation.path: there is no file 'm.csv'; correct the",
        ),
        (
            "source: file",
            "source: none, path: m.csv",
            "line 20: compensation.path: 'source: none' reads no file; remove",
        ),
        (
            "source: file",
            "source: tube",
            "line 20: compensation.source: 'tube' is not one of 'file', 'matrix' or 'none'",
        ),
        (
            "lod_events: 20",
            "lod_events: 60",
            "line 22: reportability: the limit of detection (60 events) is above the limit",
        ),
        (
            "lloq_events: 30",
            "lloq_events: 10",
            "line 22: reportability.populations.nk: the limit of detection (20 events)",
        ),
        (
            "lloq_events: 30",
            "lloq_event: 30",
            "line 22: reportability.populations.nk.lloq_event: no such key here; did you",
        ),
    ],
)
def test_each_mistake_is_told_with_line_place_and_remedy(write, problems_of, old, new, expected):
    assert old in STUDY
    told = problems_of(lambda: load_study(write(STUDY.replace(old, new, 1), "study.yaml")))
    assert any(one.startswith(expected) for one in told), told


def test_a_baseline_visit_that_lost_its_shape_is_not_called_missing(write, problems_of):
    text = STUDY.replace("planned_day: -1", "planned_day: first")
    assert problems_of(lambda: load_study(write(text, "study.yaml"))) == [
        "line 14: visits[0].planned_day: should be a whole number, not 'first'; correct the value"
    ]


def test_a_dose_group_that_lost_its_shape_is_not_called_unknown(write, problems_of):
    text = STUDY.replace("0.5e6", "much")
    assert len(problems_of(lambda: load_study(write(text, "study.yaml")))) == 1
