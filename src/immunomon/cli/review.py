"""``immunomon review``: the review desk of a run, in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from immunomon.api.reviewing import open_desk, progress_words, serve_desk
from immunomon.cli.app import RunArgument, StudyOption, app
from immunomon.errors import counted

__all__ = ["review"]


@app.command()
def review(
    run: RunArgument,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 0,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
    reviewer: Annotated[
        str, typer.Option("--as", help="The name that you decide under; default: this computer's user.")
    ] = "",
    blind: Annotated[
        bool, typer.Option("--blind", help="Hide dose, visit, subject, files and sample ids; a random order.")
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Of the codes and the order of --blind; default: drawn once, kept."),
    ] = None,
    study: StudyOption = None,
) -> int:
    """Look at every gate in the browser, move those that are wrong, approve samples; on this computer alone."""
    desk = open_desk(run, study=study, reviewer=reviewer, blind=blind, seed=seed)
    progress = desk.progress()
    if desk.remark:
        typer.echo(desk.remark)
    if desk.blind is not None:
        typer.echo(f"Blind: codes and order of seed {desk.blind.seed}, which the audit trail names.")
    drafts = f"{counted(progress['drafts'], 'draft')} of {desk.reviewer}"
    typer.echo(f"{progress_words(progress)}; {drafts}. Stop it with Ctrl-C; drafts are kept.")
    serve_desk(desk, port=port, open_browser=open_browser, say=typer.echo)
    return 0
