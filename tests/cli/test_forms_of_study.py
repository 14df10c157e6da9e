"""What docs/study-forms.md says of each command, on studies without doses, days, a baseline or a second visit."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import create_engine, text
from support.forms import FORMS, study_of_form
from support.made_once import made_once
from support.small_run import small_trial

from immunomon.outputs.review import open_desk
from immunomon.runs.run import run_study

DOCS = Path(__file__).resolve().parents[2] / "docs" / "study-forms.md"
NO_BASELINE = "no visit is the baseline, so there is no change to speak of"
ONE_VISIT = "the study has one visit, so there is no change to speak of"
REFUSED = {"no baseline": NO_BASELINE, "healthy, once": ONE_VISIT}
WORKS = (("check", "."), ("audit", "run"), ("report", "run"), ("steadiness", "run"), ("quality", "run"))
DELIVERED = ("csv", "redcap", "immport", "miflowcyt", "sdtm", "adam")


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return made_once(tmp_path_factory, "trial-of-forms", lambda folder: small_trial(folder, events=3000))


@pytest.fixture(scope="module")
def form(trial, tmp_path_factory):
    """Return a function that gives the folder of a form's study with its run, which is made once."""

    def made(name):
        def make(folder):
            assert run_study(study_of_form(trial, folder / "study", FORMS[name]), jobs=2).complete

        return made_once(tmp_path_factory, f"form-{name}", make) / "study"

    return made


@pytest.mark.parametrize("name", FORMS)
def test_what_needs_no_change_works_in_every_form(name, form, command, monkeypatch):
    monkeypatch.chdir(form(name))
    answers = {words[0]: command(*words) for words in WORKS}
    assert {name: answer[0] for name, answer in answers.items()} == dict.fromkeys(answers, 0), answers
    status, out, err = command("export", "run", "--to", "sqlite:///form.sqlite")
    assert status == 0, out + err


@pytest.mark.parametrize("name", FORMS)
def test_what_speaks_of_changes_works_or_says_why_not(name, form, command, monkeypatch):
    monkeypatch.chdir(form(name))
    for words in ("compare", "power"):
        status, out, err = command(words, "run")
        assert (status, REFUSED.get(name, "") in err) == (1 if name in REFUSED else 0, True), out + err
    assert all(f"1: {reason}" in DOCS.read_text(encoding="utf-8") for reason in REFUSED.values())


@pytest.mark.parametrize("name", FORMS)
def test_nothing_is_invented_in_what_is_delivered(name, form, command, monkeypatch, tmp_path):
    monkeypatch.chdir(form(name))
    for kind in DELIVERED:
        status, out, err = command("deliver", "run", "--as", kind, "--out", tmp_path / kind)
        assert status == 0, out + err
    subjects = pd.read_sas(tmp_path / "sdtm" / "sdtm" / "dm.xpt", encoding="utf-8").replace("", None)
    assert sorted(subjects["SUBJID"]) == ["S01", "S02", "S03"]
    with_arms = bool(FORMS[name].groups)
    assert set(subjects["ARMNRS"].dropna()) == (set() if with_arms else {"NOT ASSIGNED"})
    assert set(subjects["ARM"].dropna()) == ({"active", "placebo"} if with_arms else set())
    assert (subjects["ACTARM"].dropna() == subjects["ARM"].dropna()).all()
    assert not (tmp_path / "sdtm" / "sdtm" / "ex.xpt").exists()
    table = pd.read_csv(tmp_path / "csv" / "subset_frequencies.csv")
    assert table["planned_day"].isna().all()
    assert table["change"].notna().any() == (name not in REFUSED)
    assert set(table["subject"]) == {"S01", "S02", "S03"}


def test_donors_are_told_apart_and_are_nowhere_subjects(form, command, monkeypatch):
    monkeypatch.chdir(form("arms and donors"))
    steadiness = pd.read_parquet("run/tables/steadiness.parquet")
    assert steadiness.groupby("donor")["sample_id"].nunique().to_dict() == {"D1": 3, "D2": 3}
    assert command("normalise", "run")[0] == 0
    judged = pd.read_parquet("run/tables/normalisation_judgement.parquet").astype(object)
    assert set(judged["donor"]) == {"D1"}
    others = judged[judged["batch"].str.endswith("W4")]
    assert others["reason"].str.startswith("the batch has no bridge sample of donor 'D1'").all()
    assert not set(pd.read_parquet("run/tables/changes.parquet")["subject"]) & {"D1", "D2"}
    assert command("export", "run", "--to", "sqlite:///donors.sqlite")[0] == 0
    with create_engine("sqlite:///donors.sqlite").connect() as connection:
        donors = connection.execute(text("SELECT donor, count(*), count(subject) FROM samples GROUP BY donor")).all()
        named = connection.execute(text("SELECT count(*) FROM populations WHERE subject IN ('D1', 'D2')")).scalar()
    assert [tuple(row) for row in donors if row[0]] == [("D1", 3, 0), ("D2", 3, 0)]
    assert named == 0


def test_clusters_are_compared_with_a_baseline_or_with_nothing(form, command, monkeypatch):
    monkeypatch.chdir(form("no baseline"))
    status, out, err = command("cluster", "run")
    assert status == 0, err
    assert "No changes: the study has no baseline, or no visit after it." in out
    assert pd.read_parquet("run/clusters/treg/tables/exploratory.parquet").empty


@pytest.mark.parametrize("name", FORMS)
def test_cells_are_laid_out_exported_looked_at_and_decided_on_in_every_form(name, form, command, monkeypatch, tmp_path):
    study = Path(shutil.copytree(form(name), tmp_path / "study"))
    monkeypatch.chdir(study)
    steps = ("embed run --cells 300", "project run --cells 400", "export run --as anndata", "status run")
    for words in steps:
        status, out, err = command(*words.split())
        assert status == 0, (words, out + err)
    with closing(open_desk(study / "run")) as desk:
        sample = str(desk.gallery("treg", "treg")[0]["sample_id"])
        assert desk.sample(sample)["gates"]
    dropped = ("--sample", sample, "--action", "drop-sample", "--reason", "clotted", "--by", "A. Analyst")
    status, out, err = command("override", "run", *dropped)
    assert status == 0, out + err
    status, out, err = command("lock", "run", "--reason", "done", "--by", "A. Analyst")
    assert status == 0, out + err
    assert command("audit", "run")[0] == 0
