"""``immunomon precision``: what the repeats of a precision study say of the assay, population by population."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.precision import study_precision
from immunomon.cli.app import RunArgument, app
from immunomon.cli.saying import JsonOption, say_json
from immunomon.files import write_whole
from immunomon.runs.folder import table_csv

__all__ = ["precision"]


@app.command()
def precision(
    run: RunArgument,
    repeats: Annotated[
        Path, typer.Option("--repeats", help="CSV: sample_id, specimen, and operator, day, run where there are any.")
    ],
    most: Annotated[
        float, typer.Option("--most-cv", min=0, help="Mark what differs by more than so many percent within the lab.")
    ] = 25,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the table here; default: print it.")] = None,
    as_json: JsonOption = False,
) -> int:
    """Say how much repeats of one specimen differ: within a run, between runs, days and operators (CV in percent)."""
    study = study_precision(run, repeats, most_cv=most)
    if as_json:
        say_json("precision", rows=study.table, not_estimated=study.not_estimated)
    if out is not None:
        write_whole(out, table_csv(study.table))
        typer.echo(f"Written: {out}", err=as_json)
    if as_json:
        return 0
    for line in study.lines if out is None else ():
        typer.echo(line)
    for reason in study.not_estimated:
        typer.echo(f"Not estimated: {reason}")
    typer.echo(study.summary)
    return 0
