import json
import re

import numpy as np
import pytest
from support.workspaces import (
    flowjo9_boolean,
    flowjo9_matrix,
    flowjo9_population,
    flowjo9_sample,
    flowjo9_shape,
    flowjo9_table,
    flowjo9_workspace,
    flowjo9_written,
)

from immunomon.cytometry.formats.flowjo_writing import write_flowjo
from immunomon.cytometry.formats.gatingml_writing import write_gatingml
from immunomon.cytometry.formats.workspaces import read_workspace
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import BinnedPolygon
from immunomon.cytometry.model.placed import placed_from_run
from immunomon.cytometry.steps.apply import apply_gates
from immunomon.errors import BadSpec, ExportFailed
from immunomon.study.model.channels import Channel

SQUARE = [(10, 0), (60, 0), (60, 50), (10, 50)]
CELLS = flowjo9_population("Cells", flowjo9_shape("PolyRect", "A", "B", SQUARE), count=7)
STEPS = np.arange(4097)
LOG = '<Parameter name="A" log="1" range="4096" highValue="262144"/><Parameter name="B" log="1" range="4096"/>'
OVERLAP = np.array([[1.0, 0.2], [0.1, 1.0]])
MATRIX = flowjo9_matrix("M", {"A": {"A": 1.0, "B": 0.2}, "B": {"A": 0.1, "B": 1.0}})


def write(tmp_path, *populations, **more):
    path = tmp_path / "w.xml"
    path.write_text(flowjo9_workspace(*populations, **more), encoding="latin-1")
    return path


def read(tmp_path, *populations, **more):
    return read_workspace(write(tmp_path, *populations, **more))


def gated(sample, a, b, names=("A", "B")):
    events = EventTable(np.column_stack([a, b]).astype(np.float64), tuple(Channel(name) for name in names))
    return apply_gates(events, sample.placed, None)


def sizes(workspace, a, b, names=("A", "B")):
    sample = workspace.samples[0]
    tree = gated(sample, a, b, names)
    return {name: tree.size(name) for name in sample.order}


def range_of(name, low, high, axis="A", inner=""):
    return flowjo9_population(name, flowjo9_shape("Range", axis, None, [(low, 0), (high, 0)]), inner)


def failures(workspace):
    return {p.id: p.failure for p in workspace.samples[0].placed.populations if p.failure}


def test_rectangles_ranges_and_polygons_are_read_with_their_counts(tmp_path):
    slanted = flowjo9_population("tri", flowjo9_shape("Polygon", "A", "B", [(0, 0), (100, 0), (0, 100)]))
    cells = CELLS.replace("</Population>", range_of("range", 20, 30) + "</Population>")
    workspace = read(tmp_path, cells, slanted)
    assert workspace.program == "FlowJo 9"
    assert workspace.samples[0].counts == {"/Cells": 7}
    found = sizes(workspace, [9, 10, 25, 60, 25], [10, 10, 50, 0, 90])
    assert found == {"/Cells": 3, "/Cells/range": 1, "/tri": 4}


def straight_inside(x, y, corners):
    inside, before = np.zeros(len(x), dtype=bool), corners[-1]
    for corner in corners:
        (x1, y1), (x2, y2) = before, corner
        inside ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / ((y2 - y1) or 1.0) + x1)
        before = corner
    return inside


class Drawn:
    """Events and gates on two display tables, worked out here in steps 0 to 4,096."""

    tables = (60 * np.sinh((STEPS - 400) / 420), 40 * np.sinh((STEPS - 350) / 400))

    def __init__(self):
        rng = np.random.default_rng(4)
        self.raw = rng.lognormal(np.log([900, 500]), [0.9, 1.1], size=(3000, 2))
        compensated = self.raw @ np.linalg.inv(OVERLAP)
        self.steps = [np.interp(compensated[:, i], self.tables[i], STEPS) for i in (0, 1)]

    def intensities(self, corners):
        return [(np.interp(x, STEPS, self.tables[0]), np.interp(y, STEPS, self.tables[1])) for x, y in corners]

    def shape(self, kind, corners, order=("A", "B")):
        points = self.intensities(corners)
        points = [(x, y) if order == ("A", "B") else (y, x) for x, y in points]
        names = [f"&lt;{name}&gt;" for name in order]
        return flowjo9_written(flowjo9_shape(kind, *names, points), *names)

    def workspace(self, *populations, matrix="M", **more):
        tables = "".join(
            flowjo9_table(f"{matrix} <{name}>", table.tolist()) for name, table in zip("AB", self.tables, strict=True)
        )
        sample = flowjo9_sample(*populations, compensation=1, parameters=LOG)
        return {"samples": sample, "matrices": MATRIX, "tables": tables} | more


