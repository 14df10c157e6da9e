"""The command about compensation controls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from immunomon.cli.app import app, one_of

__all__ = ["compensate"]

Method = Literal["auto", "spillover", "unmixing"]


@app.command()
def compensate(
    controls: Annotated[
        list[Path] | None, typer.Argument(help="Single-stained FCS files; their names tell the fluorochrome.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The matrix; its record is written beside it (.json).")] = (
        Path("matrix.csv")
    ),
    panel: Annotated[
        str | None, typer.Option("--panel", "-p", help="A panel file or name: each fluorochrome's detector.")
    ] = None,
    unstained: Annotated[
        list[Path] | None,
        typer.Option("--unstained", help="The unstained tube; again for cells whose own light is another (unmixing)."),
    ] = None,
    control: Annotated[
        list[str] | None, typer.Option("--control", help="FLUOROCHROME=FILE, where the file's name does not tell it.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option("--study", help="Take the single stains and the unstained tube of a study.")
    ] = None,
    batch: Annotated[str | None, typer.Option("--batch", help="With --study: only this batch's controls.")] = None,
    method: Annotated[
        Method,
        typer.Option(
            "--method",
            help="One detector a fluorochrome, or all (auto: all if there are more than 30).",
            **one_of(Method),
        ),
    ] = "auto",
    report: Annotated[Path | None, typer.Option("--report", help="Write one HTML page with pictures.")] = None,
    pictures: Annotated[Path | None, typer.Option("--pictures", help="Write the pictures into this folder.")] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Write a matrix even if fluorochromes are missing or refused.")
    ] = False,
    complete: Annotated[
        bool, typer.Option("--complete", help="With every detector: the light in those that have no control, too.")
    ] = False,
) -> None:
    """Make a compensation matrix from single-stained controls. Exit 1 if one is refused."""
    from immunomon.cli.compensate import Asked
    from immunomon.cli.compensate import compensate as work

    asked = Asked(tuple(controls or ()), tuple(control or ()), tuple(unstained or ()), panel, study, batch)
    raise typer.Exit(
        work(asked, out, method=method, report=report, pictures=pictures, partial=partial, complete=complete)
    )
