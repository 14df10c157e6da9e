"""``immunomon import``: a run of counts that were gated elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app
from immunomon.errors import ImmunomonError, counted
from immunomon.runs.audit import user_name
from immunomon.runs.imported_rows import read_tidy
from immunomon.runs.importing import Source, import_rows
from immunomon.runs.lock import Reason
from immunomon.study.specs.study import load_study
from immunomon.yamlfile import digests_of_what_is_read

__all__ = ["import_table"]


@app.command("import")
def import_table(
    tables: Annotated[list[Path], typer.Argument(help="Tidy CSV: subject, visit, population, count, parent ...")],
    study: Annotated[Path, typer.Option("--study", help="The study's folder: who, when, which panels.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The run folder.")],
    panel: Annotated[str | None, typer.Option("--panel", "-p", help="The panel of rows that name none.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why values imported before are replaced.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who imports; default: this computer's user.")] = None,
) -> int:
    """Make a run of counts that were gated elsewhere: no gates, no pictures, no gate errors, and it says so."""
    if reason is not None and by is None:
        raise ImmunomonError("--reason needs --by: who says so")
    with digests_of_what_is_read() as texts:
        declared = load_study(study)
        read = [read_tidy(path, declared, panel) for path in tables]
        rows = [row for of_table, _, _ in read for row in of_table]
        sources = [Source(path, digest, "tidy CSV") for path, (_, _, digest) in zip(tables, read, strict=True)]
        why = Reason(reason or "", by or user_name())
        summary = import_rows(declared, rows, out, sources=sources, why=why, texts=texts)
    for note in (*(note for _, notes, _ in read for note in notes), *summary.notes):
        typer.echo(f"note: {note}")
    if summary.unchanged:
        typer.echo(f"{out}: nothing has changed; nothing was written")
        return 0
    typer.echo(
        f"Imported into {out}: {counted(summary.values, 'value')} of {counted(summary.samples, 'sample')}. "
        "They were gated elsewhere: there are no gates, no pictures and no gate errors."
    )
    return 0
