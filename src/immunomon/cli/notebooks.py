"""``immunomon notebooks``: the shipped notebooks copied out, pointed at a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app
from immunomon.files import write_whole
from immunomon.study.specs.catalog import shipped_folder

__all__ = ["DEFAULT_RUN", "notebooks", "shipped_notebooks"]

DEFAULT_RUN = "../demo/run"
"""The run that the shipped notebooks look at, as it stands in them."""


def shipped_notebooks() -> dict[str, Path]:
    """Return the notebooks that come with immunomon: name -> file.

    >>> sorted(shipped_notebooks())[0]
    '01_first_look'
    """
    return {path.stem: path for path in sorted(shipped_folder("notebooks").glob("*.ipynb"))}


@app.command()
def notebooks(
    folder: Annotated[Path, typer.Argument(help="The folder that the notebooks are copied into.")],
    run: Annotated[Path, typer.Option("--run", help="The run folder that they look at.")] = Path("demo/run"),
) -> int:
    """Copy the notebooks out, pointed at a run: first look, atlas, change from baseline, your own strategy."""
    shipped = shipped_notebooks()
    taken = [path.name for path in shipped.values() if (folder / path.name).exists()]
    if taken or (folder.exists() and not folder.is_dir()):
        message = f"{', '.join(taken)} is there already" if taken else "this is a file"
        typer.echo(f"{folder}: {message}; nothing was written; name a new folder", err=True)
        return 1
    for path in shipped.values():
        write_whole(folder / path.name, _pointed(path.read_text(encoding="utf-8"), run))
        typer.echo(f"Written: {folder / path.name}")
    if not (run / "run.json").is_file():
        typer.echo(f"There is no run in {run} yet: make it with immunomon run, or name another with --run", err=True)
    typer.echo(f"Open them with Jupyter, VS Code or PyCharm, for instance: jupyter lab {folder}")
    return 0


def _pointed(text: str, run: Path) -> str:
    # Twice: the run's path is a string in a cell, and the cell a string in the notebook's JSON.
    path = json.dumps(json.dumps(run.resolve().as_posix(), ensure_ascii=False), ensure_ascii=False)[1:-1]
    return text.replace(f'\\"{DEFAULT_RUN}\\"', path)
