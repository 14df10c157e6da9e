"""``immunomon cluster``: all cells of a panel clustered, named, compared and ranked."""

from __future__ import annotations

from pathlib import Path

import typer

from immunomon.cli.progress import stages
from immunomon.maps.clusters.mapping import MapSettings
from immunomon.maps.clusters.run import Clustering, cluster_run

__all__ = ["cluster"]

_SHOWN = 10


def cluster(
    run: Path, *, panel: str | None, within: str | None, settings: MapSettings, study: Path | None, out: Path | None
) -> int:
    """Cluster a run's cells with a progress bar, print the metaclusters and the strongest changes; return 0."""
    if settings.method == "leiden" and settings.clusters is not None:
        raise typer.BadParameter("Leiden finds the number itself; leave out --clusters", param_hint="--clusters")
    with stages() as progress:
        found = cluster_run(run, panel, within=within, settings=settings, study=study, out=out, progress=progress)
    record = found.record
    typer.echo(
        f"{sum(record['cells'].values())} cells of {record['within']} from {len(record['cells'])} samples of the panel "
        f"{record['panel']}, by {', '.join(record['markers'])}: {record['metaclusters']} metaclusters"
    )
    for row in found.tables["metaclusters"].to_dict("records"):
        known = f"{row['population']} (F1 {row['f1']:.2f})" if row["covered"] else row["note"]
        typer.echo(f"  {row['metacluster']}  {row['percent_of_parent']:6.2f} %  {row['phenotype']}  {known}")
    for line in _changes(found):
        typer.echo(line)
    typer.echo(f"Written: {found.folder}")
    return 0


def _changes(found: Clustering) -> list[str]:
    ranked = found.tables["exploratory"]
    listed = ranked[ranked["listed"]]
    if listed.empty:
        return ["Exploratory changes: none left its own range (false discovery rate 0.05)."]
    lines = [f"Exploratory changes, {len(listed)} (false discovery rate 0.05), the strongest first:"]
    for row in listed.head(_SHOWN).to_dict("records"):
        what = "percent" if row["quantity"] == "percent" else f"median {row['marker']}"
        lines.append(
            f"  {row['metacluster']}  {row['visit']}  {what}: {row['changed_up']} of {row['subjects']} subjects up, "
            f"{row['changed_down']} down; score {row['score']:.1f}; {row['phenotype']}"
        )
    return lines
