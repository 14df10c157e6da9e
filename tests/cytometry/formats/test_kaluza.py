import struct
import zipfile

import numpy as np
import pytest
from flowkit import transforms
from support.fcs_files import write_fcs
from support.kaluza import analysis_xml, boolean, compensation, entry, measurement, shape, write_analysis

from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.kaluza import open_kaluza
from immunomon.cytometry.formats.workspaces import open_workspace, read_workspace
from immunomon.errors import BadSpec
from immunomon.runs.workspaces import gate_with_workspace

NAMES = ("FS INT", "SS INT", "FL1-A", "FL2-A", "TIME")
TOP = 262144.0
MEASURED = (
    measurement("FS INT", "FS", top=TOP)
    + measurement("SS INT", "SS", top=TOP)
    + measurement("FL1 INT", "FL1", top=TOP, decades=4.5, width=0.6)
    + measurement("FL2 INT", "FL2", top=TOP, decades=4.5, width=0.6)
)
SPILL = np.array([[1.0, 0.25], [0.05, 1.0]])
SCATTER = [("FS INT", "I"), ("SS INT", "I")]
COLOURS = [("FL1 INT", "C"), ("FL2 INT", "C")]


def events(count=4000, seed=3):
    rng = np.random.default_rng(seed)
    light = rng.lognormal(np.log([900, 400]), [1.4, 1.6], size=(count, 2)) + rng.normal(0, 60, size=(count, 2))
    scatter = rng.normal([90000, 60000], [30000, 25000], size=(count, 2))
    return np.column_stack([scatter, light @ SPILL, np.arange(count)]).astype(np.float32).astype(np.float64)


def content(tmp_path, values=None, names=NAMES, **more):
    write_fcs(tmp_path / "written.fcs", events() if values is None else values, names, **more)
    return (tmp_path / "written.fcs").read_bytes()


def written(tmp_path, *gates, values=None, xml=None, files=None, **more):
    xml = xml or analysis_xml(entry(*gates, **({"measurements": MEASURED} | more)))
    return write_analysis(tmp_path / "a.analysis", xml, files or {"000000.fcs": content(tmp_path, values)})


def counts(path):
    with open_workspace(path) as (workspace, files):
        result = gate_with_workspace(files, workspace)
    assert not result.failures
    return {row["path"]: row["count"] for row in result.rows}


def failures(path):
    return {p.id: p.failure for p in read_workspace(path).samples[0].placed.populations if p.failure}


def steps(values, scale, decades=4.5, width=0.6):
    """Where intensities lie on Kaluza's display, 0 to 1,024; what is beyond an axis sits on its end."""
    if scale == "I":
        shown = values / TOP
    elif scale == "O":
        shown = 1 + np.log10(np.maximum(values, 1e-9) / TOP) / decades
    else:
        shown = transforms.LogicleTransform(TOP, width, decades, 0.0).apply(np.ascontiguousarray(values))
    return np.clip(1024 * shown, 0, 1024)


def inside(x, y, corners):
    found, before = np.zeros(len(x), dtype=bool), corners[-1]
    for corner in corners:
        (x1, y1), (x2, y2) = before, corner
        found ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / ((y2 - y1) or 1.0) + x1)
        before = corner
    return found


def compensated(values):
    return (values[:, 2:4] @ np.linalg.inv(SPILL)).T


FRACTIONS = {("FL1", "FL2"): 0.25, ("FL2", "FL1"): 0.05}


@pytest.mark.parametrize("unit", [1, 100])
def test_polygons_are_straight_on_the_display_of_compensated_values(tmp_path, unit):
    cells = [(150.5, 80.5), (600.5, 100.5), (560.5, 520.5), (160.5, 480.5)]
    bright = [(420.5, 380.5), (900.5, 300.5), (800.5, 900.5), (460.5, 800.5)]
    spill = compensation(["FL1", "FL2"], {pair: unit * value for pair, value in FRACTIONS.items()})
    path = written(
        tmp_path,
        shape("P", "Cells", SCATTER, cells),
        shape("P", "Bright", COLOURS, bright, parent="Cells"),
        spill=spill,
    )
    values = events()
    first = inside(steps(values[:, 0], "I"), steps(values[:, 1], "I"), cells)
    fl1, fl2 = compensated(values)
    second = first & inside(steps(fl1, "C"), steps(fl2, "C"), bright)
    assert counts(path) == {"/Cells": first.sum(), "/Cells/Bright": second.sum()}
    assert second.sum() > 200


