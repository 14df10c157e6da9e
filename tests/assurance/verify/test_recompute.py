import numpy as np
import pytest
from support.fcs_files import DETECTORS, some_values, write_fcs

from immunomon.assurance.verify import exported
from immunomon.assurance.verify import recompute as module
from immunomon.assurance.verify import recompute as second_reader
from immunomon.assurance.verify.recompute import FLOWIO, GATING_ML, RUN, matrix_in_file, recompute
from immunomon.cytometry.model.scales import Biex
from immunomon.errors import BadFcs, BadSpillover, UnknownChannel, UnknownName

IDENTITY = {"kind": "identity"}
AXES = {name: {"detector": name, "range": 262144.0, "scale": IDENTITY} for name in DETECTORS}


@pytest.fixture
def values():
    return some_values(400)


@pytest.fixture
def file(tmp_path, values):
    return write_fcs(tmp_path / "a.fcs", values)


def placed(gate, *more, axes=AXES):
    rows = [("first", "root", gate), *more]
    populations = [
        {
            "population": name,
            "label": name,
            "parent": parent,
            "path": f"/{name}",
            "method": shape["kind"] if shape else "",
            "gate": shape,
        }
        for name, parent, shape in rows
    ]
    return {"strategy": "made up", "axes": axes, "populations": populations}


def interval(axis, low=None, high=None):
    return {"kind": "interval", "axis": axis, "low": low, "high": high}


def test_an_interval_holds_its_lower_bound_and_not_its_upper_one(file, values):
    low, high = np.sort(values[:, 4])[[50, 150]].tolist()
    assert recompute(file, placed(interval("PE-A", low, high)), None).count("first") == 100


def test_an_interval_with_open_ends_holds_everything(file):
    assert recompute(file, placed(interval("PE-A")), None).count("first") == 400


def test_a_polygon_with_far_corners_holds_what_lies_under_its_edge(file, values):
    wedge = {"kind": "polygon", "x": "FSC-A", "y": "FSC-H", "vertices": [[0.0, 0.0], [1e9, 0.0], [1e9, 8e8]]}
    under = values[:, 1].astype(float) < 0.8 * values[:, 0].astype(float)
    assert recompute(file, placed(wedge), None).count("first") == int(under.sum())


def test_events_on_an_edge_belong_to_a_polygon_although_flowkit_leaves_some_out(tmp_path):
    grid = np.array([[x, y, 0, 0, 0, 0] for x in range(7) for y in range(7)], np.float32)
    file = write_fcs(tmp_path / "a.fcs", grid)
    corners = [[1.0, 1.0], [5.0, 1.0], [5.0, 3.0], [3.0, 5.0], [1.0, 5.0]]
    x, y = grid[:, 0], grid[:, 1]
    inside = (x >= 1) & (x <= 5) & (y >= 1) & (y <= 5) & (x + y <= 8)
    found = recompute(file, placed({"kind": "polygon", "x": "FSC-A", "y": "FSC-H", "vertices": corners}), None)
    assert found.count("first") == int(inside.sum())
    assert found.on_edges > 0


@pytest.mark.parametrize(
    "where", [{"kind": "ellipse", "x": "FSC-A", "y": "SSC-A"}, {"kind": "ellipsoid", "axes": ["FSC-A", "SSC-A"]}]
)
def test_an_ellipse_holds_what_is_near_its_centre(file, values, where):
    ellipse = {
        **where,
        "center": [1e5, 1e5],
        "covariance": [[4e9, 1e9], [1e9, 3e9]],
        "distance_square": 1.5,
    }
    offset = values[:, [0, 2]].astype(float) - 1e5
    distance = np.sum(offset @ np.linalg.inv(ellipse["covariance"]) * offset, axis=1)
    assert recompute(file, placed(ellipse), None).count("first") == int((distance <= 1.5).sum())


@pytest.mark.parametrize(
    ("operator", "count"),
    [
        ("and", lambda a, b: a & b),
        ("or", lambda a, b: a | b),
        ("not", lambda a, b: ~(a | b)),
    ],
)
def test_a_combination_stays_inside_its_parent(file, values, operator, count):
    tree = placed(
        interval("FSC-A", 5e4),
        ("a", "first", interval("PE-A", 1e5)),
        ("b", "first", interval("FITC-A", 1e5)),
        ("both", "first", {"kind": "boolean", "operator": operator, "of": ["a", "b"]}),
    )
    first = values[:, 0] >= 5e4
    a, b = first & (values[:, 4] >= 1e5), first & (values[:, 3] >= 1e5)
    assert recompute(file, tree, None).count("both") == int((first & count(a, b)).sum())


