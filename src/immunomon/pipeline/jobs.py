"""How many files to work on at once, and how many threads to give to each."""

from __future__ import annotations

import os

__all__ = ["default_jobs", "threads_each"]


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
