"""``immunomon notebooks``: the shipped notebooks copied out, pointed at a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.notebooks import copy_notebooks
from immunomon.cli.app import app

__all__ = ["notebooks"]


@app.command()
def notebooks(
    folder: Annotated[Path, typer.Argument(help="The folder that the notebooks are copied into.")],
    run: Annotated[Path, typer.Option("--run", help="The run folder that they look at.")] = Path("demo/run"),
) -> int:
    """Copy the notebooks, set up for a run: first look, atlas, change from baseline, your own strategy."""
    for file in copy_notebooks(folder, run=run):
        typer.echo(f"Written: {file}")
    if not (run / "run.json").is_file():
        typer.echo(f"There is no run in {run} yet: make it with immunomon run, or name another with --run", err=True)
    typer.echo(f"Open them with Jupyter, VS Code or PyCharm, for instance: jupyter lab {folder}")
    return 0
