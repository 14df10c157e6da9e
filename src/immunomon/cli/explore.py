"""``immunomon explore``: a panel's atlas as a page."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.exploring import explore_run
from immunomon.cli.app import PanelOption, RunArgument, StudyOption, app
from immunomon.cli.progress import stages

__all__ = ["explore"]


@app.command()
def explore(
    run: RunArgument,
    panel: PanelOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The HTML file; default: RUN/atlas/PANEL.html (.projected.html).")
    ] = None,
    projected: Annotated[
        bool, typer.Option("--projected", help="The cells that immunomon project put onto the atlas, not its own.")
    ] = False,
    most: Annotated[int, typer.Option("--most", min=100, help="So many cells at most; of more a sample.")] = 1_000_000,
    study: StudyOption = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> int:
    """Write a panel's atlas as a page to explore: colour it, compare visits, draw around cells.

    The cells are laid out first if they are not yet; an atlas of another state of the run is refused.
    """
    with stages() as progress:
        page = explore_run(run, panel, projected=projected, most=most, study=study, progress=progress)
    file = page.save(out or run / "atlas" / f"{page.panel}{'.projected' if projected else ''}.html")
    typer.echo(f"{page.cells:,} cells of the panel {page.panel}; areas and distances are no measurements.")
    if page.without:
        typer.echo(f"Without {page.without}", err=True)
    if page.gates_missing:
        typer.echo(f"Without the cells' gates: {page.gates_missing}", err=True)
    typer.echo(f"Written: {file}")
    if open_browser:
        webbrowser.open(file.resolve().as_uri())
    return 0
