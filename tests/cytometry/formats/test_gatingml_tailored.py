"""Cytobank's gates tailored for single files: followed for the file they are for, otherwise said, never in silence."""

import numpy as np
import pytest
from support.fcs_files import write_fcs

from immunomon.cytometry.formats.gatingml import read_gatingml
from immunomon.cytometry.formats.gatingml_writing import write_gatingml
from immunomon.errors import BadSpec, ExportFailed
from immunomon.runs.files import gate_files

SPACES = " ".join(
    f'xmlns:{prefix}="http://www.isac-net.org/std/Gating-ML/v2.0/{name}"'
    for prefix, name in (("gating", "gating"), ("transforms", "transformations"), ("data-type", "datatypes"))
)
RAMP = np.arange(100.0)


def cytobank(**words):
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in words.items())
    return f"<data-type:custom_info><cytobank>{inner}</cytobank></data-type:custom_info>"


def gate(identity, low, high, **words):
    dimension = '<data-type:fcs-dimension data-type:name="A"/>'
    return (
        f'<gating:RectangleGate gating:id="{identity}">{cytobank(**words)}<gating:dimension '
        f'gating:compensation-ref="uncompensated" gating:min="{low}" gating:max="{high}">{dimension}</gating:dimension>'
        "</gating:RectangleGate>"
    )


def gate_set(identity, *references):
    listed = "".join(f'<gating:gateReference gating:ref="{name}"/>' for name in references)
    return f'<gating:BooleanGate gating:id="{identity}"><gating:and>{listed}</gating:and></gating:BooleanGate>'


GENERAL = gate("Gate_1", 0, 10, gate_id="1", tailored="false", fcs_file_id="", fcs_file_filename="")
FOR_A = gate("Gate_1_a", 0, 30, gate_id="1", tailored="true", fcs_file_id="7", fcs_file_filename="Prüfung.fcs")
OTHER = gate("Gate_2", 5, 50, gate_id="2", tailored="false")
SET = gate_set("GateSet_1", "Gate_1", "Gate_2")


def document(folder, *gates):
    path = folder / "gates.xml"
    path.write_text(f"<gating:Gating-ML {SPACES}>{''.join(gates)}</gating:Gating-ML>", encoding="utf-8")
    return path


def gated(folder, *gates, files=("Pru\u0308fung.FCS", "b.fcs")):
    """Return, by file and population, the count and what is said of the gate."""
    placed = read_gatingml(document(folder, *gates))
    paths = [write_fcs(folder / name, np.column_stack([RAMP, RAMP]), ["A", "B"]) for name in files]
    remarks = []
    rows, failures = gate_files(paths, placed, say_note=remarks.append)
    assert failures == []
    found = {(row["file"][0], row["population"]): (row["count"], row["gate_note"]) for row in rows}
    return found, " ".join(remarks)


@pytest.mark.parametrize("order", [(GENERAL, FOR_A, OTHER, SET), (SET, FOR_A, OTHER, GENERAL)])
def test_a_tailored_gate_is_used_for_its_file_and_said_for_the_others(tmp_path, order):
    found, remarks = gated(tmp_path, *order)
    assert "Pru\u0308fung.FCS: 1 gate is tailored for this file" in remarks
    assert "b.fcs: no gates are tailored for this file" in remarks
    assert found["P", "Gate_1"] == (30, "the gate tailored for this file")
    assert found["P", "GateSet_1"] == (25, None)
    assert found["b", "Gate_1"] == (10, "the general gate; another is tailored for 'Prüfung.fcs'")
    assert found["b", "GateSet_1"] == (5, None)
    assert found["b", "Gate_2"] == (45, None)
    assert ("P", "Gate_1_a") not in found


def test_a_set_that_refers_to_a_tailored_form_means_the_gate(tmp_path):
    found, _ = gated(tmp_path, GENERAL, FOR_A, OTHER, gate_set("GateSet_1", "Gate_1_a", "Gate_2"))
    assert (found["P", "GateSet_1"][0], found["b", "GateSet_1"][0]) == (25, 5)


def test_a_gate_without_a_general_form_is_for_its_files_only(tmp_path):
    found, remarks = gated(tmp_path, FOR_A, OTHER, gate_set("GateSet_1", "Gate_1_a", "Gate_2"))
    assert (found["P", "Gate_1_a"][0], found["P", "GateSet_1"][0]) == (30, 25)
    assert (found["b", "Gate_1_a"][0], found["b", "GateSet_1"][0]) == (None, None)
    assert "it has no general gate, only ones tailored for 'Prüfung.fcs'" in remarks


def test_a_gate_tailored_for_a_file_that_is_not_named_is_said(tmp_path):
    unnamed = gate("Gate_1_x", 0, 90, gate_id="1", tailored="true", fcs_file_id="9", fcs_file_filename="")
    found, _ = gated(tmp_path, GENERAL, unnamed, OTHER, SET)
    note = "the general gate, and 1 more for files that the document does not name"
    assert found["b", "Gate_1"] == (10, note)


def test_a_gate_tailored_for_single_populations_is_not_gated(tmp_path):
    single = gate("Gate_1_p", 0, 90, gate_id="1", tailored_per_population="true")
    found, remarks = gated(tmp_path, GENERAL, single, OTHER, SET)
    assert found["b", "Gate_1"][0] is None
    assert ("b", "Gate_1_p") not in found
    assert found["b", "GateSet_1"][0] is None
    assert "its gate is tailored for single populations, which is not read" in remarks


@pytest.mark.parametrize(
    ("gates", "reason"),
    [
        ((GENERAL, FOR_A, FOR_A.replace("Gate_1_a", "Gate_1_b")), r"gate_id 1 is tailored twice for 'Prüfung\.fcs'"),
        ((GENERAL, FOR_A.replace("<gate_id>1</gate_id>", "")), "it is tailored for a file, but has no gate_id"),
    ],
)
def test_tailored_gates_that_contradict_each_other_are_refused(tmp_path, gates, reason):
    with pytest.raises(BadSpec, match=reason):
        read_gatingml(document(tmp_path, *gates))


def test_tailored_gates_are_not_written_as_the_general_one(tmp_path):
    with pytest.raises(ExportFailed, match="gates tailored for single files are not written"):
        write_gatingml(read_gatingml(document(tmp_path, GENERAL, FOR_A)))
