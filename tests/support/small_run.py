"""A small simulated trial with its run inside, for tests that look at a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.runs.run import run_study
from support.untraced import untraced


def small_run(folder: Path, *, events: int = 3000, panels: Sequence[str] = ("treg",)) -> Path:
    """Three patients, two visits, by default one panel; return the run folder, which lies in the study's."""
    with untraced():
        study = simulate_trial(
            folder, events=events, visits=["D-1", "W4"], subjects_per_group=1, panels=list(panels), seed=5
        )
        assert run_study(study, jobs=2).complete
    return study / "run"
