"""How a run stands, while it is going, after it, when it was killed; what is stale; and the log for machines."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.small_run import small_run
from support.untraced import untraced
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.runs.journal import PROGRESS
from immunomon.runs.run import run_study
from immunomon.runs.status import read_status

COMMAND = [sys.executable, "-m", "immunomon.cli.main"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """A study of one panel with its run inside. Not to be changed."""
    return small_run(tmp_path_factory.mktemp("status") / "trial", events=1500).parent


@pytest.fixture
def study(undisturbed, tmp_path) -> Path:
    """A copy of the study, without its run, that a test may spoil."""
    return Path(shutil.copytree(undisturbed, tmp_path / "trial", ignore=shutil.ignore_patterns("run")))


@pytest.fixture(scope="module")
def made(undisturbed, tmp_path_factory) -> Path:
    """A copy of study and run with what the statistics and the report make of it. Not to be changed."""
    study = Path(shutil.copytree(undisturbed, tmp_path_factory.mktemp("made") / "trial"))
    for words in (["assess"], ["compare"], ["mechanism"], ["report"], ["export-gates"]):
        with untraced():
            done = CliRunner().invoke(app, [*words, str(study / "run")])
        assert done.exit_code == 0, done.output
    return study


@pytest.fixture
def own(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "own"))


def stale_of(study: Path) -> set[str]:
    return {derived.key for derived in read_status(study / "run").stale}


ALL = {"assess", "compare", "mechanism", "report", "export gates"}


def test_nothing_is_stale_after_it_was_made(made):
    status = read_status(made / "run")
    assert (status.state, status.changed, status.stale) == ("finished", (), ())
    assert {derived.key for derived in status.derived} == ALL
    assert status.files["gated"] == 12
    assert not (made / "run" / PROGRESS).exists()


@pytest.mark.parametrize(
    ("name", "added", "stale"),
    [
        ("platelets.csv", "\n", {"assess", "mechanism", "report"}),
        ("analysis.yaml", "", {"compare", "report"}),
        ("run/statistics/analysis.json", "\n", {"report"}),
        ("samples.csv", "\n", ALL),
        ("overrides.yaml", "", ALL),
        ("fcs/treg/S01_W4_treg.fcs", "\n", ALL),
    ],
)
def test_what_rests_on_a_changed_file_is_stale_and_nothing_else(own, name, added, stale):
    with (own / name).open("a", encoding="utf-8") as file:
        file.write(added)
    assert stale_of(own) == stale
    assert bool(read_status(own / "run").changed) == (stale == ALL)


def test_a_file_that_was_only_touched_is_the_same(own):
    (own / "fcs" / "treg" / "S01_W4_treg.fcs").touch()
    assert not read_status(own / "run").changed
    (own / "fcs" / "treg" / "S01_W4_treg.fcs").unlink()
    assert "is missing" in read_status(own / "run").changed[0]


def test_what_another_state_of_the_run_gave_is_stale(own):
    keep = (own / "samples.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (own / "samples.csv").write_text("".join(keep[:-1]), encoding="utf-8")
    run_study(own, jobs=2)
    status = read_status(own / "run")
    assert not status.changed
    assert {derived.key for derived in status.stale} == ALL
    commands = [derived.command.split()[1] for derived in status.stale]
    assert commands.index("assess") < commands.index("mechanism") < commands.index("report")


def said(*words: object) -> str:
    done = subprocess.run([*COMMAND, "status", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.no_cover
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX systems'")
def test_a_run_is_seen_going_killed_and_finished(study):
    run, log = study / "run", study / "log.jsonl"
    process = subprocess.Popen([*COMMAND, "run", str(study), "--jobs", "1"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not list(run.glob("samples/*.json")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGSTOP)
        before = sorted(path for path in run.rglob("*"))
        going = json.loads(said(run, "--json"))
        assert (going["state"], going["going"]["process"]) == ("going", process.pid)
        assert "going, process" in said(run)
        assert sorted(path for path in run.rglob("*")) == before
    finally:
        process.kill()
        process.wait()
    killed = said(run)
    assert "stopped without a word, as by kill -9" in killed
    assert f"To go on: immunomon run {study}" in killed
    again = subprocess.run(
        [*COMMAND, "run", str(study), "--jobs", "1", "--log", str(log)], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert json.loads(said(run, "--json"))["state"] == "finished"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert (lines[0]["event"], lines[-1]["event"]) == ("begin", "end")
    finished = next(line for line in lines if line["event"] == "finished")
    gated = [line for line in lines if line["event"] == "file" and line["stage"] == "gating"]
    assert len(gated) == finished["gated"] == 12 - finished["kept"]
    assert all(line["events"] > 0 and line["quality"] and line["seconds"] > 0 for line in gated)
    assert len({line["sample_id"] for line in gated}) == len(gated)
    assert sum(line["event"] == "table" for line in lines) == 10


@pytest.mark.no_cover
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX systems'")
def test_a_run_that_was_stopped_says_by_what_in_status_and_log(study):
    run, log = study / "run", study / "log.jsonl"
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    command = [*COMMAND, "run", str(study), "--jobs", "1", "--log", str(log)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 120
    while not (log.exists() and '"looking", "sample_id"' in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert "stopped (Ctrl-C), last heard of" in said(run)
    assert json.loads(log.read_text(encoding="utf-8").splitlines()[-1])["reason"] == "Ctrl-C"


def test_a_log_that_cannot_be_written_is_named(study):
    (study / "log").mkdir()
    with pytest.raises(OSError, match="Is a directory") as caught:
        run_study(study, log=study / "log")
    assert caught.value.filename == str(study / "log")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX systems'")
def test_a_log_that_is_a_pipe_without_a_reader_is_no_hang(study):
    os.mkfifo(study / "log")
    with pytest.raises(OSError, match="No such device") as caught:
        run_study(study, log=study / "log")
    assert caught.value.filename == str(study / "log")


def test_a_file_of_progress_that_nobody_wrote_is_named(study):
    (study / "run").mkdir()
    (study / "run" / PROGRESS).write_text('{"files": "many"}', encoding="utf-8")
    done = CliRunner().invoke(app, ["status", str(study / "run")])
    assert f"{study / 'run' / PROGRESS}: cannot be read" in str(done.exception)
    done = CliRunner().invoke(app, ["status", str(study)])
    assert "there is no run.json" in str(done.exception)
