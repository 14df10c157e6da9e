"""``immunomon init``: a new study folder to edit."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app
from immunomon.files import write_whole
from immunomon.study.specs.catalog import shipped_panels, shipped_strategies

__all__ = ["init"]

_STARTER = ("study.yaml", "samples.csv", "README.txt")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The new study folder.")],
    copy_panels: Annotated[
        bool, typer.Option("--copy-panels", help="Copy the shipped panels and strategies too, to be edited.")
    ] = False,
) -> int:
    """Make a new study folder to edit: study.yaml, samples.csv and what to do next."""
    contents = {name: files("immunomon.study.starter").joinpath(name).read_text(encoding="utf-8") for name in _STARTER}
    if copy_panels:
        for kind, shipped in (("panels", shipped_panels()), ("gating", shipped_strategies())):
            contents |= {f"{kind}/{path.name}": _own_copy(path) for path in shipped.values()}
    if folder.exists() and not folder.is_dir():
        typer.echo(f"{folder}: this is a file; name a folder", err=True)
        return 1
    taken = [name for name in contents if (folder / name).exists()]
    if taken:
        typer.echo(f"{folder}: {', '.join(taken)} is there already; nothing was written; name a new folder", err=True)
        return 1
    (folder / "fcs").mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        write_whole(folder / name, text)
    typer.echo(f"New study in {folder}: {', '.join(_STARTER)}" + (", panels/, gating/" if copy_panels else ""))
    typer.echo(f"Next: edit study.yaml, list the FCS files in samples.csv, then run: immunomon check {folder}")
    return 0


def _own_copy(path: Path) -> str:
    # The schema's path holds beside the shipped file only.
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("# yaml-language-server:"))
