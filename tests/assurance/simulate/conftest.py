from pathlib import Path

import pytest

from immunomon.assurance.simulate.trial import simulate_trial


@pytest.fixture(scope="session")
def tiny_trial(tmp_path_factory) -> Path:
    """One patient a dose group, two visits, all four panels."""
    folder = tmp_path_factory.mktemp("simulated") / "trial"
    return simulate_trial(folder, events=2000, visits=["D-1", "W4"], subjects_per_group=1, seed=3)
