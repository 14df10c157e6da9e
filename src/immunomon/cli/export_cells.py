"""The body of ``immunomon export --as anndata``: a run's cells go into a file that scanpy opens."""

from __future__ import annotations

from pathlib import Path

import typer

from immunomon.cli.progress import stages
from immunomon.maps.anndata.export import export_cells

__all__ = ["export_anndata"]


def export_anndata(
    run: Path,
    *,
    panel: str | None,
    out: Path | None,
    within: str | None,
    atlas_only: bool,
    overwrite: bool,
    study: Path | None,
) -> int:
    """Write a run's cells with a progress bar, say what was written; return 0."""
    with stages() as progress:
        done = export_cells(
            run, panel, out=out, within=within, atlas_only=atlas_only, overwrite=overwrite, study=study,
            progress=progress,
        )  # fmt: skip
    typer.echo(
        f"{done.cells:,} cells of {done.samples} samples of the panel {done.panel}, {done.markers} markers; "
        f"{done.placed:,} with a place in the atlas"
    )
    for note in done.notes:
        typer.echo(f"Not exported: {note}.")
    typer.echo(f"Written: {done.path} ({done.path.stat().st_size / 1e6:,.1f} MB)")
    return 0
