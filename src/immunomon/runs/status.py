"""How a run stands, read from its folder alone: going, finished or stopped, what failed, and what is stale."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from immunomon.errors import BadRun, ImmunomonError
from immunomon.files import is_running
from immunomon.runs.audit_inputs import changed_inputs
from immunomon.runs.derived import Derived, made_of_run
from immunomon.runs.folder import RunFolder, no_run, read_record
from immunomon.runs.journal import PROGRESS
from immunomon.runs.verdicts import review_progress

__all__ = ["Going", "RunStatus", "read_status"]

State = Literal["going", "finished", "stopped"]
# A process that has not been heard of for so long does not write any more: it hangs, or is another's by now.
_SILENT_SECONDS = 60


@dataclass(frozen=True)
class Going:
    """How far a run is, or was when it was last heard of: a stage, files of it, and of these failed.

    kept: files that earlier runs had gated. events: gated so far in this stage. seconds_left: of this stage, at the
    rate so far; None: there is none yet. heard_utc: when it was last heard of.
    """

    stage: str
    done: int
    total: int
    failed: int
    kept: int
    events: int
    seconds: float
    started_utc: str
    heard_utc: str
    host: str
    process: int

    @property
    def events_per_second(self) -> float | None:
        """Events gated a second in this stage."""
        return self.events / self.seconds if self.events and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest of this stage takes at the rate so far; None before its first file."""
        return self.seconds / self.done * (self.total - self.done) if self.done else None


@dataclass(frozen=True)
class RunStatus:
    """How a run stands.

    going: how far it is, or was when it was stopped. stopped: by what; empty: it was killed. files: how many there are
    of each status in the finished run that is there; failures: sample id -> reason. changed: what the run was made from
    that is another now. derived: what was made of it. review: how many samples persons approved, queried, rejected;
    empty if the trail cannot be read.
    """

    folder: Path
    state: State
    going: Going | None = None
    stopped: str = ""
    finished_utc: str = ""
    locked_utc: str = ""
    files: Mapping[str, int] = field(default_factory=dict)
    events: int | None = None
    failures: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    changed: tuple[str, ...] = ()
    derived: tuple[Derived, ...] = ()
    review: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        files = ", ".join(f"{number:,} {name}" for name, number in self.files.items()) or "none"
        stale = [f"  stale: {made.what}; renew it with: {made.command}" for made in self.stale]
        changed = [f"  changed since: {line}" for line in self.changed]
        return "\n".join([f"RunStatus({self.folder}: {self.state}; files: {files})", *changed, *stale])

    @property
    def stale(self) -> tuple[Derived, ...]:
        """What is to be made anew, in this order."""
        return tuple(made for made in self.derived if made.reasons)

    def made_by(self, key: str, panel: str = "") -> Derived | None:
        """Return what a command made of the run, or of one of its panels; None if it has not been called."""
        return next((made for made in self.derived if made.key == key and made.panel == panel), None)

    def is_current(self, key: str, panel: str = "") -> bool:
        """Say whether what a command makes is there, and of the run, the study and the other results as they are."""
        made = self.made_by(key, panel)
        return made is not None and not made.reasons


def read_status(run: str | Path, study: str | Path | None = None) -> RunStatus:
    """Return how a run stands; nothing is written, and no lock is taken.

    study: the study's folder; default: the folder above the run, if it is a study's. Raises BadRun if there is no run
    in the folder, neither finished nor begun.
    """
    root, above = Path(run), None if study is None else Path(study)
    folder = RunFolder(root)
    progress = folder.read_json(root / PROGRESS)
    if progress is None and not folder.manifest.exists():
        if (root / ".lock").is_file():  # killed before its first word, or of an earlier version
            return RunStatus(root, "stopped", command=_again(root, _study_of(root, above)))
        raise no_run(root)
    status = _of_progress(root, progress) if progress is not None else RunStatus(root, "finished")
    at_hand = _study_of(root, above)
    status = replace(status, command=_again(root, at_hand))
    return _with_record(status, at_hand) if folder.manifest.exists() else status


def _study_of(root: Path, study: Path | None) -> Path | None:
    above = study if study is not None else root.resolve().parent
    folder = above.parent if above.is_file() else above
    return folder if (folder / "study.yaml").is_file() else None


