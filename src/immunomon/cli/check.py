"""``immunomon check``: every problem at once, before anything is run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.checking import check as check_all
from immunomon.cli.app import app
from immunomon.cli.progress import stages
from immunomon.cli.saying import JsonOption, say_json

__all__ = ["check"]


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="Study folders, panels, strategies, sample lists, FCS files.")],
    as_json: JsonOption = False,
) -> int:
    """Read everything and print every problem at once, with file, line, place and remedy. Exit 1 if there is any."""
    absent = [path for path in paths if not path.exists()]
    for path in absent:
        typer.echo(f"{path}: no such file or folder; check the path", err=True)
    if absent:
        return 2
    with stages() as report_progress:
        checked = check_all(*paths, progress=lambda done, of: report_progress("reading", done, of, 0))
    if as_json:
        say_json("check", **asdict(checked))
    for line in () if as_json else checked.lines:
        typer.echo(line)
    return 0 if checked.is_clean else 1
