"""The body of ``immunomon report``: a run folder becomes one HTML page."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import RunArgument, app
from immunomon.outputs.report import write_report
from immunomon.runs.trail_review import note_shown

__all__ = ["report"]


@app.command()
def report(
    run: RunArgument,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The HTML file; default: report.html in the run.")
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> int:
    """Write one self-contained HTML page of a run: study, gating plots, trajectories, tables."""
    page = write_report(run, out)
    if unnoted := note_shown(run, "report"):
        typer.echo(f"The report was written, but {unnoted}", err=True)
    sys.stdout.write(f"{page}\n")
    if open_browser:
        webbrowser.open(page.resolve().as_uri())
    return 0
