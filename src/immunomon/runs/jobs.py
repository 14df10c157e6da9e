"""How many files to work on at once, and how many threads to give to each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from immunomon.runs.journal import Journal, Outcome

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


@dataclass(frozen=True, eq=False)
class Crew:
    """Who works on a run's files: how many at once, and who hears of each."""

    workers: int
    journal: Journal

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
                raise
        return problems

    def _timed(self, stage: str, work: Callable[[Task], Outcome], task: Task) -> Outcome:
        begun = time.monotonic()
        ended = work(task)
        self.journal.file(stage, task.sample.id, ended, time.monotonic() - begun)
        return ended
