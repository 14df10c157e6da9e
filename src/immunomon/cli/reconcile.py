"""``immunomon reconcile``: the study's samples against a sponsor's list, and the queries that come of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.reconciling import reconcile as reconcile_study
from immunomon.cli.app import app
from immunomon.cli.saying import JsonOption, say_json

__all__ = ["reconcile"]


@app.command()
def reconcile(
    study: Annotated[Path, typer.Argument(help="The study's folder.")],
    beside: Annotated[Path, typer.Option("--with", help="The sponsor's list: CSV with subject, visit, date, panels.")],
    open_by: Annotated[
        str, typer.Option("--open-queries", help="Open a query for each difference in queries.csv, in this name.")
    ] = "",
    as_json: JsonOption = False,
) -> int:
    """Compare the samples with a sponsor's list of subjects and visits; exit status 1 if they differ."""
    compared = reconcile_study(study, beside, open_by=open_by)
    if as_json:
        say_json("reconcile", visits=compared.visits, differences=compared.differences)
    for line in () if as_json else compared.lines:
        typer.echo(line)
    for remark in compared.remarks:
        typer.echo(remark, err=as_json)
    return 1 if compared.differences else 0
