"""``immunomon propose-panel``: the panel that an FCS file seems to have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import DataSet, app
from immunomon.cytometry.formats.fcs import read_header
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.errors import counted
from immunomon.files import write_whole
from immunomon.runs.checks.proposed_panel import propose_panel as propose
from immunomon.runs.checks.proposed_strategies import propose_strategies

__all__ = ["propose_panel"]


@app.command("propose-panel")
def propose_panel(
    file: Annotated[Path, typer.Argument(help="An FCS file, fully stained.")],
    name: Annotated[str, typer.Option("--name", help="The panel's name; with --out that of the file.")] = "panel",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write it here; default: print it.")] = None,
    data_set: DataSet = None,
) -> int:
    """Propose a panel from an FCS file's header: markers by the table of names, with what is a guess or left blank."""
    panel = propose([read_header(file, data_set=data_set)], out.stem if out else name)
    if out is not None and out.exists():
        typer.echo(f"{out}: is there already; nothing was written; name a new file", err=True)
        return 1
    if out is None:
        typer.echo(panel.text(), nl=False)
    else:
        write_whole(out, panel.text())
    names, remark = propose_strategies(panel, methods=GATE_METHODS)
    typer.echo(f"left blank: {counted(panel.blanks, 'marker')}", err=True)
    typer.echo(f"strategies: {', '.join(names) or 'none'}{f' ({remark})' if remark else ''}", err=True)
    return 0
