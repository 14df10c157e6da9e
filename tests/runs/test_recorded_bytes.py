"""What was parsed is what was digested: files exchanged while a study is run, whenever that happens."""

import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.specs import strategy as specs
from immunomon.errors import BadSpec, ChangedFile
from immunomon.runs import at_hand, overriding, plan, run, scaling, settling
from immunomon.runs import settling as gating
from immunomon.runs.folder import RunFolder
from immunomon.runs.run import run_study
from immunomon.study.specs.catalog import find_panel, find_strategy
from immunomon.yamlfile import digests_of_what_is_read, read_bytes

VICTIM, OTHER = "S02_W4_treg.fcs", "S01_W4_treg.fcs"
READINGS = {"noise": (scaling, "noise_of_file"), "first look": (settling, "first_look"), "gating": (gating, "analyse")}


def samples_of(folder):
    return RunFolder(folder).read_table("samples").set_index("sample_id")


def tables_of(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "tables").iterdir())}


def exchanged_while(monkeypatch, module, name, victim, other):
    """Let a file have another's bytes while one function reads it, and its own before and after."""
    work, own, foreign = getattr(module, name), victim.read_bytes(), other.read_bytes()

    def exchanging(path, *arguments, **more):
        if path.name != victim.name:
            return work(path, *arguments, **more)
        victim.write_bytes(foreign)
        try:
            return work(path, *arguments, **more)
        finally:
            victim.write_bytes(own)

    monkeypatch.setattr(module, name, exchanging)


@pytest.mark.parametrize("reading", READINGS)
def test_a_file_exchanged_during_one_reading_fails_and_the_others_are_gated(
    one_panel, finished_one_panel, tmp_path, monkeypatch, reading
):
    study = shutil.copytree(one_panel, tmp_path / "trial")
    victim = next(study.rglob(VICTIM))
    with monkeypatch.context() as patch:
        patch.setattr(at_hand, "_MOST_BYTES", 0)  # what was read is kept nowhere: each step reads the file again
        exchanged_while(patch, *READINGS[reading], victim, victim.with_name(OTHER))
        summary = run_study(study, tmp_path / "run", jobs=2)
    [(sample_id, reason)] = summary.failed
    assert sample_id.endswith("S02_W4_treg")
    assert "its bytes are not those that were recorded" in reason
    assert "put the right file there, then start again" in reason
    assert str(study) not in reason
    samples = samples_of(tmp_path / "run")
    assert samples.loc[sample_id, "sha256"] == hashlib.sha256(victim.read_bytes()).hexdigest()
    assert (samples.drop(sample_id)["status"] != "failed").all()
    values = RunFolder(tmp_path / "run").read_table("frequencies")
    assert values.loc[values["sample_id"] == sample_id, "percent"].isna().all()
    assert run_study(study, tmp_path / "run", jobs=2).complete
    assert tables_of(tmp_path / "run") == tables_of(finished_one_panel)


def test_a_file_exchanged_for_good_after_it_was_digested_fails_and_costs_no_other_a_value(
    apart, finished_apart, tmp_path, monkeypatch
):
    study = shutil.copytree(apart, tmp_path / "trial")
    victim = next(study.rglob(VICTIM))

    def planned(*arguments, **more):
        made = plan.make_plan(*arguments, **more)
        shutil.copyfile(victim.with_name(OTHER), victim)
        return made

    monkeypatch.setattr(run, "make_plan", planned)
    [(sample_id, _)] = run_study(study, tmp_path / "run", jobs=2).failed
    now, right = (RunFolder(folder).read_table("frequencies") for folder in (tmp_path / "run", finished_apart))
    others = now["sample_id"] != sample_id
    assert others.sum() > 50
    pd.testing.assert_series_equal(now[others]["percent"], right[others]["percent"])


_EXCHANGE = """
import os, sys
first, second, other = sys.argv[1:]
states = [open(name, "rb").read() for name in (first, second)]
print("on", flush=True)
while True:
    states.reverse()
    for name, data in zip((first, second), states):
        with open(other, "wb") as file:
            file.write(data)
        os.replace(other, name)
"""


