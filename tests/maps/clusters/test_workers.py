"""A Dask cluster does what threads do, bit for bit."""

from dataclasses import replace

import pytest
from maps.clusters.conftest import SMALL

from immunomon.errors import ImmunomonError
from immunomon.maps.clusters.run import cluster_run
from immunomon.maps.clusters.workers import workers
from immunomon.runs import dask_backend


@pytest.fixture(scope="module")
def scheduler():
    """Return the address of a cluster of two processes on this machine."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    import dask

    # On a busy machine a process may need long until it answers: that is no failure of ours.
    patient = {"distributed.comm.timeouts.connect": "300s", "distributed.comm.timeouts.tcp": "300s"}
    with (
        dask.config.set(patient),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as cluster,
    ):
        yield cluster.scheduler_address


@pytest.mark.no_cover
def test_a_cluster_of_processes_gives_the_bytes_that_threads_give(novel_run, clustering, scheduler, tmp_path):
    elsewhere = cluster_run(novel_run, settings=replace(SMALL, scheduler=scheduler), out=tmp_path / "elsewhere")
    written = {path.name for path in clustering.folder.iterdir() if path.is_file()}
    assert {"map.npz", "clusters.json"} <= written
    for name in written:
        assert (elsewhere.folder / name).read_bytes() == (clustering.folder / name).read_bytes(), name


def test_results_come_back_in_order_and_errors_as_they_were(scheduler):
    with workers(1, scheduler) as pool:
        assert list(pool.map(abs, range(-5, 0))) == [5, 4, 3, 2, 1]
        with pytest.raises(ZeroDivisionError):
            list(pool.map(lambda number: 1 / number, [1, 0]))


def test_an_address_at_which_no_cluster_is_is_said_with_the_remedy(monkeypatch):
    pytest.importorskip("distributed", reason="Dask is not installed")
    monkeypatch.setattr(dask_backend, "_ANSWERS_WITHIN_SECONDS", 1)
    with (
        pytest.raises(ImmunomonError, match=r"--scheduler tcp://127\.0\.0\.1:9: no Dask scheduler answers there"),
        workers(1, "tcp://127.0.0.1:9"),
    ):
        pass
