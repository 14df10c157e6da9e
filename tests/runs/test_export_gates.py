"""Placed gates written as Gating-ML 2.0, read by FlowKit and by ourselves."""

import json

import numpy as np
import pytest

from immunomon.api.export_gates import EXPORTS
from immunomon.cli.export_gates import export_gates
from immunomon.cytometry.formats.gatingml import read_gatingml
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import BadSpec, ImmunomonError, UnknownName
from immunomon.runs.folder import RunFolder
from immunomon.runs.placed import apply_to_file, placed_in_run
from immunomon.runs.single import analyse
from immunomon.study.specs.catalog import find_panel
from immunomon.study.specs.panel import load_panel

FIXED = """\
schema: immunomon.strategy/1
name: fixed
label: Fixed borders
version: 1
panel: treg
scales:
  fluorescence: {kind: logicle, t: 262144, w: 0.7}
  CD25: {kind: asinh, t: 262144, m: 4.5, a: 0.5}
populations:
  - {id: cells, parent: root, gate: {method: rectangle, sides: [{axis: FSC-A, low: 20000}, {axis: SSC-A, high: 90000}]}}
  - {id: cd4, parent: cells, gate: {method: interval, axis: CD4, low: 2000}}
  - {id: round, parent: cd4, gate: {method: ellipse, x: CD4, y: CD25, center: [0.7, 0.5],
     covariance: [[0.02, 0.002], [0.002, 0.03]]}}
  - {id: corner, parent: cd4, gate: {method: polygon, x: CD4, y: CD25,
     vertices: [[900, 500], [90000, 500], [900, 90000]]}}
  - {id: neither, parent: cells, gate: {method: boolean, operator: not, of: [round, corner]}}
  - {id: both, parent: cd4, gate: {method: boolean, operator: and, of: [round, corner]}}
"""


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    assert export_gates(str(finished), "gatingml", folder) == 0
    return folder


@pytest.fixture(scope="module")
def placed_samples(finished):
    files = {item["sample_id"]: item["file"] for item in json.loads((finished / "run.json").read_text())["files"]}
    return {sample_id: (files[sample_id], placed) for sample_id, placed in placed_in_run(finished)}


@pytest.fixture(scope="module")
def fixed_strategy(tmp_path_factory):
    path = tmp_path_factory.mktemp("fixed") / "fixed.yaml"
    path.write_text(FIXED, encoding="utf-8")
    return path


def flowkit_members(document, file):
    import flowkit as fk

    strategy = fk.parse_gating_xml(str(document))
    results = strategy.gate_sample(fk.Sample(file))
    return {name: results.get_gate_membership(name) for name, _ in strategy.get_gate_ids()}


def test_a_written_sample_reads_back_to_the_same_gates_axes_and_matrix(exported, placed_samples):
    assert len(placed_samples) >= 12
    for sample_id, (_, placed) in placed_samples.items():
        again = read_gatingml(exported / f"{sample_id}.xml")
        assert (again.name, again.axes, again.matrices) == (placed.name, placed.axes, placed.matrices)
        assert [(p.id, p.label, p.parent, p.path, p.method, p.gate) for p in again.populations] == [
            (p.id, p.label, p.parent, p.path, p.method, p.gate) for p in placed.populations
        ]


def test_flowkit_finds_the_same_events_in_every_population_of_a_run(exported, placed_samples, trial, finished):
    for sample_id, (file, placed) in placed_samples.items():
        measured = json.loads((finished / "samples" / f"{sample_id}.json").read_text())["gates"]["populations"]
        ours = apply_to_file(trial / file, placed)
        theirs = flowkit_members(exported / f"{sample_id}.xml", trial / file)
        assert set(theirs) == set(ours.memberships) == {item["population"] for item in measured}
        for name, mask in ours.memberships.items():
            np.testing.assert_array_equal(theirs[name], mask, err_msg=f"{sample_id}: {name}")


def test_the_gates_of_a_run_hold_what_the_run_counted(placed_samples, trial, finished):
    for sample_id, (file, placed) in placed_samples.items():
        counted = RunFolder(finished).read_sample(sample_id)["measured"]["counts"]
        applied = apply_to_file(trial / file, placed)
        assert {name: applied.size(name) for name in placed.ids} == counted, file


def test_a_strategy_with_fixed_borders_is_written_without_data_and_gates_the_same(fixed_strategy, trial, tmp_path):
    out = tmp_path / "fixed.xml"
    assert export_gates(str(fixed_strategy), "gatingml", out) == 0
    file = next(path for path in sorted((trial / "fcs").rglob("*_treg.fcs")))
    strategy = load_strategy(fixed_strategy, methods=GATE_METHODS)
    run = analyse(file, strategy, panel=load_panel(find_panel("treg")), with_plots=False).tree
    applied = apply_to_file(file, read_gatingml(out))
    theirs = flowkit_members(out, file)
    assert run.size("both")
    assert run.size("neither")
    for name in strategy.ids:
        np.testing.assert_array_equal(applied.memberships[name], run.memberships[name], err_msg=name)
        np.testing.assert_array_equal(theirs[name], run.memberships[name], err_msg=name)


def test_a_strategy_whose_gates_need_data_is_refused_with_the_remedy():
    with pytest.raises(BadSpec, match=r"cd4: gate 'valley' is placed on each file's events; run a study") as caught:
        export_gates("treg", "gatingml", None)
    assert all(problem.file.endswith("treg.yaml") for problem in caught.value.problems)


def test_a_scale_whose_width_comes_from_data_is_refused(fixed_strategy, tmp_path):
    path = tmp_path / "auto.yaml"
    path.write_text(FIXED.replace("w: 0.7", "w: auto"), encoding="utf-8")
    with pytest.raises(BadSpec, match=r"scales\.CD4: w not declared, but found on the files"):
        export_gates(str(path), "gatingml", None)


def test_a_strategy_is_printed_where_no_file_is_named(fixed_strategy, capsys):
    assert export_gates(str(fixed_strategy), "gatingml", None) == 0
    assert "<gating:EllipsoidGate" in capsys.readouterr().out


def test_a_folder_without_a_run_and_an_unknown_format_are_refused(tmp_path):
    with pytest.raises(ImmunomonError, match="no finished run here; make it with: immunomon run"):
        export_gates(str(tmp_path), "gatingml", None)
    with pytest.raises(UnknownName, match="did you mean 'gatingml'"):
        export_gates(str(tmp_path), "gatingm", None)
    assert "gatingml" in EXPORTS


def test_a_population_that_was_not_placed_is_left_out_and_said(finished, tmp_path, capsys):
    import shutil

    run = shutil.copytree(finished, tmp_path / "run")
    path = next(iter(sorted((run / "samples").glob("*treg*.json"))))
    data = json.loads(path.read_text())
    item = next(item for item in data["gates"]["populations"] if item["population"] == "treg")
    item["gate"], item["failure"] = None, "too few events"
    path.write_text(json.dumps(data))
    assert export_gates(str(run), "gatingml", tmp_path / "out") == 0
    assert f"{path.stem}: without treg, treg_memory, treg_activated, which were not placed" in capsys.readouterr().err
    assert "treg" not in read_gatingml(tmp_path / "out" / f"{path.stem}.xml").ids
