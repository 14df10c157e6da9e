"""FlowJo 10 and 11 workspaces: small ones written here, and the real ones with FlowJo's own counts."""

import warnings

import numpy as np
import pytest
from support.workspaces import flowjo_sample, flowjo_workspace, polygon_xml, population, rectangle_xml

from immunomon.cytometry.formats.fcs import read_events
from immunomon.cytometry.formats.workspaces import is_workspace, read_workspace
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import BinnedPolygon, Boolean, Interval, Polygon, Rectangle
from immunomon.cytometry.model.scales import Asinh, Biex, Linear, Log, Logicle
from immunomon.cytometry.steps.apply import apply_gates
from immunomon.errors import BadSpec
from immunomon.study.model.channels import Channel

CELLS = population("Cells", rectangle_xml(A=(10, 60)), count=51)


def events(a, b=None, names=("A", "B")):
    b = a if b is None else b
    return EventTable(np.column_stack([a, b]).astype(np.float64), tuple(Channel(name) for name in names))


def read(tmp_path, *populations, bins=False, **more):
    path = tmp_path / "w.wsp"
    path.write_text(flowjo_workspace(flowjo_sample(*populations, **more)), encoding="utf-8")
    return read_workspace(path, bins=bins)


def sizes(workspace, table):
    tree = apply_gates(table, workspace.samples[0].placed, None)
    return {population: tree.size(population) for population in workspace.samples[0].order}


def test_both_bounds_of_a_rectangle_belong_to_it(tmp_path):
    workspace = read(tmp_path, CELLS)
    assert sizes(workspace, events([9.9, 10, 35, 60, 60.1])) == {"/Cells": 3}
    assert workspace.samples[0].counts == {"/Cells": 51}


def test_a_gate_whose_events_are_outside_keeps_the_rest_of_its_parent(tmp_path):
    gate = rectangle_xml(A=(20, 30)).replace("<gating:RectangleGate", '<gating:RectangleGate eventsInside="0"')
    workspace = read(tmp_path, population("Cells", rectangle_xml(A=(10, 60)), population("rest", gate)))
    assert sizes(workspace, events([5, 15, 25, 35])) == {"/Cells": 3, "/Cells/rest": 2}


def test_boolean_populations_find_their_operands_whatever_their_names_and_order(tmp_path):
    both = '<AndNode name="a/b &amp; c.d" count="1"><Dependents><Dependent name="Cells/a/b"/><Dependent name="Cells/c.d"/></Dependents></AndNode>'  # noqa: E501
    inner = (
        both
        + both.replace("AndNode", "OrNode").replace("&amp;", "or")
        + '<NotNode name="not a"><Dependents><Dependent name="Cells/a/b"/></Dependents></NotNode>'
        + population("a/b", rectangle_xml(A=(10, 30)))
        + population("c.d", rectangle_xml(A=(20, 40)))
    )
    workspace = read(tmp_path, population("Cells", rectangle_xml(A=(0, 100)), inner))
    assert sizes(workspace, events([5, 15, 25, 35, 45, 500])) == {
        "/Cells": 5,
        "/Cells/a/b & c.d": 1,
        "/Cells/a/b or c.d": 3,
        "/Cells/not a": 3,
        "/Cells/a/b": 2,
        "/Cells/c.d": 2,
    }


def test_a_boolean_of_something_that_is_not_there_says_so_and_costs_no_other(tmp_path):
    lost = '<NotNode name="lost"><Dependents><Dependent name="Cells/gone"/></Dependents></NotNode>'
    placed = read(tmp_path, CELLS + lost).samples[0].placed
    failures = {p.id: p.failure for p in placed.populations}
    assert failures["/Cells"] == ""
    assert "'Cells/gone'" in failures["/lost"]


def test_booleans_of_each_other_end(tmp_path):
    loop = "".join(
        f'<NotNode name="{a}"><Dependents><Dependent name="{b}"/></Dependents></NotNode>' for a, b in ("xy", "yx")
    )
    failures = [p.failure for p in read(tmp_path, loop).samples[0].placed.populations]
    assert any("made of it" in failure for failure in failures)


