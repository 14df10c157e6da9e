"""Commands about what changed: the statistics of a run, what goes with the platelets, what patients can detect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app

__all__ = ["compare", "mechanism", "power"]

_Plan = Annotated[
    Path | None,
    typer.Option("--plan", help="The analysis plan; default: analysis.yaml beside the study, else a default plan."),
]
_Seed = Annotated[int, typer.Option("--seed", min=0, help="For tests that sample arrangements; the same, the same.")]


@app.command()
def compare(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    plan: _Plan = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder; default: statistics in the run.")] = None,
    bayes: Annotated[
        bool, typer.Option("--bayes", help="Bayesian models of the primary endpoints too; minutes, needs an extra.")
    ] = False,
    seed: _Seed = 1,
) -> None:
    """Say what changed, in whom and at which dose: tables, forest plots, and one page of sentences."""
    from immunomon.cli.compare import compare as work

    raise typer.Exit(work(run, plan=plan, out=out, bayes=bayes, seed=seed))


@app.command()
def mechanism(
    run: Annotated[Path, typer.Argument(help="The run folder; its assessments are needed: immunomon assess.")],
    plan: _Plan = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder; default: mechanism in the run.")] = None,
    seed: _Seed = 1,
) -> None:
    """Say whether the immune change goes with the platelets, before them, and after exposure. Exploratory."""
    from immunomon.cli.mechanism import mechanism as work

    raise typer.Exit(work(run, plan=plan, out=out, seed=seed))


@app.command()
def power(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    plan: _Plan = None,
    patients: Annotated[
        list[int] | None, typer.Option("--patients", "-n", min=2, help="Numbers of patients; default: 3 to 18.")
    ] = None,
    target: Annotated[float, typer.Option("--power", min=0.5, max=0.99, help="The power asked for.")] = 0.8,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the table here; default: print it.")] = None,
    seed: _Seed = 1,
) -> None:
    """Say which change so many patients can detect, from the run's own variances."""
    from immunomon.cli.power import power as work

    raise typer.Exit(work(run, plan=plan, patients=patients, target=target, out=out, seed=seed))
