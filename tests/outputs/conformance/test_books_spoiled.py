"""Workbooks of strangers: no entities, no more cells than are read."""

import zipfile

import openpyxl
import pytest

from immunomon.errors import BadSpec
from immunomon.outputs.conformance import tables_read
from immunomon.outputs.conformance.tables_read import workbook_tables


def _book(path, cells):
    book = openpyxl.Workbook()
    for place, value in cells.items():
        book.active[place] = value
    book.save(path)
    return path


def _with(path, target, part, content):
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, content if name == part else old.read(name))
    return target


def test_one_cell_in_the_last_corner_fills_no_memory(tmp_path):
    book = _book(tmp_path / "a.xlsx", {"A1": "x", "XFD1048576": 1})
    with pytest.raises(ValueError, match="more than 50,000,000 cells"):
        workbook_tables(book, "a.xlsx")


def test_a_sheet_that_does_not_say_how_large_it_is_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(tables_read, "_MOST_CELLS", 50_000)
    book = _book(tmp_path / "a.xlsx", {"A1": "x"})
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="900000000"><c r="A900000000"><v>1</v></c></row>'
        "</sheetData></worksheet>"
    )
    spoiled = _with(book, tmp_path / "b.xlsx", "xl/worksheets/sheet1.xml", sheet)
    with pytest.raises(ValueError, match="more than 50,000 cells"):
        workbook_tables(spoiled, "b.xlsx")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("part", ["xl/workbook.xml", "_rels/.rels"])
def test_a_document_type_is_refused_in_every_encoding_and_part(tmp_path, encoding, part):
    bomb = '<?xml version="1.0"?><!-- ' + "x" * 5_000 + ' --><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    book = _with(_book(tmp_path / "a.xlsx", {"A1": "x"}), tmp_path / "b.xlsx", part, bomb.encode(encoding))
    with pytest.raises(ValueError, match="DOCTYPE"):
        workbook_tables(book, "b.xlsx")


def test_a_packed_bomb_is_refused(tmp_path):
    book = _with(_book(tmp_path / "a.xlsx", {"A1": "x"}), tmp_path / "b.xlsx", "xl/styles.xml", b" " * 50_000_000)
    with pytest.raises(BadSpec, match="packed more than 500 times smaller"):
        workbook_tables(book, "b.xlsx")
