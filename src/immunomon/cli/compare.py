"""``immunomon compare``: the statistics of a run, as tables, plots and one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.compare import compare_run
from immunomon.cli.app import PlanOption, RunArgument, SeedOption, app
from immunomon.cli.progress import stages
from immunomon.cli.saying import JsonOption, say_answer

__all__ = ["compare"]


@app.command()
def compare(
    run: RunArgument,
    plan: PlanOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder; default: statistics in the run.")] = None,
    bayes: Annotated[
        bool, typer.Option("--bayes", help="Bayesian models of the primary endpoints too; minutes, needs an extra.")
    ] = False,
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> int:
    """Say what changed, in whom and at which dose: tables, forest plots, and one page of sentences."""
    with stages() as progress:
        answer = compare_run(run, plan, out=out, bayes=bayes, seed=seed, progress=progress)
    say_answer("compare", answer, as_json=as_json)
    return 0