def test_of_a_combination_an_operand_may_be_turned_round(file, values):
    turned = {"kind": "boolean", "operator": "and", "of": ["a", "b"], "complements": [False, True]}
    tree = placed(
        interval("FSC-A"),
        ("a", "root", interval("PE-A", 1e5)),
        ("b", "root", interval("FITC-A", 1e5)),
        ("a_not_b", "first", turned),
    )
    expected = (values[:, 4] >= 1e5) & (values[:, 3] < 1e5)
    assert recompute(file, tree, None).count("a_not_b") == int(expected.sum())


def test_what_lies_below_a_gate_that_was_not_placed_is_not_computed(file):
    found = recompute(file, placed(None, ("second", "first", interval("PE-A"))), None)
    assert found.count("first") is None
    assert found.count("second") is None
    assert found.median("second", "PE-A") is None


@pytest.mark.parametrize(
    ("scale", "at_ten_thousand"),
    [
        ({"kind": "linear", "t": 20000.0, "a": 0.0}, 0.5),
        ({"kind": "log", "t": 10000.0, "m": 4.5}, 1.0),
        ({"kind": "asinh", "t": 10000.0, "m": 4.0, "a": 1.0}, 1.0),
        ({"kind": "logicle", "t": 10000.0, "w": 0.5, "m": 4.5, "a": 0.0}, 1.0),
        ({"kind": "hyperlog", "t": 10000.0, "w": 0.5, "m": 4.5, "a": 0.0}, 1.0),
    ],
)
def test_gates_lie_on_the_display_scale(tmp_path, scale, at_ten_thousand):
    values = np.tile(np.array([[9999.0], [10001.0]], np.float32), (1, 6))
    axes = {"PE": {"detector": "PE-A", "range": 1.0, "scale": scale}}
    file = write_fcs(tmp_path / "a.fcs", values)
    assert recompute(file, placed(interval("PE", at_ten_thousand), axes=axes), None).count("first") == 1


def test_compensation_undoes_mixing(tmp_path, values):
    matrix = np.array([[1.0, 0.2], [0.1, 1.0]])
    mixed = values.astype(np.float64)
    mixed[:, [3, 4]] = values[:, [3, 4]] @ matrix
    file = write_fcs(tmp_path / "a.fcs", mixed)
    spillover = {"detectors": ["FITC-A", "PE-A"], "values": matrix.tolist()}
    found = recompute(file, placed(interval("PE-A")), spillover)
    assert np.allclose(found.intensities["PE-A"], values[:, 4], rtol=1e-4, atol=0.5)
    assert found.median("first", "PE-A") == pytest.approx(float(np.median(values[:, 4])), rel=1e-4)


def test_a_matrix_for_other_detectors_is_refused(file):
    with pytest.raises(BadSpillover, match="no channel 'PE-X'"):
        recompute(file, placed(interval("PE-A")), {"detectors": ["PE-X"], "values": [[1.0]]})


def test_an_axis_that_the_file_lacks_is_refused(file):
    axes = {"X": {"detector": "PE-X", "range": 1.0, "scale": IDENTITY}}
    with pytest.raises(UnknownChannel, match="PE-X"):
        recompute(file, placed(interval("X"), axes=axes), None)


def test_the_gates_come_from_the_exported_document_and_that_is_said(file):
    found = recompute(file, placed(interval("PE-A", 1e5)), None)
    assert (found.gates, found.not_exported) == (GATING_ML, "")


def test_a_matrix_of_one_detector_goes_another_way_and_that_is_said(file, values):
    found = recompute(file, placed(interval("PE-A", 1e5)), {"detectors": ["PE-A"], "values": [[1.0]]})
    assert found.gates == RUN
    assert "FlowKit cannot read the exported Gating-ML" in found.not_exported
    assert found.count("first") == int((values[:, 4] >= 1e5).sum())


def test_a_biexponential_scale_goes_another_way_and_that_is_said(tmp_path, values):
    scale = {"kind": "biex", "max_range": 262144.0, "pos": 4.418539922, "neg": 0.0, "width": -10.0}
    axes = {"PE": {"detector": "PE-A", "range": 262144.0, "scale": scale}}
    border = float(Biex().apply(np.array([1e5]))[0])
    found = recompute(write_fcs(tmp_path / "a.fcs", values), placed(interval("PE", border), axes=axes), None)
    assert found.gates == RUN
    assert "no scale 'biex'" in found.not_exported
    assert found.count("first") == int((values[:, 4] >= 1e5).sum())


def test_what_is_not_positive_lies_below_every_logarithm(tmp_path):
    axes = {"PE": {"detector": "PE-A", "range": 1.0, "scale": {"kind": "log", "t": 1e4, "m": 4.0}}}
    file = write_fcs(tmp_path / "a.fcs", np.tile(np.array([[-5.0], [0.0], [10.0], [1e4]], np.float32), (1, 6)))
    assert recompute(file, placed(interval("PE", None, 0.5), axes=axes), None).count("first") == 3


