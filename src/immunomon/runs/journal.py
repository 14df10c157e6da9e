"""What happens in a run while it happens: where it stands, for whoever asks, and a log with a line for each event."""

from __future__ import annotations

import datetime
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import immunomon
from immunomon.errors import RunLocked
from immunomon.files import naming, write_whole

__all__ = ["PROGRESS", "STAMPS", "Journal", "Outcome", "Progress", "now_utc"]

# In the run folder while a run is going; one that was killed leaves it.
PROGRESS = "progress.json"
# And for as long as the folder is there: when which file was read last.
STAMPS = ".stamps.json"
_EVERY_SECONDS = 1.0
_MOST_FAILURES = 1000  # named in the file of progress; the log has all
# Without O_NONBLOCK, opening a named pipe that nobody reads never returns.
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)

Progress = Callable[[str, int, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """How one step of one file ended.

    problem: why it failed; empty: it did not. events, quality: of a gated file. lasting: what is wrong with this file,
    or with a control tube that its gates look at, in every later step too: sample id -> problem.
    """

    problem: str = ""
    events: int | None = None
    quality: str | None = None
    lasting: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def spoiled(cls, sample_id: str, problem: str, others: Mapping[str, str] | None = None) -> Outcome:
        """Return that a step failed for a reason that holds in every later step too; others: control tubes' problems.

        >>> Outcome.spoiled("S01", "a.fcs: it was changed").lasting
        {'S01': 'a.fcs: it was changed'}
        """
        return cls(problem, lasting={sample_id: problem, **(others or {})})


def now_utc() -> str:
    """Return the time to the second, as records have it.

    >>> now_utc().endswith("+00:00")
    True
    """
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class Journal:
    """Hears what happens in a run; shows it, writes it down, and keeps where the run stands in its folder.

    show: called with the stage, files done, all files, and files failed so far. log: a file that gets a line of JSON
    for each event, after what it holds already. What notes an event raises OSError, with the log's name, if that cannot
    be written.
    """

    def __init__(self, show: Progress | None = None, log: Path | None = None) -> None:
        self._show, self._log = show or (lambda *_: None), log
        self._lock, self._ended = Lock(), Event()
        self._state: dict[str, Any] = {}
        self._begun = self._stage_begun = time.monotonic()

    def note(self, event: str, **facts: Any) -> None:  # noqa: ANN401 - plain data
        """Add a line to the log."""
        if self._log is None:
            return
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"utc": now, "event": event, **facts}, ensure_ascii=False, default=str) + "\n"
        with self._lock, naming(self._log), os.fdopen(os.open(self._log, _APPEND, 0o666), "ab") as file:
            if hasattr(os, "O_NONBLOCK"):
                os.set_blocking(file.fileno(), True)
            file.write(line.encode("utf-8"))

    def report(self, stage: str, *counts: int) -> None:
        """Hear how far a stage is; counts: files done, all files, and files failed so far."""
        done, total, failed = counts
        if stage != self._state.get("stage"):
            self.note("stage", stage=stage, files=total)
            self._stage_begun = time.monotonic()
            self.keep(stage=stage, events=0)
        self.keep(done=done, total=total, failed=failed)
        self._show(stage, done, total, failed)

    def file(self, stage: str, sample_id: str, outcome: Outcome, *, seconds: float) -> None:
        """Hear that a step of one file has ended, and how."""
        more = {"events": outcome.events, "quality": outcome.quality} if outcome.events is not None else {}
        status = {"status": "failed", "reason": outcome.problem} if outcome.problem else {"status": "done"}
        self.note("file", stage=stage, sample_id=sample_id, seconds=round(seconds, 3), **status, **more)
        with self._lock:
            self._state["events"] = self._state.get("events", 0) + (outcome.events or 0)
            failures: dict[str, str] = self._state.setdefault("failures", {})
            if outcome.problem and len(failures) < _MOST_FAILURES:
                failures[sample_id] = outcome.problem

    @contextmanager
    def begun(self, **facts: Any) -> Iterator[None]:  # noqa: ANN401
        """Log that a run begins, and how it ended, whatever happens."""
        self.note("begin", **facts, host=platform.node(), process=os.getpid(), version=immunomon.__version__)
        try:
            yield
        except BaseException as error:
            with suppress(OSError):  # the disk may be full: why the run ends is the news
                self.note("stopped", reason=_words(error), seconds=self._seconds())
            raise
        self.note("end", seconds=self._seconds())

    @contextmanager
    def kept_in(self, folder: Path, **facts: Any) -> Iterator[None]:  # noqa: ANN401
        """Keep where the run stands in its folder, anew every second; the file goes when the run has ended well.

        The caller holds the folder's lock. That the file cannot be written costs nothing but the file.
        """
        path = folder / PROGRESS
        self.keep(host=platform.node(), process=os.getpid(), started_utc=now_utc(), **facts)
        self._write(path)
        thread = Thread(target=self._write_again, args=(path,), daemon=True)
        thread.start()
        try:
            yield
        except RunLocked:  # refused before anything was changed: the run that is there stands
            raise
        except BaseException as error:
            self.keep(stopped=_words(error))
            raise
        finally:
            self._ended.set()
            thread.join()
            if "stopped" in self._state:
                self._write(path)
            else:
                with suppress(OSError):
                    path.unlink()

    def keep(self, **facts: Any) -> None:  # noqa: ANN401
        """Add to what is kept of where the run stands."""
        with self._lock:
            self._state |= facts

    def _seconds(self) -> float:
        return round(time.monotonic() - self._begun, 3)

    def _write_again(self, path: Path) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            self._write(path)

    def _write(self, path: Path) -> None:
        with self._lock:
            state = {"format": "immunomon.progress/1", **self._state, "written_utc": now_utc()}
            state["stage_seconds"] = round(time.monotonic() - self._stage_begun, 3)
            text = json.dumps(state, indent=1)
        with suppress(OSError):
            write_whole(path, text + "\n")


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
