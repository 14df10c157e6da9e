"""``immunomon propose-panel``: the panel that an FCS file seems to have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.proposing import propose_panel as proposed_panel
from immunomon.cli.app import DataSet, app
from immunomon.errors import counted

__all__ = ["propose_panel"]


@app.command("propose-panel")
def propose_panel(
    file: Annotated[Path, typer.Argument(help="An FCS file, fully stained.")],
    name: Annotated[str, typer.Option("--name", help="The panel's name; with --out that of the file.")] = "panel",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write it here; default: print it.")] = None,
    data_set: DataSet = None,
) -> int:
    """Propose a panel from an FCS file's header: markers by the table of names, guesses and blanks marked."""
    panel, strategies, remark = proposed_panel(file, name, out=out, data_set=data_set)
    if out is None:
        typer.echo(panel.text(), nl=False)
    typer.echo(f"left blank: {counted(panel.blanks, 'marker')}", err=True)
    typer.echo(f"strategies: {', '.join(strategies) or 'none'}{f' ({remark})' if remark else ''}", err=True)
    return 0
