"""``immunomon cluster``: all cells of a panel clustered, named, compared and ranked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from immunomon.api.deriving import Clustering, MapSettings, cluster_run
from immunomon.cli.app import Jobs, PanelOption, RunArgument, StudyOption, app, one_of
from immunomon.cli.progress import stages
from immunomon.cli.saying import JsonOption, say_json
from immunomon.runs.jobs import default_jobs

__all__ = ["cluster", "cluster_cells"]

_SHOWN = 10


Method = Literal["som", "leiden"]


@app.command()
def cluster(
    run: RunArgument,
    panel: PanelOption = None,
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
    study: StudyOption = None,
    jobs: Jobs = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="A Dask cluster that does the work, such as tcp://192.0.2.1:8786."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Cluster all cells of a panel, name the clusters, and list those that changed most. Exploratory."""
    settings = MapSettings(
        grid=(side, side),
        clusters=clusters,
        method=method,
        seed=seed,
        jobs=jobs or default_jobs(),
        scheduler=scheduler,
    )
    return cluster_cells(run, panel=panel, within=within, settings=settings, study=study, out=out, as_json=as_json)


def cluster_cells(
    run: Path,
    *,
    panel: str | None,
    within: str | None,
    settings: MapSettings,
    study: Path | None,
    out: Path | None,
    as_json: bool = False,
) -> int:
    """Cluster a run's cells with a progress bar, print the metaclusters and the strongest changes; return 0."""
    if settings.method == "leiden" and settings.clusters is not None:
        raise typer.BadParameter("Leiden finds the number itself; leave out --clusters", param_hint="--clusters")
    with stages() as progress:
        clustering = cluster_run(run, panel, within=within, settings=settings, study=study, out=out, progress=progress)
    record = clustering.record
    if as_json:
        tables = {name: clustering.tables[name] for name in ("metaclusters", "exploratory")}
        say_json("cluster", record=record, folder=clustering.folder, **tables)
        return 0
    typer.echo(
        f"{sum(record['cells'].values())} cells of {record['within']} from {len(record['cells'])} samples of the panel "
        f"{record['panel']}, by {', '.join(record['markers'])}: {record['metaclusters']} metaclusters"
    )
    for row in clustering.tables["metaclusters"].to_dict("records"):
        known = f"{row['population']} (F1 {row['f1']:.2f})" if row["covered"] else row["note"]
        typer.echo(f"  {row['metacluster']}  {row['percent_of_parent']:6.2f} %  {row['phenotype']}  {known}")
    for line in _changes(clustering):
        typer.echo(line)
    typer.echo(f"Written: {clustering.folder}")
    return 0


def _changes(clustering: Clustering) -> list[str]:
    ranked = clustering.tables["exploratory"]
    if ranked.empty:
        return ["No changes: the study has no baseline, or no visit after it."]
    listed = ranked[ranked["listed"]]
    if listed.empty:
        return ["Exploratory changes: none left its own range (false discovery rate 0.05)."]
    lines = [f"Exploratory changes, {len(listed)} (false discovery rate 0.05), the strongest first:"]
    for row in listed.head(_SHOWN).to_dict("records"):
        quantity = "percent" if row["quantity"] == "percent" else f"median {row['marker']}"
        lines.append(
            f"  {row['metacluster']}  {row['visit']}  {quantity}: {row['changed_up']} of {row['subjects']} subjects "
            f"up, {row['changed_down']} down; score {row['score']:.1f}; {row['phenotype']}"
        )
    return lines
