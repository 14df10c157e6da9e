"""FlowJo's tables and a workspace's counts, under the study's names by a map that is proposed and kept."""

from __future__ import annotations

import re
import zipfile

import openpyxl
import pandas as pd
import pytest

from immunomon.errors import BadSpec
from immunomon.runs.import_map import load_import_map, mapped_rows, proposed_map
from immunomon.runs.imported_forms import read_foreign
from immunomon.runs.importing import Source, import_rows
from immunomon.study.specs.study import load_study

STUDY = """schema: immunomon.study/2
name: OLD
subjects: [{id: S1}, {id: S2}]
visits: [{label: V1, baseline: true}, {label: V2}]
panels: [{panel: treg, strategy: treg}]
reportability: {min_parent_events: 20, lod_events: 3, lloq_events: 5}
"""
HEAD = [
    "",
    "Count",
    "Lymphocytes | Count",
    "Lymphocytes/CD4+ | Freq. of Parent (%)",
    "Lymphocytes/CD4+/CD25hi | Count",
    "Lymphocytes/CD4+ | Median (Comp-PE-A :: CD183)",
    "Lymphocytes | CV (FSC-A)",
]
ROWS = [
    [f"{subject}_{visit}_treg.fcs", 5000, 1000, "40 %", 25, 512.5, 3.1]
    for subject in ("S1", "S2")
    for visit in ("V1", "V2")
]
SUMMARY = [["Mean", 5000, 1000, 40, 25, 512.5, 3.1], ["SD", 0, 0, 0, 0, 0, 0]]
MAP = """schema: immunomon.import-map/1
panel: treg
pattern: "{subject}_{visit}_treg.fcs"
populations:
  "Lymphocytes": lymphocytes
  "Lymphocytes/CD4+": cd4
  "Lymphocytes/CD4+/CD25hi": cd25_hi
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    return load_study(tmp_path)


def csv_table(tmp_path, rows=ROWS, separator=","):
    path = tmp_path / "table.csv"
    lines = [
        separator.join(f'"{cell}"' if separator in str(cell) else str(cell) for cell in row) for row in [HEAD, *rows]
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def xlsx_table(tmp_path, rows=ROWS):
    book = openpyxl.Workbook()
    for row in [HEAD, *rows]:
        book.active.append(row)
    book.save(tmp_path / "table.xlsx")
    return tmp_path / "table.xlsx"


def the_map(tmp_path, text=MAP):
    path = tmp_path / "map.yaml"
    path.write_text(text, encoding="utf-8")
    return load_import_map(path)


@pytest.mark.parametrize("write", [csv_table, xlsx_table])
def test_a_flowjo_table_is_a_run(study, tmp_path, write):
    path = write(tmp_path, [*ROWS, *SUMMARY])
    table = read_foreign(path)
    assert any("rows of summaries are not read: Mean, SD" in note for note in table.notes)
    assert any("'Lymphocytes | CV (FSC-A)'" in note for note in table.notes)
    rows = mapped_rows(table, the_map(tmp_path), study)
    import_rows(study, rows, tmp_path / "run", sources=[Source(path, table.sha256, table.form)])
    found = pd.read_parquet(tmp_path / "run" / "tables" / "populations.parquet")
    first = found[(found["subject"] == "S1") & (found["visit"] == "V1")].set_index("population")
    assert first["count"].to_dict() == {"lymphocytes": 1000, "cd4": 400, "cd25_hi": 25}
    assert first["parent_count"].to_dict() == {"lymphocytes": 5000, "cd4": 1000, "cd25_hi": 400}
    medians = pd.read_parquet(tmp_path / "run" / "tables" / "medians.parquet")
    assert set(medians["marker"]) == {"CXCR3"}
    assert medians.set_index("population").loc["cd4", "median_intensity"].tolist() == [512.5] * 4


def test_a_map_is_proposed_by_names_and_what_is_not_known_is_blank(study, tmp_path):
    text = proposed_map(read_foreign(csv_table(tmp_path)), "treg", strategy=None, listed=())
    assert '"Lymphocytes/CD4+": cd4' in text
    assert '"S1_V1_treg.fcs": {subject: "?", visit: "?"}' in text
    with pytest.raises(BadSpec, match="left blank"):
        the_map(tmp_path, text)


def test_what_is_negative_is_not_taken_for_what_is_positive(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("name,CD4- | Count,CD4+ | Count\na.fcs,5,6\n", encoding="utf-8")
    text = proposed_map(read_foreign(path), "treg", strategy=None, listed=())
    assert '"CD4-": CD4-' in text
    assert '"CD4+": cd4' in text


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('  "Lymphocytes/CD4+": cd4\n', "", "nothing is said of 'Lymphocytes/CD4+', which table.csv has"),
        ("panel: treg", "panel: tregs", "no panel in use named 'tregs'; did you mean 'treg'?"),
        ('pattern: "{subject}_{visit}_treg.fcs"', "", "it is not said whose sample 'S1_V1_treg.fcs' is"),
        ('"{subject}_{visit}_treg.fcs"', '"{visit}.fcs"', "has no {subject}"),
        ('"{subject}_{visit}_treg.fcs"', '"{visit}_{subject}_treg.fcs"', "no subject named 'V1'"),
        ("cd25_hi", '"?"', "populations.Lymphocytes/CD4+/CD25hi: is left blank ('?')"),
    ],
)
def test_what_the_map_does_not_name_is_told(study, tmp_path, old, new, told):
    assert old in MAP
    with pytest.raises(BadSpec) as refused:
        mapped_rows(read_foreign(csv_table(tmp_path)), the_map(tmp_path, MAP.replace(old, new)), study)
    assert any(told in str(problem) for problem in refused.value.problems), refused.value.problems


def test_doubled_samples_and_columns_and_what_is_no_number_are_refused_with_their_line(tmp_path):
    with pytest.raises(BadSpec, match=r"line 6: sample 'S1_V1_treg.fcs' is given twice, first on line 2"):
        read_foreign(csv_table(tmp_path, [*ROWS, ROWS[0]]))
    with pytest.raises(BadSpec, match="line 2: Lymphocytes: 'many' is not a number"):
        read_foreign(csv_table(tmp_path, [[*ROWS[0][:2], "many", *ROWS[0][3:]]]))


def test_a_percent_without_any_count_has_none_and_its_parent_must_be_kept(study, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("name,Lymphocytes | Freq. of Parent\nS1_V1_treg.fcs,40\n", encoding="utf-8")
    only = MAP.partition("populations:")[0] + 'populations: {"Lymphocytes": lymphocytes}\n'
    row = mapped_rows(read_foreign(path), the_map(tmp_path, only), study)[0]
    assert (row.count, row.parent_count, row.percent) == (None, None, 40)
    path.write_text("name,L | Freq. of Parent,L/T | Freq. of Parent\nS1_V1_treg.fcs,40,50\n", encoding="utf-8")
    without = MAP.partition("populations:")[0] + 'populations: {"L": skip, "L/T": t_cells}\n'
    with pytest.raises(BadSpec, match="'L/T' is a percent of 'L', which is left out"):
        mapped_rows(read_foreign(path), the_map(tmp_path, without), study)


def test_sheets_of_strangers_are_refused_not_believed(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", '<!DOCTYPE x [<!ENTITY a "b">]><worksheet>&a;</worksheet>')
    (tmp_path / "b.xlsx").write_bytes(b"PK no archive")
    with zipfile.ZipFile(tmp_path / "c.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 50_000_000)
    for name in "abc":
        with pytest.raises(BadSpec):
            read_foreign(tmp_path / f"{name}.xlsx")


def test_counts_that_a_workspace_stores_are_read_without_fcs_files(real_data, tmp_path):
    table = read_foreign(real_data / "flowjo" / "8_color_data_set" / "8_color_ICS.wsp")
    assert table.form.startswith("counts stored by FlowJo")
    assert len(table.samples) > 0
    sample = next(sample for sample in table.samples if len(sample.counts) > 3)
    assert all(isinstance(count, int) for count in sample.counts.values())
    assert any("/" in path for path in table.paths)


@pytest.mark.parametrize(
    ("head", "values", "told"),
    [
        ("L | Freq. of Parent", "-5", "is no percent of a parent"),
        ("L | Freq. of Parent", "1e300", "is no percent of a parent"),
        ("L | Count", "1e400", "is no number of events"),
        ("L | Count", "50.000", "may be 50000 or 50"),
        ("L | Median (PE-A)", "1e400", "line 2: L: '1e400' is too large"),
        ("L | Count,/L|#Cells", "5,4", "is given twice, first as 'L | Count'"),
    ],
)
def test_numbers_that_cannot_be_are_refused_with_their_line(tmp_path, head, values, told):
    path = tmp_path / "t.csv"
    path.write_text(f",Count,{head}\nS1_V1,100000,{values}\n", encoding="utf-8")
    with pytest.raises(BadSpec, match=told):
        read_foreign(path)


def test_a_percent_that_contradicts_the_count_beside_it_is_refused_and_a_rounded_one_is_not(study, tmp_path):
    path, map_path = tmp_path / "t.csv", tmp_path / "m.yaml"
    text = 'schema: immunomon.import-map/1\npanel: treg\npattern: "{subject}_{visit}"\npopulations: {L: lymphocytes}\n'
    map_path.write_text(text, encoding="utf-8")
    for percent, fits in (("50.1", True), ("90", False)):
        path.write_text(f",Count,L | Count,L | Freq. of Parent\nS1_V1,1000,501,{percent}\n", encoding="utf-8")
        if fits:
            assert mapped_rows(read_foreign(path), load_import_map(map_path), study)[0].count == 501
            continue
        with pytest.raises(BadSpec, match="90 % of the parent, but 501 of 1000 are"):
            mapped_rows(read_foreign(path), load_import_map(map_path), study)


def test_cells_that_a_sheet_shows_as_percents_are_percents_and_small_percents_are_told(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["", "Count", "L | Freq. of Parent"])
    book.active.append(["S1_V1", 1000, 0.25])
    book.save(tmp_path / "fraction.xlsx")
    assert any("if fractions are meant" in note for note in read_foreign(tmp_path / "fraction.xlsx").notes)
    book.active["C2"].number_format = "0.0%"
    book.save(tmp_path / "percent.xlsx")
    table = read_foreign(tmp_path / "percent.xlsx")
    assert table.samples[0].percents == {"L": 25.0}
    assert table.notes == ()
    for written_out in ('0.00"%"', r"0.00\%", '0.0 "% of parent"'):
        book.active["C2"].number_format = written_out
        book.save(tmp_path / "written.xlsx")
        assert read_foreign(tmp_path / "written.xlsx").samples[0].percents == {"L": 0.25}


def test_a_formula_whose_value_the_file_does_not_have_is_refused_with_its_cell(tmp_path):
    path = xlsx_table(tmp_path)
    book = openpyxl.load_workbook(path)
    book.active["B2"] = "=10*100"
    book.save(path)
    with pytest.raises(BadSpec, match="cell B2: a formula without its value; open the table in a spreadsheet program"):
        read_foreign(path)
    with_value = tmp_path / "calculated.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(with_value, "w") as new:
        for name in old.namelist():
            new.writestr(name, re.sub(rb"</f><v ?/>|</f><v></v>", b"</f><v>1000</v>", old.read(name)))
    assert read_foreign(with_value).samples[0].counts[""] == 1000


def test_cells_that_hold_no_number_are_not_read_as_one(tmp_path):
    book = openpyxl.Workbook()
    for row in (["", "Count", "L | Count"], ["=A9", 9, 5]):
        book.active.append(row)
    book.save(tmp_path / "name.xlsx")
    with zipfile.ZipFile(tmp_path / "name.xlsx") as old, zipfile.ZipFile(tmp_path / "text.xlsx", "w") as new:
        for name in old.namelist():
            cell = rb'<c r="A2" t="str"><f>A9</f><v>0012</v></c>'
            new.writestr(name, re.sub(rb'<c r="A2".*?</c>', cell, old.read(name)))
    assert [sample.name for sample in read_foreign(tmp_path / "text.xlsx").samples] == ["0012"]
    for cell, value in (("A2", "S1_V1"), ("C2", True)):
        book.active[cell] = value
    book.save(tmp_path / "truth.xlsx")
    with pytest.raises(BadSpec, match="'TRUE' is not a number"):
        read_foreign(tmp_path / "truth.xlsx")


def test_the_first_tab_is_read_in_whatever_order_sheets_were_made_and_further_ones_are_named(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "old"
    book.active.append(["", "Count", "L | Count"])
    book.active.append(["S1_V1", 9, 1])
    for title, count in (("new", 7), ("hidden", 8)):
        sheet = book.create_sheet(title, 0)
        sheet.append(["", "Count", "L | Count"])
        sheet.append(["S1_V1", 9, count])
    book["hidden"].sheet_state = "hidden"
    book.active = book["new"]
    book.save(tmp_path / "t.xlsx")
    table = read_foreign(tmp_path / "t.xlsx")
    assert table.samples[0].counts == {"": 9, "L": 7}
    assert any("sheet 'new' is read, and not 'old', 'hidden'" in note for note in table.notes)


def test_rows_that_name_no_sample_are_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",Count,L | Count\nS1_V1,9,5\n,8,4\n,7,3\nMean,8,4\n", encoding="utf-8")
    table = read_foreign(path)
    assert [sample.name for sample in table.samples] == ["S1_V1"]
    assert table.notes == (
        f"{path}: rows of summaries are not read: Mean",
        f"{path}: rows that name no sample are not read: line 3, 4",
    )


def test_a_population_with_medians_alone_is_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",Count,L | Count,M | Median (PE-A)\nS1_V1,9,5,200\n", encoding="utf-8")
    assert any("without a count or percent are not read: 'M'" in note for note in read_foreign(path).notes)
