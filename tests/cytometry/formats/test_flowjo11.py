"""FlowJo 11's own workbenches: gates in display coordinates, changed gates, Booleans, matrices; strangers' ZIPs."""

import json
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fcs_files import write_fcs
from support.flowjo11 import BIEX, LINEAR, Workbench, gate, spillover

from immunomon.cytometry.formats import flowjo11_gates as flowjo11_json
from immunomon.cytometry.formats import zip_archive
from immunomon.cytometry.formats.workspaces import is_workspace, read_workspace
from immunomon.cytometry.model.scales import Biex
from immunomon.errors import BadSpec
from immunomon.runs.workspaces import gate_with_workspace

RNG = np.random.default_rng(11)
COLUMNS = {"A": RNG.uniform(0, 1000, 2000), "B": RNG.uniform(0, 1000, 2000), "Time": np.linspace(0, 9000, 2000)}
A, B = (COLUMNS[name].astype("f4").astype(float) for name in "AB")
REMEDY = r"save it as a workspace \(\.wsp\) in FlowJo"


def gated(folder, workbench, columns=COLUMNS, **keywords):
    """Return the counts by path and the notes of one file through a workbench."""
    path = write_fcs(folder / "a.fcs", np.column_stack(list(columns.values())), list(columns), **keywords)
    result = gate_with_workspace([path], read_workspace(workbench.write(folder / "w.flowjo")))
    assert result.failures == ()
    return {row["path"]: row["count"] for row in result.rows}, " ".join(result.notes)


def inside(mask):
    return int(np.count_nonzero(mask))


def test_gates_hold_what_lies_inside_them_on_their_own_axes(tmp_path):
    made = Workbench()
    half = {**LINEAR, "minRange": -500.0, "maxRange": 1500.0}
    made.add("range", gate("range", "A", [700, 200]))
    made.add("rectangle", gate("rectangle", "A", [100, 900], ("B", half), [400, 650]))
    made.add("triangle", gate("polygon", "A", [0, 1000, 0], "B", [0, 0, 1000]))
    made.add("ellipse", gate("ellipse", "A", [200, 800], "B", [400, 600], rotationAngle=30.0))
    made.add("open", gate("range", "A", [500, 2e5]))
    made.add("coarse", gate("range", "A", [64, 128], resolution=None))
    turned = np.deg2rad(30)
    x, y = A - 500, B - 500
    along, across = x * np.cos(turned) + y * np.sin(turned), -x * np.sin(turned) + y * np.cos(turned)
    shown_b = (B + 500) / 2
    assert gated(tmp_path, made)[0] == {
        "/range": inside((A >= 200) & (A <= 700)),
        "/rectangle": inside((A >= 100) & (A <= 900) & (shown_b >= 400) & (shown_b <= 650)),
        "/triangle": inside(A + B <= 1000),
        "/ellipse": inside((along / 300) ** 2 + (across / 100) ** 2 <= 1),
        "/open": inside(A >= 500),
        "/coarse": inside((A >= 250) & (A <= 500)),
    }


def test_biex_and_log_axes_are_flowjos(tmp_path):
    made = Workbench()
    made.add("biex", gate("range", ("A", BIEX), [500, 900]))
    made.add("log", gate("range", ("A", {"transformType": "Log", "numberDecades": 4.0}), [500, 700]))
    shown = Biex(1000.0, 3.0, 0.0, -10.0).apply(A)
    counts, _ = gated(tmp_path, made)
    assert counts["/biex"] == inside((shown >= 0.5) & (shown <= 0.9))
    assert counts["/log"] == inside((A >= 100) & (A <= 10**2.8))


def test_the_parts_of_a_crossing_are_told_by_their_number(tmp_path):
    made = Workbench()
    crossing = gate("quad", "A", [300, 300, 1000, 300, 0], "B", [600, 0, 600, 1000, 600])
    definition = made.define(["LL", "LR", "UL", "UR"], crossing, "quad")
    for number in range(4):
        made.add("", None, number=number, definition=definition)
    right, upper = A >= 300, B >= 600
    parts = {"LL": ~right & ~upper, "LR": right & ~upper, "UL": ~right & upper, "UR": right & upper}
    assert gated(tmp_path, made)[0] == {f"/{name}": inside(mask) for name, mask in parts.items()}


def test_booleans_lie_in_the_parent_of_their_operands(tmp_path):
    made = Workbench()
    parent = made.add("parent", gate("range", "B", [0, 500]))
    low = made.add("low", gate("range", "A", [0, 300]), [parent])
    high = made.add("high", gate("range", "A", [200, 900]), [parent])
    made.add("not low", None, [low], kind="not")
    made.add("both", None, [low, high], kind="and")
    either = made.add("either", None, [low, high], kind="or")
    made.add("rest", gate("range", "A", [0, 100]), [either])
    first, second, among = A <= 300, (A >= 200) & (A <= 900), B <= 500
    counts, _ = gated(tmp_path, made)
    assert counts["/parent/not low"] == inside(among & ~first)
    assert counts["/parent/both"] == inside(among & first & second)
    assert counts["/parent/either"] == inside(among & (first | second))
    assert counts["/parent/either/rest"] == inside(among & (A <= 100))


