"""Commands about the quality of acquisitions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app

__all__ = ["quality"]


@app.command()
def quality(
    paths: Annotated[list[Path], typer.Argument(help="FCS files, or one run folder.")],
    study: Annotated[
        Path | None, typer.Option("--study", help="FCS files: the study whose thresholds hold; default: the defaults.")
    ] = None,
    checks: Annotated[bool, typer.Option("--checks", help="Print every check, channel by channel.")] = False,
    pictures: Annotated[
        Path | None, typer.Option("--pictures", help="Draw flow rate and signals over each acquisition, into here.")
    ] = None,
) -> None:
    """Judge acquisitions: clogs, surges, steps, drifts, margins, Time, too few events. Exit 1 if any fails."""
    from immunomon.cli.quality import quality as work

    raise typer.Exit(work(paths, study=study, checks=checks, pictures=pictures))
