"""Workspaces written here, read back by our own reader and by FlowKit, must hold the same events."""

import warnings

import numpy as np
import pytest
from support.fcs_files import write_fcs

from immunomon.cytometry.formats.fcs import read_events
from immunomon.cytometry.formats.flowjo_writing import write_flowjo
from immunomon.cytometry.formats.workspaces import read_workspace
from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import Boolean, Ellipse, Interval, Polygon, Rectangle
from immunomon.cytometry.model.placed import UNCOMPENSATED, GateAxis, PlacedStrategy, Ratio, WorkspaceSample
from immunomon.cytometry.model.scales import Asinh, Biex, Hyperlog, Linear, Log, Logicle
from immunomon.cytometry.model.spillover import SpectrumMatrix
from immunomon.cytometry.steps.apply import apply_gates
from immunomon.errors import ExportFailed

CHANNELS = ("FSC-A", "A", "B", "C")
INF = float("inf")
MATRIX = SpectrumMatrix(("A", "B"), ("A", "B"), ((1.0, 0.2), (0.05, 1.0)))


def axes(scale):
    return {
        "size": GateAxis("FSC-A"),
        "x": GateAxis("A", "m", scale),
        "y": GateAxis("B", "m", scale),
        "z": GateAxis("C", UNCOMPENSATED, Asinh(262144, 4, 0.5)),
    }


def populations():
    slanted = ((-4.0, -3.9), (4.0, 4.1), (4.0, 12.0), (-4.0, 12.0))  # a border drawn far beyond the data
    gates = [
        ("root", "cells", Polygon("size", "z", ((2e4, 0.2), (1e9, 0.2), (1e9, 0.9), (2e4, 0.95)))),
        ("cells", "high", Interval("x", low=0.5)),
        ("cells", "square", Rectangle((Interval("x", 0.3, 0.7), Interval("y", -INF, 0.6)))),
        ("cells", "above", Polygon("x", "y", slanted)),
        ("high", "inner", Interval("y", 0.2, 0.8)),
        ("cells", "both", Boolean("and", ("high", "above"))),
        ("cells", "either", Boolean("or", ("high", "square"))),
        ("cells", "neither", Boolean("not", ("high", "square"))),
        ("neither", "rest", Boolean("not", ("inner",))),
    ]
    paths = {"root": ""}
    for parent, name, gate in gates:
        paths[name] = f"{paths[parent]}/{name}"
        yield PlacedPopulation(name, name, parent, paths[name], gate.kind, gate)


def sample(scale=None, found=None, **more):
    placed = PlacedStrategy("s", axes(scale or Logicle()), tuple(found or populations()), {"m": MATRIX})
    return WorkspaceSample("1", "a.fcs", "file:a.fcs", placed, placed.ids, **more)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rng = np.random.default_rng(3)
    size = rng.uniform(1e3, 3e5, 4000)
    dyes = rng.choice([-1.0, 1.0, 1.0, 1.0], (4000, 3)) * 10 ** rng.uniform(0, 5.6, (4000, 3))
    return write_fcs(tmp_path_factory.mktemp("f") / "a.fcs", np.column_stack([size, dyes]), CHANNELS)


def written(tmp_path, *samples):
    path = tmp_path / "w.wsp"
    path.write_bytes(write_flowjo(samples))
    return path


SCALES = [Logicle(w=0.7), Asinh(262144, 4, 0.3), Linear(262144), Biex(), Log(262144, 4.5)]


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.kind)
def test_a_written_workspace_read_back_holds_the_same_events(tmp_path, file, scale):
    theirs = sample(scale)
    events = read_events(file)
    before = apply_gates(events, theirs.placed, None)
    (read,) = read_workspace(written(tmp_path, theirs)).samples
    after = apply_gates(events, read.placed, None)
    # FlowJo's log axis has what is not positive on its floor, ours nowhere: a polygon there is decided otherwise.
    otherwise = {"above", "both"} if scale.kind == "log" else set()
    for population in theirs.placed.populations:
        if population.id not in otherwise:
            assert (after.memberships[population.path] == before.memberships[population.id]).all(), population.id
    assert before.size("square")


