"""Gating-ML 2.0: what is written is read back the same; what is wrong is said with its line."""

import contextlib
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.cytometry.formats.gatingml import read_gatingml
from immunomon.cytometry.formats.gatingml_writing import left_out, write_gatingml
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import Boolean, Ellipse, Ellipsoid, Interval, Polygon, Rectangle
from immunomon.cytometry.model.placed import OWN_MATRIX, UNCOMPENSATED, GateAxis, PlacedStrategy, Ratio
from immunomon.cytometry.model.scales import Asinh, Hyperlog, Identity, Linear, Log, Logicle
from immunomon.cytometry.model.spillover import SpectrumMatrix, SpilloverMatrix
from immunomon.cytometry.steps.apply import apply_gates
from immunomon.errors import BadSpec, BadSpillover, ExportFailed, UnknownChannel
from immunomon.study.model.channels import Channel

HEAD = (
    '<gating:Gating-ML xmlns:gating="http://www.isac-net.org/std/Gating-ML/v2.0/gating"'
    ' xmlns:transforms="http://www.isac-net.org/std/Gating-ML/v2.0/transformations"'
    ' xmlns:data-type="http://www.isac-net.org/std/Gating-ML/v2.0/datatypes">\n'
)
RANGE = """<gating:RectangleGate gating:id="{id}" {more}>
  <gating:dimension gating:compensation-ref="{compensation}" gating:min="{low}" {scale}>
    <data-type:fcs-dimension data-type:name="{name}" />
  </gating:dimension>
</gating:RectangleGate>
"""


def ranged(gate="A", name="FL1", low="1", compensation="uncompensated", more="", scale=""):
    return RANGE.format(id=gate, name=name, low=low, compensation=compensation, more=more, scale=scale)


def written(folder, *parts):
    path = folder / "gates.xml"
    path.write_text(HEAD + "".join(parts) + "</gating:Gating-ML>\n", encoding="utf-8")
    return path


def raw(**columns):
    return EventTable(np.column_stack([*columns.values()]).astype(float), tuple(map(Channel, columns)))


def members(path, events, spillover=None):
    masks = apply_gates(events, read_gatingml(path), spillover).memberships
    return {name: mask.astype(int).tolist() for name, mask in masks.items()}


def refused(path):
    with pytest.raises(BadSpec) as caught:
        read_gatingml(path)
    return str(caught.value)


# --- round trip ---------------------------------------------------------------------------------------------------

NUMBERS = st.floats(-1e9, 1e9)
NAMES = st.text(st.sampled_from(string.ascii_letters + string.digits + " .-/éµ<&\"'"), min_size=1, max_size=9).map(
    str.strip
)
SCALES = st.one_of(
    st.just(Identity()),
    st.builds(Linear, st.floats(1, 1e6), st.floats(0, 1e3)),
    st.builds(Log, st.floats(1, 1e6), st.floats(1, 6)),
    st.builds(Asinh, st.floats(1, 1e6), st.floats(1, 6), st.floats(0, 1)),
    st.builds(Logicle, st.floats(1, 1e6), st.floats(0, 1.5), st.floats(4, 6), st.floats(0, 0.5)),
    st.builds(Hyperlog, st.floats(1, 1e6), st.floats(0.1, 1.5), st.floats(4, 6), st.floats(0, 0.5)),
)
MATRIX = SpectrumMatrix(("FITC", "PE"), ("B1", "B2", "B3"), ((1.0, 0.1, 0.02), (1 / 3, 1.0, 0.2)))


