"""Processes that work on files: one that hangs or is killed costs its file alone, and a second try gives the same."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from support.program import immunomon, stopped

from immunomon.runs.folder import RunFolder

pytestmark = [
    pytest.mark.no_cover,
    pytest.mark.skipif(os.name == "nt", reason="signals are POSIX systems'"),
]


def events_of(log: Path) -> list[dict]:
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [json.loads(line) for line in lines]


def workers_of(log: Path) -> list[int]:
    return [event["process"] for event in events_of(log) if event["event"] == "worker"]


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def has_begun(log: Path, stage: str) -> bool:
    return any(event.get("stage") == stage and "sample_id" in event for event in events_of(log))


class Disturbed:
    """Sends a signal to a worker of a run as soon as its log shows that a stage has begun; the run goes on."""

    def __init__(self, log: Path, signals: dict[str, signal.Signals]) -> None:
        self.log, self.signals = log, dict(signals)
        self.struck: list[int] = []

    def __call__(self) -> bool:
        for stage, number in list(self.signals.items()):
            if has_begun(self.log, stage):
                del self.signals[stage]
                self.struck.append(workers_of(self.log)[-1])
                os.kill(self.struck[-1], number)
        return False


def tables_of(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((run / "tables").iterdir())}


def test_workers_that_are_killed_or_hang_are_replaced_and_the_tables_are_the_same(study, undisturbed):
    log = study / "log.jsonl"
    disturbed = Disturbed(log, {"measuring": signal.SIGKILL, "looking": signal.SIGSTOP})
    words = ["run", study, "--jobs", 2, "--timeout", 20, "--retries", 1, "--log", log]
    ended = stopped(words, signal.SIGTERM, disturbed)
    assert ended.returncode == 0, ended.stderr
    assert len(set(disturbed.struck)) == 2
    assert not any(map(is_there, disturbed.struck))
    reasons = " ".join(event["reason"] for event in events_of(log) if event["event"] == "retry")
    assert "it took longer than 20 s" in reasons
    assert tables_of(study / "run") == tables_of(undisturbed / "run")
    assert not list((study / "run").rglob(".*.tmp"))
    assert immunomon("audit", study / "run").returncode == 0


def test_a_file_that_takes_too_long_fails_with_a_sentence_and_the_others_go_on(study):
    log = study / "log.jsonl"
    ended = stopped(
        ["run", study, "--jobs", 1, "--timeout", 20, "--log", log],
        signal.SIGTERM,
        Disturbed(log, {"gating": signal.SIGSTOP}),
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (1, False), ended.stderr
    samples = RunFolder(study / "run").read_table("samples").set_index("sample_id")
    late = samples[samples["status"] == "failed"]
    assert len(late) == 1
    assert late["reason"].iloc[0].startswith(f"{late['file'].iloc[0]}: it took longer than 20 s; ")
    assert set(samples.drop(late.index)["status"]) == {"gated", "control"}
    assert immunomon("audit", study / "run").returncode == 0
    again = immunomon("run", study, "--jobs", 1)
    assert (again.returncode, "1 gated, 11 kept" in again.stdout) == (0, True), again.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_workers_end_with_the_run_however_it_ends(study, number, code):
    log = study / "log.jsonl"
    words = ["run", study, "--jobs", 2, "--timeout", 600, "--log", log]
    ended = stopped(words, number, lambda: has_begun(log, "measuring"))
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr, ended.stderr
    workers, deadline = workers_of(log), time.monotonic() + 60
    assert workers
    while any(map(is_there, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_there, workers))
