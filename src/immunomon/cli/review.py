"""``immunomon review``: the review desk of a run, in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from immunomon.cli.app import RunArgument, StudyOption, app
from immunomon.errors import ImmunomonError

__all__ = ["review"]


@app.command()
def review(
    run: RunArgument,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 0,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
    reviewer: Annotated[
        str, typer.Option("--as", help="The name that you decide under; default: this computer's user.")
    ] = "",
    study: StudyOption = None,
) -> int:
    """Look at every gate in the browser, move those that are wrong, approve samples; on this computer alone."""
    from immunomon.outputs.review import open_desk

    try:
        from immunomon.outputs.review.server import serve
    except ImportError as error:
        raise ImmunomonError("the review desk needs more; install it with: pip install 'immunomon[review]'") from error
    desk = open_desk(run, study=study, reviewer=reviewer)
    progress = desk.progress()
    typer.echo(
        f"{progress['samples']} samples, {progress['approved']} approved, {progress['queries']} queries open, "
        f"{progress['drafts']} drafts of {desk.reviewer}. Stop it with Ctrl-C; drafts are kept."
    )
    serve(desk, port=port, open_browser=open_browser, say=typer.echo)
    return 0
