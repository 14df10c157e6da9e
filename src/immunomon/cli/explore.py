"""``immunomon explore``: a panel's atlas as a page."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import PanelOption, RunArgument, StudyOption, app
from immunomon.cli.progress import stages
from immunomon.maps.atlas.embed import embed_run
from immunomon.maps.atlas.explorer import explore_atlas
from immunomon.runs.opened import open_run

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
    opened = open_run(run, study)
    name = opened.known_panel(panel)
    if not opened.has_atlas(name):
        with stages() as progress:
            embed_run(opened, name, study=study, progress=progress)
    with stages() as progress:
        page = explore_atlas(opened, name, projected=projected, most=most, progress=progress)
    file = page.save(out or run / "atlas" / f"{name}{'.projected' if projected else ''}.html")
    typer.echo(f"{page.cells:,} cells of the panel {name}; areas and distances are no measurements.")
    if page.without:
        typer.echo(f"Without {page.without}", err=True)
    if page.gates_missing:
        typer.echo(f"Without the cells' gates: {page.gates_missing}", err=True)
    typer.echo(f"Written: {file}")
    if open_browser:
        webbrowser.open(file.resolve().as_uri())
    return 0
