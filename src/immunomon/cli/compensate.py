"""``immunomon compensate``: a matrix from single-stained controls, with its record and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.compensating import AskedControls, ControlsResult, Method, compensate_controls
from immunomon.cli.app import app, one_of
from immunomon.cli.progress import stages

__all__ = ["compensate"]


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
) -> int:
    """Make a compensation matrix from single-stained controls. Exit 1 if one is refused."""
    asked = AskedControls(
        tuple((path, "") for path in controls or ()) + tuple(map(_named, control or ())),
        tuple(unstained or ()),
        panel,
        study,
        batch,
    )
    with stages() as progress:
        result = compensate_controls(
            asked,
            out,
            method=method,
            report=report,
            pictures=pictures,
            partial=partial,
            complete=complete,
            progress=lambda _, done, total: progress("reading", done, total, 0),
        )
    _say(result, out)
    return 0 if result.is_complete else 1


def _say(result: ControlsResult, out: Path) -> None:
    for note in result.notes:
        typer.echo(f"note: {note}", err=True)
    for refused in result.refused:
        typer.echo(str(refused), err=True)
    if result.missing:
        typer.echo(f"no good single stain of: {', '.join(result.missing)}", err=True)
    estimate = result.estimate
    if estimate is None:
        remedy = "mend the controls, or write the matrix without them: --partial"
        typer.echo(f"no matrix was written; {remedy}. What was found: {out.with_suffix('.json')}", err=True)
        return
    for warning in estimate.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if not estimate.converged:
        typer.echo(f"warning: residual slopes up to {estimate.largest_residual:.1g} are left", err=True)
    if estimate.others:
        without = ", ".join(estimate.others)
        typer.echo(f"note: no control of {without}: that they send nothing into other detectors is assumed", err=True)
    kind, width = "spillover" if estimate.is_square else "unmixing", len(estimate.detectors) + len(estimate.others)
    typer.echo(
        f"{out}: {kind} of {len(estimate.fluorochromes)} x {width} from {len(result.good)} controls, "
        f"{len(estimate.history)} iteration(s), largest residual slope {estimate.largest_residual:.1e}"
    )


def _named(text: str) -> tuple[Path, str]:
    name, sign, file = text.partition("=")
    if not sign or not name.strip() or not file.strip():
        raise typer.BadParameter(f"'{text}' is not FLUOROCHROME=FILE", param_hint="--control")
    return Path(file.strip()), name.strip()
