"""``immunomon embed``: cells of a run laid out in a plane."""

from __future__ import annotations

from pathlib import Path

import typer

from immunomon.atlas.embed import embed_run
from immunomon.cli.progress import stages

__all__ = ["embed"]


def embed(run: Path, *, panel: str | None, within: str | None, cells: int, seed: int, study: Path | None) -> int:
    """Lay out a run's cells with a progress bar, say what was written; return 0."""
    with stages() as progress:
        atlas = embed_run(run, panel, within=within, cells=cells, seed=seed, study=study, progress=progress)
    record = atlas.contents
    typer.echo(
        f"{record['cells']} cells of {record['within']} from {len(record['cells_of_samples'])} samples of the panel "
        f"{record['panel']}, by {', '.join(record['markers'])}; "
        f"trustworthiness {record['trustworthiness']['value']:.3f}"
    )
    for path in (atlas.picture, atlas.table, atlas.record):
        typer.echo(f"Written: {path}")
    return 0
