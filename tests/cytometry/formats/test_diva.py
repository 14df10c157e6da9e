import numpy as np
import pytest
from support.fcs_files import write_fcs
from support.workspaces import diva_experiment, diva_gate, diva_region

from immunomon.cytometry.formats.diva_gates import scale_of_diva
from immunomon.cytometry.formats.workspaces import read_workspace
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.steps.apply import apply_gates
from immunomon.errors import BadSpec
from immunomon.runs.workspaces import gate_with_workspace
from immunomon.study.model.channels import Channel

SQUARE = [(10, 0), (60, 0), (60, 50), (10, 50)]
P1 = diva_gate("All Events\\P1", diva_region("RECTANGLE", "A", "B", SQUARE), num_events=7)
SCALED = {"is_x_parameter_scaled": "true", "x_parameter_scale_value": 162}


def read(tmp_path, *gates, **more):
    path = tmp_path / "e.xml"
    path.write_text(diva_experiment(*gates, **more), encoding="utf-8")
    return read_workspace(path)


def sizes(workspace, a, b):
    events = EventTable(np.column_stack([a, b]).astype(np.float64), (Channel("A"), Channel("B")))
    tree = apply_gates(events, workspace.samples[0].placed, None)
    return {name: tree.size(name) for name in workspace.samples[0].order}


def test_a_tube_is_a_sample_with_its_file_gates_and_counts(tmp_path):
    child = diva_gate("All Events\\P1\\P2", diva_region("POLYGON", "A", "B", [(0, 0), (100, 0), (0, 100)]))
    workspace = read(tmp_path, P1, child)
    (sample,) = workspace.samples
    assert (workspace.program, sample.name, sample.file) == ("FACSDiva Version 6.1.3", "Blood T1", "a.fcs")
    assert (sample.event_count, sample.counts) == (100, {"/P1": 7})
    assert sizes(workspace, [9, 10, 60, 60], [10, 10, 45, 10]) == {"/P1": 3, "/P1/P2": 2}


def test_borders_on_a_biexponential_axis_are_in_4096_bins_of_its_own_logicle(tmp_path):
    border = float(scale_of_diva(162).inverse(np.array([0.5]))[0])
    region = diva_region("INTERVAL", "A", None, [(2048, 0), (4096, 0)])
    workspace = read(tmp_path, diva_gate("All Events\\high", region, **SCALED))
    assert sizes(workspace, [border * 0.99, border * 1.01, 1e9], [0, 0, 0]) == {"/high": 2}


def test_borders_on_a_log_axis_are_decades(tmp_path):
    region = diva_region("INTERVAL", "A", None, [(2, 0), (3, 0)])
    workspace = read(tmp_path, diva_gate("All Events\\c", region, is_x_parameter_log="true"))
    assert sizes(workspace, [99, 101, 999, 1001], [0] * 4) == {"/c": 2}


def test_one_channel_may_be_drawn_on_two_scales(tmp_path):
    region = diva_region("INTERVAL", "A", None, [(0, 0), (4096, 0)])
    other = diva_gate("All Events\\d", region, **(SCALED | {"x_parameter_scale_value": 500}))
    placed = read(tmp_path, diva_gate("All Events\\c", region, **SCALED), other).samples[0].placed
    assert set(placed.axes) == {"A", "A (2)"}


def test_booleans_and_the_rest_of_a_population_are_read(tmp_path):
    low = diva_gate("All Events\\low", diva_region("INTERVAL", "A", None, [(0, 0), (10, 0)]))
    mid = diva_gate("All Events\\mid", diva_region("INTERVAL", "A", None, [(5, 0), (20, 0)]))
    inputs = ["All Events\\low", "All Events\\mid"]
    both = diva_gate("All Events\\both", kind="AND_Classifier", inputs=inputs)
    rest = diva_gate("All Events\\rest", kind="RestOf_Classifier", inputs=inputs)
    found = sizes(read(tmp_path, low, mid, both, rest), [1, 7, 15, 30, 40], [0] * 5)
    assert (found["/both"], found["/rest"]) == (1, 2)


