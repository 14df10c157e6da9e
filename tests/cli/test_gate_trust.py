"""What ``immunomon gate`` and ``immunomon run`` say of files and gates that cannot be trusted, on small files."""

import csv
import io
import json

import numpy as np
import pytest
from support.fcs_files import write_fcs

from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.matrix_csv import read_matrix_csv
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import BadSpillover
from immunomon.runs.single import Compensation, analyse
from immunomon.study.specs.panel import load_panel

DETECTORS = ("FSC-A", "V450-A", "PE-A")
MATRIX = "2,V450-A,PE-A,1,0.1,0,1"
PANEL = """\
schema: immunomon.panel/1
name: small
label: Small
markers:
  - {marker: CD3, fluorochrome: V450, detector: V450-A}
  - {marker: CD25, fluorochrome: PE, detector: PE-A}
"""
STRATEGY = """\
schema: immunomon.strategy/1
name: small
label: Small
version: 1
panel: small
scales:
  fluorescence: {kind: logicle, t: 262144, w: 0.5}
populations:
  - {id: cells, parent: root, gate: {method: interval, axis: FSC-A, low: 1}}
  - {id: t_cells, parent: cells, gate: {method: valley, axis: CD3}, keep: high}
  - {id: treg, parent: t_cells, gate: {method: valley, axis: CD25, fallback: 1000}, keep: high}
"""


def values(count=2000):
    rng = np.random.default_rng(4)
    positive = np.arange(count) % 2 == 0
    cd3 = rng.normal(0, 60, count) + positive * rng.normal(8000, 900, count)
    return np.column_stack([rng.normal(90_000, 8_000, count), cd3, rng.normal(0, 60, count)]).astype(np.float32)


@pytest.fixture
def gated(tmp_path, command):
    """Gate a file of these values; return exit status, the rows by population, and standard error."""
    (tmp_path / "small.yaml").write_text(STRATEGY, encoding="utf-8")
    (tmp_path / "panel.yaml").write_text(PANEL, encoding="utf-8")

    def gate(table, *more, **keywords):
        file = write_fcs(tmp_path / "a.fcs", table, DETECTORS, **keywords)
        status, out, err = command("gate", tmp_path / "small.yaml", file, "-p", tmp_path / "panel.yaml", *more)
        return status, {row["population"]: row for row in csv.DictReader(io.StringIO(out))}, err

    return gate


def test_every_population_says_who_placed_it_what_was_done_and_what_is_doubted(gated):
    status, rows, err = gated(values(), spillover=MATRIX)
    assert status == 0, err
    assert [rows[name]["placed_by"] for name in ("cells", "t_cells", "treg")] == ["person", "data", "fallback"]
    assert rows["treg"]["doubts"] == "fallback_alone(CD25)"
    assert "fallback used" in rows["treg"]["gate_note"]
    assert (rows["t_cells"]["doubts"], rows["t_cells"]["gate_note"]) == ("", "")


def test_events_that_are_no_numbers_are_in_no_count_and_said(gated):
    table = values()
    table[::10, 1] = np.nan
    status, rows, err = gated(table, spillover=MATRIX)
    assert status == 0, err
    assert int(rows["cells"]["parent_count"]) == int(rows["cells"]["count"]) == 1800
    assert "200 of 2000 events left out: 200 in V450-A" in err


def test_a_dead_detector_costs_what_lies_on_it_and_the_exit_status(gated):
    table = values()
    table[:, 1] = 0
    status, rows, err = gated(table, spillover=MATRIX)
    assert status == 1
    assert (rows["t_cells"]["count"], rows["t_cells"]["placed_by"]) == ("", "none")
    assert rows["t_cells"]["doubts"] == "dead_detector(CD3)"
    assert "t_cells was not placed: CD3: the detector shows nothing, all 2000 events are 0; nor were the 1 below" in err


