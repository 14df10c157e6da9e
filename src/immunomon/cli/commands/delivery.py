"""Commands that send results out in the forms others accept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app

__all__ = ["check_delivery", "deliver"]


@app.command()
def deliver(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    kind: Annotated[
        str,
        typer.Option("--as", help="csv, excel, redcap, immport, sdtm, adam, dataset-json or miflowcyt."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder for the delivery.")],
    study: Annotated[
        Path | None, typer.Option("--study", help="The study's folder; default: the folder above the run.")
    ] = None,
    previous: Annotated[
        Path | None, typer.Option("--previous", help="The delivery before, to say what is new, changed or withdrawn.")
    ] = None,
) -> None:
    """Deliver a run as files with a manifest: tables, SDTM, ADaM, Dataset-JSON, REDCap, ImmPort, MIFlowCyt."""
    from immunomon.cli.deliver import deliver as work

    raise typer.Exit(work(run, kind, out, study=study, previous=previous))


@app.command("check-delivery")
def check_delivery(
    folder: Annotated[Path, typer.Argument(help="The delivery's folder.")],
    beside: Annotated[
        Path | None,
        typer.Option("--beside", help="The same delivery in another form: its values are compared with these."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Show every finding, not the first five of each rule.")] = False,
) -> None:
    """Hold a delivery against the rules of docs/delivery-rules.md; exit status 1 if one of severity error is broken."""
    from immunomon.cli.check_delivery import check as work

    raise typer.Exit(work(folder, beside=beside, as_json=as_json, every=every))