def test_a_rest_that_names_its_parent_or_nothing_is_what_lies_in_no_gate_beside_it(tmp_path):
    low = diva_gate("All Events\\low", diva_region("INTERVAL", "A", None, [(0, 0), (10, 0)]))
    inner = diva_gate("All Events\\low\\in", diva_region("INTERVAL", "A", None, [(0, 0), (5, 0)]))
    above = diva_gate("All Events\\low\\rest", kind="RestOf_Classifier", inputs=["All Events\\low"])
    none = diva_gate("All Events\\other", kind="RestOf_Classifier")
    named = diva_gate("All Events\\named", kind="RestOf_Classifier", inputs=["All Events", "All Events\\low"])
    workspace = read(tmp_path, low, inner, above, none, named)
    found = sizes(workspace, [1, 7, 15, 30, 40], [0] * 5)
    assert (found["/low/rest"], found["/other"], found["/named"]) == (1, 3, 3)
    notes = {p.id: p.note for p in workspace.samples[0].placed.populations}
    assert "the rest beside 'in' is taken" in notes["/low/rest"]
    assert notes["/named"] == ""
    alone = diva_gate("All Events\\alone", kind="RestOf_Classifier")
    failures = {p.id: p.failure for p in read(tmp_path, alone).samples[0].placed.populations}
    assert "without other gates" in failures["/alone"]


def test_a_gate_that_diva_fits_to_each_tube_has_its_stored_outline_and_a_note(tmp_path):
    workspace = read(
        tmp_path, diva_gate("All Events\\S", diva_region("POLYGON", "A", "B", SQUARE), "SnapTo_Classifier")
    )
    assert sizes(workspace, [9, 20], [10, 10]) == {"/S": 1}
    assert "fits this gate anew to each tube" in workspace.samples[0].placed.populations[0].note


def test_a_biexponential_axis_without_a_scale_value_has_that_of_the_tubes_settings(tmp_path):
    border = float(scale_of_diva(162).inverse(np.array([0.5]))[0])
    region = diva_region("INTERVAL", "A", None, [(2048, 0), (4096, 0)])
    gate = diva_gate("All Events\\high", region, is_x_parameter_scaled="true", x_parameter_scale_value=0)
    text = diva_experiment(gate, weights={"A": [1]})
    text = text.replace('<parameter name="A">', '<parameter name="A"><comp_biexp_scale>162</comp_biexp_scale>')
    (tmp_path / "e.xml").write_text(text, encoding="utf-8")
    assert sizes(read_workspace(tmp_path / "e.xml"), [border * 0.99, border * 1.01, 1e9], [0, 0, 0]) == {"/high": 2}


def test_more_corners_than_anybody_draws_are_refused(tmp_path):
    region = diva_region("POLYGON", "A", "B", [(n, n) for n in range(10_001)])
    with pytest.raises(BadSpec, match=r"line \d+: region 'r': it has 10,001 corners"):
        read(tmp_path, diva_gate("All Events\\c", region))


def test_the_parts_of_a_quadrant_lie_below_the_population_it_was_drawn_on(tmp_path):
    middle = diva_gate("All Events\\Q", diva_region("BINNER", "A", "B", [(50, 50)]))
    part = diva_gate("All Events\\Q\\Q1", diva_region("RECTANGLE", "A", "B", [(0, 50), (50, 262144)]))
    assert sizes(read(tmp_path, middle, part), [10, 90], [90, 90]) == {"/Q1": 1}


def test_diva_stores_the_weights_of_the_raw_values(tmp_path):
    region = diva_region("INTERVAL", "B", None, [(40, 0), (100, 0)])
    workspace = read(tmp_path, diva_gate("All Events\\b", region), weights={"A": [1.0, 0.0], "B": [-0.5, 1.0]})
    assert sizes(workspace, [100, 0], [50, 50]) == {"/b": 1}


def test_a_tube_without_gates_gets_those_of_the_worksheet_without_their_counts(tmp_path):
    sample = read(tmp_path, worksheet=P1).samples[0]
    assert sample.order == ("/P1",)
    assert sample.counts == {}


OTHER = diva_gate("All Events\\P9", diva_region("RECTANGLE", "A", "B", SQUARE))


@pytest.mark.parametrize(
    ("sheets", "points_to", "gates"),
    [
        ({"W1": P1, "W2": OTHER}, "W2", ("/P9",)),
        ({"W1": P1, "W2": OTHER}, "Global Worksheets\\w2", ("/P9",)),
        ({"W1": P1, "Empty": ""}, "", ("/P1",)),
        ({"W1": P1}, "", ("/P1",)),
    ],
)
def test_a_tube_has_the_gates_of_the_global_worksheet_it_points_to_or_of_the_only_one(
    tmp_path, sheets, points_to, gates
):
    sample = read(tmp_path, worksheets=sheets, points_to=points_to).samples[0]
    assert (sample.order, sample.counts, sample.event_count, sample.failure) == (gates, {}, 100, "")