def test_rectangles_lines_and_logarithms_without_compensation(tmp_path):
    path = written(
        tmp_path,
        shape("R", "box", [("FS INT", "I"), ("FL1 INT", "O")], [(300.5, 400.5), (700.5, 800.5)]),
        shape("L", "line", [("FL2 INT", "O")], [(500.5, 30), (900.5, 30)]),
    )
    values = events()
    fs, fl1, fl2 = steps(values[:, 0], "I"), steps(values[:, 2], "O"), steps(values[:, 3], "O")
    box = (fs >= 300.5) & (fs <= 700.5) & (fl1 >= 400.5) & (fl1 <= 800.5)
    assert counts(path) == {"/box": box.sum(), "/line": ((fl2 >= 500.5) & (fl2 <= 900.5)).sum()}


def test_a_gate_that_reaches_the_end_of_an_axis_holds_what_lies_beyond_it(tmp_path):
    values = np.array([[5.0, 5.0, -80.0, 900.0, 0], [5.0, 5.0, 9e5, 900.0, 1], [5.0, 5.0, 3000.0, 900.0, 2]])
    path = written(
        tmp_path,
        shape("L", "low", [("FL1 INT", "O")], [(-3, 0), (200, 0)]),
        shape("R", "high", [("FL1 INT", "O"), ("FL2 INT", "O")], [(900, 0), (1024, 1024)]),
        shape("P", "corner", [("FL1 INT", "O"), ("FL2 INT", "I")], [(900, 0), (1024, 0), (1024, 1024), (900, 1024)]),
        values=values,
    )
    assert counts(path) == {"/low": 1, "/high": 1, "/corner": 1}


def test_quadrants_divide_their_parent_and_are_named_by_their_signs(tmp_path):
    axes = [("FL1 INT", "O"), ("FL2 INT", "O")]
    parts = {"--": (False, False), "-+": (False, True), "+-": (True, False), "++": (True, True)}
    alone = [shape("Q", f"S{sign}", axes, [(450.5, 420.5)]) for sign in parts]
    corner = shape("Q", "part", axes, [(450.5, 0), (1024, 420.5)])
    found = counts(written(tmp_path, shape("Q", "Q", axes, [(450.5, 420.5)]), *alone, corner))
    values = events()
    right, upper = steps(values[:, 2], "O") >= 450.5, steps(values[:, 3], "O") >= 420.5
    for sign, (x, y) in parts.items():
        expected = np.count_nonzero((right == x) & (upper == y))
        assert (found[f"/Q{sign}"], found[f"/S{sign}"]) == (expected, expected)
    assert sum(found[f"/Q{sign}"] for sign in parts) == len(values)
    assert found["/part"] == np.count_nonzero(right & ~upper)


def test_boolean_expressions_are_of_gates_wherever_they_lie(tmp_path):
    axes = [("FL1 INT", "O")]
    path = written(
        tmp_path,
        boolean("some", '("CD4 +/" AND (NOT "high"))'),
        boolean("any", 'low or NOT (high AND "CD4 +/")'),
        shape("L", "CD4 +/", axes, [(300.5, 0), (800.5, 0)]),
        shape("L", "high", axes, [(500.5, 0), (900.5, 0)], parent="CD4 +/"),
        shape("L", "low", axes, [(100.5, 0), (400.5, 0)]),
    )
    fl1 = steps(events()[:, 2], "O")
    four, low = (fl1 >= 300.5) & (fl1 <= 800.5), (fl1 >= 100.5) & (fl1 <= 400.5)
    high = four & (fl1 >= 500.5) & (fl1 <= 900.5)
    found = counts(path)
    assert found["/some"] == np.count_nonzero(four & ~high)
    assert found["/any"] == np.count_nonzero(low | ~(high & four))


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ('"nobody" AND "a"', "'nobody', which is not among the gates"),
        ('"a" AND', "where a population is expected"),
        ("", "without an expression"),
        ('"b"', "made of"),
    ],
)
def test_expressions_that_are_not_read_say_so(tmp_path, expression, said):
    line = shape("L", "a", [("FL1 INT", "O")], [(1, 0), (9, 0)])
    found = failures(written(tmp_path, line, boolean("b", expression)))
    assert set(found) == {"/b"}
    assert said in found["/b"]


def test_an_ellipse_is_read_by_its_squared_half_axes_with_a_note(tmp_path):
    more = "<Coefficients><C>40000</C><C>10000</C></Coefficients>"
    ends = [(400 + 200, 300), (400, 300 + 100), (400 - 200, 300), (400, 300 - 100)]
    path = written(
        tmp_path,
        shape("E", "round", SCATTER, [(400, 300)], more=more, L="0"),
        shape("E", "turned", SCATTER, [(400, 300)], more=more, L="90"),
        shape("E", "ends", SCATTER, ends),
    )
    values = events()
    x, y = steps(values[:, 0], "I") - 400, steps(values[:, 1], "I") - 300
    flat = np.count_nonzero((x / 200) ** 2 + (y / 100) ** 2 <= 1)
    assert counts(path) == {
        "/round": flat,
        "/turned": np.count_nonzero((x / 100) ** 2 + (y / 200) ** 2 <= 1),
        "/ends": flat,
    }
    notes = {p.id: p.note for p in read_workspace(path).samples[0].placed.populations}
    assert "squares of its half axes" in notes["/round"]
    assert notes["/ends"] == ""


