"""``immunomon init``: a new study folder to edit."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app
from immunomon.cli.progress import stages
from immunomon.errors import counted
from immunomon.files import write_whole
from immunomon.study.specs.catalog import shipped_panels, shipped_strategies

__all__ = ["init"]

_STARTER = ("study.yaml", "samples.csv", "README.txt")


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
    contents = {name: files("immunomon.study.starter").joinpath(name).read_text(encoding="utf-8") for name in _STARTER}
    if copy_panels:
        for kind, shipped in (("panels", shipped_panels()), ("gating", shipped_strategies())):
            contents |= {f"{kind}/{path.name}": _own_copy(path) for path in shipped.values()}
    if not _write(folder, contents):
        return 1
    (folder / "fcs").mkdir(exist_ok=True)
    typer.echo(f"New study in {folder}: {', '.join(_STARTER)}" + (", panels/, gating/" if copy_panels else ""))
    typer.echo(f"Next: edit study.yaml, list the FCS files in samples.csv, then run: immunomon check {folder}")
    return 0


def _proposed(folder: Path, fcs_folder: Path, pattern_text: str | None) -> int:
    """Write the study that a folder of FCS files seems to be; return 1, with the reason, if it cannot be told."""
    from immunomon.cytometry.gates import GATE_METHODS
    from immunomon.runs.checks.file_names import BadPattern, Pattern
    from immunomon.runs.checks.proposed_study import propose_study

    if not fcs_folder.is_dir():
        typer.echo(f"{fcs_folder}: no such folder; check the path", err=True)
        return 1
    try:
        pattern = Pattern.parse(pattern_text) if pattern_text is not None else None
    except BadPattern as refusal:
        raise typer.BadParameter(str(refusal), param_hint="--pattern") from None
    with stages() as report_progress:
        proposed = propose_study(
            folder,
            fcs_folder,
            methods=GATE_METHODS,
            pattern=pattern,
            progress=lambda done, of: report_progress("reading", done, of, 0),
        )
    for note in proposed.notes:
        typer.echo(note)
    if proposed.refused:
        typer.echo(proposed.refused, err=True)
        typer.echo("nothing was written", err=True)
        return 1
    if not _write(folder, proposed.contents):
        return 1
    names = [name for name in proposed.contents if name.endswith(".yaml")]
    typer.echo(f"New study in {folder}: samples.csv with {counted(proposed.listed, 'file')}, {', '.join(names)}")
    left = (
        f"fill in {counted(proposed.blanks, 'value')} left blank ('?')" if proposed.blanks else "nothing is left blank"
    )
    typer.echo(f"Next: {left}, look at the guesses, then run: immunomon check {folder}")
    return 0


def _write(folder: Path, contents: Mapping[str, str]) -> bool:
    if folder.exists() and not folder.is_dir():
        typer.echo(f"{folder}: this is a file; name a folder", err=True)
        return False
    taken = [name for name in contents if (folder / name).exists()]
    if taken:
        typer.echo(f"{folder}: {', '.join(taken)} is there already; nothing was written; name a new folder", err=True)
        return False
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, text)
    return True


def _own_copy(path: Path) -> str:
    # The schema's path holds beside the shipped file only.
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("# yaml-language-server:"))
