"""``immunomon gate WORKSPACE FILES`` as a person types it."""

import csv
import io
import json

import numpy as np
import pytest
from support.fcs_files import write_fcs
from support.kaluza import analysis_xml, entry, measurement, shape, write_analysis
from support.workspaces import flowjo_sample, flowjo_workspace, polygon_xml, population, rectangle_xml
from typer.testing import CliRunner

from immunomon.cli.export_gates import export_gates
from immunomon.cli.gate_workspace import gate_workspace
from immunomon.cli.main import app
from immunomon.errors import ImmunomonError

# The corner at 19.9 is in the bin of 20.3 (bins are 3.9 wide): the last event counts only with bins.
SQUARE = [(0, 0), (19.9, 0), (19.9, 500), (0, 500)]


@pytest.fixture
def folder(tmp_path):
    write_fcs(tmp_path / "a.fcs", np.column_stack([[5.0, 15.0, 20.3, 300.0], [9.0] * 4]), ("A", "B"))
    inner = population("square", polygon_xml("A", "B", SQUARE), count=3) + population(
        "low", rectangle_xml(A=(0, 15)), count=2
    )
    (tmp_path / "w.wsp").write_text(flowjo_workspace(flowjo_sample(inner)), encoding="utf-8")
    return tmp_path


def gate(folder, *options):
    return CliRunner().invoke(app, ["gate", str(folder / "w.wsp"), str(folder / "a.fcs"), *options])


def test_the_table_has_a_row_a_population_and_no_stored_counts_unless_asked(folder):
    result = gate(folder)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert result.exit_code == 0
    assert [(row["path"], row["count"]) for row in rows] == [("/square", "2"), ("/low", "2")]
    assert "reference_count" not in rows[0]


def test_stored_counts_stand_beside_ours_and_what_is_nearer_is_said(folder):
    result = gate(folder, "--compare-counts", "--flowjo-bins", "--out", str(folder / "t.csv"))
    with (folder / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["count"], row["reference_count"]) for row in rows] == [("3", "3"), ("2", "2")]
    assert {row["difference_percent_of_parent"] for row in rows} == {"0.0"}
    assert "decided exactly: 1 of 2 counts" in result.stderr
    assert "decided with FlowJo's bins: 2 of 2 counts" in result.stderr


def test_options_of_workspaces_are_refused_with_a_strategy(folder):
    result = CliRunner().invoke(app, ["gate", "treg", str(folder / "a.fcs"), "--flowjo-bins"])
    assert result.exit_code == 2
    result = gate(folder, "--panel", "treg")
    assert result.exit_code == 2


def test_a_population_that_cannot_be_gated_is_said_and_is_no_success(folder):
    text = flowjo_workspace(flowjo_sample(population("c", rectangle_xml(C=(0, 1)))))
    (folder / "w.wsp").write_text(text, encoding="utf-8")
    result = gate(folder)
    assert result.exit_code == 1
    assert "no channel 'C'" in result.stderr


def test_a_matrix_is_given_where_the_workspace_has_none_and_not_used_in_silence_where_it_has(folder):
    gates = population("low", rectangle_xml(**{"Comp-A": (0, 15)}))
    (folder / "w.wsp").write_text(flowjo_workspace(flowjo_sample(gates)), encoding="utf-8")
    (folder / "m.csv").write_text(",A,B\nA,1,0\nB,0.5,1\n", encoding="utf-8")
    assert gate(folder).exit_code == 1
    for given, count in (("none", "2"), (str(folder / "m.csv"), "2")):
        result = gate(folder, "--compensation", given)
        assert [row["count"] for row in csv.DictReader(io.StringIO(result.stdout))] == [count]
    own = {"A": {"A": 1, "B": 0}, "B": {"A": 0, "B": 1}}
    (folder / "w.wsp").write_text(flowjo_workspace(flowjo_sample(gates, matrix=own)), encoding="utf-8")
    assert (
        "the workspace's matrix 'm' is used, not that of --compensation"
        in gate(folder, "--compensation", "none").stderr
    )
    assert "--compensation" not in gate(folder).stderr


def test_a_flowjo_workspace_is_made_of_a_run_only(folder):
    with pytest.raises(ImmunomonError, match="name a run folder"):
        export_gates("treg", "flowjo", None)


@pytest.fixture
def analysis(tmp_path):
    values = np.column_stack([[5.0, 150.0, 200.3, 900.0], [9.0] * 4])
    data = write_fcs(tmp_path / "written.fcs", values, ("FL1 INT", "FL2 INT")).read_bytes()
    line = shape("L", "low", [("FL1 INT", "I")], [(0, 0), (175, 0)])
    xml = analysis_xml(entry(line, shape("Z", "odd", [], []), measurements=measurement("FL1 INT", "FL1"), name="blood"))
    return write_analysis(tmp_path / "k.analysis", xml, {"000000.fcs": data})


def test_a_kaluza_analysis_is_gated_on_the_files_that_it_holds(analysis):
    result = CliRunner().invoke(app, ["gate", str(analysis)])
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["file"], row["path"], row["count"]) for row in rows] == [
        ("blood.fcs", "/low", "2"),
        ("blood.fcs", "/odd", ""),
    ]
    assert f"note: {analysis}: blood.fcs: /odd is not gated: gates of the kind 'Z' are not read" in result.stderr
    assert result.exit_code == 1


def test_flowjos_bins_are_said_to_change_nothing_in_kaluzas_gates_and_not_compared(analysis):
    said = CliRunner().invoke(app, ["gate", str(analysis), "--flowjo-bins", "--compare-counts"]).stderr
    assert f"note: {analysis}: its gates are Kaluza 2.1's, which are decided exactly: FlowJo's bins change" in said
    assert "decided exactly: no population has a stored count" in said
    assert "with FlowJo's bins" not in said
    assert "FlowJo's bins" not in CliRunner().invoke(app, ["gate", str(analysis)]).stderr


def test_info_lists_what_a_workspace_holds(analysis, folder):
    said = CliRunner().invoke(app, ["info", str(analysis)]).stdout
    assert "Kaluza 2.1, 1 samples, 1 FCS files inside" in said
    assert "blood (blood.fcs, 4 events)" in said
    assert "/odd: not read, gates of the kind 'Z' are not read" in said
    facts = json.loads(CliRunner().invoke(app, ["info", str(folder / "w.wsp"), "--json"]).stdout)
    assert [item["path"] for item in facts["samples"][0]["populations"]] == ["/square", "/low"]
    assert facts["files"] == []


def test_files_may_only_be_left_out_where_the_workspace_holds_some(folder):
    result = CliRunner().invoke(app, ["gate", str(folder / "w.wsp")])
    assert result.exit_code != 0
    assert CliRunner().invoke(app, ["gate", "treg"]).exit_code == 2
    with pytest.raises(ImmunomonError, match="holds no FCS files itself"):
        gate_workspace(
            folder / "w.wsp", (), out=None, memberships=None, sample=None, compare_counts=False, flowjo_bins=False
        )
