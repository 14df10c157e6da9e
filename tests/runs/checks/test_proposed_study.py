"""A folder of files becomes a study: what it says is proposed, what it does not say is left blank, as check says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.fcs_files import some_values, write_fcs
from support.lab_folders import LAB_FOLDERS, MIXED, make

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.runs.checks.file_names import BadPattern, Pattern
from immunomon.runs.checks.paths import check_paths
from immunomon.runs.checks.proposed_study import propose_study
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study

REAL = {
    "outside": "{visit}_{panel}_{subject}_{}.fcs",
    "cohorts/gvhd-visits": "{subject}a{visit}.fcs",
    "cohorts/itn": "sample{subject}.fcs",
    "lyoplate-nk": "gs_DC_auto__DC_MONO_NK_{subject}_{visit}.compensated_biex.fcs",
    "activation": "Activation_{subject}.fcs",
}


def proposed(study: Path, files: Path, pattern: str | None = None) -> Path:
    """Write the study that is proposed for a folder, and return it."""
    result = propose_study(study, files, methods=GATE_METHODS, pattern=Pattern.parse(pattern) if pattern else None)
    assert not result.refused, result.refused
    for name, text in result.contents.items():
        (study / name).parent.mkdir(parents=True, exist_ok=True)
        (study / name).write_text(text, encoding="utf-8")
    return study


def blanks_in(study: Path) -> list[str]:
    """Return the lines that a person has to type, of all files of a study."""
    files = [study / "study.yaml", study / "samples.csv", *sorted((study / "panels").glob("*.yaml"))]
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if re.search(r'"\?"|[,:]\?', line) and not line.startswith("#")]


def problems_of(study: Path) -> list[str]:
    return [str(problem) for problem in check_paths([study], methods=GATE_METHODS).problems]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made: dict[str, Path] = {}

    def study_of(name: str) -> Path:
        if name not in made:
            folder = LAB_FOLDERS[name]
            base = tmp_path_factory.mktemp(name)
            made[name] = proposed(base / "study", make(base / name, folder), folder.pattern)
        return made[name]

    return study_of


@pytest.mark.parametrize("name", LAB_FOLDERS)
def test_check_finds_nothing_but_the_blanks(lab, name):
    study = lab(name)
    assert len(blanks_in(study)) + bool(LAB_FOLDERS[name].pattern) <= 5
    assert all("is left blank" in problem for problem in problems_of(study)), problems_of(study)
    assert bool(problems_of(study)) == bool(blanks_in(study))


@pytest.mark.parametrize("name", LAB_FOLDERS)
def test_the_strategies_whose_markers_are_there_are_proposed(lab, name):
    uses = yaml.safe_load((lab(name) / "study.yaml").read_text(encoding="utf-8"))["panels"]
    found = {use["panel"]: use["strategy"] for use in uses}
    expected = LAB_FOLDERS[name].strategies
    assert set(found) == set(expected)
    assert found == {panel: names[0] if len(names) == 1 else names or "?" for panel, names in expected.items()}


@pytest.mark.parametrize(("name", "pattern"), REAL.items())
def test_real_folders_need_few_lines(real_data, tmp_path, name, pattern):
    study = proposed(tmp_path / "study", real_data / name, pattern)
    assert len(blanks_in(study)) + 1 <= 5
    assert all("is left blank" in problem for problem in problems_of(study)), problems_of(study)


def test_once_the_blanks_are_filled_in_nothing_is_wrong(lab, tmp_path):
    study = tmp_path / "mixed" / "study"
    shutil.copytree(lab("mixed").parent, tmp_path / "mixed")
    panel = (study / "panels" / "nk.yaml").read_text(encoding="utf-8")
    for detector, marker in (("PE-A", "CD56"), ("BV711-A", "CD56 (second)"), ("BV605-A", "Granzyme B")):
        panel = panel.replace(f'{{marker: "?", detector: {detector},', f"{{marker: {marker}, detector: {detector},")
    panel = panel.replace("BV605, kind: type}", "BV605, kind: state, aliases: [Granzyme]}")
    panel = panel.replace("BV711, kind: type}", "BV711, kind: type, aliases: [NCAM]}")
    (study / "panels" / "nk.yaml").write_text(panel, encoding="utf-8")
    text = (study / "study.yaml").read_text(encoding="utf-8")
    text = text.replace('source: "?"', "source: none")
    (study / "study.yaml").write_text(text, encoding="utf-8")
    assert problems_of(study) == []


def test_what_the_names_say_is_in_the_sample_list(lab):
    study = load_study(lab("diva") / "study.yaml")
    samples = load_samples(lab("diva") / "samples.csv", study)
    persons = {(s.subject, s.visit) for s in samples if str(s.role) == "sample"}
    assert persons == {(who, when) for who in ("S01", "S02") for when in ("Baseline", "W4")}
    assert {str(s.role) for s in samples} == {"sample", "fmo:CD25", "single-stain:PE", "unstained"}
    assert study.baseline.label == "Baseline"
    assert {s.batch for s in samples} <= {f"20{24 + n % 2}-03-0{1 + n % 9}" for n in range(9)}


def test_visits_come_from_dates_where_names_have_none(lab):
    samples = load_samples(lab("cytoflex") / "samples.csv")
    assert {(s.subject, s.batch[:4], s.visit) for s in samples} == {
        (who, year, visit) for who in ("DON1", "DON2") for year, visit in (("2024", "V1"), ("2025", "V2"))
    }


def test_a_donor_of_bridge_tubes_is_no_subject(lab):
    text = yaml.safe_load((lab("mixed") / "study.yaml").read_text(encoding="utf-8"))
    assert text["donors"] == [{"id": "D9"}]
    assert {subject["id"] for subject in text["subjects"]} == {"K1", "K2"}


def test_two_channels_of_one_marker_and_a_name_of_two_are_left_blank_and_said(lab):
    panel = (lab("mixed") / "panels" / "nk.yaml").read_text(encoding="utf-8")
    blank = [line for line in panel.splitlines() if 'marker: "?"' in line]
    assert [re.search(r"detector: (\S+),", line)[1] for line in blank] == ["PE-A", "BV605-A", "BV711-A"]
    assert "'CD56', which BV711-A may be, too" in blank[0]
    assert "Granzyme A or Granzyme B or Granzyme K" in blank[1]


def test_names_that_a_pattern_does_not_fit_are_shown_and_not_listed(tmp_path):
    files = make(tmp_path / "fcs", MIXED)
    shutil.copy(files / "K1-T0-nk.fcs", files / "strange.fcs")
    result = propose_study(tmp_path / "s", files, methods=GATE_METHODS, pattern=Pattern.parse(MIXED.pattern))
    assert any("strange.fcs: does not fit the pattern" in note for note in result.notes)
    assert "strange" not in result.contents["samples.csv"]
    nothing = propose_study(tmp_path / "s", files, methods=GATE_METHODS, pattern=Pattern.parse("{subject}+{visit}.fcs"))
    assert "K1-T0-nk.fcs: does not fit" in nothing.refused
    assert not nothing.contents


def test_without_a_pattern_names_that_may_be_read_in_two_ways_are_refused(tmp_path):
    for name in ("M01_W2", "M02_W4"):
        write_fcs(tmp_path / "fcs" / f"{name}_x.fcs", some_values(seed=ord(name[2])))
    result = propose_study(tmp_path / "s", tmp_path / "fcs", methods=GATE_METHODS)
    assert "it is not clear which part of 'M01_W2_x.fcs' is the subject; say how the files are named" in result.refused


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [("{visit}.fcs", "has no {subject}"), ("{sub}", "did you mean 'subject'"), ("{subject}{subject}", "twice")],
)
def test_a_pattern_that_cannot_be_meant_is_refused(pattern, reason):
    with pytest.raises(BadPattern, match=re.escape(reason)):
        Pattern.parse(pattern)


def test_files_of_strangers_are_listed_safely_or_said(tmp_path):
    files = tmp_path / "fcs"
    for number, name in enumerate(("=cmd()_V1", "S1_V1", "line\nbreak_V1", 'quote"_V1')):
        write_fcs(files / f"{name}.fcs", some_values(seed=number))
    (files / "S3_V1.fcs").write_bytes(b"FCS3.1 broken")
    (files / "S4_V1.fcs").write_bytes(b"")
    result = propose_study(tmp_path / "s", files, methods=GATE_METHODS, pattern=Pattern.parse("{subject}_{visit}"))
    assert sum("rename it" in note for note in result.notes) == 2
    assert sum(note.startswith("not read: ") for note in result.notes) == 2
    assert not any("\n" in note for note in result.notes)
    rows = result.contents["samples.csv"].splitlines()[1:]
    assert [row for row in rows if row.startswith(("=", "+", "@", "-"))] == []
    assert len(rows) == 2


def test_a_marker_whose_tubes_differ_in_spelling_is_one_panel_and_another_marker_is_another(tmp_path):
    detectors = ("FSC-A", "FSC-H", "SSC-A", "FITC-A", "PE-A", "Time")
    for number, labels in enumerate((("CD3", "CD183"), ("CD3 FITC", "CXCR3"), ("CD3", "CD25"))):
        markers = ("", "", "", *labels, "")
        write_fcs(tmp_path / "fcs" / f"S{number}_V1.fcs", some_values(seed=number), detectors, markers)
    result = propose_study(
        tmp_path / "s", tmp_path / "fcs", methods=GATE_METHODS, pattern=Pattern.parse("{subject}_{visit}")
    )
    assert sorted(name for name in result.contents if name.startswith("panels/")) == [
        "panels/panel1.yaml",
        "panels/panel2.yaml",
    ]
    assert [row.split(",")[3] for row in result.contents["samples.csv"].splitlines()[1:]] == [
        "panel1",
        "panel1",
        "panel2",
    ]


def test_events_are_not_read(tmp_path, monkeypatch):
    make(tmp_path / "fcs", MIXED, lambda number, width: np.full((5, width), float(number + 1)))
    monkeypatch.setattr("immunomon.cytometry.formats.fcs.decode", lambda *_: pytest.fail("events were read"))
    assert proposed(tmp_path / "s", tmp_path / "fcs", MIXED.pattern)


def test_subjects_that_are_guessed_say_from_what(tmp_path):
    for folder in "xy":
        write_fcs(tmp_path / "fcs" / folder / "treg_V1.fcs", some_values(seed=ord(folder)))
    lines = propose_study(tmp_path / "s", tmp_path / "fcs", methods=GATE_METHODS).contents["study.yaml"].splitlines()
    assert [line.strip() for line in lines if "{id:" in line] == [
        "- {id: x}  # guess: the name of a folder",
        '- {id: "y"}  # guess: the name of a folder',
    ]
    named = Pattern.parse("{subject}/{}.fcs")
    text = propose_study(tmp_path / "s", tmp_path / "fcs", methods=GATE_METHODS, pattern=named).contents["study.yaml"]
    assert "guess: the name of a folder" not in text


def test_a_table_that_says_two_markers_of_a_channel_is_not_used(tmp_path):
    files = tmp_path / "fcs"
    write_fcs(
        files / "S1_V1.fcs", some_values(seed=1), ("FSC-A", "FSC-H", "SSC-A", "FITC-A", "PE-A", "Time"), ("",) * 6
    )
    (files / "panel.csv").write_text("channel,marker\nFITC-A,CD3\nPE-A,CD4\nPE-A,CD8\n", encoding="utf-8")
    result = propose_study(tmp_path / "s", files, methods=GATE_METHODS, pattern=Pattern.parse("{subject}_{visit}"))
    assert any("it says two markers of PE-A; it is not used" in note for note in result.notes)
    assert "CD3" not in result.contents["panels/panel.yaml"]
