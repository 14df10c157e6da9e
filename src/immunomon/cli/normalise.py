"""``immunomon normalise``: batches brought together by their bridge samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from immunomon.api.deriving import normalise_run
from immunomon.cli.app import RunArgument, StudyOption, app
from immunomon.cli.progress import stages
from immunomon.cli.saying import JsonOption, say_json

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["normalise"]


@app.command()
def normalise(
    run: RunArgument,
    study: StudyOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Another folder for the results; default: the run.")
    ] = None,
    regate: Annotated[
        bool, typer.Option("--regate/--no-regate", help="Whether every file is gated again on normalised events.")
    ] = True,
    as_json: JsonOption = False,
) -> int:
    """Bring batches together by their bridge samples, as the study declares: raw and normalised values, judged."""
    with stages() as progress:
        done = normalise_run(run, study, out=out, regate=regate, progress=progress)
    if as_json:
        say_json("normalise", folder=done.folder, rows=done.tables["normalisation_judgement"])
        return 0
    for line in _lines(done.tables["normalisation_judgement"]):
        typer.echo(line)
    typer.echo(f"Written: {', '.join(done.tables)} in {done.folder / 'tables'}; maps in normalisation.json")
    return 0


def _lines(judgement: pd.DataFrame) -> Iterator[str]:
    applied = judgement["status"] == "applied"
    yield f"{int(applied.sum())} of {len(judgement)} maps (batch, cell type and marker) applied"
    yield "Distance between batches on held-out bridge cells (earth mover's, display units; floor: counting alone):"
    for (panel, population, marker), rows in judgement.groupby(["panel", "population", "marker"], sort=False):
        used = rows[rows["status"] == "applied"]
        if used.empty:
            yield f"  {panel} {population} {marker}: refused in all {len(rows)} batches: {rows['reason'].iloc[0]}"
            continue
        before, after, floor = (float(used[name].mean()) for name in ("emd_before", "emd_after", "emd_floor"))
        yield f"  {panel} {population} {marker}: {before:.4f} before, {after:.4f} after, floor {floor:.4f}"
        refused = rows[rows["status"] != "applied"]
        yield from (f"    {row['batch']} refused: {row['reason']}" for row in refused.to_dict("records"))