def test_edges_are_straight_and_ellipses_round_on_the_tables_that_the_file_holds(tmp_path):
    drawn = Drawn()
    corners = [(700.0, 500.0), (1600.0, 2600.0), (3100.0, 2000.0), (2600.0, 800.0)]
    middle, half, other = np.array([1700.0, 1500.0]), np.array([300.0, 100.0]), np.array([-60.0, 180.0])
    ends = [middle + half, middle + other, middle - half, middle - other]
    x, y = drawn.steps
    offset = np.column_stack([x, y]) - middle
    oval = ((offset @ half) / (half @ half)) ** 2 + ((offset @ other) / (other @ other)) ** 2 <= 1
    expected = {"/four": int(straight_inside(x, y, corners).sum()), "/turned": 0, "/oval": int(oval.sum())}
    expected["/turned"] = expected["/four"]
    populations = [
        flowjo9_population("four", drawn.shape("Polygon", corners), count=1),
        flowjo9_population("turned", drawn.shape("Polygon", corners, order=("B", "A"))),
        flowjo9_population("oval", drawn.shape("Ellipse", ends)),
    ]
    workspace = read(tmp_path, **drawn.workspace(*populations))
    found = sizes(workspace, *drawn.raw.T)
    assert found == expected
    assert min(expected.values()) > 100
    assert not failures(workspace)


def test_events_beyond_a_table_sit_on_its_end_and_belong_to_a_gate_that_reaches_it(tmp_path):
    drawn = Drawn()
    top, corner = float(drawn.tables[0][-1]), [(2000, 300), (4096, 300), (4096, 4096), (2000, 4096)]
    high = flowjo9_shape("Range", "&lt;A&gt;", None, [(1000, 0.02), (2.3e7, 0.02)])
    low = flowjo9_shape("Range", "&lt;A&gt;", None, [(-1e6, 0.02), (1000, 0.02)])
    names = ("quadrant", "high", "low")
    shapes = (drawn.shape("PolyRect", corner), high, low)
    populations = [flowjo9_population(name, shape) for name, shape in zip(names, shapes, strict=True)]
    sample = flowjo9_sample(*populations, compensation=-2, parameters=LOG)
    found = sizes(read(tmp_path, **drawn.workspace(samples=sample)), [9 * top, -9 * top, 1500], [5e5, 5e5, 5e5])
    assert found == {"/quadrant": 2 if np.interp(1500, drawn.tables[0], STEPS) >= 2000 else 1, "/high": 2, "/low": 1}


def test_flowjos_bins_are_256_of_the_4096_steps(tmp_path):
    drawn = Drawn()
    corners = [(700.0, 500.0), (1600.0, 2600.0), (3100.0, 2000.0), (2600.0, 800.0)]
    path = write(tmp_path, **drawn.workspace(flowjo9_population("four", drawn.shape("Polygon", corners))))
    sample = read_workspace(path, bins=True).samples[0]
    assert isinstance(sample.placed.populations[0].gate, BinnedPolygon)
    # Half a bin inside every edge the answer is the exact one.
    exact = gated(read_workspace(path).samples[0], *drawn.raw.T)
    binned = gated(sample, *drawn.raw.T)
    differing = exact.memberships["/four"] != binned.memberships["/four"]
    assert 0 < np.count_nonzero(differing) < 0.02 * len(drawn.raw)


def test_the_table_of_the_samples_own_matrix_is_used(tmp_path):
    drawn = Drawn()
    other = [flowjo9_table(f"N <{name}>", np.linspace(-5, 5, 4097).tolist()) for name in "AB"]
    four = flowjo9_population("four", drawn.shape("Polygon", [(700, 500), (1600, 2600), (3100, 2000)]))
    plain = drawn.workspace(four)
    both = plain | {"tables": "".join(other) + plain["tables"]}
    assert sizes(read(tmp_path, **both), *drawn.raw.T) == sizes(read(tmp_path, **plain), *drawn.raw.T)


