"""Workers: who carries out work that is one task a file, threads of this machine or a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import cast

from immunomon.runs.dask_backend import connected

__all__ = ["workers"]


@contextmanager
def workers(jobs: int, scheduler: str | None = None) -> Iterator[Executor]:
    """Yield what carries out work: ``jobs`` threads here, or the workers of a Dask cluster at an address.

    The cluster's machines must see the run, the study and the output under the same paths, and have this version of
    immunomon. Raises ImmunomonError if there is no cluster at the address, or the library is missing.

    >>> with workers(2) as pool:
    ...     list(pool.map(abs, [-1, 2]))
    [1, 2]
    """
    if scheduler is None:
        with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
            yield pool
        return
    client = connected(scheduler)
    try:
        yield cast(Executor, client.get_executor())
    finally:
        client.close()
