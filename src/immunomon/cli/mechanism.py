"""``immunomon mechanism``: immune change, platelets, dose and exposure together, as tables, plots and one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.mechanism import relate_run
from immunomon.cli.app import PlanOption, SeedOption, app
from immunomon.cli.saying import JsonOption, say_answer

__all__ = ["mechanism"]


@app.command()
def mechanism(
    run: Annotated[Path, typer.Argument(help="The run folder; its assessments are needed: immunomon assess.")],
    plan: PlanOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder; default: mechanism in the run.")] = None,
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> int:
    """Say whether the immune change goes with the platelets, precedes them, and follows exposure. Exploratory."""
    say_answer("mechanism", relate_run(run, plan, out=out, seed=seed), as_json=as_json)
    return 0