def test_two_tables_of_neither_matrix_are_told_apart_by_the_parameters_index_or_refused(tmp_path):
    drawn = Drawn()
    four = flowjo9_population("four", drawn.shape("Polygon", [(700, 500), (1600, 2600), (3100, 2000)]))
    plain, foreign = drawn.workspace(four), drawn.workspace(four, matrix="P")
    line = np.linspace(-5, 5, 4097).tolist()
    foreign["tables"] += "".join(flowjo9_table(f"N <{name}>", line) for name in "AB")
    assert "2 display tables of '<A>'" in failures(read(tmp_path, **foreign))["/four"]
    foreign["samples"] = foreign["samples"].replace('"A" log', '"A" calibrationIndex="1" log')
    foreign["samples"] = foreign["samples"].replace('"B" log', '"B" calibrationIndex="2" log')
    assert sizes(read(tmp_path, **foreign), *drawn.raw.T) == sizes(read(tmp_path, **plain), *drawn.raw.T)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0,1,1,x", "could not convert"),
        ("0,1,1,nan", "not a number"),
        ("0,1,1,2,2", "5 values"),
        ("0,5,1,4,2,9", "falls from 5 to 4"),
        ("1,5,1,6", "steps do not rise"),
        ("", "1 values"),
    ],
)
def test_a_table_that_is_none_costs_the_populations_on_it_and_is_named(tmp_path, text, said):
    shape = flowjo9_shape("Range", "&lt;A&gt;", None, [(0, 0), (10, 0)])
    spoiled = f'<Table name="M &lt;A&gt;">{text}</Table>'
    sample = flowjo9_sample(flowjo9_population("a", shape), range_of("b", 0, 10, "B"), compensation=1, parameters=LOG)
    found = failures(read(tmp_path, samples=sample, matrices=MATRIX, tables=spoiled))
    assert set(found) == {"/a"}
    assert said in found["/a"]
    assert re.search(r"w.xml line \d+: the display table 'M <A>'", found["/a"])


def test_a_table_survives_being_kept_with_placed_gates_and_is_refused_where_it_has_no_place(tmp_path):
    drawn = Drawn()
    four = flowjo9_population("four", drawn.shape("Polygon", [(700, 500), (1600, 2600), (3100, 2000)]))
    sample = read(tmp_path, **drawn.workspace(four)).samples[0]
    tree = gated(sample, *drawn.raw.T)
    kept = json.loads(json.dumps(tree.gates_to_dict()))
    again = placed_from_run(kept, None)
    assert again.axes["<A>"].scale == sample.placed.axes["<A>"].scale
    assert again.populations[0].gate == sample.placed.populations[0].gate
    with pytest.raises(ExportFailed, match="a scale that is a table; apply the gates from the workspace"):
        write_flowjo([sample])
    with pytest.raises(ExportFailed, match=r"Gating-ML 2\.0 has no scale 'table'"):
        write_gatingml(sample.placed)


def test_boolean_formulas_go_by_the_numbers_of_their_terms(tmp_path):
    parts = [range_of("p", 0, 10), range_of("q", 5, 15), range_of("r", 20, 30)]
    mixed = flowjo9_boolean("mixed", "G0 & !G1 | G2", ["p", "q", "r"])
    swapped = flowjo9_boolean("swapped", "!G1 & G0", ["p", "q"])
    brackets = flowjo9_boolean("brackets", "! ( G0 | G1 ) & !G2", ["p", "q", "r"])
    found = sizes(read(tmp_path, *parts, mixed, swapped, brackets), [1, 7, 12, 25, 99], [0] * 5)
    assert [found[f"/{name}"] for name in ("mixed", "swapped", "brackets")] == [2, 1, 1]
    assert set(found) == {"/p", "/q", "/r", "/mixed", "/swapped", "/brackets"}, "helpers are not reported"


def test_paths_in_formulas_are_seen_from_the_sample_or_with_slashes_from_the_parent(tmp_path):
    inner = (
        range_of("q", 5, 15) + flowjo9_boolean("near", "!G0", ["/q"]) + flowjo9_boolean("up", "G0&!G1", ["//o", "p/q"])
    )
    found = sizes(read(tmp_path, range_of("p", 0, 20, inner=inner), range_of("o", 0, 12)), [1, 7, 12, 18, 99], [0] * 5)
    assert (found["/p/near"], found["/p/up"]) == (2, 1)


