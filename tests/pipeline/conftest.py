import shutil
from pathlib import Path

import pytest

from immunomon.pipeline.run import run_study
from immunomon.simulate.trial import simulate_trial
from immunomon.specs.catalog import find_strategy


@pytest.fixture(scope="session")
def trial(tmp_path_factory) -> Path:
    """Three patients, two visits, two panels: twelve samples, two bridges and their controls."""
    folder = tmp_path_factory.mktemp("pipeline") / "trial"
    return simulate_trial(
        folder, events=4000, visits=["D-1", "W4"], subjects_per_group=1, panels=["treg", "thelper"], seed=5
    )


@pytest.fixture(scope="session")
def finished(trial, tmp_path_factory) -> Path:
    """The trial's run, undisturbed. Not to be changed."""
    out = tmp_path_factory.mktemp("pipeline") / "run"
    assert run_study(trial, out, jobs=2).complete
    return out


@pytest.fixture
def own_trial(trial, tmp_path) -> Path:
    """A copy of the trial that a test may spoil."""
    return Path(shutil.copytree(trial, tmp_path / "trial"))


@pytest.fixture
def own_run(finished, tmp_path) -> Path:
    """A copy of the trial's run that a test may go on with."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def trial_apart(own_trial) -> Path:
    """A copy of the trial whose strategies place every gate on the sample's own events: no other file has a say."""
    (own_trial / "gating").mkdir()
    for name in ("treg", "thelper"):
        text = find_strategy(name).read_text(encoding="utf-8")
        assert ", consensus: true" in text
        text = text.replace(", consensus: true", "").replace("    consensus: true\n", "")
        (own_trial / "gating" / f"{name}.yaml").write_text(text, encoding="utf-8", newline="\n")
    return own_trial
