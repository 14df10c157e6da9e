"""``immunomon simulate``: write a synthetic trial with known truth into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from immunomon.assurance.simulate.conditions import CONDITIONS, ORDINARY_CONDITION, Condition, condition_named
from immunomon.assurance.simulate.protocol import Scenario
from immunomon.cli.app import Jobs, app, one_of
from immunomon.runs.jobs import default_jobs

__all__ = ["simulate", "simulate_study"]


_Scenario = Literal["mechanism", "null", "responders", "novel"]


def _print_conditions(requested: bool) -> None:
    """Print every condition with what it means, and stop."""
    if requested:
        width = max(map(len, CONDITIONS))
        for condition in CONDITIONS.values():
            typer.echo(f"{condition.name:<{width}}  {condition.meaning}")
        raise typer.Exit


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="The new folder of the synthetic trial.")],
    scenario: Annotated[
        _Scenario, typer.Option("--scenario", help="What the treatment does.", **one_of(_Scenario))
    ] = "mechanism",
    events: Annotated[int, typer.Option("--events", min=500, help="Events per sample file.")] = 20000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bytes.")] = 1,
    panel: Annotated[
        list[str] | None,
        typer.Option(
            "--panel",
            help="Only these panels; repeat it. tbnk, thelper-ics, treg10 and blood20 are made only if they are named.",
        ),
    ] = None,
    condition: Annotated[
        str,
        typer.Option("--condition", help="Another instrument, a failed stain, a hard sample: see --list-conditions."),
    ] = "ordinary",
    expansion: Annotated[
        int,
        typer.Option(
            "--expansion",
            min=0,
            max=100,
            help="So many patients expand the highest dose, after a toxicity; visits are late and missed.",
        ),
    ] = 0,
    _list_conditions: Annotated[
        bool,
        typer.Option(
            "--list-conditions", callback=_print_conditions, is_eager=True, help="Print every condition, and stop."
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a trial simulated there before.")] = False,
    jobs: Jobs = None,
) -> int:
    """Make a synthetic trial: real FCS files, with the truth beside them."""
    return simulate_study(
        folder,
        Scenario(scenario),
        events=events,
        seed=seed,
        panels=panel or None,
        condition=condition_named(condition),
        expansion=expansion,
        jobs=jobs or default_jobs(),
        overwrite=overwrite,
    )


def simulate_study(
    folder: Path,
    scenario: Scenario,
    *,
    events: int,
    seed: int,
    jobs: int,
    panels: Sequence[str] | None = None,
    condition: Condition = ORDINARY_CONDITION,
    expansion: int = 0,
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
            expansion=expansion,
            progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
    console.print(
        f"Synthetic trial (scenario {scenario.value}, condition {condition.name}, seed {seed}) in {folder}",
        highlight=False,
    )
    return 0
