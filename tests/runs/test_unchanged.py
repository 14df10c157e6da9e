import json
import os
import shutil
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.files import file_digest
from immunomon.runs import settling, unchanged
from immunomon.runs.audit import AuditTrail
from immunomon.runs.audit_inputs import digests_beside
from immunomon.runs.journal import STAMPS
from immunomon.runs.lock import Reason, lock_run
from immunomon.runs.plan import make_plan
from immunomon.runs.run import overridden_plan, run_study
from immunomon.runs.unchanged import Memory, Remembered, asked_of


@pytest.fixture(autouse=True)
def old_files(monkeypatch):
    """Files that are as old as any, though they were written a moment ago."""
    monkeypatch.setattr(unchanged, "_SETTLED_NS", 0)


@pytest.fixture
def study(one_panel, tmp_path) -> Path:
    return Path(shutil.copytree(one_panel, tmp_path / "trial"))


@pytest.fixture
def run(finished_one_panel, tmp_path) -> Path:
    return Path(shutil.copytree(finished_one_panel, tmp_path / "run"))


def state_of(run: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in run.rglob("*") if path.is_file() and path.name not in (STAMPS, ".lock"))
    return {path.relative_to(run).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def an_fcs_file(study: Path) -> Path:
    return sorted((study / "fcs" / "treg").glob("S*.fcs"))[0]


def flip_last_byte(path: Path) -> None:
    """Change a file but for its size and time of change, as a program that restores times would."""
    before = path.stat()
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_a_run_with_nothing_to_do_writes_nothing_and_says_what_the_last_one_said(study, run):
    before = state_of(run)
    entries = len(AuditTrail(run).entries())
    first = run_study(study, run, jobs=1)
    second = run_study(study, run, jobs=1)
    assert state_of(run) == before
    assert len(AuditTrail(run).entries()) == entries
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert first.unchanged_since == second.unchanged_since == record["finished_utc"]
    assert (second.gated, second.kept) == (0, sum(file["status"] == "gated" for file in record["files"]))
    assert second.controls == sum(file["status"] == "control" for file in record["files"])
    assert second.doubts == first.doubts != ()


def test_what_is_known_is_not_read_again_but_with_rehash(study, run, monkeypatch):
    run_study(study, run, jobs=1)  # a copy: its files are others than those that were recorded
    read = []
    monkeypatch.setattr(unchanged, "file_digest", lambda path: read.append(path) or file_digest(path))
    assert run_study(study, run, jobs=1).files_read == 0
    assert not [path for path in read if path.suffix == ".fcs" or path.parent.name in ("samples", "gates", "tables")]
    files = len(json.loads((run / "run.json").read_text(encoding="utf-8"))["files"])
    again = run_study(study, run, jobs=1, rehash=True)
    assert again.unchanged_since
    assert again.files_read == files
    assert {path.name for path in read} >= {path.name for path in run.glob("samples/*.json")}


@pytest.mark.parametrize("rewritten", ["in place", "by another file"])
def test_a_file_of_the_same_size_and_time_with_other_bytes_is_gated_again(study, run, tmp_path, rewritten):
    run_study(study, run, jobs=1)
    assert run_study(study, run, jobs=1).files_read == 0
    file = an_fcs_file(study)
    if rewritten == "in place":
        flip_last_byte(file)
    else:
        other = Path(shutil.copy2(file, tmp_path / "other.fcs"))
        flip_last_byte(other)
        other.replace(file)
    summary = run_study(study, run, jobs=1)
    assert summary.unchanged_since is None
    assert summary.gated >= 1
    digests = {entry["file"]: entry["sha256"] for entry in json.loads((run / "run.json").read_bytes())["files"]}
    assert digests[file.relative_to(study).as_posix()] == file_digest(file)


def test_a_file_younger_than_its_record_is_not_remembered(tmp_path, monkeypatch):
    """It may be written to once more within one step of the file system's clock (FAT: two seconds)."""
    monkeypatch.undo()
    path = tmp_path / "a.fcs"
    path.write_bytes(b"one")
    young = Remembered({})
    assert young.digest(path, "a.fcs") == file_digest(path)
    assert (young.now, young.read) == ({}, 1)
    now = time.time_ns()
    monkeypatch.setattr(unchanged.time, "time_ns", lambda: now + 10_000_000_000)
    old = Remembered({})
    old.digest(path, "a.fcs")
    known = Remembered(old.now)
    assert known.digest(path, "a.fcs") == file_digest(path)
    assert (known.now, known.read) == (old.now, 0)


def test_a_file_of_the_future_is_not_remembered(tmp_path):
    path = tmp_path / "a.fcs"
    path.write_bytes(b"one")
    os.utime(path, ns=(0, time.time_ns() + 10**12))
    remembered = Remembered({})
    remembered.digest(path, "a.fcs")
    assert remembered.now == {}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"inputs": 3, "results": [1]}', '{"inputs": {"a": [1, 2]}}'])
