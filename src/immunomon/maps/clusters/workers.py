"""Workers: who carries out work that is one task a file, threads of this machine or a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

from immunomon.errors import ImmunomonError

__all__ = ["workers"]

# Seconds until a cluster that does not answer is said not to be there.
_PATIENCE = 20


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
    client = _client(scheduler)
    try:
        yield cast(Executor, client.get_executor())
    finally:
        client.close()


def _client(scheduler: str) -> Any:  # noqa: ANN401 - distributed is untyped
    try:
        from distributed import Client
    except ImportError as error:
        message = f'a cluster needs Dask ({error}); install it with: pip install "immunomon[cluster]"'
        raise ImmunomonError(message) from None
    try:
        return Client(scheduler, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ImmunomonError(
            f"--scheduler {scheduler}: no Dask scheduler answers there ({error}); start one with 'dask scheduler' and "
            "give the address that it prints, such as tcp://192.0.2.1:8786"
        ) from None