@pytest.mark.parametrize(
    ("formula", "paths", "said"),
    [
        ("G0 & G1", ["p"], "does not go with the 1 populations"),
        ("G0 ^ G1", ["p", "p"], "is not read"),
        ("(G0", ["p"], "not closed"),
        ("G0 G1", ["p", "p"], "is not read"),
        ("G0 &", ["p"], "where a population is expected"),
        ("(" * 400 + "G0" + ")" * 400, ["p"], "brackets more than 50 deep"),
        ("!G0", ["//p"], "lies above the sample"),
        ("!G0", ["nobody"], "'nobody', which is not among the populations"),
    ],
)
def test_formulas_that_are_not_read_say_so(tmp_path, formula, paths, said):
    found = failures(read(tmp_path, range_of("p", 0, 10), flowjo9_boolean("b", formula, paths)))
    assert set(found) == {"/b"}
    assert said in found["/b"]


def test_gates_may_be_turned_round_and_a_population_may_lie_in_several(tmp_path):
    outside = flowjo9_shape("Range", "A", None, [(5, 0), (15, 0)]).replace("<Range", '<Range negated="1"')
    rest = flowjo9_population("rest", outside)
    second = flowjo9_shape("Range", "B", None, [(0, 0), (50, 0)])
    both = flowjo9_population("both", f"{outside}</PolygonGate><PolygonGate>{second}")
    found = sizes(read(tmp_path, rest, both), [1, 7, 20, 30], [10, 10, 90, 10])
    assert found == {"/rest": 3, "/both": 2}


def test_compensated_channels_stand_in_angle_brackets(tmp_path):
    shape = flowjo9_shape("Range", "&lt;B&gt;", None, [(40, 0), (100, 0)])
    matrix = {"A": {"A": 1.0, "B": 0.5}, "B": {"A": 0.0, "B": 1.0}}
    assert sizes(read(tmp_path, flowjo9_population("b", shape), matrix=matrix), [100, 0], [50, 50]) == {"/b": 1}


def test_a_compensated_channel_that_the_matrix_lacks_is_said_and_not_gated_raw(tmp_path):
    shape = flowjo9_shape("Range", "&lt;C&gt;", None, [(40, 0), (100, 0)])
    matrix = {"A": {"A": 1.0, "B": 0.5}, "B": {"A": 0.0, "B": 1.0}}
    assert "'m' has no 'C'" in failures(read(tmp_path, flowjo9_population("c", shape), matrix=matrix))["/c"]


def test_samples_have_their_own_matrix_by_number_or_the_one_they_were_acquired_with(tmp_path):
    shape = flowjo9_population("b", flowjo9_shape("Range", "&lt;B&gt;", None, [(40, 0), (100, 0)]))
    half = flowjo9_matrix("half", {"A": {"A": 1, "B": 0.5}, "B": {"A": 0, "B": 1}})
    none = flowjo9_matrix("none", {"A": {"A": 1, "B": 0}, "B": {"A": 0, "B": 1}})
    acquired = {"$FIL": "c.fcs", "$P1N": "A", "$P2N": "B", "SPILL": "2,A,B,1,0.2,0,1"}
    samples = "".join(
        flowjo9_sample(shape, number=number, compensation=chosen, name=f"{number}.fcs", keywords=keywords)
        for number, chosen, keywords in ((1, 1, None), (2, 2, None), (3, -1, acquired))
    )
    workspace = read(tmp_path, samples=samples, matrices=half + none)
    counts = [gated(sample, [100, 10], [75, 140]).size("/b") for sample in workspace.samples]
    assert counts == [0, 1, 1]
    assert [list(sample.placed.matrices) for sample in workspace.samples] == [
        ["half"],
        ["none"],
        ["Acquisition-defined"],
    ]


def test_a_matrix_that_is_not_there_or_names_another_channel_is_refused_with_its_line(tmp_path):
    sample = flowjo9_sample(CELLS, compensation=5)
    with pytest.raises(BadSpec, match=r"w.xml line \d+: Sample: it asks for compensation matrix 5 of 2"):
        read(tmp_path, samples=sample, matrices=MATRIX + MATRIX)
    with pytest.raises(BadSpec, match=r"line \d+: Channel 'A': it has a value for 'C'"):
        read(tmp_path, CELLS, matrix={"A": {"A": 1, "C": 0.5}})


