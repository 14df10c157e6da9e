"""``immunomon project``: cells of a run put onto an atlas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import PanelOption, RunArgument, StudyOption, app
from immunomon.cli.progress import stages
from immunomon.cli.saying import JsonOption, say_json
from immunomon.maps.atlas.project import project_run

__all__ = ["project"]


@app.command()
def project(
    run: RunArgument,
    panel: PanelOption = None,
    atlas: Annotated[
        Path | None, typer.Option("--atlas", help="A file PANEL.atlas.npz, of any run; default: this run's.")
    ] = None,
    cells: Annotated[str, typer.Option("--cells", help="Cells of all samples together, or 'all'.")] = "1000000",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the cells drawn.")] = 1,
    study: StudyOption = None,
    as_json: JsonOption = False,
) -> int:
    """Place a run's cells, later visits included, on a fixed atlas; say which samples are unlike it."""
    with stages() as progress:
        projection = project_run(
            run, panel, atlas=atlas, cells=_number(cells), seed=seed, study=study, progress=progress
        )
    record, table = projection.contents, projection.table
    if projection.without:
        typer.echo(f"Without {projection.without}", err=True)
    if as_json:
        say_json("project", record=record, rows=table, file=projection.samples)
        return 0
    typer.echo(
        f"{record['cells']} cells of {record['within']} from {len(table)} samples of the panel {record['panel']} on "
        f"the atlas of {record['atlas']['study']}"
    )
    typer.echo("Cells beyond the atlas' own 99th percentile (1 % where all is alike), most first:")
    for row in table.sort_values("percent_beyond", ascending=False).head(5).to_dict("records"):
        interval = f"{row['percent_beyond_low']:.2f} to {row['percent_beyond_high']:.2f}"
        typer.echo(f"  {row['sample_id']}  {row['percent_beyond']:.2f} % ({interval})")
    for path in (projection.picture, projection.samples, projection.record, projection.parts):
        typer.echo(f"Written: {path}")
    return 0


def _number(cells: str) -> int | None:
    if cells == "all":
        return None
    if not cells.isdigit() or int(cells) < 1:
        raise typer.BadParameter(f"'{cells}' is no number of cells; give one, or 'all'", param_hint="--cells")
    return int(cells)