@pytest.mark.parametrize("scale", SCALES[:3], ids=lambda scale: scale.kind)
def test_flowkit_finds_the_same_events_in_a_written_workspace(tmp_path, file, scale):
    import flowkit

    theirs = sample(scale)
    before = apply_gates(read_events(file), theirs.placed, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        workspace = flowkit.Workspace(str(written(tmp_path, theirs)), fcs_samples=[str(file)], filename_as_id=True)
        workspace.analyze_samples(sample_id="a.fcs")
    for population in theirs.placed.populations:
        *above, name = population.path.strip("/").split("/")
        found = workspace.get_gate_membership("a.fcs", name, gate_path=("root", *above))
        assert (np.asarray(found) == before.memberships[population.id]).all(), population.id


ELLIPSES = [
    Ellipse("x", "y", (0.5, 0.6), ((0.02, 0.008), (0.008, 0.01))),
    Ellipse("x", "y", (0.5, 0.5), ((0.01, 0.0), (0.0, 0.03)), 1.5),
    Ellipse("x", "y", (0.5, 0.5), ((0.02, 0.0), (0.0, 0.02))),
    Ellipse("size", "y", (1.3e5, 0.5), ((3e9, 1e3), (1e3, 0.02))),
]


@pytest.mark.parametrize("gate", ELLIPSES)
def test_an_ellipse_is_read_back_exactly_and_by_flowkit_as_its_polygon_of_128_corners(tmp_path, file, gate):
    import flowkit

    theirs = sample(found=[PlacedPopulation("e", "e", "root", "/e", "ellipse", gate)])
    events = read_events(file)
    before = apply_gates(events, theirs.placed, None).memberships["e"]
    assert before.sum() > 30
    path = written(tmp_path, theirs)
    (read,) = read_workspace(path).samples
    assert (apply_gates(events, read.placed, None).memberships["/e"] == before).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        workspace = flowkit.Workspace(str(path), fcs_samples=[str(file)], filename_as_id=True)
        workspace.analyze_samples(sample_id="a.fcs")
    found = np.asarray(workspace.get_gate_membership("a.fcs", "e", gate_path=("root",)))
    assert (found != before).sum() <= 1 + 0.003 * before.sum()


def test_counts_and_keywords_are_written(tmp_path):
    theirs = sample(counts={"cells": 12}, event_count=40, identity={"$TOT": "40"})
    (read,) = read_workspace(written(tmp_path, theirs)).samples
    assert (read.event_count, read.counts, read.identity) == (40, {"/cells": 12}, {"$TOT": "40"})


def test_populations_that_were_not_placed_are_left_out_with_those_made_of_them(tmp_path):
    found = [
        PlacedPopulation(p.id, p.label, p.parent, p.path, p.method, None, failure="no valley") if p.id == "high" else p
        for p in populations()
    ]
    (read,) = read_workspace(written(tmp_path, sample(found=found))).samples
    assert set(read.order) == {"/cells", "/cells/square", "/cells/above"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"r": GateAxis(Ratio("A", "B"))}, "the ratio A/B"),
        ({"h": GateAxis("C", UNCOMPENSATED, Hyperlog())}, "two scales|hyperlog"),
        ({"x2": GateAxis("A", "m", Logicle(w=1.0))}, "'Comp-A' has two scales"),
    ],
)
def test_what_a_workspace_has_no_place_for_is_refused_with_the_remedy(changed, message):
    placed = PlacedStrategy("s", axes(Logicle()) | changed, (), {"m": MATRIX})
    with pytest.raises(ExportFailed, match=message) as error:
        write_flowjo([WorkspaceSample("1", "a.fcs", "file:a.fcs", placed)])
    assert "Gating-ML" in str(error.value)