def test_groups_have_gates_of_their_own_and_samples_say_in_which_they_are(tmp_path):
    group = (
        f'<GroupNode name="Blood">{CELLS}<Group groupID="g"><SampleRefs><SampleRef sampleID="1"/></SampleRefs></Group>'
        '</GroupNode><GroupNode name="Empty"><Group groupID="h"><SampleRefs/></Group></GroupNode>'
    )
    samples = flowjo9_sample(CELLS, number=1) + flowjo9_sample(number=2, name="b.fcs", keywords={"$FIL": "b.fcs"})
    workspace = read(tmp_path, samples=samples, groups=group)
    assert [sample.groups for sample in workspace.samples] == [("Blood",), ()]
    assert [(found.name, found.order) for found in workspace.groups] == [("Blood", ("/Cells",))]


def test_the_form_of_9_7_calls_names_by_another_name(tmp_path):
    text = flowjo9_workspace(CELLS).replace('version="2.0"', 'version="3.0"').replace("SampleList", "Samples")
    text = text.replace('<Population name="', '<Population nodeName="').replace(
        'SampleNode name="', 'SampleNode nodeName="'
    )
    (tmp_path / "w.xml").write_text(text, encoding="latin-1")
    sample = read_workspace(tmp_path / "w.xml").samples[0]
    assert (sample.name, sample.order, sample.event_count) == ("a.fcs", ("/Cells",), 100)


@pytest.mark.parametrize(
    ("parameter", "stored"),
    [
        ('log="0" range="4096" highValue="4096"', "steps"),
        ('log="0" range="4096" highValue="4096" gain="0.015625"', "steps"),
        ('log="0" range="4096" highValue="262144" gain="0.015625"', "intensities"),
        ('log="0" range="262144" highValue="262144" gain="1"', "intensities"),
    ],
)
def test_linear_gates_are_stored_in_steps_or_in_intensities(tmp_path, parameter, stored):
    unit = 1 if stored == "steps" else 64
    shape = flowjo9_shape("Range", "FSC-A", None, [(1000 * unit, 0), (2000 * unit, 0)])
    more = {"parameters": f'<Parameter name="FSC-A" {parameter}/>'}
    workspace = read(tmp_path, flowjo9_population("c", shape), **more)
    assert sizes(workspace, [1500, 64 * 1500], [0, 0], names=("FSC-A", "B")) == {"/c": 1}


def test_gates_beyond_4096_are_intensities_whatever_the_parameter_says(tmp_path):
    parameter = '<Parameter name="FSC-A" log="0" range="4096" highValue="4096"/>'
    shape = flowjo9_shape("Range", "FSC-A", None, [(64000, 0), (128000, 0)])
    workspace = read(tmp_path, flowjo9_population("c", shape), parameters=parameter)
    assert sizes(workspace, [1500, 64 * 1500], [0, 0], names=("FSC-A", "B")) == {"/c": 1}


def test_negative_borders_on_a_log_axis_hold(tmp_path):
    parameter = '<Parameter name="A" log="1" range="262144"/>'
    workspace = read(tmp_path, range_of("c", -50, 500), parameters=parameter)
    assert sizes(workspace, [-60, -50, 0, 500, 501], [0] * 5) == {"/c": 3}


def test_edges_on_a_log_axis_without_a_table_are_straight_in_its_decades_and_a_note_says_so(tmp_path):
    parameters = '<Parameter name="A" log="1" range="4096" lowValue="1" highValue="10000" decades="4"/>'
    parameters += '<Parameter name="B" log="0" range="1024" highValue="1024"/>'
    triangle = flowjo9_population("t", flowjo9_shape("Polygon", "A", "B", [(1, 0), (10000, 0), (10000, 1024)]))
    workspace = read(tmp_path, triangle, range_of("r", 10, 100), parameters=parameters)
    # Half way along the axis (100) the edge is at half its height.
    assert sizes(workspace, [100, 100, 0.1], [500, 524, 0]) == {"/t": 2, "/r": 2}
    notes = {p.id: p.note for p in workspace.samples[0].placed.populations}
    assert "'A': its logarithmic axis has no display table" in notes["/t"]
    assert notes["/r"] == ""


