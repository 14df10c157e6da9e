"""The body of ``immunomon report``: a run folder becomes one HTML page."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.reporting import report_run
from immunomon.cli.app import RunArgument, app

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
    page, unnoted = report_run(run, out)
    if unnoted:
        typer.echo(f"The report was written, but {unnoted}", err=True)
    sys.stdout.write(f"{page}\n")
    if open_browser:
        webbrowser.open(page.resolve().as_uri())
    return 0