def test_two_scales_of_one_detector_in_a_gate_go_another_way_and_that_is_said(file, values):
    axes = {
        "plain": {"detector": "PE-A", "range": 1.0, "scale": IDENTITY},
        "shrunk": {"detector": "PE-A", "range": 1.0, "scale": {"kind": "linear", "t": 1000.0, "a": 0.0}},
    }
    sides = [{"axis": "plain", "low": 5e4, "high": None}, {"axis": "shrunk", "low": None, "high": 100.0}]
    found = recompute(file, placed({"kind": "rectangle", "sides": sides}, axes=axes), None)
    assert found.gates == RUN
    assert "two scales" in found.not_exported
    assert found.count("first") == int(((values[:, 4] >= 5e4) & (values[:, 4] < 1e5)).sum())


def test_populations_whose_names_xml_forbids_as_ids_are_found_again(file, values):
    odd = ("PE+/ 1st", "first", interval("PE-A", 1e5))
    found = recompute(file, placed(interval("FITC-A", 1e5), odd), None)
    assert found.gates == GATING_ML
    assert found.count("PE+/ 1st") == int(((values[:, 3] >= 1e5) & (values[:, 4] >= 1e5)).sum())


def test_a_matrix_that_the_document_holds_otherwise_is_an_error(file, monkeypatch):
    real = exported.write_gatingml
    monkeypatch.setattr(exported, "write_gatingml", lambda gates: real(gates).replace(b'"0.25"', b'"0.26"'))
    with pytest.raises(BadSpillover, match="another matrix"):
        recompute(
            file, placed(interval("PE-A")), {"detectors": ["FITC-A", "PE-A"], "values": [[1.0, 0.25], [0.0, 1.0]]}
        )


@pytest.mark.parametrize("what", ["scale", "gate"])
def test_what_flowkit_has_no_class_for_is_refused(file, what):
    axes = {"PE-A": {"detector": "PE-A", "range": 1.0, "scale": {"kind": "cubic"} if what == "scale" else IDENTITY}}
    gate = interval("PE-A") if what == "scale" else {"kind": "spiral"}
    with pytest.raises(UnknownName, match="FlowKit"):
        recompute(file, placed(gate, axes=axes), None)


def test_a_file_that_fcsparser_refuses_is_read_by_flowio_and_that_is_said(file, monkeypatch):
    def refuse(path):
        raise BadFcs(path, "24 bits")

    monkeypatch.setattr(module, "read_with_fcsparser", refuse)
    found = recompute(file, placed(interval("PE-A")), None)
    assert found.reader == FLOWIO
    assert "24 bits" in found.refusal
    assert found.events == 400


def test_a_missing_file_is_not_read_by_anybody(tmp_path):
    with pytest.raises(BadFcs, match="there is no such file"):
        recompute(tmp_path / "none.fcs", placed(interval("PE-A")), None)


def test_a_file_that_nobody_reads_says_why(tmp_path):
    broken = tmp_path / "broken.fcs"
    broken.write_bytes(b"no FCS file at all" * 20)
    with pytest.raises(BadFcs, match="no second reader reads it"):
        recompute(broken, placed(interval("PE-A")), None)


def test_the_second_reader_is_the_one_of_the_package():
    assert module.read_with_fcsparser is second_reader.read_with_fcsparser


@pytest.mark.parametrize(
    ("keyword", "used", "words"),
    [
        ("2,FITC-A,PE-A,1,0.2,0.1,1", [[1.0, 0.2], [0.1, 1.0]], "equal to the file's own"),
        ("2,4,5,1,0.2,0.1,1", [[1.0, 0.2], [0.1, 1.0]], "not compared: the file's matrix names"),
        ("2,FITC-A,PE-A,1,x,0.1,1", [[1.0, 0.2], [0.1, 1.0]], "not compared: flowutils cannot read"),
        (None, [[1.0, 0.2], [0.1, 1.0]], "not compared: the file has no SPILLOVER"),
        (None, None, "none in the file, none used"),
    ],
)
def test_the_matrix_used_is_compared_with_the_files_own(tmp_path, values, keyword, used, words):
    file = write_fcs(tmp_path / "a.fcs", values, **({"spillover": keyword} if keyword else {}))
    matrix = None if used is None else {"detectors": ["FITC-A", "PE-A"], "values": used}
    assert matrix_in_file(file, matrix).startswith(words)


@pytest.mark.parametrize("used", [None, {"detectors": ["FITC-A", "PE-A"], "values": [[1.0, 0.1], [0.2, 1.0]]}])
def test_another_matrix_than_the_files_own_is_an_error(tmp_path, values, used):
    file = write_fcs(tmp_path / "a.fcs", values, spillover="2,FITC-A,PE-A,1,0.2,0.1,1")
    with pytest.raises(BadSpillover, match="the run used"):
        matrix_in_file(file, used)
