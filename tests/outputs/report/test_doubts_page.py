"""What the report says of doubts: each kind once, withholding ones first, with the samples it was found in."""

from __future__ import annotations

import pandas as pd

from immunomon.cytometry.model.populations import DOUBTS as CONTRACT
from immunomon.cytometry.model.populations import FREQUENCIES
from immunomon.outputs.report.acquisition import read_doubts
from immunomon.outputs.report.packed import _placed_gate
from immunomon.study.model.trust import DOUBTS, Doubt


def doubts_of(*rows):
    whose = {"role": "sample", "panel": "treg", "batch": "B1", "subject": "S01", "visit": "W4"}
    full = [whose | {"sentence": "s", "remedy": "r", "withholds": DOUBTS[row["code"]].withholds} | row for row in rows]
    return pd.DataFrame(full, columns=list(CONTRACT.names)).astype(CONTRACT.dtypes)


def frequencies_of(*rows):
    return pd.DataFrame([{"role": "sample", **row} for row in rows], columns=list(FREQUENCIES.names)).astype(
        FREQUENCIES.dtypes
    )


def test_each_kind_of_doubt_is_one_line_and_what_withholds_comes_first():
    doubts = doubts_of(
        {"sample_id": "a", "population": "cd4", "code": "borrowed", "axis": "CD4"},
        {"sample_id": "b", "population": "treg", "code": "weak_stain", "axis": "CD25", "detail": "0.2 x the others"},
        {"sample_id": "c", "population": "treg", "code": "weak_stain", "axis": "CD25"},
    )
    frequencies = frequencies_of(
        {"sample_id": "a", "reportable": True, "rests_on": "cd4: borrowed(CD4)"},
        {"sample_id": "b", "reportable": False, "rests_on": "treg: weak_stain(CD25)"},
        {"sample_id": "d", "reportable": True},
    )
    found = read_doubts(doubts, frequencies)
    assert [(line.code, line.withholds, line.samples) for line in found.lines] == [
        ("weak_stain", True, 2),
        ("borrowed", False, 1),
    ]
    assert found.lines[0].places[0] == ("b", "S01 W4 treg", "treg (CD25): 0.2 x the others")
    assert found.sentence.startswith("2 of 3 percents of patients rest on")
    assert "1 of these are not reportable" in found.sentence


def test_a_run_of_before_there_were_doubts_has_no_such_part():
    assert read_doubts(doubts_of(), frequencies_of()) is None
    assert _placed_gate({"facts": {}, "note": "drawn", "failure": ""})["note"] == "drawn"


def test_a_gates_doubts_stand_in_its_note_as_sentences():
    doubt = Doubt("weak_stain", "CD25", "0.2 x")
    assert _placed_gate({"note": "drawn", "doubts": [doubt.to_dict()]})["note"] == f"drawn; {doubt.sentence}"
