import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from immunomon.cytometry.model.populations import TABLES
from immunomon.errors import BadSpec, NotARunFolder, RunFolderInUse
from immunomon.runs.folder import RunFolder
from immunomon.runs.run import RunSummary, run_study
from immunomon.runs.summary import account_of_doubts

CUT = Path("fcs") / "treg" / "S01_W4_treg.fcs"
TAKEN = Path("fcs") / "treg" / "S02_D-1_treg.fcs"


@dataclass(frozen=True)
class Second:
    """How a second run of an unchanged study went, and when each sample's result had been written before it."""

    out: Path
    summary: RunSummary
    written: dict[Path, int]
    seen: list[tuple[str, int, int, int]]


def tables_of(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((run / "tables").iterdir())}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8", newline="\n")


def test_every_table_keeps_its_column_contract(finished):
    folder = RunFolder(finished)
    for name, contract in TABLES.items():
        table = folder.read_table(name)
        assert tuple(table.columns) == contract.names
        assert not table.duplicated(list(contract.key)).any()
        assert len(table)


def test_parquet_and_csv_say_the_same(finished):
    folder = RunFolder(finished)
    for name in TABLES:
        from_csv = pd.read_csv(folder.table_file(name, ".csv"))
        assert len(from_csv) == len(folder.read_table(name))
        assert tuple(from_csv.columns) == TABLES[name].names


def test_every_file_of_the_sample_list_is_in_the_table_of_samples(trial, finished):
    listed = pd.read_csv(trial / "samples.csv")
    samples = RunFolder(finished).read_table("samples")
    assert list(samples["file"]) == list(listed["file"])
    gated = samples["role"].isin(["sample", "bridge"])
    assert (samples.loc[gated, "status"] == "gated").all()
    assert (samples.loc[~gated, "status"] == "control").all()


def test_the_manifest_says_what_made_the_run(trial, finished):
    manifest = json.loads((finished / "run.json").read_text(encoding="utf-8"))
    assert manifest["software"]["name"] == "immunomon"
    assert {"study.yaml", "samples.csv", "shipped:gating/treg.yaml", "shipped:panels/treg.yaml"} <= set(
        manifest["inputs"]
    )
    assert all(len(file["sha256"]) == 64 for file in manifest["files"])
    assert str(trial) not in (finished / "run.json").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def second(trial, finished, tmp_path_factory) -> Second:
    """A run in a folder that holds the finished run of the same study already."""
    out = Path(shutil.copytree(finished, tmp_path_factory.mktemp("second") / "run"))
    written = {path: path.stat().st_mtime_ns for path in (out / "samples").iterdir()}
    seen = []
    summary = run_study(trial, out, jobs=2, progress=lambda *what: seen.append(what))
    return Second(out, summary, written, seen)


def test_a_second_run_of_an_unchanged_study_gates_nothing(second, finished):
    assert (second.summary.gated, second.summary.kept) == (0, len(second.written))
    assert {path: path.stat().st_mtime_ns for path in (second.out / "samples").iterdir()} == second.written
    assert tables_of(second.out) == tables_of(finished)


def test_progress_reaches_its_end(trial, finished, tmp_path):
    out, seen = Path(shutil.copytree(finished, tmp_path / "run")), []
    (out / "tables" / "medians.csv").unlink()  # something to do
    run_study(trial, out, jobs=2, progress=lambda *what: seen.append(what))
    last = {stage: (done, total) for stage, done, total, _ in seen}
    assert set(last) == {"reading", "measuring", "looking", "gating", "tables"}
    assert all(done == total for done, total in last.values())


@pytest.mark.no_cover
def test_the_number_of_jobs_does_not_change_a_byte(one_panel, finished_one_panel, tmp_path):
    run_study(one_panel, tmp_path / "one", jobs=1)
    assert tables_of(tmp_path / "one") == tables_of(finished_one_panel)


