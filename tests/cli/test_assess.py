from __future__ import annotations

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from immunomon.assurance.simulate.assessments import ADVERSE_EVENT_COLUMNS
from immunomon.cli.main import app
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.errors import BadSpec, ImmunomonError
from immunomon.runs.checks.paths import check_paths
from immunomon.trial.model.tables import ASSESSMENT_TABLES

STUDY = """\
schema: immunomon.study/1
name: DEMO <b>
dose_groups: [{name: A, cells_per_kg: 0.5e6}, {name: B, cells_per_kg: 1e6}]
subjects:
  - {id: S01, dose_group: A, sex: F, infusion_dates: [2025-01-06, 2025-01-13]}
  - {id: S02, dose_group: A, sex: M, infusion_dates: [2025-01-07, 2025-01-14]}
  - {id: S03, dose_group: A, sex: F, infusion_dates: [2025-01-08, 2025-01-15]}
  - {id: S04, dose_group: B, sex: F, infusion_dates: [2025-03-10, 2025-03-17]}
visits: [{label: D-1, planned_day: -1, baseline: true}, {label: W4, planned_day: 29}]
panels: [{panel: treg, strategy: treg}]
"""
FILES = {
    "platelets": "subject,visit,study_day,date,platelets_1e9_per_l,bleeding,rescue_therapy\n"
    + "".join(f"{who},,{day},,{count},false,false\n"
              for who, counts in {"S01": (10, 50, 60), "S02": (10, 12, 11), "S04": (9, 120, 130)}.items()
              for day, count in zip((-1, 15, 29), counts, strict=True)),
    "viruses": "subject,visit,study_day,date,virus,result\nS01,screening,-7,,HBV,negative\nS01,W4,29,,HBV,positive\n",
    "adverse_events": ",".join(ADVERSE_EVENT_COLUMNS) + "\nS02,Chills | <i>,General,3,2,3,true,true,true,,,,,\n",
    "antibodies": "subject,timepoint,study_day,date,titre,result\nS01,pre,1,,0,negative\nS01,post,24,,80,positive\n",
    "msc_concentration": "subject,planned_time_h,actual_time_h,concentration_cells_per_ml,below_quantification,lloq\n"
    + "".join(f"{who},{hours},,{'' if value is None else value},{str(value is None).lower()},10\n"
              for who in ("S01", "S02", "S04")
              for hours, value in ((-0.5, None), (1, 400), (2, 200), (4, 100), (8, 20), (16, None))),
}  # fmt: skip


@pytest.fixture
def study(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    for name, text in FILES.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def assess(*arguments):
    return CliRunner().invoke(app, ["assess", *map(str, arguments)])


def test_a_study_is_assessed_into_a_folder(study):
    said = assess(study, "--out", study / "found")
    assert said.exit_code == 0, said.exception
    assert said.output.startswith("VIRUS CONVERSION: HBV in S01")
    assert "response (CR or R): 2 of 3" in said.output
    for name, table in ASSESSMENT_TABLES.items():
        frame = pd.read_parquet(study / "found" / f"{name}.parquet")
        assert list(frame.columns) == list(table.names)
        assert not frame.duplicated(list(table.key)).any()
        assert len(pd.read_csv(study / "found" / f"{name}.csv")) == len(frame)
    kinetics = pd.read_parquet(study / "found" / "kinetics.parquet")
    assert set(kinetics["subject"]) == {"S01", "S04"}, "men are not analysed as declared"
    record = json.loads((study / "found" / "assessments.json").read_text(encoding="utf-8"))
    assert set(record["inputs"]) == {f"{name}.csv" for name in FILES}
    assert record["rules"]["antibodies"]["boost_factor"] == 4


def test_the_page_raises_a_conversion_first_and_says_its_limits(study):
    assess(study, "--out", study / "found")
    page = (study / "found" / "assessments.md").read_text(encoding="utf-8")
    assert page.index("VIRUS CONVERSION") < page.index("## Safety")
    assert "more patients at this dose" in page
    assert "next dose B was begun when the rule said: more at this dose" in page
    assert "not confirmed by the protocol" in page
    assert "Left out, as declared: S02." in page
    assert "compared with a control arm" in page
    assert "Chills \\| &lt;i>" in page
    assert "people decide" in page


def test_the_same_study_gives_the_same_bytes(study):
    for place in ("one", "two"):
        assess(study, "--out", study / place)
    for path in sorted((study / "one").iterdir()):
        assert path.read_bytes() == (study / "two" / path.name).read_bytes(), path.name


def test_a_study_with_one_file_says_what_is_absent(study):
    for name in FILES:
        if name != "platelets":
            (study / f"{name}.csv").unlink()
    assert assess(study, "--out", study / "found").exit_code == 0
    page = (study / "found" / "assessments.md").read_text(encoding="utf-8")
    for name in ("viruses", "adverse_events", "antibodies", "msc_concentration"):
        assert f"The study has no {name}.csv" in page
    assert pd.read_parquet(study / "found" / "escalation.parquet").empty


def test_nothing_to_assess_and_nowhere_to_write_are_said(study):
    assert "there is no finished run here to write into" in str(assess(study).exception)
    for name in FILES:
        (study / f"{name}.csv").unlink()
    error = assess(study, "--out", study / "found").exception
    assert isinstance(error, ImmunomonError)
    assert "there is nothing to assess" in str(error)
    assert not (study / "found").exists()


def test_check_and_assess_say_the_same_problems(study):
    (study / "platelets.csv").write_text(FILES["platelets"] + "S09,,5,,many,,\n", encoding="utf-8")
    error = assess(study, "--out", study / "found").exception
    assert isinstance(error, BadSpec)
    found = {str(one) for one in check_paths([study], methods=GATE_METHODS).problems}
    assert {str(one) for one in error.problems} <= found
