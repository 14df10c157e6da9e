"""Names of persons in FCS keywords: said by check, kept out of what leaves."""

import shutil

import pytest

from immunomon.api.export_events import export_events
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.formats.write_fcs import kept_keywords, linear_channels, write_fcs
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.outputs.delivery.content import read_content
from immunomon.outputs.delivery.deliver import deliver_run
from immunomon.outputs.delivery.read import read_manifest
from immunomon.outputs.delivery.source import read_headers_of
from immunomon.runs.checks.paths import check_paths
from immunomon.runs.run import run_study

NAME = "Dr. A. Nonymous"


@pytest.fixture(scope="module")
def named(run, tmp_path_factory):
    """Return a copy of the study in which one file names its operator, and one is named in another keyword."""
    study = tmp_path_factory.mktemp("named") / "study"
    shutil.copytree(run.parent, study, ignore=shutil.ignore_patterns("truth"))
    path = study / "fcs" / "treg" / "S01_W4_treg.fcs"
    header, raw = read_fcs(path)
    keywords = {**kept_keywords(header), "$OP": NAME, "PATIENT NAME": NAME, "$CYT": f"Cytometer of {NAME}"}
    write_fcs(path, EventTable(raw.values, linear_channels(header), Scale.RAW, path.name), keywords)
    assert run_study(study, jobs=2).complete
    return study


def test_check_says_which_keywords_may_name_a_person_and_does_not_repeat_the_name(named):
    report = check_paths([named], methods=GATE_METHODS)
    said = [note for note in report.notes if "may name a person" in note]
    assert [note.split(": ")[1].split(" may")[0] for note in said] == ["$OP", "PATIENT NAME"]
    assert NAME not in "\n".join(report.notes)


def test_nobody_is_named_in_what_leaves(named, tmp_path):
    deliver_run(named / "run", tmp_path / "out", kind="miflowcyt")
    for path in (tmp_path / "out").rglob("*"):
        assert NAME.casefold() not in path.read_text(encoding="utf-8").casefold(), path
    assert "Cytometer of [removed]" in (tmp_path / "out" / "miflowcyt.md").read_text(encoding="utf-8")
    found = read_manifest(tmp_path / "out")["identifiers"]
    assert (found["keywords_removed"], found["values_removed"]) == (["$OP", "PATIENT NAME"], 1)


def test_a_populations_events_do_not_say_whose_they_are_by_the_rules_of_the_runs_study(named, tmp_path):
    path = named / "study.yaml"
    before = path.read_text(encoding="utf-8")
    path.write_text(before + 'identifiers: {keywords: ["PATIENT*"]}\n', encoding="utf-8")
    try:
        file = named / "fcs" / "treg" / "S01_W4_treg.fcs"
        exported = export_events(named / "run", file, tmp_path / "treg.fcs", population="treg")
        assert 0 < exported.events < exported.of_events
    finally:
        path.write_text(before, encoding="utf-8")
    keywords = read_fcs(tmp_path / "treg.fcs")[0].keywords
    assert "PATIENT NAME" not in keywords
    assert keywords["$CYT"] == "Cytometer of [removed]"
    assert keywords["$OP"] == "[removed]"  # no name by these rules, but the same words


def test_a_name_in_the_name_of_a_file_is_said_without_repeating_it(named, tmp_path):
    study = shutil.copytree(named, tmp_path / "study", ignore=shutil.ignore_patterns("run"))
    listed = (study / "samples.csv").read_text(encoding="utf-8")
    (study / "fcs" / "treg" / "S01_W4_treg.fcs").rename(study / "fcs" / "treg" / f"S01 {NAME}.fcs")
    (study / "samples.csv").write_text(listed.replace("S01_W4_treg.fcs", f"S01 {NAME}.fcs"), encoding="utf-8")
    notes = check_paths([study], methods=GATE_METHODS).notes
    said = [note for note in notes if "its name holds" in note]
    assert len(said) == 1
    assert said[0].startswith("fcs/treg/S01 [removed].fcs (line ")
    assert NAME not in "\n".join(notes)


def test_what_a_study_says_names_nobody_is_left(named, tmp_path):
    path = shutil.copytree(named, tmp_path / "study") / "study.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + 'identifiers: {keywords: ["$OP"], allowed: ["Dr. A.*"]}\n', encoding="utf-8")
    assert read_headers_of(read_content(path.parent / "run").source).keywords_removed == ()


def test_a_header_of_other_bytes_than_the_run_gated_is_left_out_and_what_names_persons_in_it_is_still_removed(
    named, tmp_path
):
    study = shutil.copytree(named, tmp_path / "study")
    path = study / "fcs" / "treg" / "S01_W4_treg.fcs"
    other = "Dr. Z. Otherone"
    assert (NAME.encode() in path.read_bytes(), len(other)) == (True, len(NAME))
    path.write_bytes(path.read_bytes().replace(NAME.encode(), other.encode()))
    headers = read_headers_of(read_content(study / "run").source)
    assert headers.keywords["fcs__treg__S01_W4_treg"] == {}
    assert other in headers.removed
    assert headers.keywords["fcs__treg__S02_W4_treg"]["$CYT"]
    assert (
        headers.note == "headers left out, because the files are not those that the run gated: fcs/treg/S01_W4_treg.fcs"
    )