@st.composite
def placed_strategies(draw):
    scales = draw(st.lists(SCALES, min_size=3, max_size=3))
    bounds = draw(st.sampled_from([(-np.inf, np.inf), (0.0, 1.0), (-np.inf, 1.0)]))
    axes = {
        "CD3 / µ": GateAxis("B1", "mine", scales[0], (-np.inf, np.inf), draw(st.floats(1, 1e6))),
        "CD4": GateAxis("V450-A", OWN_MATRIX, scales[1], (-np.inf, np.inf) if scales[1] == Identity() else bounds),
        "ratio": GateAxis(Ratio("FSC-H", "FSC-A", 2.0, draw(NUMBERS), 0.5, bounds), UNCOMPENSATED, scales[2]),
    }
    on = st.sampled_from(sorted(axes))
    sides = st.builds(Interval, on, st.one_of(st.just(-np.inf), NUMBERS), st.one_of(st.just(np.inf), NUMBERS))
    ids = draw(st.lists(NAMES.filter(lambda name: name not in ("", "root")), min_size=1, max_size=6, unique=True))
    populations = []
    for number, name in enumerate(ids):
        shapes = [
            sides,
            st.lists(sides, min_size=2, max_size=3).map(lambda found: Rectangle(tuple(found))),
            st.builds(Polygon, on, on, st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=6).map(tuple)),
            st.builds(
                Ellipse, on, on, st.tuples(NUMBERS, NUMBERS), st.just(((2.0, 0.1), (0.1, 1 / 7))), st.floats(0, 9)
            ),
            st.just(
                Ellipsoid(tuple(sorted(axes)), (1.0, 2.0, 1 / 3), ((2.5, 7.5, 17.5), (7.5, 7, 13.5), (15.5, 13.5, 4.3)))
            ),
        ]
        if number:
            of = draw(st.lists(st.sampled_from(ids[:number]), min_size=1, max_size=3).map(tuple))
            turned = draw(st.sampled_from([(), tuple(i == 0 for i in range(len(of)))]))
            shapes.append(st.builds(Boolean, st.sampled_from(["and", "or", "not"]), st.just(of), st.just(turned)))
        gate = draw(st.one_of(shapes))
        parent = draw(st.sampled_from(["root", *ids[:number]]))
        above = next((p.path for p in populations if p.id == parent), "")
        populations.append(PlacedPopulation(name, draw(NAMES) or name, parent, f"{above}/{name}", gate.kind, gate))
    return PlacedStrategy("any", axes, tuple(populations), {"mine": MATRIX})