def test_points_far_beyond_1024_are_intensities_and_a_note_says_so(tmp_path):
    box = [(40000, 300), (100000, 5000)]
    path = written(tmp_path, shape("R", "box", [("FS INT", "I"), ("FL1 INT", "C")], box))
    values = events()
    fs, fl1 = values[:, 0], values[:, 2]
    within = (fs >= 40000) & (fs <= 100000) & (fl1 >= 300) & (fl1 <= 5000)
    assert counts(path) == {"/box": np.count_nonzero(within)}
    assert "read as intensities" in read_workspace(path).samples[0].notes[0]


def test_the_ends_of_dividers_are_open(tmp_path):
    axes = [("FL1 INT", "O")]
    path = written(
        tmp_path,
        shape("L", "N-", axes, [(100.5, 0), (500.5, 0)]),
        shape("L", "N+", axes, [(500.5, 0), (900.5, 0)]),
        constraints='<HistogramDivider LG="N-" RG="N+"/>',
    )
    assert sum(counts(path).values()) == len(events())


def test_gates_that_are_not_read_say_so_and_cost_no_other(tmp_path):
    good = shape("L", "good", [("FL1 INT", "O")], [(1, 0), (900, 0)])
    path = written(
        tmp_path,
        good,
        shape("Z", "strange", SCATTER, [(1, 1)]),
        shape("P", "hinged", SCATTER, [(0, 0), (0, 0), (0, 0), (0, 0)]),
        shape("P", "two", SCATTER, [(0, 0), (5, 5)]),
        shape("L", "nowhere", [("FL9 INT", "O")], [(1, 0), (9, 0)]),
        shape("L", "radar", [("FL1 INT", "X")], [(1, 0), (9, 0)]),
        shape("L", "orphan", [("FL1 INT", "O")], [(1, 0), (9, 0)], parent="gone"),
        shape("L", "egg", [("FL1 INT", "O")], [(1, 0), (9, 0)], parent="hen"),
        shape("L", "hen", [("FL1 INT", "O")], [(1, 0), (9, 0)], parent="egg"),
    )
    found = failures(path)
    expected = {
        "/strange": "'Z' are not read",
        "/hinged": "hinged quadrant",
        "/two": "at least 3 vertices",
        "/nowhere": "'FL9 INT' is not among",
        "/radar": "no scale 'X'",
        "/orphan": "the gate 'gone'",
        "/egg": "lies in itself",
        "/hen": "lies in itself",
    }
    assert set(found) == set(expected)
    for name, said in expected.items():
        assert said in found[name]


def test_a_chain_of_gates_too_deep_is_said(tmp_path):
    axes = [("FL1 INT", "O")]
    chain = [shape("L", f"g{n}", axes, [(1, 0), (900, 0)], parent=f"g{n - 1}" if n else "") for n in range(2000)]
    assert "more than 150 deep" in failures(written(tmp_path, *chain))["/g1999"]


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([("nan", 1), (2, 2)], "'nan,1'|'nan', which is not a number"),
        ([("1,2", 3), (2, 2)], "3 coordinates"),
        ([(1, 1)] * 10_001, "10,001 corners"),
    ],
)
def test_what_is_broken_is_said_with_file_and_line(tmp_path, points, said):
    with pytest.raises(BadSpec, match=rf"a\.analysis.000000\.xml line \d+: .*({said})"):
        read_workspace(written(tmp_path, shape("P", "p", SCATTER, points)))


def test_a_compensation_that_names_other_detectors_is_refused_and_autofluorescence_is_said(tmp_path):
    line = shape("L", "a", [("FL1 INT", "O")], [(1, 0), (9, 0)])
    with pytest.raises(BadSpec, match="'FL1' into 'FL7': they are not both compensated"):
        read_workspace(written(tmp_path, line, spill=compensation(["FL1", "FL2"], {("FL1", "FL7"): 0.1})))
    dark = compensation(["FL1", "FL2"], FRACTIONS, autofluorescence=(0, 12))
    assert "autofluorescence" in read_workspace(written(tmp_path, line, spill=dark)).samples[0].notes[0]