def test_two_populations_of_one_name_are_told_apart(tmp_path):
    workspace = read(tmp_path, CELLS + population("Cells", rectangle_xml(A=(0, 1))))
    assert workspace.samples[0].order == ("/Cells", "/Cells #2")


@pytest.mark.parametrize("path", ["Cells", "/Cells", "a/b"])
def test_a_boolean_of_a_name_that_two_populations_have_is_not_gated_by_one_of_them(tmp_path, path):
    nested = population("a", rectangle_xml(A=(0, 9)), inner=population("b", rectangle_xml(A=(0, 5))))
    twins = (CELLS, population("Cells", rectangle_xml(A=(0, 1))), nested, population("a/b", rectangle_xml(A=(3, 4))))
    dependents = f'<Dependents><Dependent name="{path}"/></Dependents>'
    workspace = read(tmp_path, *twins, f'<NotNode name="Rest" count="1">{dependents}</NotNode>')
    (rest,) = (p for p in workspace.samples[0].placed.populations if p.id == "/Rest")
    assert rest.gate is None
    assert rest.failure == f"it is made of '{path}', and two populations are called so; give them different names"


def test_a_gate_whose_borders_are_exchanged_or_of_which_there_are_two_is_not_gated(tmp_path):
    gate = rectangle_xml(A=(10, 60))
    workspace = read(
        tmp_path,
        population("Empty", rectangle_xml(A=(60, 10))),
        population("Twice", f"{gate}</Gate><Gate>{gate}"),
        CELLS,
    )
    failures = {p.id: p.failure for p in workspace.samples[0].placed.populations}
    assert "its lower border, 60, lies above its upper one, 10" in failures["/Empty"]
    assert "two gates" in failures["/Twice"]
    assert failures["/Cells"] == ""


@pytest.mark.parametrize(
    ("xml", "scale"),
    [
        ('<transforms:linear transforms:minRange="-50" transforms:maxRange="200" gain="1">', Linear(200, 50)),
        ('<transforms:log transforms:offset="10" transforms:decades="4">', Log(100000, 4)),
        (
            '<transforms:biex transforms:length="256" transforms:maxRange="262144" transforms:neg="0.5" '
            'transforms:width="-100" transforms:pos="4.5">',
            Biex(262144, 4.5, 0.5, -100),
        ),
        (
            '<transforms:logicle transforms:T="1000" transforms:W="0.5" transforms:M="4" transforms:A="0">',
            Logicle(1000, 0.5, 4, 0),
        ),
        ('<transforms:fasinh transforms:T="1000" transforms:A="1" transforms:M="4">', Asinh(1000, 4, 1)),
    ],
)
def test_every_kind_of_scale_is_read(tmp_path, xml, scale):
    placed = read(tmp_path, CELLS, scales={"A": xml}).samples[0].placed
    assert placed.axes["A"].scale == scale


def test_a_scale_that_is_not_read_costs_its_own_populations_only(tmp_path):
    scales = {"A": "<transforms:miltenyi>"}
    workspace = read(tmp_path, CELLS + population("other", rectangle_xml(B=(0, 9))), scales=scales)
    by_id = {p.id: p for p in workspace.samples[0].placed.populations}
    assert "'miltenyi' is not read" in by_id["/Cells"].failure
    assert by_id["/other"].gate is not None


def test_a_gate_on_a_scale_of_its_own_is_not_gated_on_the_channels(tmp_path):
    scaled = CELLS.replace("<gating:dimension ", '<gating:dimension gating:transformation-ref="T1" ')
    (placed,) = read(tmp_path, scaled).samples[0].placed.populations
    assert "its axis has a scale of its own ('T1')" in placed.failure


