import pytest

from immunomon.study.model.panel import MarkerKind
from immunomon.study.specs.catalog import shipped_panels
from immunomon.study.specs.panel import load_panel

PANEL = """\
schema: immunomon.panel/1
name: treg
label: Regulatory T cells
scatter: [FSC-A, FSC-H]
time: Time
markers:
  - {marker: CD25, detector: PE-A, fluorochrome: PE, kind: type, fmo: true, aliases: [IL2RA]}
  - {marker: CD3, detector: V450-A, fluorochrome: V450}
"""


def test_a_panel_is_read_as_written(write):
    panel = load_panel(write(PANEL))
    assert (panel.name, panel.label, panel.scatter, panel.time) == (
        "treg",
        "Regulatory T cells",
        ("FSC-A", "FSC-H"),
        "Time",
    )
    assert panel.detectors == ("PE-A", "V450-A")
    assert panel.marker("IL2RA").fmo
    assert panel.marker("CD3").kind is MarkerKind.TYPE


@pytest.mark.parametrize("name", sorted(shipped_panels()))
def test_every_shipped_panel_loads_under_its_own_name(name):
    assert load_panel(shipped_panels()[name]).name == name


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "panel/1",
            "panel/2",
            "line 1: schema: 'immunomon.panel/2' is not one of 'immunomon.panel/1'; write one of them",
        ),
        ("schema: immunomon.panel/1\n", "", "line 1: schema: is missing; add 'schema: ...'"),
        ("name: treg", "nam: treg", "line 2: nam: no such key here; did you mean 'name'?"),
        ("name: treg", "name: 7", "line 2: name: should be text, not 7; write it in quotes: '7'"),
        (
            "label: Regulatory T cells",
            "label: ''",
            "line 3: label: is empty; write something",
        ),
        ("[FSC-A, FSC-H]", "FSC-A", "line 4: scatter: should be a list [...], not 'FSC-A'; correct the value"),
        ("detector: PE-A", "detecter: PE-A", "line 7: markers[0].detecter: no such key here; did you mean 'detector'?"),
        ("detector: PE-A, ", "", "line 7: markers[0].detector: is missing; add 'detector: ...'"),
        (
            "kind: type",
            "kind: typ",
            "line 7: markers[0].kind: 'typ' is not one of 'type', 'state', 'viability' or 'dump'",
        ),
        ("fmo: true", "fmo: 3", "line 7: markers[0].fmo: should be true or false, not 3; correct the value"),
        (
            "aliases: [IL2RA]",
            "aliases: [3]",
            "line 7: markers[0].aliases[0]: should be text, not 3; write it in quotes",
        ),
        (
            "V450-A",
            "PE-A",
            "line 8: markers[1].detector: detector 'PE-A' is used twice, first by markers[0]; correct one",
        ),
        ("V450}", "PE}", "line 8: markers[1].fluorochrome: fluorochrome 'PE' is used twice, first by markers[0]"),
        ("IL2RA", "cd-3", "line 8: markers[1].marker: 'CD3' and 'CD25' share the spelling 'cd3'; give each marker"),
        ("[FSC-A,", "[PE-A,", "line 4: scatter[0]: 'PE-A' is a marker's detector, too; remove it from one of them"),
        (
            "time: Time",
            "time: V450-A",
            "line 5: time: 'V450-A' is a marker's detector, too; remove it from one of them",
        ),
    ],
)
def test_each_mistake_is_told_with_line_place_and_remedy(write, problems_of, old, new, expected):
    assert old in PANEL
    told = problems_of(lambda: load_panel(write(PANEL.replace(old, new))))
    assert any(one.startswith(expected) for one in told), told


def test_a_file_that_is_no_mapping_is_told_what_it_is(write, problems_of):
    assert problems_of(lambda: load_panel(write("- 1\n"))) == [
        "line 1: should be a mapping of keys to values, not a list; see docs/file-formats.md"
    ]


def test_mistakes_of_shape_and_of_meaning_are_told_together_in_the_order_of_lines(write, problems_of):
    text = (
        PANEL.replace("label: Regulatory T cells", "label: 5")
        .replace("V450-A", "PE-A")
        .replace("kind: type", "kin: type")
    )
    assert [one.split(":")[0] for one in problems_of(lambda: load_panel(write(text)))] == ["line 3", "line 7", "line 8"]


def test_places_are_counted_as_in_the_file_after_an_item_that_was_wrong(write, problems_of):
    text = PANEL.replace("marker: CD25, ", "") + "  - {marker: CD4, detector: V450-A, fluorochrome: APC}\n"
    assert problems_of(lambda: load_panel(write(text)))[1].startswith("line 9: markers[2].detector: detector 'V450-A'")
