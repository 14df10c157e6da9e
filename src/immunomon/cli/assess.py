"""``immunomon assess``: the trial's other assessments, as tables and one page of plain sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.assess import assess_study
from immunomon.cli.app import StudyOption, app
from immunomon.cli.saying import JsonOption, say_answer

__all__ = ["assess"]


@app.command()
def assess(
    path: Annotated[Path, typer.Argument(help="The study's folder, or a run folder.")],
    study: StudyOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder; default: assessments in the run.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Say who responded, what was adverse, and what the escalation rule says: tables and one page."""
    say_answer("assess", assess_study(path, study, out=out), as_json=as_json)
    return 0