def test_a_bound_beyond_the_table_of_a_biex_scale_is_open(tmp_path):
    biex = '<transforms:biex transforms:maxRange="1000" transforms:neg="0" transforms:width="-10" transforms:pos="3">'
    workspace = read(tmp_path, population("high", rectangle_xml(A=(100, 5000))), scales={"A": biex})
    gate = workspace.samples[0].placed.populations[0].gate
    assert isinstance(gate, Interval)
    assert gate.high == np.inf
    assert sizes(workspace, events([50, 200, 4000, 1e6])) == {"/high": 3}


def test_compensated_channels_are_known_by_the_prefix_and_suffix_of_the_matrix(tmp_path):
    matrix = {"A": {"A": 1.0, "B": 0.5}, "B": {"A": 0.0, "B": 1.0}}
    inner = population("raw", rectangle_xml(B=(40, 100))) + population("clean", rectangle_xml(**{"Comp-B": (40, 100)}))
    workspace = read(tmp_path, inner, matrix=matrix)
    assert sizes(workspace, events([100, 0], [50, 50])) == {"/raw": 2, "/clean": 1}


@pytest.mark.parametrize(
    "matrix",
    [
        {"B": {"A": 0.0, "B": 1.0}, "A": {"A": 1.0, "B": 0.5}},
        {"B": {"B": 1.0, "A": 0.0}, "A": {"B": 0.5, "A": 1.0}},
        {"A": {"A": 100, "B": 50}, "B": {"A": 0, "B": 100}},
        {"B": {"A": 0, "B": 99.99}, "A": {"A": 100, "B": 50}},
    ],
    ids=["rows in another order", "columns too", "percents", "nearly 100"],
)
def test_a_matrix_is_read_by_its_labels_and_in_percent(tmp_path, matrix):
    inner = population("clean", rectangle_xml(**{"Comp-B": (40, 100)}))
    assert sizes(read(tmp_path, inner, matrix=matrix), events([100, 0], [50, 50])) == {"/clean": 1}


def test_a_matrix_without_ones_on_its_diagonal_is_refused_with_row_and_column(tmp_path):
    with pytest.raises(BadSpec, match=r"row 'A', column 'A': 0\.5 on the diagonal"):
        read(tmp_path, CELLS, matrix={"A": {"A": 0.5, "B": 0.5}, "B": {"A": 0.0, "B": 1.0}})


def test_polygons_are_binned_only_if_asked_for_and_never_on_time_or_arcsinh(tmp_path):
    inner = population("p", polygon_xml("A", "B", [(0, 0), (100, 0), (50, 90)]))
    assert type(read(tmp_path, inner).samples[0].placed.populations[0].gate) is Polygon
    assert isinstance(read(tmp_path, inner, bins=True).samples[0].placed.populations[0].gate, BinnedPolygon)
    scales = {"A": '<transforms:fasinh transforms:T="1000" transforms:A="0" transforms:M="4">'}
    exact = read(tmp_path, inner, bins=True, scales=scales).samples[0].placed.populations[0].gate
    assert not isinstance(exact, BinnedPolygon)


def test_the_four_parts_of_a_curly_quadrant_divide_their_parent(tmp_path):
    parts = [("UL", "max", "min"), ("UR", "min", "min"), ("LR", "min", "max"), ("LL", "max", "max")]
    inner = "".join(
        population(
            name,
            f'<gating:CurlyQuad><gating:dimension gating:{x}="300"><data-type:fcs-dimension data-type:name="A"/>'
            f'</gating:dimension><gating:dimension gating:{y}="400"><data-type:fcs-dimension data-type:name="B"/>'
            "</gating:dimension></gating:CurlyQuad>",
        )
        for name, x, y in parts
    )
    workspace = read(tmp_path, inner)
    rng = np.random.default_rng(5)
    table = events(rng.uniform(-500, 2000, 5000), rng.uniform(-500, 2000, 5000))
    found = sizes(workspace, table)
    assert sum(found.values()) == 5000
    # The arms bend: an event just above the right arm's start is upper, far to the right it is lower.
    bent = events([310, 1000, 290, 290], [405, 405, 405, 395])
    assert sizes(workspace, bent) == {"/UL": 1, "/UR": 1, "/LR": 1, "/LL": 1}