def _again(root: Path, study: Path | None) -> str:
    """Return the command that goes on with a run."""
    if study is None:
        return f"immunomon run STUDY --out {root}"
    is_usual = root.resolve() == (study / "run").resolve()
    return f"immunomon run {study if root.is_absolute() else _relative(study)}" + ("" if is_usual else f" --out {root}")


def _relative(path: Path) -> Path:
    return Path(os.path.relpath(path))


def _of_progress(root: Path, progress: Mapping[str, Any]) -> RunStatus:
    """Return what the file of progress says; raises BadRun if it is not one that a run wrote."""
    try:
        going = Going(
            stage=str(progress.get("stage", "beginning")),
            done=int(progress.get("done", 0)),
            total=int(progress.get("total", progress["files"])),
            failed=int(progress.get("failed", 0)),
            kept=int(progress.get("kept", 0)),
            events=int(progress.get("events", 0)),
            seconds=float(progress["stage_seconds"]),
            started_utc=str(progress["started_utc"]),
            heard_utc=str(progress["written_utc"]),
            host=str(progress["host"]),
            process=int(progress["process"]),
        )
        failures = {str(name): str(reason) for name, reason in dict(progress.get("failures") or {}).items()}
        state: State = "going" if "stopped" not in progress and _is_going(going) else "stopped"
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        remedy = "start the run again: immunomon run"
        raise BadRun(f"{root / PROGRESS}: cannot be read ({type(error).__name__}: {error}); {remedy}") from error
    return RunStatus(root, state, going, str(progress.get("stopped", "")), failures=failures)


def _is_going(going: Going) -> bool:
    """Say whether the process that wrote is alive: on this machine it can be asked for, from another only heard of."""
    if going.host == platform.node() and not is_running(going.process):
        return False
    silent = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(going.heard_utc)
    return silent.total_seconds() < _SILENT_SECONDS


def _with_record(status: RunStatus, study: Path | None) -> RunStatus:
    """Add what the finished run in the folder, of now or of before, says of itself, and what is stale."""
    record, sha256 = read_record(status.folder)
    lock = RunFolder(status.folder).read_json(status.folder / "lock.json") or {}
    files = [file for file in record.get("files") or () if isinstance(file, dict)]
    counts: dict[str, int] = {}
    for file in files:
        counts[str(file.get("status"))] = counts.get(str(file.get("status")), 0) + 1
    failures = {str(f.get("sample_id")): str(f.get("reason")) for f in files if f.get("status") == "failed"}
    changed = () if status.state == "going" else tuple(_changed(status, record, study))
    derived = made_of_run(status.folder, record, sha256, study=study)
    if changed:
        reasons = ("the run is stale itself",)
        derived = tuple(replace(made, reasons=made.reasons or reasons) for made in derived)
    return replace(
        status,
        finished_utc=str(record.get("finished_utc") or ""),
        locked_utc=str(lock.get("locked_utc") or ""),
        files=counts,
        events=_events(status.folder),
        failures=status.failures if status.going is not None else failures,
        changed=changed,
        derived=derived,
        review=_review(status.folder, [str(f.get("sample_id")) for f in files if f.get("status") == "gated"]),
    )


def _review(root: Path, gated: Sequence[str]) -> dict[str, int]:
    try:
        return review_progress(root, gated)
    except (ImmunomonError, OSError, ValueError, KeyError, TypeError):
        return {}  # immunomon audit says what is wrong with the trail


def _changed(status: RunStatus, record: Mapping[str, Any], study: Path | None) -> Iterator[str]:
    if status.state == "stopped" and status.going is not None:
        yield "a later run was stopped before it wrote its tables"
    try:
        since = datetime.datetime.fromisoformat(str(record["started_utc"])).timestamp()
        if study is not None:
            yield from changed_inputs(record, study, since=since).problems
    except (KeyError, TypeError, ValueError, AttributeError):
        yield "run.json does not say in words that can be read what the run was made from"


def _events(root: Path) -> int | None:
    """Return how many events the files of a finished run have, None if its table of samples cannot be read."""
    import pyarrow.parquet as pq

    try:
        column = pq.read_table(RunFolder(root).table_file("samples", ".parquet"), columns=["events"])["events"]
    except (OSError, ValueError, KeyError):
        return None
    return sum(int(number) for number in column.to_pylist() if number is not None)