def test_a_memory_that_is_none_costs_a_reading_and_no_more(study, run, content):
    (run / STAMPS).write_text(content, encoding="utf-8")
    memory = Memory.of(run)
    assert (memory.inputs.kept, memory.results.kept, memory.said("doubts")) == ({}, {}, ())
    assert not memory.stands("anything")


def test_a_changed_missing_or_added_result_is_something_to_do(study, run):
    run_study(study, run, jobs=1)
    asked = json.loads((run / STAMPS).read_text(encoding="utf-8"))["asked"]
    assert Memory.of(run).stands(asked)
    table, kept = run / "tables" / "medians.csv", (run / "tables" / "medians.csv").read_bytes()
    flip_last_byte(table)
    assert not Memory.of(run).stands(asked)
    table.unlink()
    assert not Memory.of(run).stands(asked)
    table.write_bytes(kept)
    assert Memory.of(run).stands(asked)
    (run / "tables" / "more.csv").write_text("a\n", encoding="utf-8")
    assert not Memory.of(run).stands(asked)
    (run / "tables" / "more.csv").unlink()
    (run / "lock.json").write_text("{}", encoding="utf-8")  # a lock that no entry knows of
    assert not Memory.of(run).stands(asked)
    (run / "lock.json").unlink()
    lock_run(run, Reason("analysis", "A. Person"))
    assert Memory.of(run).stands(asked)
    (run / "lock.json").unlink()
    assert not Memory.of(run).stands(asked)


def test_whatever_a_run_depends_on_is_asked_for(study, run):
    assert run_study(study, run, jobs=1).unchanged_since
    for name, text in {
        "overrides.yaml": "schema: immunomon.overrides/1\noverrides: []\n",
        "gating/other.yaml": "schema: immunomon.strategy/1\n",
        "platelets.csv": "subject,date,platelets_g_per_l\n",
    }.items():
        path = study / name
        kept = path.read_bytes() if path.exists() else None
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        asked_with = _asked(study)
        path.unlink() if kept is None else path.write_bytes(kept)
        assert asked_with != _asked(study), name


def _asked(study: Path) -> str:
    return asked_of(overridden_plan(make_plan(study)), digests_beside(study))


def test_what_failed_while_it_was_gated_is_tried_again(study, run, monkeypatch):
    flip_last_byte(an_fcs_file(study))
    analyse = settling.analyse

    def without_memory(path, *arguments, **more):
        if path == an_fcs_file(study):
            raise MemoryError
        return analyse(path, *arguments, **more)

    monkeypatch.setattr(settling, "analyse", without_memory)
    failed = run_study(study, run, jobs=1)
    assert [sample for sample, _ in failed.failed] == [f"fcs__treg__{an_fcs_file(study).stem}"]
    monkeypatch.setattr(settling, "analyse", analyse)
    mended = run_study(study, run, jobs=1)
    assert mended.gated == 1
    assert mended.complete


def test_the_command_says_that_nothing_was_to_be_done_and_how_it_knows(study, run):
    CliRunner().invoke(app, ["run", str(study), "--out", str(run)])
    said = CliRunner().invoke(app, ["run", str(study), "--out", str(run)])
    assert said.exit_code == 0
    assert "Nothing has changed since the run of 2" in said.stdout
    assert "known by size and time of change; --rehash reads every byte" in said.stdout
    every = CliRunner().invoke(app, ["run", str(study), "--out", str(run), "--rehash"])
    assert "(every file was read); nothing was written." in every.stdout
