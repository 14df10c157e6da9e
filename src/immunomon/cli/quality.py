"""``immunomon quality``: how acquisitions went, of FCS files or of a run's samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.quality import judge_acquisitions
from immunomon.cli.app import app
from immunomon.cli.saying import JsonOption, say_json

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
    as_json: JsonOption = False,
) -> int:
    """Judge acquisitions: clogs, surges, steps, drifts, margins, Time, too few events. Exit 1 if any fails."""
    judged = judge_acquisitions(*paths, study=study)
    if as_json:
        samples = {name: quality.to_dict() for name, quality in judged.qualities.items()}
        say_json("quality", samples=samples, failures=judged.failures)
    shown = judged.lines_with_checks if checks else judged.lines
    for line in () if as_json else shown:
        typer.echo(line)
    for failure in judged.failures:
        typer.echo(f"failed: {failure}", err=True)
    if pictures is not None:
        for path in judged.draw(pictures):
            typer.echo(f"Written: {path}", err=as_json)
    return 0 if judged.is_clean else 1
