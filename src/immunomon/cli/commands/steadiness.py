"""Commands about steadiness over time: control charts of bridge samples, and normalisation between batches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app

__all__ = ["normalise", "steadiness"]


@app.command()
def steadiness(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    panel: Annotated[str | None, typer.Option("--panel", "-p", help="Only this panel.")] = None,
    charts: Annotated[
        Path | None, typer.Option("--charts", help="Draw the charts, one picture a panel, into this folder.")
    ] = None,
    warnings: Annotated[bool, typer.Option("--warnings", help="List the 1_2s warnings, too.")] = False,
) -> None:
    """Say which bridge samples break Westgard's rules, and by what: populations and markers over time."""
    from immunomon.cli.steadiness import steadiness as work

    raise typer.Exit(work(run, panel=panel, charts=charts, warnings=warnings))


@app.command()
def normalise(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    study: Annotated[
        Path | None, typer.Option("--study", help="The study's folder; default: the folder above the run.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Another folder for the results; default: the run.")
    ] = None,
    regate: Annotated[
        bool, typer.Option("--regate/--no-regate", help="Whether every file is gated again on normalised events.")
    ] = True,
) -> None:
    """Bring batches together by their bridge samples, as the study declares: raw and normalised values, judged."""
    from immunomon.cli.normalise import normalise as work

    raise typer.Exit(work(run, study=study, out=out, regate=regate))
