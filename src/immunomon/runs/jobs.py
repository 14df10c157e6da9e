"""How many files to work on at once, and how many threads to give to each."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from immunomon.files import file_digest, remove_leftovers
from immunomon.runs.journal import Journal, Outcome
from immunomon.runs.workers import Limits, Work, Worker, expect_workers
from immunomon.threads import one_thread

if TYPE_CHECKING:
    from immunomon.runs.dask_backend import DaskBackend
    from immunomon.runs.plan import Task

__all__ = ["Backend", "Crew", "Processes", "Threads", "default_jobs", "threads_each"]


def default_jobs() -> int:
    """Return the number of files to work on at once: one a processor.

    >>> default_jobs() >= 1
    True
    """
    return os.cpu_count() or 1


def threads_each(files: int, jobs: int) -> int:
    """Return how many threads may work on one file, when there are fewer files than jobs.

    >>> [threads_each(files, jobs=8) for files in (0, 1, 3, 100)]
    [8, 8, 2, 1]
    """
    return max(1, jobs // max(1, files))


class Backend(Protocol):
    """Who does a step of one file at a time: threads of this process, processes, or a cluster."""

    @property
    def at_once(self) -> int:
        """How many files are worked on at once."""
        ...

    def do(self, work: Work, task: Task, at: int) -> Outcome:
        """Do a step of a file and return how it ended; raises what the step raised.

        at: the number, from 0, of who does it; no two files at once have the same.
        """
        ...

    def close(self) -> None:
        """End what is being done; nothing more will be asked for."""
        ...


@dataclass(frozen=True)
class Threads:
    """The threads of this process do the work."""

    at_once: int

    def do(self, work: Work, task: Task, at: int) -> Outcome:  # noqa: ARG002  (a thread knows what any other knows)
        """Do a step of a file."""
        return work(task)

    def close(self) -> None:
        """Have nothing to end: a thread ends with its file."""


class Processes:
    """Processes that can be ended do the work, each in its turn."""

    def __init__(self, at_once: int, journal: Journal, seconds: float | None) -> None:
        self.at_once, self._journal, self._seconds = at_once, journal, seconds
        self._workers: dict[int, Worker] = {}

    def do(self, work: Work, task: Task, at: int) -> Outcome:
        """Do a step of a file; that it took too long, or that the process was ended, is how it ended."""
        if at not in self._workers:
            self._workers[at] = Worker(lambda process: self._journal.note("worker", process=process))
        return self._workers[at].do(work, task, self._seconds)

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        for worker in list(self._workers.values()):
            worker.close()


class _Shares:
    """A stage's files, shared out: to each who works on them first those that it has had before, then others'."""

    def __init__(self, tasks: Sequence[Task], at_once: int, had: dict[str, int]) -> None:
        self._lock, self._had = Lock(), had
        self._left: list[deque[Task]] = [deque() for _ in range(at_once)]
        for number, task in enumerate(tasks):
            self._left[had.get(task.sample.id, number) % at_once].append(task)

    def next(self, at: int) -> Task:
        """Return the next file; raises IndexError if none is left."""
        with self._lock:
            own = self._left[at]
            task = own.popleft() if own else max(self._left, key=len).pop()
            self._had[task.sample.id] = at
            return task


class Crew:
    """Who works on a run's files: how many at once, within which limits, and who hears of each.

    workers: how many files are worked on at once; None: one a processor, or a thread of the cluster. limits: None:
    threads of this process do the work; else processes, each of which can be ended, or processes for many files alone.
    scheduler: the address of a Dask cluster that does it instead. Raises ImmunomonError if there is no cluster there.
    """

    def __init__(
        self, workers: int | None, journal: Journal, limits: Limits | None = None, scheduler: str | None = None
    ) -> None:
        self.journal, self._retries = journal, limits.retries if limits else 0
        self._fewest, self._had = limits.fewest if limits else 0, dict[str, int]()
        self._cluster: DaskBackend | None = None
        self._backend: Backend
        if scheduler is not None:
            from immunomon.runs.dask_backend import DaskBackend

            self._backend = self._cluster = DaskBackend(scheduler, journal, workers)
        elif limits and not limits.fewest:
            self._backend = Processes(workers or default_jobs(), journal, limits.seconds)
        else:
            self._backend = Threads(workers or default_jobs())

    @property
    def workers(self) -> int:
        """How many files are worked on at once."""
        return self._backend.at_once

    def digest(self, path: Path) -> str:
        """Return a file's SHA-256, read by whom will work on it; raises OSError if it cannot be read."""
        return self._cluster.digest(path) if self._cluster else file_digest(path)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._backend.close()

    @contextmanager
    def at_work(self, folder: Path) -> Iterator[None]:
        """Let the work be done into a run folder; what those that were ended have left half-written goes."""
        try:
            with one_thread(), self._cluster.in_folder(folder) if self._cluster else nullcontext():
                yield
        finally:
            self._backend.close()
            if not isinstance(self._backend, Threads):
                remove_leftovers(folder.rglob(".*.tmp"))

    def reading(self, done: int, files: int, *, are_new: bool) -> None:
        """Hear that so many files of a study are read; while many new ones are, who will work on them gets ready."""
        if are_new and self._is_for_processes(files):
            expect_workers()
        self.journal.report("reading", done, files, 0)

    def each(self, stage: str, tasks: Sequence[Task], work: Work) -> dict[str, str]:
        """Do a step of each file, several at once; return what is wrong with files from then on: sample id -> problem.

        Never more than two files a worker are in flight: memory stays bounded however long the list is.
        """
        problems: dict[str, str] = {}
        done = failed = 0
        self.journal.report(stage, 0, len(tasks), 0)
        self._apart(len(tasks))
        at_once, numbers = self._backend.at_once, iter(range(len(tasks)))
        shares = _Shares(tasks, at_once, self._had)
        free: SimpleQueue[int] = SimpleQueue()
        for at in range(at_once):
            free.put(at)

        def step(_: int) -> Outcome:
            at = free.get()
            try:
                return self._timed(stage, work, shares.next(at), at)
            finally:
                free.put(at)

        with ThreadPoolExecutor(max_workers=at_once) as pool:
            running = {pool.submit(step, number) for number in islice(numbers, 2 * at_once)}
            try:
                while running:
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        ended = future.result()
                        done, failed = done + 1, failed + bool(ended.problem)
                        problems |= ended.lasting
                        self.journal.report(stage, done, len(tasks), failed)
                    running |= {pool.submit(step, number) for number in islice(numbers, len(finished))}
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._backend.close()  # or the threads would wait for what is being done
                raise
        return problems

    def _apart(self, files: int) -> None:
        """Let processes do the work from now on, if there are many files: threads get in each other's way."""
        if self._is_for_processes(files):
            self._backend = Processes(self._backend.at_once, self.journal, None)

    def _is_for_processes(self, files: int) -> bool:
        is_alone = isinstance(self._backend, Threads) and self._backend.at_once > 1
        return is_alone and 0 < self._fewest <= files

    def _timed(self, stage: str, work: Work, task: Task, at: int) -> Outcome:
        begun = time.monotonic()
        ended = self._tried(stage, work, task, at)
        self.journal.file(stage, task.sample.id, ended, seconds=time.monotonic() - begun)
        return ended

    def _tried(self, stage: str, work: Work, task: Task, at: int) -> Outcome:
        """Do a step of a file; one that failed is tried again as often as the limits say."""
        for number in range(1, self._retries + 1):
            ended = self._backend.do(work, task, at)
            if not ended.problem or task.problem:
                return ended
            self.journal.note("retry", stage=stage, sample_id=task.sample.id, number=number, reason=ended.problem)
        return self._backend.do(work, task, at)
