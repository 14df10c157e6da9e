"""A Dask cluster does the work, one task a file; what goes through its scheduler is what to do and how it ended."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from immunomon.errors import ImmunomonError
from immunomon.files import file_digest
from immunomon.runs.journal import Journal, Outcome
from immunomon.runs.provenance import code_digest
from immunomon.runs.workers import Work
from immunomon.threads import one_thread

if TYPE_CHECKING:
    from immunomon.runs.plan import Task

__all__ = ["DaskBackend", "connected"]

_ANSWERS_WITHIN_SECONDS = 20.0  # or there is no scheduler at the address
_WORKERS_WITHIN_SECONDS = 20.0  # or there are none
_RETURNS_WITHIN_SECONDS = 300.0  # a scheduler or the last worker that went away, until the run gives up
_TRIES = 6  # of a file, if the cluster loses it again and again
Result = TypeVar("Result")


def connected(scheduler: str) -> Any:  # noqa: ANN401 - distributed is untyped
    """Return a client of the Dask cluster at an address.

    Raises ImmunomonError if there is no cluster at the address, or the library is missing.
    """
    try:
        from distributed import Client
    except ImportError as error:
        message = f'a cluster needs Dask ({error}); install it with: pip install "immunomon[cluster]"'
        raise ImmunomonError(message) from None
    try:
        return Client(scheduler, timeout=_ANSWERS_WITHIN_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ImmunomonError(
            f"--scheduler {scheduler}: no Dask scheduler answers there ({error}); start one with 'dask scheduler' and "
            "give the address that it prints, such as tcp://192.0.2.1:8786"
        ) from None


@dataclass(frozen=True)
class _Terms:
    """What a worker must have in common with the run: its folder, under the same path, and the code."""

    mark: Path | None
    code: str

    def problem(self) -> str | None:
        """Return why this process cannot work for the run."""
        if code_digest() != self.code:
            return "it has another version of immunomon; install the one that starts the run"
        if self.mark is not None and not self.mark.exists():
            return f"it does not see the run folder {self.mark.parent}; mount it there, under the same path"
        return None


class _Unfit(ImmunomonError):
    """A worker of the cluster cannot work for this run."""


def _on_worker(terms: _Terms, work: Callable[[Any], Result], subject: Any) -> Result:  # noqa: ANN401
    problem = terms.problem()
    if problem:
        raise _Unfit(f"the worker on {platform.node()} cannot do the work: {problem}")
    with one_thread():
        return work(subject)


class DaskBackend:
    """The workers of a Dask cluster, which write into the run folder themselves, as processes of this machine would.

    A worker that is lost costs nothing but time: its files go to another. So does a scheduler that comes back at its
    address within five minutes.

    at_once: how many files to hand out at once, for a cluster that is still growing; None: as many as its workers have
    threads now. Raises ImmunomonError if nobody answers at the address, or has no worker.
    """

    def __init__(self, scheduler: str, journal: Journal, at_once: int | None = None) -> None:
        self._address, self._journal, self._lock = scheduler, journal, Lock()
        self._is_closed = False
        self._terms = _Terms(None, code_digest())
        self._sent: tuple[Any, Any] | None = None  # the work of now, and what the cluster knows it by
        self._client = connected(scheduler)
        try:
            threads = self._threads(_WORKERS_WITHIN_SECONDS)
        except BaseException:
            self.close()
            raise
        self.at_once = at_once or threads

    @contextmanager
    def in_folder(self, folder: Path) -> Iterator[None]:
        """Have every worker prove that it sees the run folder before it does anything."""
        mark = folder.resolve() / f".{token_hex(8)}.tmp"
        mark.touch()
        self._terms = _Terms(mark, self._terms.code)
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)

    def _threads(self, seconds: float) -> int:
        """Return how many files the cluster works on at once; raises ImmunomonError if it has no worker in time."""
        deadline = time.monotonic() + seconds
        while not (threads := sum(self._client.nthreads().values())):
            if time.monotonic() > deadline:
                raise ImmunomonError(
                    f"--scheduler {self._address}: the cluster has no worker; start some with "
                    f"'dask worker {self._address}' where the study's files and the run folder are"
                )
            time.sleep(0.2)
        self._journal.note("cluster", scheduler=self._address, threads=threads)
        return int(threads)

    def do(self, work: Work, task: Task, at: int) -> Outcome:  # noqa: ARG002  (the cluster chooses who does it)
        """Do a step of a file; that the cluster lost it again and again is how it ended."""
        from distributed import KilledWorker

        try:
            return self._done(work, task)
        except KilledWorker:
            message = f"{task.path}: each process of the cluster that worked on it was ended"
            remedy = "it may have needed more memory than the workers have: give them more, or start the run again"
            return Outcome.spoiled(task.sample.id, f"{message}; {remedy}")

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file, as a worker reads it; raises what reading it raises."""
        return self._done(file_digest, path.resolve())

    def _done(self, work: Callable[[Any], Result], subject: object) -> Result:
        """Return what some work on the cluster has led to; raises what it raised. What is lost is done again."""
        from distributed.client import FutureCancelledError

        for _ in range(_TRIES):
            client = self._client
            try:
                client, sent = self._at_hand(work)
                future = client.submit(_on_worker, self._terms, sent, subject, pure=False)
                result: Result = future.result()
            except (FutureCancelledError, OSError, RuntimeError) as error:
                of_cluster = isinstance(error, FutureCancelledError | TimeoutError) or client.status != "running"
                if self._is_closed or not of_cluster:
                    raise
                self._wait_for_return(client, error)
            else:
                return result
        raise ImmunomonError(
            f"--scheduler {self._address}: the cluster lost the same work {_TRIES} times; see the workers' logs. "
            "What is gated is kept: start the run again with the same command"
        )

    def _at_hand(self, work: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Return the client, and the work as the cluster knows it: it is sent once, not with each file."""
        with self._lock:
            if self._sent is None or self._sent[0] is not work:
                self._sent = work, self._client.scatter(work, broadcast=True, hash=False)
            return self._client, self._sent[1]

    def _wait_for_return(self, client: Any, why: BaseException) -> None:  # noqa: ANN401
        """Forget what the cluster knew, and find it again; the first to come does it for all."""
        with self._lock:
            if client is not self._client:
                return
            self._journal.note("cluster lost", scheduler=self._address, reason=f"{type(why).__name__}: {why}")
            with suppress(Exception):  # whatever closing a client of a dead scheduler raises
                client.close(timeout=1)
            self._sent = None
            deadline = time.monotonic() + _RETURNS_WITHIN_SECONDS
            while True:
                try:
                    self._client = connected(self._address)
                    break
                except ImmunomonError as error:
                    if self._is_closed or time.monotonic() > deadline:
                        kept = "what is gated is kept; start the run again with the same command"
                        raise ImmunomonError(f"{error}; it was there before ({kept})") from None
                    time.sleep(1)
            self._threads(max(1.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Give up what the cluster is doing for this run, and leave it."""
        if self._is_closed:
            return
        self._is_closed = True
        with suppress(Exception):  # whatever closing a client of a dead scheduler raises
            self._client.close(timeout=5)
