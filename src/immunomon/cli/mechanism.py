"""``immunomon mechanism``: immune change, platelets, dose and exposure together, as tables, plots and one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.mechanism import relate_run
from immunomon.cli.app import PlanOption, SeedOption, app
from immunomon.cli.saying import say_answer

__all__ = ["mechanism"]


@app.command()
def mechanism(
    run: Annotated[Path, typer.Argument(help="The run folder; its assessments are needed: immunomon assess.")],
    plan: PlanOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder; default: mechanism in the run.")] = None,
    seed: SeedOption = 1,
) -> int:
    """Say whether the immune change goes with the platelets, before them, and after exposure. Exploratory."""
    say_answer(relate_run(run, plan, out=out, seed=seed))
    return 0
