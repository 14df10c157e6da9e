"""``immunomon embed``: cells of a run laid out in a plane."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from immunomon.cli.app import PanelOption, RunArgument, StudyOption, app
from immunomon.cli.progress import stages
from immunomon.maps.atlas.embed import embed_run

__all__ = ["embed", "embed_cells"]


@app.command()
def embed(
    run: RunArgument,
    panel: PanelOption = None,
    within: Annotated[
        str | None, typer.Option("--within", help="The population that cells are from; default: lymphocytes.")
    ] = None,
    cells: Annotated[
        int | None, typer.Option("--cells", min=200, help="Cells of all samples together; default: 6000.")
    ] = None,
    visits: Annotated[
        str | None, typer.Option("--visits", help="Fit on these visits only, separated by commas; default: all.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="The same seed gives the same table; default: 1.")
    ] = None,
    refit: Annotated[
        bool,
        typer.Option(
            "--refit", help="Replace the atlas that is there: within, cells, visits and seed as before, unless named."
        ),
    ] = False,
    study: StudyOption = None,
) -> int:
    """Lay out the cells of all patients and visits on one map (UMAP): table, record and picture."""
    options: dict[str, Any] = {"within": within, "cells": cells, "seed": seed, "refit": refit, "study": study}
    return embed_cells(run, panel=panel, visits=visits, **options)


def embed_cells(run: Path, *, panel: str | None, visits: str | None, **options: Any) -> int:  # noqa: ANN401
    """Lay out a run's cells with a progress bar, say what was written; return 0."""
    with stages() as progress:
        chosen = None if visits is None else tuple(filter(None, (visit.strip() for visit in visits.split(","))))
        atlas = embed_run(run, panel, visits=chosen, progress=progress, **options)
    record = atlas.contents
    typer.echo(
        f"{record['cells']} cells of {record['within']} from {len(record['cells_of_samples'])} samples of the panel "
        f"{record['panel']}, by {', '.join(record['markers'])}; "
        f"trustworthiness {record['trustworthiness']['value']:.3f}"
    )
    if atlas.kept:
        typer.echo(f"As the atlas before: {atlas.kept}", err=True)
    if atlas.without:
        typer.echo(f"Without {atlas.without}", err=True)
    for path in (atlas.picture, atlas.table, atlas.record, atlas.reference):
        typer.echo(f"Written: {path}")
    return 0