@pytest.mark.no_cover
def test_a_run_killed_and_started_again_ends_like_an_undisturbed_one(one_panel, finished_one_panel, tmp_path):
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "immunomon.cli.main", "run", str(one_panel), "--out", str(out), "--jobs", "1"]
    for done in (2, 6):  # killed twice, at different places
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while len(list((out / "samples").glob("*.json"))) < done and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        process.wait()
        assert not (out / "run.json").exists()
    kept = len(list((out / "samples").glob("*.json")))
    assert kept >= 6
    summary = run_study(one_panel, out, jobs=2)
    assert summary.kept >= kept - 1  # one may have its result written and its gates not yet
    assert tables_of(out) == tables_of(finished_one_panel)
    assert not [path for path in out.rglob("*.tmp") if str(os.getpid()) in path.name]


@pytest.fixture(scope="module")
def spoiled(apart, tmp_path_factory) -> Path:
    """The trial with one file cut short and one taken away, and its run in it. Not to be changed."""
    study = Path(shutil.copytree(apart, tmp_path_factory.mktemp("spoiled") / "trial"))
    (study / CUT).write_bytes((apart / CUT).read_bytes()[:5000])
    (study / TAKEN).unlink()
    assert not run_study(study, jobs=2).complete
    return study


def test_one_bad_file_costs_that_file_alone(spoiled, finished_apart):
    populations = RunFolder(spoiled / "run").read_table("populations")
    samples = RunFolder(spoiled / "run").read_table("samples")
    reasons = set(samples.loc[samples["status"] == "failed", "sample_id"])
    assert len(reasons) == 2
    failed = populations[populations["sample_id"].isin(reasons)]
    assert failed["count"].isna().all()
    assert failed["reason"].str.startswith("sample failed: ").all()
    assert failed["reason"].str.contains("S01_W4_treg.fcs|there is no such file", regex=True).all()
    whole = RunFolder(finished_apart).read_table("populations")
    good = populations[~populations["sample_id"].isin(reasons)].reset_index(drop=True)
    pd.testing.assert_frame_equal(good, whole[~whole["sample_id"].isin(reasons)].reset_index(drop=True))
    changes = RunFolder(spoiled / "run").read_table("changes")
    assert "failed" in set(changes["status"])


def test_the_account_of_a_run_adds_up():
    reasons = ["in doubt: t: ...", "below LLOQ: 30 events, 50 are needed", None, None]
    on = ["t: weak_stain(CD3)"] * 3 + [None]
    frequencies = pd.DataFrame({"rests_on": on, "reason": reasons, "reportable": [False, False, True, True]})
    doubts = pd.DataFrame({"code": ["weak_stain"], "population": ["t"], "sample_id": ["a"]})
    assert account_of_doubts(frequencies, doubts)[0] == (
        "3 of 4 values rest on a doubtful gate: 1 is withheld for it, "
        "1 for another reason first, such as too few events, "
        "1 is reported, as the study accepts the doubt (table doubts):"
    )


@pytest.mark.parametrize("header", [(b"", b""), (b"$CYT", b"$CYQ")])
def test_one_tube_under_two_visits_is_no_change_of_nothing(apart, tmp_path, header):
    study = Path(shutil.copytree(apart, tmp_path / "trial"))
    content = (study / "fcs/treg/S01_D-1_treg.fcs").read_bytes()
    assert header[0] in content
    (study / "fcs/treg/S01_W4_treg.fcs").write_bytes(content.replace(*header, 1))
    assert run_study(study, jobs=2).complete
    frequencies = RunFolder(study / "run").read_table("frequencies")
    doubled = frequencies["sample_id"].str.contains("S01_D-1_treg|S01_W4_treg")
    assert not frequencies.loc[doubled, "reportable"].any()
    assert frequencies.loc[~doubled, "reportable"].any()
    assert frequencies.loc[doubled, "rests_on"].str.contains("root: same_tube").all()
    changes = RunFolder(study / "run").read_table("changes").query("subject == 'S01'")
    assert "ok" not in set(changes["status"])


