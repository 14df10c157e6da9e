"""A small simulated trial with its run inside, for tests that look at a finished run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.runs.run import run_study
from support.made_once import made_once
from support.untraced import untraced


def small_trial(folder: Path, *, events: int, panels: Sequence[str] = ("treg",)) -> Path:
    """Simulate three patients and two visits, by default of one panel."""
    return simulate_trial(
        folder, events=events, visits=["D-1", "W4"], subjects_per_group=1, panels=list(panels), seed=5
    )


def small_run(folder: Path, *, events: int = 3000, panels: Sequence[str] = ("treg",)) -> Path:
    """Three patients, two visits, by default one panel; return the run folder, which lies in the study's."""
    with untraced():
        study = small_trial(folder, events=events, panels=panels)
        assert run_study(study, jobs=2).complete
    return study / "run"


def shared_run(factory: pytest.TempPathFactory, *, events: int, panels: Sequence[str] = ("treg",)) -> Path:
    """Return the run folder of a small run that is made once for all workers; no test may change it."""
    name = "-".join(["run", str(events), *panels])
    return made_once(factory, name, lambda folder: small_run(folder, events=events, panels=panels)) / "run"


def copied_run(run: Path, folder: Path) -> Path:
    """Copy a run with its study, to be changed; return the run folder of the copy."""
    return Path(shutil.copytree(run.parent, folder)) / run.name
