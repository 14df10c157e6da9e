"""A short soak: ``python benchmarks/soak.py`` is the long one."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
from support.small_run import shared_run

pytestmark = [
    pytest.mark.no_cover,
    pytest.mark.skipif(os.name == "nt", reason="named pipes and signals are POSIX systems'"),
]
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def test_nothing_is_lost_or_doubled_through_faults(tmp_path_factory, tmp_path):
    spec = importlib.util.spec_from_file_location("soak", BENCHMARK)
    soak = sys.modules["soak"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(soak)
    kept = shared_run(tmp_path_factory, events=1500).parent
    study = Path(shutil.copytree(kept, tmp_path / "trial", ignore=shutil.ignore_patterns("run")))
    outcome = soak.soak(tmp_path, study, 3, jobs=2, seconds=300.0, seed=3)  # SIGKILL, a worker killed, a file spoilt
    assert outcome["is_right"], outcome
    assert sum(outcome["endings"].values()) == 3
