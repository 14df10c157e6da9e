"""Counts that were gated elsewhere become a run like any other: the same values, changes and tests, and it says so."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from immunomon.errors import BadSpec, ImmunomonError, NotARunFolder
from immunomon.runs.audit import AuditTrail
from immunomon.runs.imported_rows import check_rows, read_tidy
from immunomon.runs.importing import Source, import_rows
from immunomon.runs.lock import Reason
from immunomon.runs.run import run_study
from immunomon.study.specs.study import load_study

STUDY = """schema: immunomon.study/2
name: OLD
subjects: [{id: S1}, {id: S2}]
visits: [{label: V1, baseline: true}, {label: V2}]
panels: [{panel: treg, strategy: treg}]
reportability: {min_parent_events: 20, lod_events: 3, lloq_events: 5}
"""
HEAD = "subject,visit,population,count,parent,parent_count\n"
ROWS = [
    f"{subject},{visit},{row}\n"
    for subject in ("S1", "S2")
    for visit in ("V1", "V2")
    for row in ("CD4+,400,Lymphocytes,1000", "CD4+ CD25hi,25,CD4+,400")
]


@pytest.fixture
def study(tmp_path):
    """A study without a sample list and without FCS files."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    return folder


def imported(study: Path, text: str, *, out: Path | None = None, why: Reason | None = None, name: str = "old.csv"):
    path = study / name
    path.write_text(text, encoding="utf-8")
    declared = load_study(study)
    rows, _, digest = read_tidy(path, declared)
    return import_rows(declared, rows, out or study / "run", sources=[Source(path, digest, "tidy CSV")], why=why)


