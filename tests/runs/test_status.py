"""How a run stands, while it is going, after it, when it was killed; what is stale; and the log for machines."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from support.program import immunomon, stopped
from support.untraced import untraced
from typer.testing import CliRunner

from immunomon.cli.main import app
from immunomon.runs.audit import AuditTrail
from immunomon.runs.derived import made_of_run
from immunomon.runs.journal import PROGRESS
from immunomon.runs.run import run_study
from immunomon.runs.status import RunStatus, read_status
from immunomon.runs.trail_review import SHOWN


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


def test_what_showed_results_is_in_the_trail(made):
    entries = AuditTrail(made / "run").entries()
    shown = [entry["target"] for entry in entries if entry["action"] == SHOWN]
    assert shown == ["assess", "compare", "mechanism", "report"]


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


def events_of(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []


def said(run: Path) -> str:
    done = CliRunner().invoke(app, ["status", str(run)])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.no_cover
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX systems'")
def test_a_run_is_seen_going_killed_and_finished(study):
    run, log, seen = study / "run", study / "log.jsonl", []

    def is_gating() -> bool:
        if list(run.glob("samples/*.json")):
            seen.append((read_status(run), said(run)))
        return len(seen) > 0

    ended = stopped(["run", study, "--jobs", 1], signal.SIGKILL, is_gating)
    status, words = seen[0]
    assert (status.state, ended.returncode) == ("going", -signal.SIGKILL)
    assert f"{run}: going, process {status.going.process} on" in words
    killed = said(run)
    assert "stopped without a word, as by kill -9" in killed
    assert f"To go on: immunomon run {study}" in killed
    again = immunomon("run", study, "--jobs", 1, "--log", log)
    assert again.returncode == 0, again.stderr
    assert json.loads(CliRunner().invoke(app, ["status", str(run), "--json"]).output)["state"] == "finished"
    events = events_of(log)
    assert (events[0]["event"], events[-1]["event"]) == ("begin", "end")
    finished = next(event for event in events if event["event"] == "finished")
    gated = [event for event in events if event["event"] == "file" and event["stage"] == "gating"]
    assert len(gated) == finished["gated"] == 12 - finished["kept"]
    assert all(event["events"] > 0 and event["quality"] and event["seconds"] > 0 for event in gated)
    assert len({event["sample_id"] for event in gated}) == len(gated)
    assert sum(event["event"] == "table" for event in events) == 10


@pytest.mark.no_cover
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX systems'")
def test_a_run_that_was_stopped_says_by_what_in_status_and_log(study):
    run, log = study / "run", study / "log.jsonl"
    ended = stopped(
        ["run", study, "--jobs", 1, "--log", log],
        signal.SIGINT,
        lambda: any(event.get("stage") == "looking" and "sample_id" in event for event in events_of(log)),
    )
    assert ended.returncode == 130
    assert "stopped (Ctrl-C), last heard of" in said(run)
    assert events_of(log)[-1]["reason"] == "Ctrl-C"


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


def test_a_panel_whose_name_ends_another_is_not_taken_for_it(tmp_path):
    for panel, digest in (("treg-2", "now"), ("treg", "before"), ("my treg", "now")):
        for folder, file in (("clusters", f"{panel}/clusters.json"), ("atlas", f"{panel}.json")):
            (tmp_path / folder / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / file).write_text(json.dumps({"run_digest": digest}), encoding="utf-8")
    derived = made_of_run(tmp_path, {"digest": "now"}, "record", study=None)
    status = RunStatus(tmp_path, "finished", derived=derived)
    current = {(key, panel) for key in ("cluster", "embed") for panel in ("treg-2", "treg", "my treg")}
    current = {made for made in current if status.is_current(*made)}
    assert current == {(key, panel) for key in ("cluster", "embed") for panel in ("treg-2", "my treg")}
    assert not status.is_current("embed", "nk")
    assert status.made_by("embed", "nk") is None
