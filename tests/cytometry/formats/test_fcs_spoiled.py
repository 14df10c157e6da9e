"""A short run of the fuzzer: ``python benchmarks/fuzz.py --cases 100000`` is the long one."""

import importlib.util
from pathlib import Path

import pytest

FUZZER = Path(__file__).parents[3] / "benchmarks" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("immunomon_fuzz", FUZZER)
    module = importlib.util.module_from_spec(spec)
    # A script finds what lies beside it.
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FUZZER.parent))
        spec.loader.exec_module(module)
    return module


def test_spoiled_files_are_read_or_refused_in_time_and_within_memory(fuzz, tmp_path):
    result = fuzz.run(400, 11, tmp_path)
    assert result["failures"] == []
    assert min(result["read"], result["repaired"], result["refused"]) > 20


def test_the_fuzzer_sees_what_it_looks_for(fuzz, tmp_path, monkeypatch):
    # A fuzzer that cannot fail proves nothing.
    def broken(path):
        raise ZeroDivisionError

    monkeypatch.setattr(fuzz, "read_fcs", broken)
    assert len(fuzz.run(30, 1, tmp_path / "kept")["failures"]) == 20
    assert len(list((tmp_path / "kept").iterdir())) == 20


def test_files_that_are_not_spoiled_are_read(fuzz, tmp_path):
    fuzz.random.seed(5)
    for number in range(60):
        (tmp_path / "a.fcs").write_bytes(fuzz.data_set())
        outcome, wrong = fuzz.failure(tmp_path / "a.fcs", 10**9)
        assert (outcome in {"read", "repaired"}, number, wrong) == (True, number, "")
