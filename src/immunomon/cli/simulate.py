"""``immunomon simulate``: write a synthetic trial with known truth into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from immunomon.api.simulating import simulate as simulate_trial
from immunomon.api.simulating import simulation_conditions
from immunomon.cli.app import Jobs, app, one_of
from immunomon.cli.progress import stages
from immunomon.cli.saying import JsonOption, say_json

__all__ = ["simulate"]


_Scenario = Literal["mechanism", "null", "responders", "novel"]


def _print_conditions(*, as_json: bool) -> int:
    """Print every condition with what it means; return 0."""
    conditions = simulation_conditions()
    if as_json:
        say_json("simulate", conditions=[{"name": name, "meaning": text} for name, text in conditions.items()])
        return 0
    width = max(map(len, conditions))
    for name, meaning in conditions.items():
        typer.echo(f"{name:<{width}}  {meaning}")
    return 0


@app.command()
def simulate(
    folder: Annotated[Path | None, typer.Argument(help="The new folder of the synthetic trial.")] = None,
    scenario: Annotated[
        _Scenario, typer.Option("--scenario", help="What the treatment does.", **one_of(_Scenario))
    ] = "mechanism",
    events: Annotated[int, typer.Option("--events", min=500, help="Events per sample file.")] = 20000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bytes.")] = 1,
    panel: Annotated[
        list[str] | None,
        typer.Option(
            "--panel",
            help="Only these panels; repeat it. Made only if they are named: tbnk, tmemory, thelper-ics, innate8, "
            "treg10, blood20, tcell20.",
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
    list_conditions: Annotated[
        bool, typer.Option("--list-conditions", help="Print every condition, and stop.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a trial simulated there before.")] = False,
    jobs: Jobs = None,
    as_json: JsonOption = False,
) -> int:
    """Make a synthetic trial: real FCS files, with the truth beside them."""
    if list_conditions:
        return _print_conditions(as_json=as_json)
    if folder is None:
        raise typer.BadParameter("name the new folder of the trial", param_hint="FOLDER")
    with stages() as bar:
        made = simulate_trial(
            folder,
            scenario,
            events=events,
            seed=seed,
            panels=panel,
            condition=condition,
            expansion=expansion,
            jobs=jobs,
            overwrite=overwrite,
            progress=lambda done, of: bar("simulating", done, of, 0),
        )
    if as_json:
        say_json("simulate", folder=made, scenario=scenario, condition=condition, events=events, seed=seed)
        return 0
    typer.echo(f"Synthetic trial (scenario {scenario}, condition {condition}, seed {seed}) in {made}", err=True)
    return 0