def test_a_groups_own_gates_are_read_on_its_samples_axes(tmp_path):
    path = tmp_path / "w.wsp"
    path.write_text(flowjo_workspace(flowjo_sample(), groups={"Blood": CELLS}), encoding="utf-8")
    workspace = read_workspace(path)
    assert workspace.samples[0].order == ()
    assert workspace.samples[0].groups == ("Blood",)
    assert [(group.name, group.order) for group in workspace.groups] == [("Blood", ("/Cells",))]


def test_every_problem_of_a_workspace_is_said_with_its_line(tmp_path):
    path = tmp_path / "w.wsp"
    broken = CELLS.replace('"10"', '"ten"') + population("p", polygon_xml("A", "B", [(0, 0), (1, 1)]))
    path.write_text(flowjo_workspace(flowjo_sample(broken)), encoding="utf-8")
    with pytest.raises(BadSpec) as error:
        read_workspace(path)
    said = [str(problem) for problem in error.value.problems]
    assert len(said) == 2
    assert "'min' is 'ten', which is not a number" in said[0]
    assert "2 corners" in said[1]
    assert all(f"{path} line " in text for text in said)


def test_numbers_with_a_decimal_comma_are_read_and_said_and_thousands_are_refused(tmp_path):
    matrix = {"A": {"A": 1, "B": "0,125"}, "B": {"A": 0, "B": 1}}
    workspace = read(tmp_path, CELLS.replace('"10"', '"10,5"'), matrix=matrix)
    assert sizes(workspace, events([10.4, 10.5, 60])) == {"/Cells": 2}
    assert workspace.samples[0].placed.matrices["m"].values[0] == (1.0, 0.125)
    (remark,) = workspace.remarks
    assert "'min' is '10,5' (line " in remark
    assert "'value' is '0,125' (line " in remark
    assert read(tmp_path, CELLS).remarks == ()
    with pytest.raises(BadSpec, match=r"w.wsp line \d+: .*'1,250', which may have a decimal comma or a comma before"):
        read(tmp_path, CELLS.replace('"10"', '"1,250"'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<!DOCTYPE x [<!ENTITY a "b">]><Workspace/>', "DOCTYPE"),
        ("<Workspace>", "not well-formed"),
        ("<Other/>", "no workspace"),
    ],
)
def test_files_that_are_no_workspaces_are_refused(tmp_path, text, message):
    (tmp_path / "w.wsp").write_text(text, encoding="utf-8")
    with pytest.raises(BadSpec, match=message):
        read_workspace(tmp_path / "w.wsp")


def test_a_workspace_is_known_by_its_root_element(tmp_path):
    (tmp_path / "w.xml").write_text("<?xml version='1.0'?><Workspace/>", encoding="utf-8")
    (tmp_path / "s.yaml").write_text("schema: immunomon.strategy/1\n", encoding="utf-8")
    assert is_workspace(tmp_path / "w.xml")
    assert not is_workspace(tmp_path / "s.yaml")


def real_counts(folder, file, *, bins):
    workspace = read_workspace(folder / file, bins=bins)
    for sample in workspace.samples:
        tree = apply_gates(read_events((folder / file).parent / sample.file), sample.placed, None)
        parents = {placed.id: placed.parent for placed in sample.placed.populations}
        for name in sample.order:
            if name in sample.counts:
                yield name, tree.size(name), sample.counts[name], tree.size(parents[name])


COUNTED = [
    "simple_diamond_example/simple_diamond_example_quad_gate.wsp",
    "simple_diamond_example/test_data_diamond_asinh_rect.wsp",
    "simple_diamond_example/test_data_diamond_asinh_rect2.wsp",
    "simple_diamond_example/test_data_diamond_biex_rect.wsp",
    "simple_line_example/simple_poly_and_rect_v2_poly50.wsp",
    "simple_line_example/single_ellipse_51_events.wsp",
    "spectral/CellCounts.wsp",
]


