"""How many files to work on at once, and how many threads to give to each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

__all__ = ["default_jobs", "each", "threads_each"]

T = TypeVar("T")


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


def each(
    todo: Sequence[T], work: Callable[[T], bool], *, workers: int, progress: Callable[[int, int, int], None]
) -> None:
    """Do a piece of work for each thing, several at once, and tell how many are done, of how many, and how many failed.

    work: returns whether it went well. Never more than two things a worker are in flight: memory stays bounded however
    long the list is.

    >>> each([1, 2], lambda number: number > 1, workers=1, progress=print)
    0 2 0
    1 2 1
    2 2 1
    """
    done = failed = 0
    progress(0, len(todo), 0)
    waiting = iter(todo)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        running: set[Future[bool]] = {pool.submit(work, item) for item in islice(waiting, 2 * workers)}
        try:
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    done += 1
                    failed += 0 if future.result() else 1
                    progress(done, len(todo), failed)
                running |= {pool.submit(work, item) for item in islice(waiting, len(finished))}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
