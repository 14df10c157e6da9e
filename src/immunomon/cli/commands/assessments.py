"""The command about the trial's other assessments: platelets, kinetics, antibodies, viruses, events, escalation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app

__all__ = ["assess"]


@app.command()
def assess(
    path: Annotated[Path, typer.Argument(help="The study's folder, or a run folder.")],
    study: Annotated[
        Path | None, typer.Option("--study", help="The study's folder; default: the one above the run.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder; default: assessments in the run.")
    ] = None,
) -> None:
    """Say who responded, what was adverse, and what the escalation rule says: tables and one page."""
    from immunomon.cli.assess import assess as work

    raise typer.Exit(work(path, study=study, out=out))