@pytest.mark.no_cover
def test_mended_files_are_the_only_ones_done_again(spoiled, apart, finished_apart, tmp_path):
    study = Path(shutil.copytree(spoiled, tmp_path / "trial"))
    for name in (CUT, TAKEN):
        shutil.copyfile(apart / name, study / name)
    summary = run_study(study, jobs=2)
    assert (summary.gated, summary.complete) == (2, True)
    assert tables_of(study / "run") == tables_of(finished_apart)


@pytest.mark.no_cover
def test_where_files_share_gates_a_mended_one_has_its_say_again(one_panel, finished_one_panel, tmp_path):
    study = Path(shutil.copytree(one_panel, tmp_path / "trial"))
    (study / CUT).write_bytes((one_panel / CUT).read_bytes()[:5000])
    assert len(run_study(study, tmp_path / "run", jobs=2).failed) == 1  # the others go on without it
    (study / CUT).write_bytes((one_panel / CUT).read_bytes())
    assert run_study(study, tmp_path / "run", jobs=2).complete
    assert tables_of(tmp_path / "run") == tables_of(finished_one_panel)


def test_a_changed_strategy_gates_the_files_of_its_panel_again(own_trial, own_run, tmp_path):
    (own_trial / "gating").mkdir()
    shipped = Path(__file__).resolve().parents[2] / "gating" / "treg.yaml"
    own = own_trial / "gating" / "treg.yaml"
    own.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8", newline="\n")
    first = run_study(own_trial, own_run, jobs=2)
    assert first.gated == 0  # the study's own strategy says what the shipped one says
    edit(own, "slope: 1.0", "slope: 0.9")
    second = run_study(own_trial, own_run, jobs=2)
    assert second.gated == second.kept == first.kept // 2


def test_reportability_limits_change_tables_and_gate_nothing(own_trial, own_run):
    edit(own_trial / "study.yaml", "lloq_events: 50", "lloq_events: 100000")
    assert run_study(own_trial, own_run, jobs=2).gated == 0
    populations = RunFolder(own_run).read_table("populations")
    assert not populations["reportable"].any()
    assert populations["reason"].str.startswith(("below LLOQ", "below LOD", "too few")).all()


def test_two_runs_cannot_write_one_folder(trial, tmp_path):
    with ThreadPoolExecutor(1) as other, RunFolder(tmp_path / "run").locked():
        attempt = other.submit(run_study, trial, tmp_path / "run")  # whoever holds the folder may enter it again
        with pytest.raises(RunFolderInUse, match="another immunomon run is writing"):
            attempt.result()


def test_a_folder_that_holds_other_things_is_not_written_into(trial, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(NotARunFolder, match="holds other things than a run"):
        run_study(trial, tmp_path / "letters")
    with pytest.raises(NotARunFolder):
        run_study(trial, trial)


def test_the_tube_of_another_panel_fails_and_is_not_gated(own_trial, own_run):
    wrong = own_trial / "fcs" / "treg" / "S01_W4_treg.fcs"
    wrong.write_bytes((own_trial / "fcs" / "thelper" / "S01_W4_thelper.fcs").read_bytes())
    ((name, reason),) = run_study(own_trial, own_run, jobs=2).failed
    assert name == "fcs__treg__S01_W4_treg"
    assert reason.startswith("fcs/treg/S01_W4_treg.fcs: it is no tube of panel treg: PE-A carries 'CXCR3' instead")


def test_a_study_with_problems_is_not_run(own_trial, tmp_path):
    edit(own_trial / "study.yaml", "dose_group: A", "dose_group: Z")
    with pytest.raises(BadSpec, match=r"study\.yaml line \d+: .*no dose group"):
        run_study(own_trial, tmp_path / "run")
    assert not (tmp_path / "run").exists()