def test_each_data_set_gets_its_own_file_by_name_by_keywords_or_by_order(tmp_path):
    def content_of(count, name):
        return content(tmp_path, events(count), fil=name)

    line = shape("L", "all", [("FL1 INT", "O")], [(0, 0), (1024, 0)])
    three = {"000001.fcs": content_of(10, "x"), "000002.fcs": content_of(20, "y"), "000003.fcs": content_of(30, "z")}
    xml = analysis_xml(
        entry(line, measurements=MEASURED, name="third", refers=' F="000003"'),
        entry(line, measurements=MEASURED, name="second", keywords={"$FIL": "y", "$TOT": "20"}),
        entry(line, measurements=MEASURED, name="../first"),
    )
    path = written(tmp_path, xml=xml, files=three)
    with open_workspace(path) as (workspace, files):
        assert [file.name for file in files] == ["third.fcs", "second.fcs", "_first.fcs"]
        assert [sample.event_count for sample in workspace.samples] == [30, 20, 10]
        rows = gate_with_workspace(files, workspace).rows
        folder = files[0].parents[1]
    assert [(row["file"], row["count"]) for row in rows] == [("third.fcs", 30), ("second.fcs", 20), ("_first.fcs", 10)]
    assert not folder.exists()


def test_nothing_is_written_under_a_name_of_the_archive(tmp_path):
    line = shape("L", "all", [("FL1 INT", "O")], [(0, 0), (1024, 0)])
    xml = analysis_xml(entry(line, measurements=MEASURED, name="../../outside"))
    path = written(tmp_path, xml=xml, files={"../../escaped.fcs": content(tmp_path)})
    inner = tmp_path / "deep" / "er"
    inner.mkdir(parents=True)
    (file,) = open_kaluza(path, inner).files
    assert inner in file.parents
    assert {item.name for item in tmp_path.iterdir()} == {"a.analysis", "deep", "written.fcs"}
    assert read_fcs(file)[1].count == 4000


def test_an_archive_that_is_damaged_or_none_is_refused(tmp_path):
    line = shape("L", "all", [("FL1 INT", "O")], [(0, 0), (1024, 0)])
    path = written(tmp_path, line)
    whole = path.read_bytes()
    place = whole.index(b"000000.fcs") + 400
    for spoiled in (
        b"",
        b"no archive",
        whole[:-40],
        whole[: len(whole) // 2],
        whole[:place] + b"\0\0\0\0" + whole[place + 4 :],
    ):
        path.write_bytes(spoiled)
        with pytest.raises(BadSpec, match=r"a\.analysis"):
            read_workspace(path)
    with pytest.raises(BadSpec, match="no such file"):
        read_workspace(tmp_path / "none.analysis")
    with pytest.raises(BadSpec, match="holds no Kaluza analysis"):
        read_workspace(written(tmp_path, xml="<Other/>"))
    with pytest.raises(BadSpec, match=r"000000\.xml line 1: .*declares the entity 'b'"):
        read_workspace(written(tmp_path, xml=analysis_xml(entry(line), doctype='<!DOCTYPE a [<!ENTITY b "c">]>')))


def test_what_unpacks_to_far_more_than_it_takes_is_refused(tmp_path):
    with pytest.raises(BadSpec, match=r"entry '000000\.fcs': it is packed more than 500 times smaller"):
        read_workspace(written(tmp_path, files={"000000.fcs": bytes(30_000_000)}))


def test_more_bytes_than_an_entry_admits_are_refused(tmp_path):
    path = written(tmp_path, shape("L", "all", [("FL1 INT", "O")], [(0, 0), (9, 0)]))
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("000000.fcs").file_size
    # In the list of entries and before the data the size stands as four bytes.
    path.write_bytes(data.replace(struct.pack("<I", size), struct.pack("<I", size - 5000)))
    with pytest.raises(BadSpec, match=r"entry '000000\.fcs'"):
        read_workspace(path)


def test_too_many_entries_are_refused_before_they_are_listed(tmp_path):
    with pytest.raises(BadSpec, match="more than 10,000 entries"):
        read_workspace(written(tmp_path, files={f"{n}.txt": b"" for n in range(10_001)}))


def test_a_file_of_ones_own_is_known_by_what_its_header_says(tmp_path):
    line = shape("L", "all", [("FL1 INT", "O")], [(0, 0), (1024, 0)])
    xml = analysis_xml(entry(line, measurements=MEASURED, name="blood"))
    data = content(tmp_path, fil="x.lmd", btim="10:00:00")
    path = written(tmp_path, xml=xml, files={"000000.fcs": data})
    (tmp_path / "mine.fcs").write_bytes(data)
    rows = gate_with_workspace([tmp_path / "mine.fcs"], read_workspace(path)).rows
    assert [(row["file"], row["count"]) for row in rows] == [("mine.fcs", 4000)]
