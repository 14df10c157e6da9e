"""No cell of a table for people is run by a spreadsheet; what was changed for that is said, and read back as it was."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.csvfile import cell_of_text, text_of_cell
from immunomon.outputs.conformance.tables_read import csv_table
from immunomon.outputs.delivery.dataset import Dataset, Variable
from immunomon.outputs.delivery.deliver import deliver_run
from immunomon.outputs.delivery.manifest import csv_text, neutralised, write_csv, write_workbook
from immunomon.outputs.delivery.read import read_dataset, read_delivery, read_manifest
from immunomon.runs.folder import table_csv, write_table

RUN = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1+1",
    "'=1+1",
    "-CD3",
    "--1",
    "+",
]
KEPT = ["-1", "+2.5", "-.5e3", "CD3+", "CD4+ CD25hi", "'quoted'", "a=b", "", "CD56-"]


def starts_a_formula(cell):
    """Whether a spreadsheet runs a cell, told without the code under test."""
    try:
        float(cell)
    except ValueError:
        return cell[:1] in set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    return False


@given(st.text("=+-@'\t\r\n1.aE\uff0b\uff1d"))
def test_every_text_is_read_back_and_none_is_run(text):
    assert text_of_cell(cell_of_text(text)) == text.replace("\r\n", "\n").replace("\r", "\n")
    assert not starts_a_formula(cell_of_text(text))


@pytest.mark.parametrize("text", RUN)
def test_what_would_run_begins_with_an_apostrophe(text):
    assert cell_of_text(text) == f"'{text}".replace("\r", "\n")


@pytest.mark.parametrize("text", KEPT)
def test_other_texts_and_numbers_stay_as_they_are(text):
    assert cell_of_text(text) == text


def _dataset():
    variables = (Variable("NAME", "Name"), Variable("VALUE", "Value", "float"))
    return Dataset("TEXTS", "Texts", variables, tuple((text, -1.5) for text in (*RUN, *KEPT)))


def test_a_dataset_is_read_back_by_both_our_readers(tmp_path):
    dataset = _dataset()
    write_csv(tmp_path / "TEXTS.csv", dataset)
    assert neutralised(dataset) == len(RUN)
    with (tmp_path / "TEXTS.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    assert not any(starts_a_formula(cell) for line in lines for cell in line)
    assert {line[1] for line in lines[1:]} == {"-1.5"}
    texts = [text.replace("\r", "\n") for text in (*RUN, *KEPT)]  # a text file has one kind of line ends
    assert [(row[0] or "").replace("\r", "\n") for row in read_dataset(tmp_path / "TEXTS.csv").rows] == texts
    again = csv_table(csv.reader(csv_text(dataset).splitlines(keepends=True)), "TEXTS.csv")
    assert [(row[0] or "").replace("\r", "\n") for row in again.rows] == texts


def test_a_workbook_holds_texts_as_they_are_and_no_formula(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    write_workbook(tmp_path / "a.xlsx", [_dataset()], "2025-01-13T10:00:00")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "inlineStr", "n"}
    assert [sheet.cell(row, 1).value for row in (2, 4)] == ["=1+1", "-2+3"]
    assert sheet["B2"].value == -1.5


@pytest.mark.parametrize("kind", ["csv", "excel"])
def test_a_delivery_says_how_many_texts_it_changed(run, tmp_path, kind):
    evil = '=HYPERLINK("http://example.org","Treg")'
    changed = _rewritten(run, tmp_path, lambda table: table.__setitem__(["reportable", "reason"], [False, evil]))
    deliver_run(changed, tmp_path / "out", kind=kind)
    said = read_manifest(tmp_path / "out")["neutralised"]
    cells = {}
    for path in (tmp_path / "out").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            lines = [cell for line in csv.reader(file) for cell in line]
        assert not any(map(starts_a_formula, lines))
        if count := sum(cell.startswith("'=") for cell in lines):
            cells[path.name] = count
    assert cells
    assert said["cells"] == cells
    assert "apostrophe" in said["note"]
    datasets = read_delivery(tmp_path / "out")
    assert any(evil in row for dataset in datasets.values() for row in dataset.rows)


def test_a_delivery_without_such_texts_says_nothing(run, tmp_path):
    deliver_run(run, tmp_path / "out", kind="csv")
    assert "neutralised" not in json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))


def test_tables_of_a_run_hold_no_formula_as_csv_and_the_text_itself_as_parquet(tmp_path):
    table = pd.DataFrame({"sample_id": ["=1+1", None, "-1"], "value": [-1.5, 2.0, None], "n": [1, -2, 3]})
    table = table.astype({"sample_id": "string"})
    write_table(tmp_path, "odd", table)
    assert (tmp_path / "odd.csv").read_text(encoding="utf-8") == "sample_id,value,n\n'=1+1,-1.5,1\n,2.0,-2\n-1,,3\n"
    assert pd.read_parquet(tmp_path / "odd.parquet")["sample_id"][0] == "=1+1"
    assert table["sample_id"][0] == "=1+1"
    plain = table.assign(sample_id="a")
    assert table_csv(plain) == plain.to_csv(index=False, lineterminator="\n")


def _rewritten(run, folder, change):
    path = Path(__file__).with_name("test_deliver.py")
    spec = importlib.util.spec_from_file_location("deliver_tests", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.rewritten(run, folder, change)