def test_what_is_not_read_is_said_by_its_name_and_costs_no_other(tmp_path):
    strange = [
        '<Population name="none" count="3"/>',
        '<Population name="spiral"><PolygonGate><Spiral/></PolygonGate></Population>',
        '<Population name="turned"><NotGate/></Population>',
        '<AndNode name="both"><Dependents/></AndNode>',
        flowjo9_population("three", flowjo9_shape("Ellipse", "A", "B", [(1, 1), (3, 3), (1, 3)])),
        flowjo9_population("askew", flowjo9_shape("Ellipse", "A", "B", [(1, 1), (3, 3), (5, 9), (90, 2)])),
    ]
    found = failures(read(tmp_path, CELLS, *strange))
    assert set(found) == {"/none", "/spiral", "/turned", "/both", "/three", "/askew"}
    assert found["/none"] == "it has no gate"
    assert "'Spiral' are not read" in found["/spiral"]
    assert "'NotGate' are not read" in found["/turned"]
    assert "'AndNode' are not read" in found["/both"]
    assert "four ends of its axes, this one 3" in found["/three"]
    assert "do not lie opposite each other" in found["/askew"]


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        ([("x", 0), (1, 0)], r"line \d+: .*'x' is 'x', which is not a number"),
        ([("nan", 0), (1, 0)], r"line \d+: .*'x' is 'nan', which is not a number"),
        ([], r"line \d+: Range: it has no vertices"),
        ([(i, 0) for i in range(10_001)], r"line \d+: Range: it has 10,001 corners"),
    ],
)
def test_what_is_broken_is_said_with_its_line(tmp_path, corners, said):
    with pytest.raises(BadSpec, match=said):
        read(tmp_path, flowjo9_population("c", flowjo9_shape("Range", "A", None, corners)))


def test_populations_too_deep_in_each_other_are_refused(tmp_path):
    inner = ""
    for level in range(220):
        inner = range_of(f"p{level}", 0, 10, inner=inner)
    with pytest.raises(BadSpec, match="more than 200 deep"):
        read(tmp_path, inner)


@pytest.mark.parametrize("chosen", [7, 0, 1])
def test_the_only_matrix_is_used_under_another_number_and_a_note_says_so(tmp_path, chosen):
    shape = flowjo9_population("b", flowjo9_shape("Range", "&lt;B&gt;", None, [(40, 0), (100, 0)]))
    sample = read(tmp_path, samples=flowjo9_sample(shape, compensation=chosen), matrices=MATRIX).samples[0]
    assert list(sample.placed.matrices) == ["M"]
    said = f"it asks for compensation matrix {chosen}; 'M', the workspace's only one, is used"
    assert (said in " ".join(sample.notes)) == (chosen != 1)


@pytest.mark.parametrize("table", [flowjo9_table("A", np.linspace(-100, 4e5, 4097).tolist()), ""])
def test_a_gain_of_a_logarithmic_parameter_is_said_not_to_be_applied(tmp_path, table):
    gained = LOG.replace('highValue="262144"', 'highValue="262144" gain="2"')
    noted = {}
    for name, parameters in (("plain", LOG), ("gained", gained)):
        workspace = read(tmp_path, range_of("r", 100, 5000), parameters=parameters, tables=table)
        noted[name] = workspace.samples[0].placed.populations[0].note
        assert sizes(workspace, [99, 101, 4999, 5001], [1, 1, 1, 1]) == {"/r": 2}
    assert noted["plain"] == ""
    assert "'A': its gain of 2 is not applied" in noted["gained"]


def test_a_derived_parameter_is_not_gated_by_a_channel_of_its_name(tmp_path):
    text = write(tmp_path, CELLS).read_text(encoding="latin-1")
    derived = '<DerivedParameter name="B" formula="A/B"/><SampleNode'
    (tmp_path / "w.xml").write_text(text.replace("<SampleNode", derived, 1), encoding="latin-1")
    assert "'B': it is a derived parameter (A/B)" in failures(read_workspace(tmp_path / "w.xml"))["/Cells"]


def test_a_decimal_comma_in_a_corner_is_read_in_the_same_unit(tmp_path):
    # Beyond 4,096 gates are intensities, not steps of a display: the corner that says so has a decimal comma.
    linear = '<Parameter name="A" range="4096" highValue="4096"/><Parameter name="B" range="4096" highValue="4096"/>'
    keywords = {"$FIL": "a.fcs", "$P1N": "A", "$P1R": "262144"}
    for upper in (5000.5, "5000,5"):
        sample = flowjo9_sample(range_of("r", 100, upper), parameters=linear, keywords=keywords)
        workspace = read(tmp_path, samples=sample)
        assert gated(workspace.samples[0], [99, 101, 5000, 5001], [1] * 4).size("/r") == 2
        assert len(workspace.remarks) == (upper == "5000,5")