@pytest.mark.real_data
@pytest.mark.parametrize("name", COUNTED)
def test_with_flowjos_bins_every_count_is_flowjos(real_data, name):
    found = list(real_counts(real_data / "flowjo", name, bins=True))
    assert found
    assert [(population, count) for population, count, _, _ in found] == [(p, stored) for p, _, stored, _ in found]


@pytest.mark.real_data
@pytest.mark.parametrize("name", [name for name in COUNTED if "poly50" not in name])
def test_without_bins_counts_lie_within_a_third_of_a_percent_of_the_parent(real_data, name):
    for path, count, stored, parent in real_counts(real_data / "flowjo", name, bins=False):
        assert abs(count - stored) <= 0.003 * parent, path


@pytest.mark.real_data
def test_a_polygon_made_to_show_the_bins_differs_without_them(real_data):
    # 50 of 100 events on two lines lie inside this polygon, and FlowJo's bins lose them all.
    found = list(
        real_counts(real_data / "flowjo", "simple_line_example/simple_poly_and_rect_v2_poly50.wsp", bins=False)
    )
    assert found == [("/poly1", 50, 0, 100), ("/rect1", 0, 0, 100)]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "populations"),
    [
        ("8_color_ICS", (14, 14, 14)),
        ("8_color_ICS_boolean_gate_testing", (20, 20, 20)),
        ("8_color_ICS_dot_gate_name", (14, 14, 14)),
        ("8_color_ICS_sample_without_gates", (4, 0, 4)),
        ("8_color_ICS_simple", (4, 4, 4)),
        ("8_color_ICS_with_ellipse", (15, 15, 15)),
        ("reused_quad_gate_with_child", (13,)),
    ],
)
def test_the_real_workspaces_without_their_files_are_read_whole(real_data, name, populations):
    workspace = read_workspace(real_data / "flowjo" / "8_color_data_set" / f"{name}.wsp")
    assert tuple(len(sample.order) for sample in workspace.samples) == populations
    for sample in workspace.samples:
        assert not [p.failure for p in sample.placed.populations if p.failure]
        assert set(sample.counts) == set(sample.order)
        assert len(sample.placed.matrices["Acquisition-defined"].detectors) == 8


@pytest.mark.real_data
def test_real_boolean_gates_have_their_operands_counts_and_children(real_data):
    folder = real_data / "flowjo" / "8_color_data_set"
    sample = read_workspace(folder / "8_color_ICS_boolean_gate_testing.wsp").samples[0]
    by_id = {population.id: population for population in sample.placed.populations}
    cd4 = "/Time/Singlets/aAmine-/CD3+/CD4+"
    either = by_id[f"{cd4}/CD107a+ or IFNg+"]
    assert either.gate == Boolean("or", (f"{cd4}/CD107a+", f"{cd4}/IFNg+"))
    assert sample.counts[either.id] == 663
    child = "/Time/Singlets/aAmine-/CD3+/CD8+/TNFa+-/CD107a+"
    assert by_id[child].parent == "/Time/Singlets/aAmine-/CD3+/CD8+/TNFa+-"
    assert isinstance(by_id[child].gate, Rectangle)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["8_color_ICS_with_ellipse", "8_color_ICS_simple", "reused_quad_gate_with_child"])
def test_flowkit_finds_the_same_tree_in_the_workspaces_it_reads(real_data, name):
    import flowkit

    path = real_data / "flowjo" / "8_color_data_set" / f"{name}.wsp"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = flowkit.Workspace(str(path), load_missing_file_data=True)
    for sample in read_workspace(path).samples:
        ids = theirs.get_gate_ids(sample.name)
        assert sorted("/" + "/".join((*above[1:], gate)) for gate, above in ids) == sorted(sample.order)


@pytest.mark.real_data
def test_a_population_called_by_a_dot_is_read_where_flowkit_gives_up(real_data):
    workspace = read_workspace(real_data / "flowjo" / "8_color_data_set" / "8_color_ICS_dot_gate_name.wsp")
    assert all("/Time/Singlets/aAmine-/CD3+/CD4+/." in sample.order for sample in workspace.samples)
