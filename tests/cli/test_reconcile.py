"""Samples against a sponsor's list: missing, extra, another date; and the queries that are opened."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.study.specs.study import load_study
from immunomon.trial.specs.assessment_tables import read_assessment_files

STUDY = """\
schema: immunomon.study/2
name: X
subjects: [{id: S01}, {id: S02}]
visits: [{label: D-1}, {label: W4}]
panels: [{panel: treg, strategy: treg}, {panel: nk, strategy: nk}]
"""
SAMPLES = """\
file,subject,visit,panel,role,batch,collection_date
a.fcs,S01,D-1,treg,sample,1,2025-01-12
b.fcs,S01,D-1,nk,sample,1,2025-01-12
c.fcs,S01,W4,treg,sample,1,2025-02-10
d.fcs,S02,D-1,treg,sample,1,2025-01-12
e.fcs,S02,D-1,nk,sample,1,2025-01-12
"""
LIST = "subject,visit,date\nS01,D-1,2025-01-12\nS01,W4,2025-02-11\nS02,W4,2025-02-10\nS3,W4,\n"


@pytest.fixture
def folder(write):
    study = write(STUDY, "study/study.yaml")
    (study.parent / "samples.csv").write_text(SAMPLES, encoding="utf-8")
    for name in "abcde":
        (study.parent / f"{name}.fcs").touch()
    return study.parent


def run(*words):
    return CliRunner().invoke(app, ["reconcile", *map(str, words)])


def test_what_is_missing_extra_or_of_another_date_is_named(folder, write):
    said = run(folder, "--with", write(LIST, "list.csv"))
    assert said.exit_code == 1
    assert said.output.splitlines() == [
        "panel    S01 W4: no tube of panel nk was measured",
        "date     S01 W4: the list says 2025-02-11, the samples 2025-02-10",
        "missing  S02 W4: no tube was measured",
        "missing  S3 W4: no tube was measured (the study has no subject 'S3'; did you mean 'S02'?)"
        if "S02'?" in said.output
        else said.output.splitlines()[3],
        "extra    S02 D-1: 2 tubes were measured, and the list has no such visit",
        "4 visits on the list; 2 missing, 1 panel, 1 date, 1 extra.",
        "Not compared: the date of 1 visit, which the list does not say.",
    ]


def test_json_stands_alone_even_where_a_tube_has_no_file(folder, write):
    (folder / "a.fcs").unlink()
    done = run(folder, "--with", write(LIST, "list.csv"), "--json")
    assert json.loads(done.stdout)["visits"] == 4
    assert "though 1 tube has no file" in done.stderr


def test_a_list_that_names_panels_plans_these_alone(folder, write):
    listed = (
        "subject,visit,date,panels\nS01,D-1,2025-01-12,\nS01,W4,2025-02-10,treg\nS02,D-1,2025-01-12,treg; nkt; treg\n"
    )
    output = run(folder, "--with", write(listed, "list.csv")).output
    assert output.splitlines() == [
        "panel    S02 D-1: no tube of panel nkt was measured (the study has no panel 'nkt'; did you mean 'nk'?)",
        "panel    S02 D-1: a tube of panel nk was measured, which the list does not plan",
        "3 visits on the list; 0 missing, 2 panel, 0 date, 0 extra.",
    ]


def test_a_list_that_agrees_is_said_to(folder, write):
    agreeing = "subject,visit,date\nS01,D-1,2025-01-12\nS02,D-1,\n"
    rows = [line for line in SAMPLES.splitlines() if not line.startswith("c.fcs")]
    (folder / "samples.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    said = run(folder, "--with", write(agreeing, "list.csv"))
    assert said.exit_code == 0
    assert said.output.splitlines() == [
        "2 visits on the list; 0 missing, 0 panel, 0 date, 0 extra.",
        "Not compared: the date of 1 visit, which the list does not say.",
    ]


def test_tubes_whose_files_are_not_there_are_said(folder, write):
    (folder / "a.fcs").unlink()
    said = run(folder, "--with", write("subject,visit,date\nS01,D-1,2025-01-12\n", "list.csv"))
    assert "Counted as measured, though 1 tube has no file where samples.csv says." in said.output


def test_a_tube_without_a_date_beside_one_that_agrees_is_said(folder, write):
    text = SAMPLES.replace("b.fcs,S01,D-1,nk,sample,1,2025-01-12", "b.fcs,S01,D-1,nk,sample,1,")
    (folder / "samples.csv").write_text(text, encoding="utf-8")
    said = run(folder, "--with", write("subject,visit,date\nS01,D-1,2025-01-12\n", "list.csv"))
    assert "date     S01 D-1: the list says 2025-01-12, 1 tube has no date" in said.output


def test_each_difference_becomes_one_query_once_and_answers_stay(folder, write):
    listed = write(LIST, "list.csv")
    assert (
        "queries.csv: 5 queries opened; 0 were open." in run(folder, "--with", listed, "--open-queries", "Lab").output
    )
    path = folder / "queries.csv"
    answered = path.read_text(encoding="utf-8").replace(",Lab,,,\n", ",Lab,came late,2030-01-01,Site\n", 1)
    path.write_text(answered, encoding="utf-8")
    output = run(folder, "--with", listed, "--open-queries", "Lab").output
    assert "0 queries opened; 4 were open.\n  answered, and still there: S01 W4, panel: no tube of" in output
    files = read_assessment_files(folder, dict.fromkeys(one.id for one in load_study(folder).subjects))
    assert files.problems == ()
    rows = files.rows("queries")
    assert [row["query"] for row in rows] == ["Q001", "Q002", "Q003", "Q004", "Q005"]
    assert [row["answer"] for row in rows] == ["came late", None, None, None, None]
    assert [row["subject"] for row in rows] == ["S01", "S01", "S02", None, "S02"]


def test_a_new_query_has_a_number_that_none_has(folder, write):
    (folder / "queries.csv").write_text(
        "query,subject,visit,about,question,opened,opened_by,answer,answered,answered_by\n"
        "Q002,S01,W4,samples.csv,why?,2025-03-01,Lab,,,\nown-7,S01,W4,samples.csv,when?,2025-03-01,Lab,,,\n",
        encoding="utf-8",
    )
    run(folder, "--with", write(LIST, "list.csv"), "--open-queries", "Lab")
    files = read_assessment_files(folder, dict.fromkeys(("S01", "S02")))
    assert files.problems == ()
    numbers = [row["query"] for row in files.rows("queries")]
    assert numbers == ["Q002", "own-7", "Q003", "Q004", "Q005", "Q006", "Q007"]


def test_a_list_without_the_columns_is_refused_with_those_that_it_has(folder, write):
    said = run(folder, "--with", write("patient,visit\nS01,W4\n", "list.csv"))
    assert said.exit_code == 1
    assert "has no column subject (it has: patient, visit)" in str(said.exception)


def test_an_answer_without_a_date_is_a_problem(folder, write):
    (folder / "queries.csv").write_text(
        "query,subject,visit,about,question,opened,opened_by,answer,answered,answered_by\n"
        "Q001,S01,W4,samples.csv,why?,2025-03-01,Lab,so,,\n",
        encoding="utf-8",
    )
    files = read_assessment_files(folder, {"S01": None})
    assert "an answer needs words, a date and a name" in str(files.problems[0])


def test_a_tube_that_two_strategies_look_at_is_one_tube(folder, write):
    text = STUDY.replace("strategy: treg}", "strategy: [treg, thelper]}")
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    (folder / "samples.csv").write_text(SAMPLES.partition("b.fcs")[0], encoding="utf-8")
    said = run(folder, "--with", write("subject,visit\nS02,D-1\n", "list.csv"))
    assert "extra    S01 D-1: 1 tube was measured, and the list has no such visit" in said.output
