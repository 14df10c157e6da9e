import re
import shutil
from pathlib import Path

import pytest
from support.untraced import untraced

from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.runs.run import run_study
from immunomon.study.specs.catalog import find_strategy


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


@pytest.fixture(scope="session")
def apart(trial, tmp_path_factory) -> Path:
    """The trial with strategies that place every gate on the sample's own events: no other file has a say."""
    study = Path(shutil.copytree(trial, tmp_path_factory.mktemp("apart") / "trial"))
    (study / "gating").mkdir()
    for name in ("treg", "thelper"):
        text = find_strategy(name).read_text(encoding="utf-8")
        assert ", consensus: true" in text
        text = re.sub(r", consensus: true|(?m:^ +consensus: true\n)", "", text)
        (study / "gating" / f"{name}.yaml").write_text(text, encoding="utf-8", newline="\n")
    return study


@pytest.fixture(scope="session")
def finished_apart(apart, tmp_path_factory) -> Path:
    """The run of the trial whose files have no say in one another's gates. Not to be changed."""
    out = tmp_path_factory.mktemp("apart") / "run"
    with untraced():
        assert run_study(apart, out, jobs=2).complete
    return out
