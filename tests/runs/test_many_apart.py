"""Of many files each step is done by processes of their own, of few by threads of this one; the tables are the same."""

import json

import pytest
from support.small_run import copied_run, shared_run

from immunomon.runs.run import run_study
from immunomon.runs.workers import Limits


@pytest.fixture
def study(tmp_path_factory, tmp_path):
    run = shared_run(tmp_path_factory, events=3000)
    return copied_run(run, tmp_path / "study").parent


@pytest.mark.no_cover
@pytest.mark.parametrize(("fewest", "processes"), [(6, 2), (1000, 0)])
def test_as_many_files_as_are_many_are_gated_apart_with_the_same_tables(study, tmp_path, fewest, processes):
    log, out = tmp_path / "log.jsonl", tmp_path / "run"
    assert run_study(study, out, jobs=2, limits=Limits(fewest=fewest), log=log).complete
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert len({event["process"] for event in events if event["event"] == "worker"}) == processes
    tables = sorted((study / "run" / "tables").iterdir())
    assert len(tables) > 5
    for table in tables:
        assert (out / "tables" / table.name).read_bytes() == table.read_bytes(), table.name


@pytest.mark.no_cover
@pytest.mark.parametrize(("fewest", "is_ready"), [(6, True), (1000, False)])
def test_who_works_on_many_new_files_gets_ready_while_they_are_read(study, tmp_path, monkeypatch, fewest, is_ready):
    stages: list[str] = []
    getting_ready: list[str] = []
    monkeypatch.setattr("immunomon.runs.jobs.expect_workers", lambda: getting_ready.append(stages[-1]))
    monkeypatch.setattr("immunomon.runs.unchanged._SETTLED_NS", 0)  # the files are as young as the test

    def run() -> bool:
        stages.append("before the first file")
        getting_ready.clear()
        limits = Limits(fewest=fewest)
        run_study(study, tmp_path / "run", jobs=2, limits=limits, progress=lambda stage, *_: stages.append(stage))
        return bool(getting_ready)

    assert run() is is_ready
    assert set(getting_ready) <= {"before the first file", "reading"}
    assert not run()  # nothing is new
