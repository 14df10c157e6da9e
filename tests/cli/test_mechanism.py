from __future__ import annotations

import json

import pandas as pd
import pytest
from markupsafe import escape

from immunomon.files import file_digest
from immunomon.outputs.report.pictures import with_pictures
from immunomon.outputs.report.run_folder import ReportedRun
from immunomon.outputs.report.told import read_told
from immunomon.trial.mechanism.words import NO_R
from immunomon.trial.model.tables import MECHANISM_TABLES


def test_a_mechanism_is_written_into_the_run_and_shown_in_the_report(made_up_run, command):
    status, out, _ = command("mechanism", made_up_run)
    assert status == 0
    assert "9 patients, 4 with a platelet response; everything is exploratory." in out
    folder = made_up_run / "mechanism"
    for name, table in MECHANISM_TABLES.items():
        assert list(pd.read_parquet(folder / f"{name}.parquet").columns) == list(table.names)
        assert (folder / f"{name}.csv").is_file()
    assert (folder / "mechanism.md").read_text(encoding="utf-8").startswith("# Mechanism: MADE-UP &lt;b>")
    record = json.loads((folder / "mechanism.json").read_text(encoding="utf-8"))
    assert record["run_digest"] == file_digest(made_up_run / "run.json")
    (page,) = read_told(made_up_run, "d" * 64).pages
    assert (page.name, page.earlier) == ("mechanism", "")
    pictures = [picture for section in page.sections for picture in section.pictures]
    within = [path.name for path in folder.glob("within_patients_*.png")]
    assert len(within) > 1
    assert len(pictures) == 2 + len(within)
    widths = {int.from_bytes((folder / name).read_bytes()[16:20]) for name in within}
    assert widths == {462}  # pixels: what a telephone shows without shrinking the words
    assert all("data:image/png;base64," in picture for picture in pictures)
    (again,) = read_told(made_up_run, "e" * 64).pages
    assert again.earlier == "immunomon mechanism"
    assert command("mechanism", made_up_run, "--out", made_up_run / "again")[0] == 0
    for path in sorted(folder.iterdir()):
        assert path.read_bytes() == (made_up_run / "again" / path.name).read_bytes(), path.name
    (folder / "lags.png").write_bytes(b"<script>")  # what is no picture is not shown as one
    (page,) = read_told(made_up_run, "d" * 64).pages
    assert sum(len(section.pictures) for section in page.sections) == 1 + len(within)


def test_a_primary_endpoint_that_the_run_lacks_is_said_and_is_no_failure(made_up_run, command, tmp_path):
    said = "NOT IN THIS RUN: th1 (percent of th1 in cd4, panel thelper): that panel has no population 'th1'; did you"
    for arguments in (("mechanism", made_up_run), ("power", made_up_run, "-n", 3, "--out", tmp_path / "power.csv")):
        status, out, _ = command(*arguments)
        assert status == 0
        assert said in " ".join(out.split()), arguments


def test_assessments_that_are_lacking_or_of_other_files_are_asked_for(made_up_run, command):
    (made_up_run.parent / "platelets.csv").write_text("subject\nS1\n", encoding="utf-8")
    status, out, err = command("mechanism", made_up_run)
    assert status != 0
    assert "platelets.csv changed since; make it with: immunomon assess" in " ".join((out + err).split())
    (made_up_run / "assessments" / "assessments.json").unlink()
    status, out, err = command("mechanism", made_up_run)
    assert status != 0
    assert "no platelet response is known here; make it with: immunomon assess" in " ".join((out + err).split())


@pytest.mark.parametrize("content", ["", "[]", '{"inputs": 3}'])
def test_a_record_that_cannot_be_read_is_said(made_up_run, command, content):
    (made_up_run / "assessments" / "assessments.json").write_text(content, encoding="utf-8")
    status, out, err = command("mechanism", made_up_run)
    assert status != 0
    assert "cannot be read" in out + err


def test_a_table_of_another_form_is_said(made_up_run, command):
    pd.DataFrame({"subject": ["S1"]}).to_parquet(made_up_run / "assessments" / "kinetics.parquet")
    status, out, err = command("mechanism", made_up_run)
    assert status != 0
    assert "kinetics has no column" in out + err


def test_a_population_without_a_correlation_is_said_in_words_and_has_no_empty_picture(made_up_run, command):
    tables = made_up_run / "tables"
    changes = pd.read_parquet(tables / "changes.parquet")
    later = sorted(set(changes["visit"]) - {"W4"})
    changes[~((changes["population"] == "treg") & changes["visit"].isin(later))].to_parquet(tables / "changes.parquet")
    for name in ("frequencies", "medians"):
        table = pd.read_parquet(tables / f"{name}.parquet")
        if len(table):
            table[~((table["population"] == "treg") & (table["visit"] != "W4"))].to_parquet(tables / f"{name}.parquet")
    assert command("mechanism", made_up_run)[0] == 0
    folder = made_up_run / "mechanism"
    r = pd.read_parquet(folder / "within_patients.parquet").set_index("endpoint")["r"]
    assert pd.isna(r["treg"])
    assert r.notna().any()
    assert len(list(folder.glob("within_patients_*.png"))) == int(r.notna().sum())
    (page,) = read_told(made_up_run, "d" * 64).pages
    (within,) = (section for section in page.sections if section.heading == "Within the same patients, visit by visit")
    said = [text for text in within.paragraphs if NO_R in text]
    assert len(said) == int(r.isna().sum())
    assert all("too few patients with two or more visits" in text for text in said)
    (order,) = (section for section in page.sections if section.heading == "Which comes first?")
    assert any(f"{NO_R} with a visit's lag" in text for text in order.paragraphs)
    run = ReportedRun(made_up_run, json.loads((made_up_run / "run.json").read_text(encoding="utf-8")))
    (drawn,) = with_pictures(run, [page])
    assert drawn.sections[0].heading == "In pictures"
    for text in said:
        assert any(escape(text) in picture for picture in drawn.sections[0].pictures)
