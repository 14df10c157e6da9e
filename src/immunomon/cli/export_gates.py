"""``immunomon export-gates``: placed gates, written for other programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.export_gates import EXPORTS, gatingml_of
from immunomon.api.export_gates import export_gates as export_run_gates
from immunomon.cli.app import app
from immunomon.errors import ImmunomonError, UnknownName, counted, nearest
from immunomon.files import write_whole

__all__ = ["export_gates"]


@app.command("export-gates")
def export_gates(
    source: Annotated[str, typer.Argument(help="A run folder, or a strategy's file or name.")],
    kind: Annotated[str, typer.Option("--as", help="The format: gatingml or flowjo.")] = "gatingml",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder for a run (default: in it), a file for a strategy.")
    ] = None,
) -> int:
    """Write placed gates for other programs: a run's, sample by sample, or those of a strategy with fixed borders."""
    if kind not in EXPORTS:
        raise UnknownName(f"no format named '{kind}'; {nearest(kind, EXPORTS)}")
    if kind == "gatingml" and not Path(source).is_dir():
        return _export_strategy(source, out)
    for line in export_run_gates(source, kind, out=out).lines:
        typer.echo(line, err=True)
    return 0


def _export_strategy(source: str, out: Path | None) -> int:
    """Write the fixed gates of a strategy as Gating-ML; without a file, print it."""
    placed, document = gatingml_of(source)
    if out is None:
        sys.stdout.write(document.decode("utf-8"))
        return 0
    if out.is_dir():
        raise ImmunomonError(f"{out}: this is a folder; name the file to write, such as {out / (placed.name + '.xml')}")
    write_whole(out, document)
    typer.echo(f"{out}: {counted(len(placed.populations), 'population')} of {placed.name}", err=True)
    return 0
