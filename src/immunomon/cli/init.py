"""``immunomon init``: a new study folder to edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.proposing import BadPattern, new_study, study_of_files
from immunomon.cli.app import app
from immunomon.cli.progress import stages
from immunomon.errors import counted

__all__ = ["init"]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The new study folder.")],
    copy_panels: Annotated[
        bool, typer.Option("--copy-panels", help="Copy the shipped panels and strategies too, to be edited.")
    ] = False,
    fcs_folder: Annotated[
        Path | None, typer.Option("--from", help="Propose the study from the headers and names of these FCS files.")
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option("--pattern", help="How the files are named: '{subject}_{visit}_{panel}.fcs'; {} for anything."),
    ] = None,
) -> int:
    """Make a new study folder to edit: study.yaml, samples.csv and what to do next."""
    if fcs_folder is not None:
        return _proposed(folder, fcs_folder, pattern)
    if pattern is not None:
        raise typer.BadParameter("--pattern needs --from: the folder whose files are so named")
    written = new_study(folder, copy_panels=copy_panels)
    typer.echo(f"New study in {folder}: {', '.join(written)}")
    typer.echo(f"Next: edit study.yaml, list the FCS files in samples.csv, then run: immunomon check {folder}")
    return 0


def _proposed(folder: Path, fcs_folder: Path, pattern: str | None) -> int:
    """Write the study that a folder of FCS files seems to be; return 1, with the reason, if it cannot be told."""
    try:
        with stages() as report_progress:
            proposed = study_of_files(
                folder,
                fcs_folder,
                pattern=pattern,
                progress=lambda done, of: report_progress("reading", done, of, 0),
            )
    except BadPattern as refusal:
        raise typer.BadParameter(str(refusal), param_hint="--pattern") from None
    for note in proposed.notes:
        typer.echo(note)
    if proposed.refused:
        typer.echo(proposed.refused, err=True)
        typer.echo("nothing was written", err=True)
        return 1
    names = [name for name in proposed.contents if name.endswith(".yaml")]
    typer.echo(f"New study in {folder}: samples.csv with {counted(proposed.listed, 'file')}, {', '.join(names)}")
    left = (
        f"fill in {counted(proposed.blanks, 'value')} left blank ('?')" if proposed.blanks else "nothing is left blank"
    )
    typer.echo(f"Next: {left}, look at the guesses, then run: immunomon check {folder}")
    return 0
