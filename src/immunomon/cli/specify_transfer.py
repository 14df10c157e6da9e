"""``immunomon specify-transfer``: a data transfer specification, written from the study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.transfers import specify_transfer as specification_of
from immunomon.cli.app import app
from immunomon.files import write_whole

__all__ = ["specify_transfer"]


@app.command("specify-transfer")
def specify_transfer(
    study: Annotated[Path, typer.Argument(help="The study's folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it here (Markdown); default: print it.")
    ] = None,
) -> int:
    """Write a data transfer specification from a study: files, columns, units, code lists, keys, checks."""
    text = specification_of(study)
    if out is None:
        typer.echo(text)
        return 0
    write_whole(out, text)
    typer.echo(f"Written: {out}. What people must agree on stands in brackets.")
    return 0
