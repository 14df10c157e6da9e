"""Simulate: a synthetic trial of real FCS files, with the truth beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from immunomon.assurance.simulate.conditions import CONDITIONS, condition_named
from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.simulate.trial import is_simulated, simulate_trial
from immunomon.errors import ImmunomonError, UnknownName, nearest
from immunomon.runs.jobs import default_jobs

__all__ = ["simulate", "simulation_conditions"]


def simulation_conditions() -> dict[str, str]:
    """Return the name of every condition that a trial can be simulated under, with what it means.

    >>> simulation_conditions()["ordinary"]
    'the trial as it is simulated by default'
    """
    return {condition.name: condition.meaning for condition in CONDITIONS.values()}


def simulate(
    folder: str | Path,
    scenario: str = "mechanism",
    *,
    events: int = 20_000,
    seed: int = 1,
    panels: Sequence[str] | None = None,
    condition: str = "ordinary",
    expansion: int = 0,
    jobs: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a synthetic trial into a new folder and return it; the same arguments give the same bytes.

    scenario: what the treatment does: mechanism, null, responders or novel. events: of a patient's file. panels: only
    these. condition: another instrument, a failed stain, a hard sample. expansion: so many patients expand the highest
    dose. progress: called with files done and of how many. Raises UnknownName, ImmunomonError if a trial was simulated
    there before and is not to be overwritten, FolderNotEmpty for a folder of other things.

    >>> simulate("demo", "mechanims")
    Traceback (most recent call last):
        ...
    immunomon.errors.UnknownName: no scenario 'mechanims'; did you mean 'mechanism'?
    """
    known = [kind.value for kind in Scenario]
    if scenario not in known:
        raise UnknownName(f"no scenario '{scenario}'; {nearest(scenario, known)}")
    if is_simulated(Path(folder)) and not overwrite:
        raise ImmunomonError(
            f"{folder}: a trial was simulated here before, and may have been edited since; name another folder, or "
            "overwrite it (--overwrite)"
        )
    return simulate_trial(
        Path(folder),
        scenario=Scenario(scenario),
        events=events,
        seed=seed,
        jobs=jobs or default_jobs(),
        panels=list(panels) if panels else None,
        condition=condition_named(condition),
        expansion=expansion,
        progress=progress,
    )
