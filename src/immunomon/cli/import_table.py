"""``immunomon import``: a run of counts that were gated elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.importing import import_counts
from immunomon.cli.app import app
from immunomon.cli.saying import JsonOption, say_json

__all__ = ["import_table"]


@app.command("import")
def import_table(
    tables: Annotated[
        list[Path],
        typer.Argument(help="Tidy CSV, another program's table (CSV, XLSX), or a workspace."),
    ],
    study: Annotated[Path, typer.Option("--study", help="The study's folder: who, when, which panels.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The run folder.")],
    map_file: Annotated[
        Path | None,
        typer.Option("--map", help="From the table's names to the study's (YAML); proposed there if there is none."),
    ] = None,
    panel: Annotated[str | None, typer.Option("--panel", "-p", help="The panel of rows that name none.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why values imported before are replaced.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who imports; default: this computer's user.")] = None,
    as_json: JsonOption = False,
) -> int:
    """Make a run from counts gated elsewhere: no gates, no pictures, no gate errors, and it says so."""
    done = import_counts(tables, study, out, map_file=map_file, panel=panel, reason=reason, by=by)
    if as_json:
        say_json("import", **asdict(done))
    for line in () if as_json else done.lines:
        typer.echo(line)
    return 1 if done.proposed_map is not None else 0
