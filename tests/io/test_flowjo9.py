import numpy as np
import pytest
from support.workspaces import flowjo9_boolean, flowjo9_population, flowjo9_shape, flowjo9_workspace

from immunomon.errors import BadSpec
from immunomon.io.workspaces import read_workspace
from immunomon.model.events import Channel, EventTable
from immunomon.steps.apply import apply_gates

SQUARE = [(10, 0), (60, 0), (60, 50), (10, 50)]
CELLS = flowjo9_population("Cells", flowjo9_shape("PolyRect", "A", "B", SQUARE), count=7)


def read(tmp_path, *populations, **more):
    path = tmp_path / "w.xml"
    path.write_text(flowjo9_workspace(*populations, **more), encoding="utf-8")
    return read_workspace(path)


def sizes(workspace, a, b, names=("A", "B")):
    events = EventTable(np.column_stack([a, b]).astype(np.float64), tuple(Channel(name) for name in names))
    tree = apply_gates(events, workspace.samples[0].placed, None)
    return {name: tree.size(name) for name in workspace.samples[0].order}


def test_rectangles_ranges_and_polygons_are_read_with_their_counts(tmp_path):
    inner = flowjo9_population("range", flowjo9_shape("Range", "A", None, [(20, 0), (30, 0)]))
    slanted = flowjo9_population("tri", flowjo9_shape("Polygon", "A", "B", [(0, 0), (100, 0), (0, 100)]))
    cells = CELLS.replace("</Population>", inner + "</Population>")
    workspace = read(tmp_path, cells, slanted)
    assert workspace.program == "FlowJo 9"
    assert workspace.samples[0].counts == {"/Cells": 7}
    found = sizes(workspace, [9, 10, 25, 60, 25], [10, 10, 50, 0, 90])
    assert found == {"/Cells": 3, "/Cells/range": 1, "/tri": 4}


def test_boolean_formulas_with_not_and_or_are_decided_with_and_first(tmp_path):
    parts = [
        flowjo9_population(name, flowjo9_shape("Range", "A", None, [(low, 0), (high, 0)]))
        for name, low, high in (("p", 0, 10), ("q", 5, 15), ("r", 20, 30))
    ]
    mixed = flowjo9_boolean("mixed", "G0 & !G1 | G2", ["p", "q", "r"])
    found = sizes(read(tmp_path, *parts, mixed), [1, 7, 12, 25, 99], [0] * 5)
    assert found["/mixed"] == 2
    assert set(found) == {"/p", "/q", "/r", "/mixed"}, "helpers are not reported"


def test_compensated_channels_stand_in_angle_brackets(tmp_path):
    shape = flowjo9_shape("Range", "&lt;B&gt;", None, [(40, 0), (100, 0)])
    matrix = {"A": {"A": 1.0, "B": 0.5}, "B": {"A": 0.0, "B": 1.0}}
    assert sizes(read(tmp_path, flowjo9_population("b", shape), matrix=matrix), [100, 0], [50, 50]) == {"/b": 1}


def test_scatter_in_4096_steps_is_brought_to_the_18_bits_of_the_file(tmp_path):
    parameter = '<Parameter name="FSC-A" log="0" range="4096" highValue="4096"/>'
    shape = flowjo9_shape("Range", "FSC-A", None, [(1000, 0), (2000, 0)])
    workspace = read(tmp_path, flowjo9_population("c", shape), parameters=parameter)
    assert sizes(workspace, [1500, 64 * 1500], [0, 0], names=("FSC-A", "B")) == {"/c": 1}


def test_negative_borders_on_a_log_axis_hold(tmp_path):
    parameter = '<Parameter name="A" log="1" range="262144"/>'
    shape = flowjo9_shape("Range", "A", None, [(-50, 0), (500, 0)])
    workspace = read(tmp_path, flowjo9_population("c", shape), parameters=parameter)
    assert sizes(workspace, [-60, -50, 0, 500, 501], [0] * 5) == {"/c": 3}


def test_what_is_broken_is_said_with_its_line(tmp_path):
    bad = flowjo9_population("c", flowjo9_shape("Range", "A", None, [("x", 0), (1, 0)]))
    with pytest.raises(BadSpec, match=r"line \d+: .*'x' is 'x', which is not a number"):
        read(tmp_path, bad)
