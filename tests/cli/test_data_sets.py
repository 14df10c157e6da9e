"""A study whose files hold several data sets: which one a run reads, keeps its results by, and says."""

import json

import numpy as np
import pytest
from support.odd_fcs import COARSE, WHOLE, write_lmd

from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.runs.checks.paths import check_paths
from immunomon.runs.run import run_study

STUDY = """\
schema: immunomon.study/1
name: LMD
dose_groups: [{name: A, cells_per_kg: 500000, infusion_days: [1]}]
subjects: [{id: S01, sex: F, dose_group: A, infusion_dates: [2025-03-03]}]
visits: [{label: D-1, planned_day: -1, window_days: [-3, -1], baseline: true}]
panels: [{panel: p, strategy: s}]
compensation: {source: none}
"""
PANEL = """\
schema: immunomon.panel/1
name: p
label: two colours
scatter: [FS]
time: TIME
markers:
  - {marker: CD4, detector: FL1, fluorochrome: FITC, kind: type}
  - {marker: CD8, detector: FL2, fluorochrome: PE, kind: type}
"""
STRATEGY = """\
schema: immunomon.strategy/1
name: s
label: one threshold
version: 1
panel: p
populations:
  - {id: cd4, parent: root, gate: {method: interval, axis: CD4, low: 500}}
report: {cd4: []}
"""
ROW = "a.lmd,S01,D-1,p,sample,1,2025-03-02"


@pytest.fixture
def study(tmp_path):
    for folder, text in (("panels/p.yaml", PANEL), ("gating/s.yaml", STRATEGY), ("study.yaml", STUDY)):
        (tmp_path / folder).parent.mkdir(exist_ok=True)
        (tmp_path / folder).write_text(text, encoding="utf-8")
    write_lmd(tmp_path)
    listed(tmp_path, None)
    return tmp_path


def listed(folder, data_set, panel=PANEL):
    columns, more = ("", "") if data_set is None else (",data_set", f",{data_set}")
    text = f"file,subject,visit,panel,role,batch,collection_date{columns}\n{ROW}{more}\n"
    (folder / "samples.csv").write_text(text, encoding="utf-8")
    (folder / "panels" / "p.yaml").write_text(panel, encoding="utf-8")


def of_run(folder):
    return json.loads((folder / "run" / "samples" / "a.json").read_text(encoding="utf-8"))


COARSE_PANEL = PANEL.replace("FL1", "FL1 Log").replace("FL2", "FL2 Log").replace("[FS]", "[FS Lin]")


def test_the_key_of_a_result_includes_the_data_set_and_the_record_says_which_was_read(study):
    assert run_study(study).complete
    fine = of_run(study)
    assert fine["measured"]["counts"]["cd4"] == (WHOLE[:, 1] >= 500).sum()
    assert fine["data_set"] == 2
    assert "number 2 is read" in fine["deviations"][0]
    listed(study, 1, COARSE_PANEL)
    assert run_study(study).gated == 1
    coarse = of_run(study)
    assert (coarse["data_set"], coarse["measured"]["counts"]["cd4"]) == (1, (COARSE[:, 1] >= 500).sum())
    assert run_study(study).kept == 1
    listed(study, 2)
    run_study(study)
    again = of_run(study)
    assert again["measured"] == fine["measured"]
    assert len({fine["key"], coarse["key"], again["key"]}) == 3


def test_the_check_reads_the_data_set_that_is_listed_and_names_one_that_fits_the_panel(study):
    def problems():
        return [str(problem) for problem in check_paths([study], methods=GATE_METHODS).problems]

    assert problems() == []
    listed(study, 1)
    assert any("data set 1 is read, and data set 2 fits the panel" in problem for problem in problems())
    listed(study, "auto", COARSE_PANEL)
    assert any("data set 2 is read, and data set 1 fits the panel" in problem for problem in problems())
    listed(study, 3)
    assert ["a.lmd: it has no data set 3" in problem for problem in problems()] == [True]
    listed(study, "two")
    assert ["'two' is no data set; count them from 1" in problem for problem in problems()] == [True]


def test_gate_and_export_take_the_data_set_that_is_asked_for_and_say_which_was_read(study, command):
    strategy, panel, file = study / "gating" / "s.yaml", study / "panels" / "p.yaml", study / "a.lmd"
    status, out, err = command("gate", strategy, file, "--panel", panel)
    assert (status, f",{(WHOLE[:, 1] >= 500).sum()},200," in out) == (0, True)
    assert "it holds 2 data sets" in err
    assert "number 2 is read" in err
    status, _, err = command("gate", strategy, file, "--panel", panel, "--data-set", "1")
    assert status == 1
    assert "data set 1 is read, and data set 2 fits the panel: read it with --data-set 2" in err
    listed(study, 1, COARSE_PANEL)
    run_study(study)
    kept = study / "kept.fcs"
    assert command("export-events", study / "run", file, "--population", "cd4", "--out", kept)[0] == 0
    np.testing.assert_array_equal(read_fcs(kept)[1].values, COARSE[COARSE[:, 1] >= 500])
    words = ("export-events", study / "run", file, "--population", "cd4", "--out", kept, "--data-set", "2")
    status, _, err = command(*words)
    assert (status, "the run read data set 1 of a.lmd" in err) == (1, True)
