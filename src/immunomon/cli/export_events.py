"""``immunomon export-events``: a population's events as an FCS file of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.export_events import export_events as export_population
from immunomon.cli.app import DataOffset, DataSet, app
from immunomon.study.model.fcs import Reading

__all__ = ["export_events"]


@app.command("export-events")
def export_events(
    source: Annotated[str, typer.Argument(help="A run folder that gated the file, or a strategy's file or name.")],
    file: Annotated[Path, typer.Argument(help="The FCS file.")],
    population: Annotated[str, typer.Option("--population", help="The population's id; root: all events.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The new FCS file.")],
    panel: Annotated[
        str | None, typer.Option("--panel", "-p", help="A panel file or name; default: the strategy's.")
    ] = None,
    data_set: DataSet = None,
    data_offset: DataOffset = None,
) -> int:
    """Write a population's raw events as an FCS 3.1 file, with the original file's keywords."""
    reading = Reading(data_set, data_offset)
    typer.echo(export_population(source, file, out, population=population, panel=panel, reading=reading), err=True)
    return 0