def test_a_stained_file_without_a_matrix_is_gated_and_said_unless_nobody_wants_one(gated):
    status, _, err = gated(values())
    assert status == 0, err
    assert "not compensated: the file has no spillover matrix of its own" in err
    status, _, err = gated(values(), "--compensation", "none")
    assert status == 0, err
    assert "a.fcs" not in err


def test_a_study_that_relies_on_the_files_matrices_refuses_a_file_without_one(tmp_path):
    header, _ = read_fcs(write_fcs(tmp_path / "a.fcs", values(), DETECTORS))
    with pytest.raises(BadSpillover, match=r"a\.fcs: the file has no spillover matrix.*source: none"):
        Compensation(needed=True).of(header)
    assert Compensation().of(header) is None
    assert Compensation(from_file=False, needed=True).of(header) is None  # declared: none is needed
    own = SpilloverMatrix(("V450-A", "PE-A"), ((1.0, 0.1), (0.0, 1.0)))
    assert Compensation(from_file=False, matrix=own).of(header) == own
    unstained, _ = read_fcs(write_fcs(tmp_path / "b.fcs", values()[:, :2], DETECTORS[:2]))
    assert Compensation(needed=True).of(unstained) is None  # one colour spills into none


THREE = (*DETECTORS, "APC-A")
THIRD = "  - {marker: CD8, fluorochrome: APC, detector: APC-A}\n"


def test_a_stained_detector_that_the_matrix_lacks_is_said_and_in_the_record(tmp_path, command):
    (tmp_path / "small.yaml").write_text(STRATEGY, encoding="utf-8")
    (tmp_path / "panel.yaml").write_text(PANEL + THIRD + "scatter: [FSC-A]\n", encoding="utf-8")
    (tmp_path / "m.csv").write_text(",V450-A,PE-A\nV450-A,1,0.1\nPE-A,0,1\n", encoding="utf-8")
    table = np.column_stack([values(), values()[:, 1]])
    file = write_fcs(tmp_path / "a.fcs", table, THREE)
    gate = ("gate", tmp_path / "small.yaml", file, "-p", tmp_path / "panel.yaml", "--compensation")
    status, _, err = command(*gate, tmp_path / "m.csv")
    assert status == 0, err
    assert "a.fcs: the matrix in use lacks stained detectors" in err
    assert "(APC-A (CD8))" in err
    panel = load_panel(tmp_path / "panel.yaml")
    strategy = load_strategy(tmp_path / "small.yaml", methods=GATE_METHODS, panel=panel)
    subset = Compensation(from_file=False, matrix=read_matrix_csv(tmp_path / "m.csv"))
    record = analyse(file, strategy, panel=panel, compensation=subset).measured.to_dict()
    assert [doubt["code"] for doubt in record["doubts"]["root"]] == ["partly_compensated"]
    (tmp_path / "m.csv").write_text(",V450-A,PE-A,APC-A\nV450-A,1,0.1,0\nPE-A,0,1,0\nAPC-A,0,0,1\n", encoding="utf-8")
    assert "a.fcs" not in command(*gate, tmp_path / "m.csv")[2]


def test_two_matrices_of_one_file_are_said_where_one_of_them_is_used(gated, command, tmp_path):
    status, _, err = gated(values(), spillover=MATRIX, spill="2,V450-A,PE-A,1,0.3,0,1")
    assert status == 0, err
    assert err.count("hold different spillover matrices: $SPILLOVER is used") == 1
    status, out, _ = command("info", tmp_path / "a.fcs")
    assert (status, out.count("hold different spillover matrices")) == (0, 1)
    facts = json.loads(command("info", tmp_path / "a.fcs", "--json")[1])
    assert facts["spillover_note"].startswith("$SPILLOVER and SPILL hold different")
    assert "hold different" in "".join(command("check", tmp_path / "a.fcs")[1:])
    declared = gated(values(), "--compensation", "none", spillover=MATRIX, spill="2,V450-A,PE-A,1,0.3,0,1")
    assert "a.fcs" not in declared[2]