def test_a_tubes_own_gates_go_before_those_of_a_worksheet(tmp_path):
    assert read(tmp_path, P1, worksheets={"W1": OTHER}, points_to="W1").samples[0].order == ("/P1",)


@pytest.mark.parametrize(
    ("points_to", "said"),
    [("", "names none of the 2 global worksheets: 'W1', 'W2'"), ("W3", "'W3'; those with gates are 'W1'")],
)
def test_a_worksheet_that_is_not_known_is_said_and_each_can_be_asked_for(tmp_path, points_to, said):
    workspace = read(tmp_path, worksheets={"W1": P1, "W2": OTHER}, points_to=points_to)
    assert said in workspace.samples[0].failure
    assert "--sample, as in 'Blood T1 with W1'" in workspace.samples[0].failure
    assert [(found.name, found.order) for found in workspace.groups] == [
        ("Blood T1 with W1", ("/P1",)),
        ("Blood T1 with W2", ("/P9",)),
    ]


def test_nobody_counted_where_every_count_is_nought(tmp_path):
    sample = read(tmp_path, P1.replace(">7<", ">0<"), counted=0).samples[0]
    assert (sample.event_count, sample.counts) == (None, {})


def test_kinds_that_are_not_read_say_so_and_cost_no_other(tmp_path):
    odd = diva_gate("All Events\\odd", diva_region("SPIRAL", "A", "B", SQUARE))
    snap = diva_gate("All Events\\snap", kind="Snap_Classifier")
    failures = {p.id: p.failure for p in read(tmp_path, P1, odd, snap).samples[0].placed.populations}
    assert failures["/P1"] == ""
    assert "'SPIRAL_REGION' are not read" in failures["/odd"]
    assert "'Snap_Classifier' are not read" in failures["/snap"]


def test_what_is_broken_is_said_with_its_line(tmp_path):
    with pytest.raises(BadSpec, match=r"line \d+: .*'x' is 'ten'"):
        read(tmp_path, diva_gate("All Events\\c", diva_region("INTERVAL", "A", None, [("ten", 0), (1, 0)])))


def test_an_experiment_without_tubes_is_refused(tmp_path):
    (tmp_path / "e.xml").write_text("<bdfacs><experiment/></bdfacs>", encoding="utf-8")
    with pytest.raises(BadSpec, match="no samples"):
        read_workspace(tmp_path / "e.xml")


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        ([[1, -0.25], [0, 1]], ""),
        ([[1, 0.25], [0, 1]], "read as spillover: so they are the file's own matrix"),
        ([[1, 0], [-0.25, 1]], "read as turned over: so they are the file's own matrix"),
        ([[1, -0.1], [0, 1]], "differ by up to 0.15"),
    ],
)
def test_the_coefficients_are_held_against_the_files_own_matrix(tmp_path, rows, note):
    file = write_fcs(tmp_path / "a.fcs", np.array([[100.0, 60.0], [0.0, 60.0]]), ("A", "B"), spill="2,A,B,1,0.25,0,1")
    weights = {name: [row[place] for row in rows] for place, name in enumerate("AB")}
    region = diva_region("INTERVAL", "B", None, [(40, 0), (262144, 0)])
    workspace = read(tmp_path, diva_gate("All Events\\b", region), weights=weights)
    result = gate_with_workspace([file], workspace)
    # Of 60, 25 are the other dye's; with a tenth it would be 10.
    assert [row["count"] for row in result.rows] == [2 if "differ" in note else 1]
    assert any(note in said for said in result.notes) if note else not any("matri" in said for said in result.notes)


def test_of_worksheets_of_one_name_none_is_taken_and_each_can_be_asked_for(tmp_path):
    path = tmp_path / "e.xml"
    text = diva_experiment(worksheets={"W1": P1, "other": OTHER}, points_to="W1")
    path.write_text(text.replace('name="other"', 'name="W1"'), encoding="utf-8")
    workspace = read_workspace(path)
    assert "'W1'; those with gates are 'W1 #1', 'W1 #2'" in workspace.samples[0].failure
    assert "--sample, as in 'Blood T1 with W1 #1'" in workspace.samples[0].failure
    assert [(found.name, found.order) for found in workspace.groups] == [
        ("Blood T1 with W1 #1", ("/P1",)),
        ("Blood T1 with W1 #2", ("/P9",)),
    ]


def test_flowjos_bins_are_said_to_change_nothing(tmp_path):
    path = tmp_path / "e.xml"
    path.write_text(diva_experiment(P1), encoding="utf-8")
    assert "FlowJo's bins change nothing" in " ".join(read_workspace(path, bins=True).remarks)
    assert read_workspace(path).remarks == ()
