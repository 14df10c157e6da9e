"""Statistics with one row a file and population, as CellEngine, flowWorkspace, OMIQ and Cytobank write them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from immunomon.errors import BadSpec
from immunomon.runs.import_map import load_import_map, mapped_rows
from immunomon.runs.imported_forms import read_foreign
from immunomon.study.specs.study import load_study

CELLENGINE = [
    *("fcsFileId", "filename", "populationId", "population", "uniquePopulationName", "parentPopulation"),
    *("parentPopulationId", "Visit", "percentOfId", "percentOf", "percent", "eventCount", "channel", "reagent"),
    *("mean", "median"),
]
FLOWWORKSPACE = ["", "name", "Population", "Parent", "Count", "ParentCount"]


def written(tmp_path: Path, rows: list[list], separator: str = ",") -> Path:
    path = tmp_path / "statistics.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


def cellengine(file: str, *more: list) -> list[list]:
    rows = []
    for channel, reagent, medians in (("PE-A", "CD25", (50, 512.5)), ("APC-A", "CD127", (60, 70))):
        of = ["", "Ungated", 90, 9000]
        rows.append(["f", file, "p1", "Live", "Live", "Ungated", "", "W4", *of, channel, reagent, 1, medians[0]])
        of = ["p1", "Live", 40, 3600]
        rows.append(
            ["f", file, "p2", "CD4+/CD8-", "CD4+/CD8-", "Live", "p1", "W4", *of, channel, reagent, 1, medians[1]]
        )
    return rows


@pytest.mark.parametrize("separator", [",", "\t"])
def test_cellengine_has_a_row_for_each_channel_and_parents_by_id(tmp_path, separator):
    rows = [CELLENGINE, *cellengine("a.fcs"), *cellengine("b.fcs")]
    table = read_foreign(written(tmp_path, rows, separator))
    assert (table.form, table.has_parents) == ("statistics of CellEngine", True)
    first = table.samples[0]
    assert first.counts == {"Live": 9000, "Live/CD4+|CD8-": 3600}
    assert first.percents == {"Live": 90, "Live/CD4+|CD8-": 40}
    assert first.medians["Live/CD4+|CD8-"] == {"CD25": 512.5, "CD127": 70}
    assert [sample.name for sample in table.samples] == ["a.fcs", "b.fcs"]
    assert any("'mean'" in note for note in table.notes)


def test_a_percent_of_another_population_than_the_parent_is_not_read_as_one(tmp_path):
    rows = [[*row[:9], "Ungated", *row[10:]] for row in cellengine("a.fcs")]
    assert read_foreign(written(tmp_path, [CELLENGINE, *rows])).samples[0].percents == {"Live": 90}


def test_cellengines_tall_layout_has_a_row_for_each_statistic(tmp_path):
    head = ["filename", "population", "parentPopulation", "statistic", "channel", "value"]
    rows = [
        ["a.fcs", "Live", "Ungated", "eventcount", "", 9000],
        ["a.fcs", "Live", "Ungated", "median", "PE-A", 50.5],
        ["a.fcs", "CD4", "Live", "percent", "", 40],
        ["a.fcs", "CD4", "Live", "cv", "PE-A", 3],
    ]
    sample = read_foreign(written(tmp_path, [head, *rows])).samples[0]
    assert (sample.counts, sample.percents) == ({"Live": 9000}, {"Live/CD4": 40})
    assert sample.medians == {"Live": {"PE-A": 50.5}}


@pytest.mark.parametrize("named", [False, True])
def test_flowworkspace_has_full_paths_or_names_and_the_parents_count(tmp_path, named):
    rows = [[1, "a.fcs", "/Lv", "root", 90, 100], [2, "a.fcs", "/Lv/CD3", "/Lv", 40, 90]]
    if named:
        rows = [[1, "a.fcs", "Lv", "root", 90, 100], [2, "a.fcs", "CD3", "Lv", 40, 90]]
    table = read_foreign(written(tmp_path, [FLOWWORKSPACE, *rows]))
    assert table.form == "statistics of flowWorkspace"
    assert table.samples[0].counts == {"": 100, "Lv": 90, "Lv/CD3": 40}


def test_a_table_without_parents_says_so(tmp_path):
    rows = [["File", "Population", "Event Count", "% of Parent", "Median (CD25)"], ["a.fcs", "CD4+", 40, "44.4", 3]]
    table = read_foreign(written(tmp_path, rows))
    assert (table.form, table.has_parents) == ("statistics by file and population", False)
    assert any("the map does (parents:)" in note for note in table.notes)
    assert table.samples[0].medians == {"CD4+": {"CD25": 3}}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["a.fcs", "CD3", "Lv", 40, 90]], "'CD3' lies in 'Lv', which leads to no row above it"),
        ([["a.fcs", "A", "B", 4, 9], ["a.fcs", "B", "A", 4, 9]], "'A' lies in 'B', which leads to no row above it"),
        ([["a.fcs", "A", "root", 4, 9], ["a.fcs", "A", "root", 5, 9]], "5, but 4 on line 2 of the same file"),
        ([["a.fcs", "A", "root", 4, 9], ["a.fcs", "B", "A", 1, 4], ["b.fcs", "B", "root", 1, 4]], "the parent of 'B'"),
        ([["a.fcs", "A", "root", "4.5", 9]], "'4.5' is no number of events"),
        ([["", "A", "root", 4, 9]], "file: is blank"),
    ],
)
def test_what_cannot_be_is_named_with_its_line(tmp_path, rows, said):
    with pytest.raises(BadSpec) as raised:
        read_foreign(written(tmp_path, [["name", "Population", "Parent", "Count", "ParentCount"], *rows]))
    assert said in str(raised.value)


def test_tidy_tables_and_others_are_left_to_their_readers(tmp_path):
    assert read_foreign(written(tmp_path, [["subject", "visit", "population", "count", "sample"]])) is None
    assert read_foreign(written(tmp_path, [["a", "b"], [1, 2]])) is None


FLAT = [["File", "Population", "Event Count", "% of Parent"], ["a.fcs", "All Events", 100, ""], ["a.fcs", "L", 50, 50],
        ["a.fcs", "T", "", "40"]]  # fmt: skip
MAP = """schema: immunomon.import-map/1
panel: treg
samples: {"a.fcs": {subject: S1, visit: V1}}
populations: {L: lymphocytes, T: t_cells}
"""


@pytest.mark.parametrize(
    ("parents", "said"),
    [
        ("parents: {L: root, T: L}", ""),
        ("parents: {L: root}", "neither the table nor the map says what 'T' lies in"),
        ("parents: {L: T, T: L}", "'L' would lie in itself"),
        ("parents: {L: root, T: X}", "nothing is said of 'X' under populations"),
    ],
)
def test_parents_that_the_table_lacks_are_the_maps(tmp_path, parents, said):
    study = "schema: immunomon.study/2\nname: OLD\nsubjects: [{id: S1}]\nvisits: [{label: V1, baseline: true}]\n"
    (tmp_path / "study.yaml").write_text(f"{study}panels: [{{panel: treg, strategy: treg}}]\n", encoding="utf-8")
    (tmp_path / "map.yaml").write_text(f"{MAP}{parents}\n", encoding="utf-8")
    table, its_map = read_foreign(written(tmp_path, FLAT)), load_import_map(tmp_path / "map.yaml")
    if said:
        with pytest.raises(BadSpec) as raised:
            mapped_rows(table, its_map, load_study(tmp_path))
        assert said in str(raised.value)
        return
    rows = mapped_rows(table, its_map, load_study(tmp_path))
    assert [(row.population, row.parent, row.count, row.parent_count) for row in rows] == [
        ("lymphocytes", "root", 50, 100),
        ("t_cells", "lymphocytes", 20, 50),
    ]


LONG = ["file", "population", "parent", "count", "parent count"]


@pytest.mark.parametrize("name", ["γδ", "淋巴", "++"])
def test_a_name_without_latin_letters_is_a_population_and_not_all_events(tmp_path, name):
    rows = [LONG, ["a.fcs", "T", "root", 100, 500], ["a.fcs", name, "T", 7, 100]]
    assert read_foreign(written(tmp_path, rows)).samples[0].counts == {"": 500, "T": 100, f"T/{name}": 7}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (["a.fcs", "C", "T", 12, 5, 100], "6 cells, but the header has 5 columns"),  # 12,5 without quotes
        (["a.fcs", "C", 12, 100], "4 cells, but the header has 5 columns"),
        (["a.fcs", "C", "T", 12, 90], "90 events, but 100 by line 2"),
    ],
)
def test_what_may_be_another_columns_or_contradicts_is_refused(tmp_path, row, said):
    with pytest.raises(BadSpec, match=said):
        read_foreign(written(tmp_path, [LONG, ["a.fcs", "T", "root", 100, 500], row]))


def test_without_parents_in_the_table_their_events_are_those_of_the_maps_parents(tmp_path):
    rows = [["file", "population", "count", "parent count"], ["S1_V1", "T", 90, 100], ["S1_V1", "L", 100, 500]]
    sample = read_foreign(written(tmp_path, rows)).samples[0]
    assert (sample.counts, sample.parent_counts) == ({"T": 90, "L": 100}, {"T": 100, "L": 500})


def test_statistics_and_medians_that_have_no_place_are_named_and_a_median_of_0_is_kept(tmp_path):
    head = ["file", "population", "parent", "statistic", "channel", "value"]
    rows = [["a.fcs", "T", "root", *more] for more in (["count", "", 9], ["cv", "", 3], ["median", "", 5])]
    table = read_foreign(written(tmp_path, [head, *rows, ["a.fcs", "T", "root", "median", "PE-A", 0]]))
    assert table.samples[0].medians == {"T": {"PE-A": 0}}
    assert any("'cv', 'median without a channel'" in note for note in table.notes)