@settings(max_examples=60)
@given(placed=placed_strategies())
def test_any_placed_gates_are_read_back_equal(placed, tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "gates.xml"
    path.write_bytes(write_gatingml(placed))
    assert read_gatingml(path) == placed


def test_flowkits_schema_accepts_what_is_written(tmp_path):
    import flowkit as fk

    ellipse = Ellipse("x", "y", (0.5, 0.5), ((0.1, 0.0), (0.0, 0.1)))
    axes = {"x": GateAxis("B1", UNCOMPENSATED, Logicle()), "y": GateAxis("B2", UNCOMPENSATED, Hyperlog())}
    gates = [ellipse, Boolean("not", ("0", "0"), ()), Boolean("or", ("0",), (True,)), Boolean("not", ("0",))]
    populations = [PlacedPopulation(str(i), f"No. {i}", "root", f"/{i}", g.kind, g) for i, g in enumerate(gates)]
    path = tmp_path / "gates.xml"
    path.write_bytes(write_gatingml(PlacedStrategy("s", axes, tuple(populations), {"m 1": MATRIX})))
    assert len(fk.parse_gating_xml(str(path)).get_gate_ids()) == 4


def test_gates_that_were_not_placed_are_left_out_with_all_that_needs_them():
    gate = Interval("x", 1.0)
    populations = (
        PlacedPopulation("a", "a", "root", "/a", "interval", None, failure="no valley"),
        PlacedPopulation("b", "b", "a", "/a/b", "interval", gate),
        PlacedPopulation("c", "c", "root", "/c", "interval", gate),
        PlacedPopulation("d", "d", "c", "/c/d", "boolean", Boolean("not", ("b",))),
    )
    placed = PlacedStrategy("s", {"x": GateAxis("FL1")}, populations)
    assert left_out(placed) == ("a", "b", "d")
    assert write_gatingml(placed).count(b"RectangleGate gating:id") == 1


def test_a_name_that_xml_forbids_is_refused():
    with pytest.raises(ExportFailed, match="forbids; rename it"):
        write_gatingml(PlacedStrategy("a\x00b", {}, ()))


# --- meaning ------------------------------------------------------------------------------------------------------


def test_a_range_holds_its_lower_bound_and_not_its_upper_one(tmp_path):
    path = written(tmp_path, ranged(low="2").replace('gating:min="2"', 'gating:min="2" gating:max="4"'))
    assert members(path, raw(FL1=[1, 2, 3, 4])) == {"A": [0, 1, 1, 0]}


def test_children_are_found_before_their_parents_in_the_document(tmp_path):
    path = written(tmp_path, ranged("inner", low="3", more='gating:parent_id="outer"'), ranged("outer", low="2"))
    placed = read_gatingml(path)
    assert placed.ids == ("outer", "inner")
    assert placed.populations[1].path == "/outer/inner"
    assert members(path, raw(FL1=[1, 2, 3])) == {"outer": [0, 1, 1], "inner": [0, 0, 1]}


def test_fcs_means_the_files_own_matrix_and_nothing_where_it_has_none(tmp_path):
    path = written(tmp_path, ranged(name="FL2", low="5", compensation="FCS"))
    events = raw(FL1=[100, 0], FL2=[10, 10])
    matrix = SpilloverMatrix(("FL1", "FL2"), ((1.0, 0.1), (0.0, 1.0)))
    assert members(path, events) == {"A": [1, 1]}
    assert members(path, events, matrix) == {"A": [0, 1]}


def spectrum(rows, fluorochromes=("FITC", "PE"), detectors=("FL1", "FL2"), more=""):
    def names(values):
        return "".join(f'<data-type:fcs-dimension data-type:name="{value}" />' for value in values)

    found = "".join(
        "<transforms:spectrum>"
        + "".join(f'<transforms:coefficient transforms:value="{value}" />' for value in row)
        + "</transforms:spectrum>"
        for row in rows
    )
    return (
        f'<transforms:spectrumMatrix transforms:id="M" {more}><transforms:fluorochromes>{names(fluorochromes)}'
        f"</transforms:fluorochromes><transforms:detectors>{names(detectors)}</transforms:detectors>{found}"
        "</transforms:spectrumMatrix>\n"
    )


@pytest.mark.parametrize("name", ["PE", "FL2"])
def test_a_spectrum_matrix_is_asked_by_fluorochrome_or_by_detector(tmp_path, name):
    path = written(tmp_path, spectrum([(1, 0.1), (0, 1)]), ranged(name=name, low="5", compensation="M"))
    assert members(path, raw(FL1=[100, 0], FL2=[10, 10])) == {"A": [0, 1]}


@pytest.mark.parametrize("name", ["PE", "FL2"])
@pytest.mark.parametrize(
    ("rows", "fluorochromes"),
    [([(100, 10), (0, 100)], ("FITC", "PE")), ([(0, 1), (1, 0.1)], ("PE", "FITC"))],
    ids=["percents", "rows in another order"],
)
def test_a_spectrum_matrix_has_the_rules_of_every_matrix(tmp_path, rows, fluorochromes, name):
    path = written(tmp_path, spectrum(rows, fluorochromes), ranged(name=name, low="5", compensation="M"))
    assert members(path, raw(FL1=[100, 0], FL2=[10, 10])) == {"A": [0, 1]}


def test_a_matrix_that_is_inverted_already_is_used_as_it_is(tmp_path):
    matrix = spectrum([(1, -0.1), (0, 1)], more='transforms:matrix-inverted-already="true"')
    path = written(tmp_path, matrix, ranged(name="PE", low="5", compensation="M"))
    assert members(path, raw(FL1=[100, 0], FL2=[10, 10])) == {"A": [0, 1]}


def test_more_detectors_than_fluorochromes_are_unmixed_by_least_squares(tmp_path):
    rows = np.array([[1.0, 0.3, 0.1], [0.1, 1.0, 0.4]])
    matrix = spectrum(rows, detectors=("FL1", "FL2", "FL3"))
    path = written(tmp_path, matrix, ranged(name="PE", low="5", compensation="M"))
    true = np.array([[100.0, 4.9], [100.0, 5.1], [0.0, 5.1]])
    seen = true @ rows
    assert members(path, raw(FL1=seen[:, 0], FL2=seen[:, 1], FL3=seen[:, 2])) == {"A": [0, 1, 1]}


def test_a_ratio_is_made_of_compensated_channels(tmp_path):
    ratio = (
        '<transforms:transformation transforms:id="R"><transforms:fratio transforms:A="1" transforms:B="0" '
        'transforms:C="-1"><data-type:fcs-dimension data-type:name="PE" />'
        '<data-type:fcs-dimension data-type:name="FITC" /></transforms:fratio></transforms:transformation>'
    )
    gate = ranged(low="0.5", compensation="M").replace(
        '<data-type:fcs-dimension data-type:name="FL1" />',
        '<data-type:new-dimension data-type:transformation-ref="R" />',
    )
    path = written(tmp_path, ratio, spectrum([(1, 0.1), (0, 1)]), gate)
    events = raw(FL1=[9, 9, -1], FL2=[5.9 - 0.1, 5.9 + 0.1, -0.1])
    assert members(path, events) == {"A": [0, 1, 0]}  # the last is nothing divided by nothing


def test_bounds_hold_what_lies_beyond_them(tmp_path):
    scale = (
        '<transforms:transformation transforms:id="L" transforms:boundMin="0" transforms:boundMax="1">'
        '<transforms:flog transforms:T="1000" transforms:M="3" /></transforms:transformation>'
    )
    low = ranged(low="0", scale='gating:transformation-ref="L"')
    high = ranged("B", low="1", scale='gating:transformation-ref="L"')
    events = raw(FL1=[-5, 0, 10, 5000])
    assert members(written(tmp_path, scale, low, high), events) == {"A": [1, 1, 1, 1], "B": [0, 0, 0, 1]}


def test_one_channel_looked_at_in_two_ways_gives_two_axes(tmp_path):
    path = written(tmp_path, ranged("A"), ranged("B", compensation="FCS"), ranged("C", "FL2"))
    assert set(read_gatingml(path).axes) == {"FL1, uncompensated", "FL1, FCS", "FL2"}


def test_a_file_that_lacks_a_channel_or_a_detector_is_refused(tmp_path):
    with pytest.raises(UnknownChannel, match="no channel 'FL1'; did you mean 'FL3'"):
        members(written(tmp_path, ranged()), raw(FL3=[1]))
    path = written(tmp_path, spectrum([(1, 0.1), (0, 1)]), ranged(name="PE", compensation="M"))
    with pytest.raises(BadSpillover, match="the matrix 'M' has the detector 'FL2', which the file lacks"):
        members(path, raw(FL1=[1]))


# --- what is wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (ranged(low="x"), "line 3: dimension: the attribute 'min' is 'x', which is not a number"),
        (ranged(low="nan"), "is 'nan', which is not a number"),
        (ranged(compensation="Mine"), "line 3: dimension: no spectrumMatrix 'Mine'"),
        (ranged(scale='gating:transformation-ref="T"'), "no transformation 'T'"),
        (ranged(more='gating:parent_id="B"'), "line 2: RectangleGate A: no gate or quadrant to be its parent is named"),
        (ranged(more='gating:parent_id="A"'), "it needs itself, by way of 'A'; break the circle"),
        (ranged() + ranged(), "line 7: RectangleGate A: the id 'A' is taken already"),
        ('<gating:RectangleGate gating:id="A" />', "it has no element 'dimension'"),
        ("<gating:RectangleGate />", "the attribute 'id' is missing; Gating-ML 2.0 requires it"),
        (
            ranged() + '<gating:BooleanGate gating:id="B"><gating:not><gating:gateReference gating:ref="a" />'
            "</gating:not></gating:BooleanGate>",
            "gateReference: no gate 'a'",
        ),
        (
            '<transforms:transformation transforms:id="T"><transforms:logicle transforms:T="1" transforms:W="9" '
            'transforms:M="4" transforms:A="0" /></transforms:transformation>',
            "logicle needs t > 0",
        ),
        (
            '<transforms:transformation transforms:id="T"><transforms:fasinh transforms:T="1" transforms:A="0" '
            'transforms:M="1e9" /></transforms:transformation>',
            "its parameters describe no scale",
        ),
        (spectrum([(1, 1), (1, 1)]), "the spillover matrix has no inverse"),
        (spectrum([(1, 1, 0), (0, 1)]), "it names 2 detectors but row 'FITC' has 3 values"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, part, said):
    assert said in refused(written(tmp_path, part))


def test_all_problems_are_said_at_once(tmp_path):
    wrong = [
        ranged("A", low="x"),
        ranged("B", compensation="Mine"),
        ranged("A"),
        ranged("C", more='gating:parent_id="D"'),
    ]
    assert refused(written(tmp_path, *wrong)).count("gates.xml line") == 4


def test_gates_too_deep_in_each_other_are_refused(tmp_path):
    deep = [ranged(f"g{i}", more=f'gating:parent_id="g{i + 1}"' if i < 600 else "") for i in range(601)]
    assert "more than 500 gates lie in each other" in refused(written(tmp_path, *deep))


def test_a_document_type_that_declares_an_entity_is_refused(tmp_path):
    path = tmp_path / "bomb.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY b "c">]>\n' + HEAD + "&b;</gating:Gating-ML>", encoding="utf-8")
    assert "its document type (DOCTYPE) declares the entity 'b'; entities are not read for safety" in refused(path)


def test_xml_of_another_kind_and_broken_xml_are_refused(tmp_path):
    path = tmp_path / "other.xml"
    path.write_text("<Workspace />", encoding="utf-8")
    assert "its root element is 'Workspace', not Gating-ML 2.0's" in refused(path)
    path.write_text(HEAD, encoding="utf-8")
    assert "other.xml line 2: not well-formed XML" in refused(path)
    path.write_text("<a>" * 600 + "</a>" * 600, encoding="utf-8")
    assert "elements lie more than 500 deep" in refused(path)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_a_spoiled_document_is_read_or_refused(tmp_path_factory, noise, place):
    good = (HEAD + ranged() + spectrum([(1, 0.1), (0, 1)]) + "</gating:Gating-ML>").encode()
    path = tmp_path_factory.mktemp("spoiled") / "gates.xml"
    path.write_bytes(good[:place] + noise + good[place + len(noise) :])
    with contextlib.suppress(BadSpec):
        read_gatingml(path)