def test_a_row_has_the_value_of_the_bytes_that_it_names_while_another_process_exchanges_them(
    apart, finished_apart, tmp_path
):
    study = shutil.copytree(apart, tmp_path / "trial")
    files = [next(study.rglob(name)) for name in (VICTIM, OTHER)]
    right = percents_by_digest(finished_apart)
    digests = {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    command = [sys.executable, "-c", _EXCHANGE, *map(str, files), str(tmp_path / "other")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "on\n"
        run_study(study, tmp_path / "run", jobs=2)
    finally:
        process.kill()
        process.communicate()
    samples = samples_of(tmp_path / "run")
    assert set(samples["status"]) <= {"gated", "control", "failed"}
    for digest, percents in percents_by_digest(tmp_path / "run").items():
        apart_by = {other: np.nanmax(np.abs(percents - right[other])) for other in digests}
        if digest in digests:
            assert min(apart_by, key=apart_by.get) == digest
    for reason in samples.loc[samples["status"] == "failed", "reason"]:
        assert "its bytes are not those that were recorded" in reason


def percents_by_digest(folder):
    """The values of the gated patients' samples of one panel, each under the digest of its file."""
    rows = RunFolder(folder).read_table("frequencies")
    digests = samples_of(folder).query("status == 'gated' and panel == 'treg'")["sha256"]
    return {
        digest: rows.loc[rows["sample_id"] == sample_id, "percent"].to_numpy(dtype=float, na_value=np.nan)
        for sample_id, digest in digests.items()
    }


COMPENSATED = "compensation: {source: file}"
TEXTS = {
    "study.yaml": (plan, "load_study"),
    "samples.csv": (plan, "load_samples"),
    "panels/treg.yaml": (specs, "load_panel"),
    "gating/treg.yaml": (specs, "load_strategy"),
    "matrix.csv": (plan, "read_matrix_csv"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_rewritten_right_after_it_was_read_is_recorded_as_it_was_read(own_trial, monkeypatch, name):
    for kind, found in (("panels", find_panel("treg")), ("gating", find_strategy("treg"))):
        (own_trial / kind).mkdir()
        shutil.copyfile(found, own_trial / kind / "treg.yaml")
    (own_trial / "matrix.csv").write_text("FITC-A,PE-A\n1,0.1\n0,1\n", encoding="utf-8")
    study = (own_trial / "study.yaml").read_text(encoding="utf-8")
    assert COMPENSATED in study
    study = study.replace(COMPENSATED, "compensation: {source: matrix, path: matrix.csv}")
    (own_trial / "study.yaml").write_text(study, encoding="utf-8")
    digest = hashlib.sha256((own_trial / name).read_bytes()).hexdigest()
    work = getattr(*TEXTS[name])

    def rewriting(path, *arguments, **more):
        made = work(path, *arguments, **more)
        if path.name == (own_trial / name).name:
            path.write_bytes(path.read_bytes() + b"\n\n")
        return made

    monkeypatch.setattr(*TEXTS[name], rewriting)
    made = plan.make_plan(own_trial)
    assert made.inputs[name] == digest
    assert hashlib.sha256((own_trial / name).read_bytes()).hexdigest() != digest


def test_decisions_are_recorded_as_they_were_read(own_trial, own_run, monkeypatch):
    who = "reason: seen, by: A. Analyst, when: 2026-01-31T14:05:00Z"
    decision = f"{{action: accept-warning, sample: fcs__treg__S02_W4_treg, {who}}}"
    path, work = own_trial / "overrides.yaml", overriding.load_overrides
    path.write_text(f"schema: immunomon.overrides/1\noverrides:\n  - {decision}\n", encoding="utf-8")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def rewriting(path, **more):
        found = work(path, **more)
        path.write_text("schema: immunomon.overrides/1\noverrides: []\n", encoding="utf-8")
        return found

    monkeypatch.setattr(overriding, "load_overrides", rewriting)
    run_study(own_trial, own_run, jobs=2)
    assert json.loads((own_run / "run.json").read_text(encoding="utf-8"))["inputs"]["overrides.yaml"] == digest


def test_a_text_with_two_states_within_one_reading_is_refused(tmp_path):
    path = tmp_path / "panel.yaml"
    path.write_bytes(b"name: a\n")
    with digests_of_what_is_read() as digests:
        read_bytes(path, 100)
        assert digests == {path: hashlib.sha256(b"name: a\n").hexdigest()}
        path.write_bytes(b"name: b\n")
        with pytest.raises(BadSpec, match="changed while it was being read; wait until nothing writes it"):
            read_bytes(path, 100)
    read_bytes(path, 100)  # nobody asks any more


def test_a_file_is_decoded_from_the_bytes_that_were_compared(own_trial):
    path = next(own_trial.rglob(VICTIM))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    plain, verified = read_fcs(path), read_fcs(path, sha256=digest)
    for channel in plain[1].channels:
        assert np.array_equal(plain[1].column(channel.name), verified[1].column(channel.name))
    for data in (path.read_bytes() + b"\0", path.read_bytes()[:-1], b""):
        path.write_bytes(data)
        with pytest.raises(ChangedFile, match=r"treg\.fcs: its bytes are not those that were recorded"):
            read_fcs(path, sha256=digest)
    path.unlink()
    with pytest.raises(ChangedFile, match="there is no such file"):
        read_fcs(path, sha256=digest)
