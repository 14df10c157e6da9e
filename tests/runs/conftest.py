import re
import shutil
from pathlib import Path

import pytest
from support.made_once import made_once
from support.small_run import shared_run, small_trial
from support.untraced import untraced

from immunomon.runs.run import run_study
from immunomon.study.specs.catalog import find_strategy


def run_of(trial: Path, out: Path) -> None:
    assert run_study(trial, out, jobs=2).complete


@pytest.fixture(scope="session")
def trial(tmp_path_factory) -> Path:
    """Three patients, two visits, two panels: twelve samples, two bridges and their controls. Not to be changed."""
    panels = ("treg", "thelper")
    return made_once(tmp_path_factory, "two-panels", lambda folder: small_trial(folder, events=4000, panels=panels))


@pytest.fixture(scope="session")
def finished(trial, tmp_path_factory) -> Path:
    """The trial's run, undisturbed. Not to be changed."""
    return made_once(tmp_path_factory, "run-of-two-panels", lambda out: run_of(trial, out))


@pytest.fixture
def own_trial(trial, tmp_path) -> Path:
    """A copy of the trial that a test may spoil."""
    return Path(shutil.copytree(trial, tmp_path / "trial"))


@pytest.fixture
def own_run(finished, tmp_path) -> Path:
    """A copy of the trial's run that a test may go on with."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture(scope="session")
def one_panel(tmp_path_factory) -> Path:
    """The same patients and visits with one panel, at half the cost. Not to be changed."""
    return made_once(tmp_path_factory, "one-panel", lambda folder: small_trial(folder, events=4000))


@pytest.fixture(scope="session")
def finished_one_panel(one_panel, tmp_path_factory) -> Path:
    """The run of the trial of one panel, undisturbed. Not to be changed."""
    return made_once(tmp_path_factory, "run-of-one-panel", lambda out: run_of(one_panel, out))


def with_gates_of_its_own(trial: Path, folder: Path) -> None:
    (Path(shutil.copytree(trial, folder)) / "gating").mkdir()
    text = find_strategy("treg").read_text(encoding="utf-8")
    assert ", consensus: true" in text
    text = re.sub(r", consensus: true|(?m:^ +consensus: true\n)", "", text)
    (folder / "gating" / "treg.yaml").write_text(text, encoding="utf-8", newline="\n")


@pytest.fixture(scope="session")
def apart(one_panel, tmp_path_factory) -> Path:
    """The trial with a strategy that places every gate on the sample's own events: no other file has a say."""
    return made_once(tmp_path_factory, "apart", lambda folder: with_gates_of_its_own(one_panel, folder))


@pytest.fixture(scope="session")
def finished_apart(apart, tmp_path_factory) -> Path:
    """The run of the trial whose files have no say in one another's gates. Not to be changed."""
    with untraced():
        return made_once(tmp_path_factory, "run-of-apart", lambda out: run_of(apart, out))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Path:
    """A study of one panel with its run inside. Not to be changed."""
    return shared_run(tmp_path_factory, events=1500).parent


@pytest.fixture
def study(undisturbed, tmp_path) -> Path:
    """A copy of the study, without its run, that a test may spoil."""
    return Path(shutil.copytree(undisturbed, tmp_path / "trial", ignore=shutil.ignore_patterns("run")))
