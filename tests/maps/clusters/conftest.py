from pathlib import Path

import pytest
from support.untraced import untraced

from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.maps.clusters.mapping import MapSettings
from immunomon.maps.clusters.run import cluster_run
from immunomon.runs.run import run_study

SMALL = MapSettings(grid=(10, 10), ordering_events=20_000, seed=1, jobs=2)


@pytest.fixture(scope="session")
def novel_run(tmp_path_factory) -> Path:
    """A run of 36 samples, some with cells that no strategy knows. Not to be changed, but for its clusters."""
    with untraced():
        study = simulate_trial(
            tmp_path_factory.mktemp("clusters") / "trial",
            scenario=Scenario.NOVEL,
            events=5000,
            visits=["D-1", "W4", "W8", "W12"],
            panels=["treg"],
            seed=1,
            jobs=2,
        )
        assert run_study(study, jobs=2).complete
    return study / "run"


@pytest.fixture(scope="session")
def clustering(novel_run):
    return cluster_run(novel_run, settings=SMALL)
