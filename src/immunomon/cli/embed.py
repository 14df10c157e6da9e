"""``immunomon embed``: cells of a run laid out in a plane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from immunomon.cli.progress import stages
from immunomon.maps.atlas.embed import embed_run

__all__ = ["embed"]


def embed(run: Path, *, panel: str | None, visits: str | None, **asked: Any) -> int:  # noqa: ANN401
    """Lay out a run's cells with a progress bar, say what was written; return 0."""
    with stages() as progress:
        chosen = tuple(filter(None, (visit.strip() for visit in (visits or "").split(","))))
        atlas = embed_run(run, panel, visits=chosen, progress=progress, **asked)
    record = atlas.contents
    typer.echo(
        f"{record['cells']} cells of {record['within']} from {len(record['cells_of_samples'])} samples of the panel "
        f"{record['panel']}, by {', '.join(record['markers'])}; "
        f"trustworthiness {record['trustworthiness']['value']:.3f}"
    )
    for path in (atlas.picture, atlas.table, atlas.record, atlas.reference):
        typer.echo(f"Written: {path}")
    return 0
