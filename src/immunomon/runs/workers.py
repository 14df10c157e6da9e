"""Worker processes that do one file at a time and can really be ended: one that hangs takes no other with it."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_all_start_methods, get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from immunomon.runs.journal import Outcome
from immunomon.threads import one_thread

if TYPE_CHECKING:
    from immunomon.runs.plan import Task

__all__ = ["MANY_APART", "Limits", "Work", "Worker", "expect_workers"]

Work = Callable[["Task"], Outcome]
# Not a fork of this process, which has threads; where there is one, of a process that has imported what it takes.
_CONTEXT: Any = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
if _CONTEXT.get_start_method() == "forkserver":
    _CONTEXT.set_forkserver_preload(["immunomon.runs.run", "immunomon.cytometry.kernels.first_call"])


@dataclass(frozen=True)
class Limits:
    """How long one step of one file may take, and how often a file that failed is tried again.

    seconds: None: as long as it takes. fewest: of fewer files than these, which have no limit then, threads of the
    calling process do the work: processes of their own take seconds to start.
    """

    seconds: float | None = None
    retries: int = 0
    fewest: int = 0


# For programs alone: a process begins with the script that its parent was started with, which may be somebody else's.
MANY_APART = Limits(fewest=40)


@cache  # once: a worker that starts asks again whether it runs
def expect_workers() -> None:
    """Let what workers are forked from get ready beside this process: it imports for a second or two."""
    if _CONTEXT.get_start_method() == "forkserver":
        from multiprocessing.forkserver import ensure_running

        ensure_running()


class Worker:
    """A process of its own, and another in its place when it was ended; it ends with this one.

    say_started: called with the number of each process.
    """

    def __init__(self, say_started: Callable[[int], None]) -> None:
        self._lock, self._say_started = threading.Lock(), say_started
        self._is_closed = False
        self._start()

    def _start(self) -> None:
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._work: Work | None = None
        self._say_started(self._process.pid or 0)

    def do(self, work: Work, task: Task, seconds: float | None) -> Outcome:
        """Do a step of a file; that it took longer, or that the process was ended, is how it ended.

        Raises what the step raised.
        """
        try:
            if self._work is not work:
                self._pipe.send(work)
                self._pipe.recv()  # what it takes to start a process and to load code is no file's time
                self._work = work
            self._pipe.send(task)
            if not wait([self._pipe, self._process.sentinel], timeout=seconds):
                self._again()
                message = f"{task.path}: it took longer than {seconds:g} s"
                remedy = "see what holds it up, or give it more time with --timeout"
                return Outcome.spoiled(task.sample.id, f"{message}; {remedy}")
            ended = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode or 0
            self._again()
            name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            remedy = "it may have needed more memory than there is: use fewer --jobs, or start the run again"
            message = f"{task.path}: the process that worked on it was ended ({name})"
            return Outcome.spoiled(task.sample.id, f"{message}; {remedy}")
        if isinstance(ended, BaseException):
            raise ended
        return ended  # type: ignore[no-any-return]

    def _again(self) -> None:
        """End the process for good, and start another unless no more is to be done."""
        with self._lock:
            self._kill()
            if not self._is_closed:
                self._start()

    def _kill(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def close(self) -> None:
        """End the process, whatever it is doing; what waits for it hears that it was ended."""
        with self._lock:
            self._is_closed = True
            self._process.kill()
            self._process.join()


# The other side: the process.


def _serve(pipe: Connection) -> None:
    """Do what comes through the pipe, a step and then files, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of a terminal; the parent ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with one_thread(), suppress(EOFError, ConnectionError):  # the parent has ended, or wants no more
        _work_on(pipe)


def _work_on(pipe: Connection) -> None:
    work: Work = _nothing
    while True:
        received = pipe.recv()
        if callable(received):
            work = received
            pipe.send(None)
            continue
        try:
            pipe.send(work(received))
        except Exception as error:
            pipe.send(_portable(error))


def _nothing(task: Task) -> Outcome:
    raise RuntimeError(f"{task.path}: nobody said what to do with it")


def _end_with_parent() -> None:
    """End when the parent has, however it did: two processes must not write one run folder."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """Return an exception that can be sent: itself, or one of its words.

    >>> _portable(OSError(28, "No space left on device", "run.json")).filename
    'run.json'
    """
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever pickling an exception of any kind raises
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