def test_a_gate_changed_for_the_file_is_used_and_counts_stand_beside_ours(tmp_path):
    made = Workbench(keywords={"$TOT": "2000"})
    changed = {"s": gate("range", "A", [0, 100]), "other": gate("range", "A", [0, 900])}
    made.add("cells", gate("range", "A", [0, 500]), changed=changed, count=77)
    assert gated(tmp_path, made)[0] == {"/cells": inside(A <= 100)}
    workspace = read_workspace(tmp_path / "w.flowjo")
    (sample,) = workspace.samples
    assert (workspace.program, sample.name, sample.file, sample.groups) == ("FlowJo 11", "a.fcs", "a.fcs", ("Blood",))
    assert (sample.counts, sample.event_count, sample.identity) == ({"/cells": 77}, 100, {"$TOT": "2000"})


def test_populations_of_one_name_are_told_apart_and_operands_found(tmp_path):
    made = Workbench()
    made.add("a", gate("range", "A", [0, 100]))
    second = made.add("a", gate("range", "A", [0, 400]))
    made.add("not a", None, [second], kind="not")
    counts, _ = gated(tmp_path, made)
    assert counts == {"/a": inside(A <= 100), "/a #2": inside(A <= 400), "/not a": inside(A > 400)}


def test_compensated_axes_use_the_files_matrix(tmp_path):
    rows, values = ("Comp-A", "Comp-B"), [[1.0, 0.5], [0.0, 1.0]]
    for factor in (1.0, 100.0):
        made = Workbench(matrix=spillover(rows, "AB", [[value * factor for value in line] for line in values]))
        made.add("b", gate("range", "Comp-B", [0, 300]))
        assert gated(tmp_path, made)[0] == {"/b": inside((B - 0.5 * A >= 0) & (B - 0.5 * A <= 300))}


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        (spillover(("Comp-A",), "AB", [[1.0, 0.5]], isSpectral=True), "unmixes spectra"),
        (spillover(("Comp-A", "Comp-B"), "AB", [[2.0, 0.5], [0.0, 2.0]]), "diagonal is neither 1 nor 100"),
        (spillover(("Comp-A", "Comp-B"), "AB", [[1.0, 0.5]]), "but 1 rows"),
        (spillover(("Comp-A",), "A", [[1.0]], adjustment={"values": [[0.9]]}), "adjusted by hand"),
    ],
)
def test_a_matrix_that_is_not_read_costs_compensated_populations_only(tmp_path, matrix, reason):
    made = Workbench(matrix=matrix)
    made.add("a", gate("range", "A", [0, 100]))
    made.add("b", gate("range", "Comp-A", [0, 100]))
    counts, notes = gated(tmp_path, made)
    assert counts == {"/a": inside(A <= 100), "/b": None}
    assert reason in notes
    assert "save it as a workspace" in notes


def test_a_time_axis_is_understood_by_its_range(tmp_path):
    made = Workbench(keywords={"$TIMESTEP": "0.01", "$BTIM": "10:00:00", "$ETIM": "10:01:30"})
    made.add("early", gate("range", ("Time", {**LINEAR, "maxRange": 90.0}), [0, 500]))
    counts, notes = gated(tmp_path, made, **{"$timestep": "0.01"})
    assert counts == {"/early": 1000}
    assert "is taken to be in seconds" in notes


@pytest.mark.parametrize(
    ("drawn", "reason"),
    [
        (gate("spider", "A", [0, 1]), "gates of the kind 'spider'"),
        (gate("range", ("A", {"transformType": "ArcSinh"}), [0, 1]), "on the scale 'ArcSinh'"),
        (gate("range", ("A", {**LINEAR, "maxRange": 0}), [0, 1]), "has no range"),
        (gate("range", ("A", {"transformType": "Log", "decadesOffset": 2, "numberDecades": 4}), [0, 1]), "shifted log"),
        (gate("range", ("A", {**BIEX, "W": 10.0}), [0, 1]), "its axis 'A'"),
        (gate("polygon", "A", [0, 1], "B", [0, 1]), "needs 3"),
        (gate("range", "A", ["x", 1]), "is not a number"),
        (gate("range", "A", [float("nan"), 1]), "is not a number"),
        (gate("quad", "A", [1, 1, 2, 3, 0], "B", [1, 0, 1, 2, 1]), "arms that were moved apart"),
        ({"type": "range"}, "parameterSpec.name is missing"),
        (gate("range", ("Time", BIEX), [0, 1]), "a time axis on the scale 'Biex'"),
    ],
)
def test_a_gate_that_is_not_read_costs_its_own_population_with_the_reason_and_the_remedy(tmp_path, drawn, reason):
    made = Workbench()
    made.add("bad", drawn)
    made.add("good", gate("range", "A", [0, 100]))
    counts, notes = gated(tmp_path, made)
    assert counts == {"/bad": None, "/good": inside(A <= 100)}
    assert reason in notes
    assert "save it as a workspace" in notes


