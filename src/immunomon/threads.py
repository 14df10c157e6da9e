"""Linear algebra on one thread: sums in an order that does not depend on how many processors a machine has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

__all__ = ["one_thread"]

_HELD = Lock()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the libraries of linear algebra use one thread, in the whole process; also a decorator.

    Several threads add up parts, and how many parts there are changes the last bit of a sum. Where each processor has
    a file of its own, they also wait for each other. Within another such limit, of whichever thread, nothing is done:
    who works on many files by threads of its own sets it around them all.

    >>> from threadpoolctl import threadpool_info
    >>> with one_thread():
    ...     max((library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"), default=1)
    1
    """
    if not _HELD.acquire(blocking=False):
        yield
        return
    from threadpoolctl import threadpool_limits

    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        _HELD.release()