def test_who_imported_which_bytes_is_in_the_record_and_the_trail(study):
    imported(study, HEAD + "".join(ROWS), why=Reason("", "A. Analyst"))
    record = json.loads((study / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["imported"]["by"] == "A. Analyst"
    assert [table["file"] for table in record["imported"]["tables"]] == ["old.csv"]
    assert {file["status"] for file in record["files"]} == {"imported"}
    assert AuditTrail(study / "run").problems() == []
    entry = next(entry for entry in AuditTrail(study / "run").entries() if entry["action"] == "import")
    assert entry["tables"] == [{"file": "old.csv", "sha256": record["imported"]["tables"][0]["sha256"]}]


def test_beads_of_the_sample_list_that_nobody_counted_are_refused(study):
    head = "file,subject,visit,panel,role,batch,lymphocytes_per_ul,beads_counted,beads_added,sample_volume_ul\n"
    (study / "samples.csv").write_text(f"{head}a.fcs,S1,V1,treg,sample,1,1500,,50000,100\n", encoding="utf-8")
    with pytest.raises(BadSpec, match="line 2: beads_counted: beads were added, but nobody counts them"):
        imported(study, HEAD + "".join(ROWS))


def test_a_declared_ratio_that_the_table_lacks_a_population_of_is_told(study):
    ratio = "ratios: [{name: treg_cd4, panel: treg, numerator: treg, denominator: cd4, of: lymphocytes}]\n"
    (study / "study.yaml").write_text(STUDY + ratio, encoding="utf-8")
    lacking = "no sample has treg in percent of lymphocytes (panel treg) or cd4 in percent of lymphocytes (panel treg)"
    assert f"ratio 'treg_cd4' is left out: {lacking}" in imported(study, HEAD + "".join(ROWS)).notes
    rows = [row.replace("CD4+ CD25hi,25,CD4+,400", "treg,25,lymphocytes,1000") for row in ROWS]
    rows = [row.replace("CD4+", "cd4").replace("Lymphocytes", "lymphocytes") for row in rows]
    summary = imported(study, HEAD + "".join(rows), out=study / "whole")
    assert not any("is left out" in note for note in summary.notes)
    changes = pd.read_parquet(study / "whole" / "tables" / "changes.parquet")
    assert changes.loc[changes["quantity"] == "ratio", "value"].tolist() == pytest.approx([25 / 400] * 4)


def test_populations_of_other_names_keep_their_own_tree_and_say_so(study):
    summary = imported(study, HEAD + "".join(ROWS))
    assert summary.notes == ("panel 'treg': the populations are the table's own, not those of 'treg'",)
    table = pd.read_parquet(study / "run" / "tables" / "populations.parquet")
    row = table[table["label"] == "CD4+ CD25hi"].iloc[0]
    assert (row["population"], row["parent"], row["percent_of_parent"]) == ("cd4_pos_cd25hi", "cd4_pos", 6.25)
    assert row["gate_method"] == "imported"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("S2,V2,CD4+ CD25hi,25,CD4+,400\n", "", "line 8: population: sample 'treg_S2_V2' has no row for CD4+ CD25hi"),
        ("S2,V2,CD4+ CD25hi,25", "S2,V1,CD4+ CD25hi,25", "line 9: population: 'CD4+ CD25hi' of sample"),
        ("S2,V2,CD4+,400,", "S2,V2,CD4+,1400,", "line 8: count: 1400 events in a parent of 1000"),
        ("S2,V2,CD4+,400,", "S2,V2,CD4+,300,", "line 9: parent_count: 400 events in 'CD4+', but 300 on line 8"),
        ("S2,V2,CD4+,400,", "S2,V2,CD4+,4.5,", "line 8: count: '4.5' is no number of events; write a whole number"),
        ("S2,V2,CD4+,400,", "S2,V2,CD4+,=1+1,", "line 8: count: '=1+1' is not a number"),
        ("S2,V2,CD4+,400,", "S3,V2,CD4+,400,", "line 8: subject: no subject named 'S3'"),
        ("S2,V2,CD4+,400,", "S2,V9,CD4+,400,", "line 8: visit: no visit named 'V9'"),
        ("V2,CD4+ CD25hi,25,CD4+,400", "V2,CD4+ CD25hi,25,Lymphocytes,1000", "parent: the parent of 'CD4+ CD25hi' is"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(study, old, new, told):
    text = HEAD + "".join(ROWS)
    assert old in text
    with pytest.raises(BadSpec) as refused:
        imported(study, text.replace(old, new, 1))
    assert any(told in str(problem) for problem in refused.value.problems), refused.value.problems
    assert not (study / "run").exists()


def test_a_percent_gives_the_count_where_the_parents_is_there_and_none_where_it_is_not(study):
    head = "subject,visit,population,percent_of_parent,parent_count\n"
    imported(study, head + "".join(f"S1,{visit},cd8,12.5,800\n" for visit in ("V1", "V2")))
    table = pd.read_parquet(study / "run" / "tables" / "populations.parquet")
    assert table["count"].tolist() == [100, 100]
    imported(study, head + "S1,V1,cd8,12.5,\n", out=study / "other")
    bare = pd.read_parquet(study / "other" / "tables" / "populations.parquet").set_index("population").loc["cd8"]
    assert (pd.isna(bare["count"]), bare["percent_of_parent"], pd.isna(bare["percent_of_parent_low"])) == (
        True,
        12.5,
        True,
    )


def test_a_percent_that_contradicts_its_counts_is_refused_and_a_rounded_one_is_not(study):
    head = "subject,visit,population,count,parent_count,percent_of_parent\n"
    imported(study, head + "S1,V1,cd8,333,1000,33.3\nS1,V2,cd8,1,3000,0.03\n")
    with pytest.raises(BadSpec, match=r"34.3 %, but 333 of 1000 are 33.3 %"):
        imported(study, head + "S1,V1,cd8,333,1000,34.3\n", out=study / "other")


def test_importing_again_needs_a_reason_and_keeps_the_old_values(study):
    imported(study, HEAD + "".join(ROWS))
    assert imported(study, HEAD + "".join(ROWS)).unchanged
    changed = (HEAD + "".join(ROWS)).replace("CD25hi,25", "CD25hi,40", 1)
    with pytest.raises(ImmunomonError, match=r"it holds other values, imported .*; say why they are replaced"):
        imported(study, changed)
    imported(study, changed, why=Reason("corrected gate", "A. Analyst"))
    old = next((study / "run" / "set-aside").glob("*/import/populations.csv"))
    with old.open(encoding="utf-8", newline="") as lines:
        assert {row["count"] for row in csv.DictReader(lines) if row["label"] == "CD4+ CD25hi"} == {"25"}
    entry = next(e for e in reversed(AuditTrail(study / "run").entries()) if e["action"] == "import")
    assert (entry["reason"], entry["by"], entry["moved_values"]) == ("corrected gate", "A. Analyst", 1)
    assert AuditTrail(study / "run").problems() == []


def test_a_run_of_fcs_files_is_not_replaced_by_an_import_nor_the_other_way_round(study, undisturbed):
    text = HEAD + "".join(ROWS)
    with pytest.raises(NotARunFolder, match="it holds a run of FCS files"):
        imported(study, text, out=shutil.copytree(undisturbed / "run", study / "gated"))
    imported(study, text)
    (study / "samples.csv").write_text("file,subject,visit,panel,role,batch\n", encoding="utf-8")
    with pytest.raises(NotARunFolder, match="it holds values that were imported"):
        run_study(study, study / "run")


def test_what_was_withheld_where_it_was_gated_is_withheld_here(study):
    head = "subject,visit,population,count,parent_count,reportable,reason\n"
    rows = "S1,V1,cd8,100,800,False,in doubt: weak stain\nS1,V2,cd8,3,800,False,below LLOQ: 3 events\n"
    imported(study, head + rows)
    table = pd.read_parquet(study / "run" / "tables" / "frequencies.parquet").set_index("visit")
    assert table.loc["V1", "reason"] == "cd8: withheld where it was gated: in doubt: weak stain"
    assert table.loc["V2", "reason"] == "below LLOQ: 3 events, 5 are needed"


def test_no_rows_are_no_run():
    with pytest.raises(BadSpec, match="there are no rows"):
        check_rows([])
