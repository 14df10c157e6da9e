"""``immunomon simulate``: write a synthetic trial with known truth into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from immunomon.assurance.simulate.conditions import ORDINARY_CONDITION, Condition
from immunomon.assurance.simulate.scenario import Scenario

__all__ = ["simulate"]


def simulate(
    folder: Path,
    scenario: Scenario,
    *,
    events: int,
    seed: int,
    jobs: int,
    panels: Sequence[str] | None = None,
    condition: Condition = ORDINARY_CONDITION,
    overwrite: bool = False,
) -> int:
    """Write a synthetic trial into a folder, with a progress bar, and say where it is; return 0.

    Returns 1, and writes nothing, if a trial was simulated there before and is not to be overwritten.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from immunomon.assurance.simulate.trial import is_simulated, simulate_trial

    console = Console(stderr=True)
    if is_simulated(folder) and not overwrite:
        console.print(
            f"{folder}: a trial was simulated here before, and may have been edited since; name another folder, "
            "or add --overwrite",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        return 1
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("Simulating FCS files", total=None)
        simulate_trial(
            folder,
            scenario=scenario,
            events=events,
            seed=seed,
            jobs=jobs,
            panels=panels,
            condition=condition,
            progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
    console.print(
        f"Synthetic trial (scenario {scenario.value}, condition {condition.name}, seed {seed}) in {folder}",
        highlight=False,
    )
    return 0
