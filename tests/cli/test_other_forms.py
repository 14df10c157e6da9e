"""Studies of other forms: no doses, no planned days, no baseline, donors who are no subjects."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from immunomon.errors import BadSpec
from immunomon.study.model.study import NO_GROUP
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study

HEALTHY = """schema: immunomon.study/2
name: HEALTHY
subjects: [{id: H01}, {id: H02}]
donors: [{id: D1}, {id: D2, note: frozen 2025-01}]
visits: [{label: once}]
panels: [{panel: treg, strategy: treg}]
"""


def written(folder: Path, text: str) -> Path:
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    return folder


def test_healthy_donors_seen_once_need_neither_dose_nor_day_nor_baseline(tmp_path):
    study = load_study(written(tmp_path, HEALTHY))
    assert {subject.dose_group for subject in study.subjects} == {NO_GROUP}
    assert study.visits[0].planned_day is None
    assert study.baseline is None


def test_an_arm_may_get_no_cells_and_a_subject_of_several_arms_names_its_own(tmp_path):
    arms = HEALTHY + "dose_groups: [{name: control}, {name: cells, cells_per_kg: 1.0e6}]\n"
    with pytest.raises(BadSpec, match="dose_group: is missing"):
        load_study(written(tmp_path, arms))
    named = arms.replace("{id: H01}, {id: H02}", "{id: H01, dose_group: control}, {id: H02, dose_group: cells}")
    study = load_study(written(tmp_path, named))
    assert [group.cells_per_kg for group in study.dose_groups] == [None, 1e6]


def test_the_first_form_still_demands_what_it_did(tmp_path):
    with pytest.raises(BadSpec) as raised:
        load_study(written(tmp_path, HEALTHY.replace("study/2", "study/1")))
    paths = {problem.path for problem in raised.value.problems}
    assert {"dose_groups", "subjects[0].dose_group", "visits[0].planned_day", "visits", "donors"} <= paths


def test_a_donor_is_no_subject_and_a_bridge_sample_names_a_donor(tmp_path):
    with pytest.raises(BadSpec, match="is a subject, too"):
        load_study(written(tmp_path, HEALTHY.replace("id: D1", "id: H01")))
    study = load_study(written(tmp_path, HEALTHY))
    rows = "file,subject,visit,panel,role,batch\na.fcs,D1,,treg,bridge,B1\nb.fcs,H01,once,treg,sample,B1\n"
    listed = tmp_path / "samples.csv"
    listed.write_text(rows, encoding="utf-8")
    assert [sample.subject for sample in load_samples(listed, study)] == ["D1", "H01"]
    listed.write_text(rows.replace("D1,,", "H01,,"), encoding="utf-8")
    with pytest.raises(BadSpec, match="no donor named 'H01'"):
        load_samples(listed, study)
    undeclared = load_study(
        written(tmp_path, HEALTHY.replace("donors: [{id: D1}, {id: D2, note: frozen 2025-01}]\n", ""))
    )
    listed.write_text(rows, encoding="utf-8")
    with pytest.raises(BadSpec, match="no subject named 'D1'; list the donor under 'donors'"):
        load_samples(listed, undeclared)


def without(run: Path, *, doses: bool, days: bool, group: str = "") -> None:
    """Take the doses or the days of visits out of a made-up run; with a group, everybody is in it."""
    path = run / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    changes = pd.read_parquet(run / "tables" / "changes.parquet")
    for entry in record["study"]["dose_groups"] if doses else ():
        entry["cells_per_kg"] = None
    if group:
        record["study"] |= {"dose_groups": [{"name": group, "cells_per_kg": None}], "cohorts": []}
        for subject in record["study"]["subjects"]:
            subject["dose_group"] = group
        changes = changes.assign(dose_group=group)
    for visit in record["study"]["visits"] if days else ():
        visit["planned_day"] = None
    if days:
        changes = changes.assign(planned_day=pd.NA, study_day=pd.NA).astype(
            {"planned_day": "Int64", "study_day": "Int64"}
        )
    path.write_text(json.dumps(record), encoding="utf-8")
    changes.to_parquet(run / "tables" / "changes.parquet")


def test_without_doses_nothing_is_tested_over_dose_and_all_else_is(made_up_run, command):
    without(made_up_run, doses=True, days=False)
    assert command("compare", made_up_run)[0] == 0
    trends = pd.read_parquet(made_up_run / "statistics" / "trends.parquet")
    assert trends.loc[trends["kind"] == "dose", "note"].str.contains("fewer than two doses").all()
    assert trends.loc[trends["kind"] == "visits", "p"].notna().any()
    estimates = pd.read_parquet(made_up_run / "statistics" / "estimates.parquet")
    assert set(estimates["dose_group"]) == {"A", "B", "C", "all"}


def test_without_groups_and_days_there_are_changes_and_no_rates(made_up_run, command):
    without(made_up_run, doses=True, days=True, group=NO_GROUP)
    status, out, err = command("compare", made_up_run)
    assert status == 0, out + err
    folder = made_up_run / "statistics"
    assert set(pd.read_parquet(folder / "estimates.parquet")["dose_group"]) == {"all"}
    courses = pd.read_parquet(folder / "courses.parquet")
    assert courses[["first_day", "rate_per_week", "area_weeks"]].isna().all(axis=None)
    assert courses["reason"].str.contains("no study day is known").all()
    changes = pd.read_parquet(folder / "patient_changes.parquet")
    assert changes["day"].isna().all()
    assert changes["change"].notna().any()
    assert NO_GROUP not in (folder / "summary.md").read_text(encoding="utf-8")
    assert command("power", made_up_run)[0] == 0
    status, out, err = command("mechanism", made_up_run)
    assert status == 0, out + err
