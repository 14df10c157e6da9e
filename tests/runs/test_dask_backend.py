"""A Dask cluster of real processes does what threads do, byte for byte, and what it loses is done again."""

import os
import shutil
import socket
import time
from contextlib import AbstractContextManager, ExitStack, contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from support.program import immunomon, module_alone

from immunomon.errors import ImmunomonError
from immunomon.runs import dask_backend
from immunomon.runs.journal import Journal
from immunomon.runs.run import run_study

pytest.importorskip("distributed", reason="Dask is not installed")
pytestmark = [pytest.mark.no_cover, pytest.mark.skipif(os.name == "nt", reason="signals are POSIX systems'")]
PATIENT = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "120s", "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "120s"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def started(module: str, *words: object) -> AbstractContextManager[ForkServerProcess]:
    """Return the context of a process of Dask, which is ended when it is no longer needed."""
    return module_alone(f"distributed.cli.{module}", *words, environment=PATIENT)


@contextmanager
def scheduler(port: int):
    """Yield the process of a scheduler that listens."""
    with started(
        "dask_scheduler", "--host", "127.0.0.1", "--port", port, "--dashboard-address", "127.0.0.1:0"
    ) as process:
        while process.is_alive() and not is_listening(port):
            time.sleep(0.05)
        yield process


def is_listening(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def workers(port: int, count: int, folder: Path):
    """Yield so many processes of workers, without nannies: nobody starts again what a test kills."""
    where = ("--no-nanny", "--nthreads", 1, "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")
    with ExitStack() as each:
        yield [
            each.enter_context(
                started("dask_worker", f"tcp://127.0.0.1:{port}", *where, "--local-directory", folder / str(number))
            )
            for number in range(count)
        ]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Return the address of a cluster of four workers."""
    port = free_port()
    with scheduler(port), workers(port, 4, tmp_path_factory.mktemp("dask")):
        yield f"tcp://127.0.0.1:{port}"


def contents_of(run: Path) -> dict[str, bytes]:
    """Return what a run says: its tables, results, gates and estimates."""
    kinds = ("tables/*", "samples/*.json", "gates/*.json", "estimates/*", "noise/*.json")
    return {path.relative_to(run).as_posix(): path.read_bytes() for kind in kinds for path in run.glob(kind)}


def test_jobs_and_a_cluster_give_the_same_bytes(study, undisturbed, cluster, tmp_path):
    expected = contents_of(undisturbed / "run")
    assert len(expected) > 50
    for jobs in (1, 4):
        run_study(study, tmp_path / f"jobs-{jobs}", jobs=jobs)
        assert contents_of(tmp_path / f"jobs-{jobs}") == expected
    ended = immunomon("run", study, "--out", tmp_path / "cluster", "--scheduler", cluster)
    assert ended.returncode == 0, ended.stderr
    assert contents_of(tmp_path / "cluster") == expected
    assert not list((tmp_path / "cluster").glob(".*.tmp"))


def test_what_a_worker_refuses_is_the_runs_own_message(study, undisturbed, cluster, tmp_path):
    (study / "fcs" / "treg" / "S01_W4_treg.fcs").write_bytes(b"FCS3.1 and no more")
    ended = immunomon("run", study, "--out", tmp_path / "run", "--scheduler", cluster)
    here = immunomon("run", study, "--out", tmp_path / "here")
    assert (ended.returncode, here.returncode) == (1, 1)
    assert contents_of(tmp_path / "run") == contents_of(tmp_path / "here")


class Disturbed(Journal):
    """A journal that does something the first time that a step of a file has ended in a stage."""

    def __init__(self, **disturbances) -> None:
        super().__init__()
        self.disturbances, self.events = disturbances, []

    def note(self, event: str, **facts) -> None:
        self.events.append(event)
        if event == "file" and facts["stage"] in self.disturbances:
            self.disturbances.pop(facts["stage"])()


def killed(*processes: ForkServerProcess) -> None:
    for process in processes:
        process.kill()
        process.join()


def test_workers_and_a_scheduler_that_are_killed_cost_nothing(study, undisturbed, tmp_path, monkeypatch):
    port = free_port()
    with ExitStack() as later, scheduler(port) as first, workers(port, 2, tmp_path / "a") as of_first:
        others = []

        def kill_workers() -> None:
            others.extend(later.enter_context(workers(port, 2, tmp_path / "b")))
            killed(*of_first)

        def restart_scheduler() -> None:
            killed(first, *others)
            later.enter_context(scheduler(port))
            later.enter_context(workers(port, 2, tmp_path / "c"))

        journal = Disturbed(looking=kill_workers, gating=restart_scheduler)
        monkeypatch.setattr("immunomon.runs.run.Journal", lambda *_: journal)
        summary = run_study(study, tmp_path / "run", scheduler=f"tcp://127.0.0.1:{port}")
    assert (summary.complete, journal.disturbances) == (True, {})
    assert "cluster lost" in journal.events
    assert contents_of(tmp_path / "run") == contents_of(undisturbed / "run")


def test_a_scheduler_that_stays_away_ends_the_run_and_what_is_gated_is_kept(study, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_backend, "_RETURNS_WITHIN_SECONDS", 1)
    monkeypatch.setattr(dask_backend, "_ANSWERS_WITHIN_SECONDS", 5)
    port = free_port()
    with scheduler(port) as first, workers(port, 2, tmp_path / "a"):
        journal = Disturbed(gating=lambda: killed(first))
        monkeypatch.setattr("immunomon.runs.run.Journal", lambda *_: journal)
        with pytest.raises(ImmunomonError, match=r"no Dask scheduler answers there.*what is gated is kept"):
            run_study(study, tmp_path / "run", scheduler=f"tcp://127.0.0.1:{port}")
    monkeypatch.undo()
    assert not list((tmp_path / "run").glob(".*.tmp"))
    assert run_study(study, tmp_path / "run").kept > 0


def test_a_cluster_without_workers_is_said(study, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_backend, "_WORKERS_WITHIN_SECONDS", 1)
    port = free_port()
    with scheduler(port), pytest.raises(ImmunomonError, match="the cluster has no worker; start some with"):
        run_study(study, tmp_path / "run", scheduler=f"tcp://127.0.0.1:{port}")


def test_a_worker_that_does_not_see_the_run_folder_or_has_another_code_is_said(study, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_backend, "code_digest", lambda: "of another version")
    with pytest.raises(ImmunomonError, match="another version of immunomon; install the one that starts the run"):
        run_study(study, tmp_path / "run", scheduler=cluster)
    monkeypatch.undo()
    backend = dask_backend.DaskBackend(cluster, Journal())
    try:
        with backend.in_folder(tmp_path):
            shutil.move(next(tmp_path.glob(".*.tmp")), tmp_path / "elsewhere")
            with pytest.raises(ImmunomonError, match=r"does not see the run folder .*; mount it there"):
                backend.digest(study / "study.yaml")
    finally:
        backend.close()