def test_what_is_not_read_of_the_form_is_said(tmp_path):
    made = Workbench()
    made.add("a", gate("range", "A", [0, 100]))
    assert "clusters, derived parameters, reports and rules of groups are not" in gated(tmp_path, made)[1]


def archive(path, *entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ((), "holds no analysis"),
        ((("analyses/analysis-1/analysis-1.json", "{"),), "not a readable FlowJo 11 workbench"),
        ((("analysis-1.json", "[]"),), "its analysis is no object"),
        ((("analysis-1.json", "[" * 100_000),), "not a readable FlowJo 11 workbench"),
        ((("analysis-1.json", '{"dataSources": []}'),), "dataSources is not an object"),
        ((("analysis-1.json", b"\xff\xfe\xff"),), "not a readable FlowJo 11 workbench"),
        ((("analysis-1.json", " " * 5000),), "more than 4,096 bytes"),
        (tuple((f"x{number}", "") for number in range(12)), "more than 10 entries"),
    ],
)
def test_archives_of_strangers_are_refused_with_the_remedy(tmp_path, monkeypatch, entries, reason):
    monkeypatch.setattr(flowjo11_json, "_LARGEST", 4096 if "bytes" in reason else 1 << 20)
    monkeypatch.setattr(zip_archive, "_MOST_ENTRIES", 10)
    with pytest.raises(BadSpec, match=reason) as caught:
        read_workspace(archive(tmp_path / "w.flowjo", *entries))
    assert "save it" in str(caught.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_entries_of_one_name_none_is_read(tmp_path):
    made = json.dumps(Workbench().analysis())
    path = archive(tmp_path / "w.flowjo", ("analysis-1.json", made), ("analysis-1.json", made))
    with pytest.raises(BadSpec, match=r"entry 'analysis-1.json': it holds 2 entries of this name") as caught:
        read_workspace(path)
    assert "save it" in str(caught.value)


def test_a_file_that_is_no_archive_is_refused_and_nothing_is_unpacked(tmp_path):
    path = tmp_path / "w.flowjo"
    path.write_bytes(b"PK")
    assert is_workspace(path)
    with pytest.raises(BadSpec, match=REMEDY):
        read_workspace(path)
    made = json.dumps(Workbench().analysis())
    read_workspace(archive(path, ("../../../analysis-1.json", made)))
    assert [item.name for item in tmp_path.iterdir()] == ["w.flowjo"]


@pytest.mark.parametrize("kinds", [("gate", "gate"), ("and", "and"), ("and", "gate")])
def test_populations_in_a_circle_are_refused(tmp_path, kinds):
    made = Workbench()
    first = made.add("a", gate("range", "A", [0, 100]), kind=kinds[0])
    second = made.add("b", gate("range", "A", [0, 100]), [first], kind=kinds[1])
    made.populations[first]["parents"]["populations"] = [second]
    with pytest.raises(BadSpec, match=REMEDY):
        read_workspace(made.write(tmp_path / "w.flowjo"))


def test_many_booleans_of_booleans_take_no_time(tmp_path):
    made = Workbench()
    below = [made.add(name, gate("range", "A", [0, 100])) for name in "ab"]
    for level in range(150):
        below = [made.add(f"{level}{name}", None, list(below), kind="or") for name in "ab"]
    (sample,) = read_workspace(made.write(tmp_path / "w.flowjo")).samples
    assert len(sample.order) == 302


def whole():
    made = Workbench(matrix=spillover(("Comp-A", "Comp-B"), "AB", [[1.0, 0.1], [0.0, 1.0]]))
    parent = made.add("p", gate("polygon", "Comp-A", [0, 1, 2], ("B", BIEX), [0, 5, 1]))
    made.add("e", gate("ellipse", "A", [0, 10], "B", [0, 5], rotationAngle=3), [parent])
    made.add("n", None, [parent], kind="not")
    return json.dumps(made.analysis())


WHOLE = whole()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(WHOLE)), st.sampled_from(["null", "[]", "{}", '"p1"', "1e999", "-1", "true", ""])),
        min_size=1,
        max_size=4,
    )
)
def test_spoiled_workbenches_are_read_or_refused(tmp_path_factory, changes):
    data = json.loads(WHOLE)
    for place, value in changes:
        spoil(data, place, None if value == "" else json.loads(value))
    path = tmp_path_factory.mktemp("w") / "w.flowjo"
    with suppress(BadSpec):
        workspace = read_workspace(archive(path, ("analysis-1.json", json.dumps(data))))
        assert all(set(sample.order) <= set(sample.placed.ids) for sample in workspace.samples)


def spoil(node, place, value):
    """Put a value at one of all the places of a document."""
    places = []
    pending = [node]
    while pending:
        holder = pending.pop()
        for key, item in holder.items() if isinstance(holder, dict) else enumerate(holder):
            places.append((holder, key))
            if isinstance(item, dict | list):
                pending.append(item)
    if places:
        holder, key = places[place % len(places)]
        holder[key] = value
