"""How many files to work on at once, and how many threads to give to each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from immunomon.files import remove_leftovers
from immunomon.runs.journal import Journal, Outcome
from immunomon.runs.workers import Limits, Worker

if TYPE_CHECKING:
    from immunomon.runs.plan import Task

__all__ = ["Crew", "default_jobs", "threads_each"]


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


class Crew:
    """Who works on a run's files: how many at once, within which limits, and who hears of each.

    limits: None: threads of this process do the work; else processes, each of which can be ended.
    """

    def __init__(self, workers: int, journal: Journal, limits: Limits | None = None) -> None:
        self.workers, self.journal, self.limits = workers, journal, limits
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._all: list[Worker] = []

    @contextmanager
    def at_work(self, folder: Path) -> Iterator[None]:
        """Have the processes for as long as it takes; what those that were ended have left half-written goes."""
        try:
            yield
        finally:
            for worker in self._all:
                worker.close()
            if self._all:
                remove_leftovers(folder.rglob(".*.tmp"))

    def each(self, stage: str, tasks: Sequence[Task], work: Callable[[Task], Outcome]) -> dict[str, str]:
        """Do a step of each file, several at once; return what is wrong with files from then on: sample id -> problem.

        Never more than two files a worker are in flight: memory stays bounded however long the list is.
        """
        problems: dict[str, str] = {}
        done = failed = 0
        self.journal.report(stage, 0, len(tasks), 0)
        waiting = iter(tasks)
        step = partial(self._timed, stage, work)
        with ThreadPoolExecutor(max_workers=self.workers) as pool:
            running = {pool.submit(step, task) for task in islice(waiting, 2 * self.workers)}
            try:
                while running:
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        ended = future.result()
                        done, failed = done + 1, failed + bool(ended.problem)
                        problems |= ended.lasting
                        self.journal.report(stage, done, len(tasks), failed)
                    running |= {pool.submit(step, task) for task in islice(waiting, len(finished))}
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for worker in self._all:  # or their threads would wait for what they are doing
                    worker.close()
                raise
        return problems

    def _timed(self, stage: str, work: Callable[[Task], Outcome], task: Task) -> Outcome:
        begun = time.monotonic()
        ended = work(task) if self.limits is None else self._within(self.limits, stage, work, task)
        self.journal.file(stage, task.sample.id, ended, seconds=time.monotonic() - begun)
        return ended

    def _within(self, limits: Limits, stage: str, work: Callable[[Task], Outcome], task: Task) -> Outcome:
        """Do a step of a file in a process; one that failed is tried again as often as the limits say."""
        worker = self._worker()
        try:
            for number in range(1, limits.retries + 2):
                ended = worker.do(work, task, limits.seconds)
                if not ended.problem or task.problem or number > limits.retries:
                    break
                self.journal.note("retry", stage=stage, sample_id=task.sample.id, number=number, reason=ended.problem)
        finally:
            self._idle.put(worker)
        return ended

    def _worker(self) -> Worker:
        try:
            return self._idle.get_nowait()
        except Empty:
            worker = Worker(lambda process: self.journal.note("worker", process=process))
            self._all.append(worker)
            return worker
