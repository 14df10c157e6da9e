# ruff: noqa: RUF001
"""One table of marker names, and what labels of channels say by it."""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.study.model import marker_names as module
from immunomon.study.model.channels import Channel
from immunomon.study.model.marker_names import known_marker, marker_names, plain, read_label
from immunomon.study.model.panel import Marker, Panel
from immunomon.study.specs.catalog import shipped_panels
from immunomon.study.specs.panel import load_panel

ROWS = list(csv.DictReader(Path(module.__file__).with_name("markers.csv").read_text(encoding="utf-8").splitlines()))
# Spellings that are two markers: such a name is said, and left blank.
AMBIGUOUS = {"cd1", "cd11", "cd45r", "cd62", "cd79", "granzyme", "hla", "il17", "tcr"}


def test_every_row_has_a_kind_and_a_source_that_is_explained():
    sources = {"HLDA", "HGNC", "IUPHAR", "makers", "files"}
    assert {row["kind"] for row in ROWS} == {"type", "state", "viability", "dump"}
    assert all(set(row["source"].split(";")) <= sources and row["source"] for row in ROWS)
    assert all(f"{source}," in module.__doc__ for source in sources - {"HLDA"})
    assert len({row["marker"] for row in ROWS}) == len(ROWS) > 200


def test_each_spelling_is_one_marker_but_for_those_known_to_be_two():
    owners: dict[str, set[str]] = {}
    for row in ROWS:
        for spelling in (row["marker"], row["gene"], *row["spellings"].split("|")):
            owners.setdefault(plain(spelling), set()).add(row["marker"])
    assert {name for name, markers in owners.items() if name and len(markers) > 1} == AMBIGUOUS
    assert all(known_marker(name) == "" for name in AMBIGUOUS)


@pytest.mark.parametrize(
    ("spelling", "marker"),
    [
        ("CD183", "CXCR3"), ("CD194", "CCR4"), ("CD196", "CCR6"), ("CD197", "CCR7"), ("IL7R", "CD127"),
        ("CD8a", "CD8"), ("HLADR", "HLA-DR"), ("IL-2Rα", "CD25"), ("IFN-γ", "IFN-g"), ("TNF-alpha", "TNF-a"),
        ("TCR γδ", "TCRgd"), ("TCR-Î³Î´", "TCRgd"), ("Integrin ß7", "Integrin b7"), ("CD279", "PD-1"),
        ("Vα7.2", "Va7.2"), ("Zombie NIR", "viability"),
    ],
)  # fmt: skip
def test_usual_spellings_are_known(spelling, marker):
    assert known_marker(spelling) == marker
    assert marker == "viability" or plain(spelling) in {plain(name) for name in marker_names(marker)}


@pytest.mark.parametrize(
    ("label", "marker", "fluorochrome"),
    [
        ("CD25 (M-A251)", "CD25", ""), ("anti-CD4", "CD4", ""), ("hCD127", "CD127", ""),
        ("CD45RA_FITC", "CD45RA", "FITC"),
        ("Zombie NIR", "viability", ""), ("L/D", "viability", ""), ("Comp-BV421-A :: CD183", "CXCR3", "BV421"),
        ("LIVE DEAD Near IR", "viability", ""), ("CD4 SK3 BV785", "CD4", "BV785"), ("CD3(110:114)Dd", "CD3", ""),
        ("IL-7Rα (CD127)", "CD127", ""), ("CD21;FITC;530/30@488/B", "CD21", "FITC"), ("CD22-PC5", "CD22", "PE-Cy5"),
        ("TCRγδ PE-Cy7", "TCRgd", "PE-Cy7"), ("CD3 7-AAD", "CD3", "7-AAD"), ("7-AAD", "viability", "7-AAD"),
        ("CD8 B PE", "CD8b", "PE"), ("Fixable Viability Dye eFluor 506", "viability", "eFluor 506"),
    ],
)  # fmt: skip
def test_labels_as_laboratories_write_them_are_read(label, marker, fluorochrome):
    assert (read_label(label).marker, read_label(label).fluorochrome) == (marker, fluorochrome)


@pytest.mark.parametrize(
    "label",
    [
        "Granzyme",
        "CD62",
        "VIVID / CD14",
        "CD3+CD19",
        "CD4 isotype",
        "Syto 41",
        "CD235ab_CD61",
        "CD4 CD99R",
        "",
        "BL1-A",
    ],
)
def test_what_may_be_two_markers_or_none_is_no_marker(label):
    assert read_label(label).marker == ""


def test_a_combination_names_all_its_markers():
    assert read_label("VIVID / CD14").markers == ("CD14", "viability")
    assert read_label("VIVID / CD14").both
    assert not read_label("Granzyme").both


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_no_label_breaks_the_reader_and_a_marker_is_one_of_the_table(label):
    names = {row["marker"] for row in ROWS}
    assert set(read_label(label).markers) <= names


@pytest.mark.parametrize("name", sorted(shipped_panels()))
def test_the_shipped_panels_use_the_tables_names(name):
    for marker in load_panel(shipped_panels()[name]).markers:
        assert known_marker(marker.name) == marker.name
        assert all(known_marker(alias) in ("", marker.name, "dump") for alias in marker.aliases)


def test_a_panel_takes_labels_by_any_spelling_and_refuses_other_markers():
    panel = Panel("p", "P", (Marker("CXCR3", "PE-A", "PE"), Marker("CD8", "FITC-A", "FITC")))
    labelled = panel.label_channels([Channel("PE-A", "CD183 (G025H7)"), Channel("FITC-A", "CD8a FITC")])
    assert [channel.marker for channel in labelled] == ["CXCR3", "CD8"]
    assert not panel.marker("CD183").may_be_on(Channel("PE-A", "CD183 isotype"))
    assert not panel.marker("CD8").may_be_on(Channel("FITC-A", "CD8b"))
    assert not panel.marker("CD8").may_be_on(Channel("FITC-A", "APC"))


def test_a_panel_that_names_the_dye_of_dead_cells_carries_a_strategy_that_asks_for_viability():
    panel = Panel("p", "P", (Marker("Zombie NIR", "R780-A", "Zombie NIR"), Marker("CD3", "V450-A", "V450")))
    assert panel.own_name("viability") == "Zombie NIR"
    assert panel.own_name("CD4") == ""


@pytest.mark.parametrize("text", ["CD3_1", "CD3.1", "CD3 8", "CD4-5", "CD16_1", "CD19-5"])
def test_a_number_apart_from_a_name_makes_no_other_marker_of_it(text):
    assert read_label(text).marker == ""
    assert read_label(text.replace(".", "_")).markers in {("CD3",), ("CD4",), ("CD16",), ("CD19",)}
    joined = "".join(letter for letter in text if letter.isalnum())
    assert not Marker(joined, "PE-A", "PE").answers_to(text)
    assert not Marker(joined, "PE-A", "PE").may_be_on(Channel("PE-A", text))


@pytest.mark.parametrize("text", ["4-1BB", "41BB", "4-1BB PE", "CD137 (4-1BB)", "4_1BB"])
def test_a_name_whose_own_numbers_stand_apart_is_known_however_it_is_written(text):
    assert read_label(text).marker == "CD137"


@pytest.mark.parametrize("text", ["IgG1 kappa FITC", "mouse IgG1, kappa", "mIgG2a kappa PE"])
def test_an_isotype_control_is_not_its_light_chain(text):
    assert read_label(text).marker == ""
