"""Commands about clusters: cells grouped without a strategy, to see what no gate foresaw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from immunomon.cli.app import Jobs, app, one_of

__all__ = ["cluster"]

Method = Literal["som", "leiden"]


@app.command()
def cluster(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    panel: Annotated[str | None, typer.Option("--panel", "-p", help="The panel; default: the study's first.")] = None,
    within: Annotated[
        str | None, typer.Option("--within", help="The population that is clustered; default: lymphocytes.")
    ] = None,
    clusters: Annotated[
        int | None, typer.Option("--clusters", min=2, max=200, help="How many; default: by how far nodes are apart.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same clusters.")] = 1,
    method: Annotated[
        Method, typer.Option("--method", help="How nodes become metaclusters.", **one_of(Method))
    ] = "som",
    side: Annotated[int, typer.Option("--side", min=3, max=40, help="Nodes along each side of the map.")] = 14,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder to write; default: RUN/clusters/PANEL.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option("--study", help="The study's folder; default: the folder above the run.")
    ] = None,
    jobs: Jobs = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="A Dask cluster that does the work, such as tcp://192.0.2.1:8786."),
    ] = None,
) -> None:
    """Cluster all cells of a panel, name the clusters, and list those that changed most. Exploratory."""
    from immunomon.cli.cluster import cluster as work
    from immunomon.maps.clusters.mapping import MapSettings
    from immunomon.runs.jobs import default_jobs

    settings = MapSettings(
        grid=(side, side),
        clusters=clusters,
        method=method,
        seed=seed,
        jobs=jobs or default_jobs(),
        scheduler=scheduler,
    )
    raise typer.Exit(work(run, panel=panel, within=within, settings=settings, study=study, out=out))
