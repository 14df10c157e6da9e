"""Percents without counts: values and changes are there, intervals of counting are not, and it is said."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from immunomon.assurance.verify.imported import verify_imported
from immunomon.errors import BadSpec
from immunomon.runs.imported_override import CountDecision, decide_count
from immunomon.runs.imported_rows import read_tidy
from immunomon.runs.importing import Source, import_rows
from immunomon.runs.opened import open_run
from immunomon.study.specs.study import load_study
from immunomon.trial.model.analysis import default_plan
from immunomon.trial.statistics.analyse import analyse
from immunomon.trial.statistics.facts import facts_of

STUDY = """schema: immunomon.study/2
name: OLD
subjects: [{id: S1}, {id: S2}, {id: S3}]
visits: [{label: V1, baseline: true, planned_day: 1}, {label: V2, planned_day: 29}]
panels: [{panel: treg, strategy: treg}]
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare")
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    rows = ["subject,visit,population,parent,count,parent_count,percent_of_parent"]
    for number, subject in enumerate(("S1", "S2", "S3")):
        for visit, percent in (("V1", 4.0), ("V2", 5.0 + number)):
            rows += [
                f"{subject},{visit},t_cells,lymphocytes,4000,9000,",
                f"{subject},{visit},cd4,t_cells,,,",
                f"{subject},{visit},treg,cd4,,,{percent}",
            ]
    (folder / "old.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    study = load_study(folder)
    read, notes, sha256 = read_tidy(folder / "old.csv", study)
    import_rows(study, read, folder / "run", sources=[Source(folder / "old.csv", sha256, "tidy CSV")])
    return folder / "run", notes


def test_it_is_said_that_there_are_no_intervals(imported):
    run, notes = imported
    assert any("6 percents without a count and without the parent's: they have no interval" in note for note in notes)
    populations = pd.read_parquet(run / "tables" / "populations.parquet").set_index("population")
    assert populations.loc["treg", "gate_note"].str.contains("a percent without counts: no interval").all()


def test_values_are_there_and_intervals_are_not(imported):
    table = pd.read_parquet(imported[0] / "tables" / "frequencies.parquet")
    bare = table[(table["population"] == "treg") & table["is_parent"]]
    assert sorted(bare["percent"]) == [4.0, 4.0, 4.0, 5.0, 6.0, 7.0]
    assert bare["reportable"].all()
    assert bare[["count", "percent_low", "percent_high", "percent_total_low"]].isna().all(axis=None)
    # Of another denominator nothing can be had without counts.
    others = table[(table["population"] == "treg") & ~table["is_parent"]]
    assert len(others)
    assert others["percent"].isna().all()
    counted = table[(table["population"] == "t_cells") & table["is_parent"]]
    assert counted["percent_low"].notna().all()


def test_changes_are_of_the_percents_and_have_no_error_of_counting(imported):
    run = open_run(imported[0])
    changes = run.table("changes")
    later = changes[(changes["population"] == "treg") & (changes["visit"] == "V2")].dropna(subset=["change"])
    expected = [math.log(p / (100 - p)) - math.log(4 / 96) for p in (5, 6, 7)]
    np.testing.assert_allclose(later["log_odds_change"].astype(float), expected)
    assert later["counting_se"].isna().all()
    facts = facts_of(run.record)
    tables = {name: run.table(name) for name in ("changes", "frequencies", "medians")}
    analysis = analyse(tables, facts, default_plan(facts.visits), models=False)
    patients = analysis.tables["patient_changes"]
    own = patients[(patients["population"] == "treg") & patients["change"].notna()]
    assert own["se_counting"].isna().all()
    assert set(own["covers"]) == {"assay"}
    np.testing.assert_allclose(own["change"].astype(float), expected)


def test_verify_says_what_it_cannot_check(imported):
    run = open_run(imported[0])
    verdict = verify_imported(run.folder, run.record)
    assert verdict.differences == ()
    assert any("percents imported without counts" in line for line in verdict.unchecked)


def test_a_percent_beyond_100_is_refused(imported, tmp_path):
    study = load_study(imported[0].parent)
    (tmp_path / "t.csv").write_text("subject,visit,population,percent_of_parent\nS1,V1,cd4,101\n", encoding="utf-8")
    with pytest.raises(BadSpec, match="101 is no percent"):
        read_tidy(tmp_path / "t.csv", study)


def test_a_percent_has_counts_where_the_parents_own_row_has_one(imported, tmp_path):
    study = load_study(imported[0].parent)
    text = "subject,visit,population,parent,count,parent_count,percent_of_parent\n"
    rows = ("treg,cd4,,,5", "cd4,t_cells,,,50", "t_cells,lymphocytes,4000,9000,")
    (tmp_path / "t.csv").write_text(text + "".join(f"S1,V1,{row}\n" for row in rows), encoding="utf-8")
    read, notes, _ = read_tidy(tmp_path / "t.csv", study)
    assert [(row.count, row.parent_count, row.percent) for row in read] == [
        (100, 2000, None),
        (2000, 4000, None),
        (4000, 9000, None),
    ]
    assert notes == []


def test_a_count_in_place_of_a_bare_percent_is_taken_back_to_the_percent_and_never_exceeds_its_parent(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    lines = ["S1,V1,t_cells,root,500,800,", "S1,V1,cd4,t_cells,,,", "S1,V1,treg,cd4,,,5.5"]
    header = "subject,visit,population,parent,count,parent_count,percent_of_parent"
    (tmp_path / "old.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    study, run = load_study(tmp_path), tmp_path / "run"
    rows, _, sha256 = read_tidy(tmp_path / "old.csv", study)
    import_rows(study, rows, run, sources=[Source(tmp_path / "old.csv", sha256, "tidy CSV")])
    for population, count in (("treg", 12), ("treg", None)):
        decide_count(run, study, CountDecision("treg_S1_V1", population, count, "me", "recount"))
    table = pd.read_parquet(run / "tables" / "frequencies.parquet").set_index("population")
    assert (table.loc["treg", "sample_id"], table.loc["treg", "percent"]) == ("treg_S1_V1", 5.5)
    with pytest.raises(BadSpec, match="900 events in a parent of 800"):
        decide_count(run, study, CountDecision("treg_S1_V1", "t_cells", 900, "me", "recount"))
