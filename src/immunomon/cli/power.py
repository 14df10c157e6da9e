"""``immunomon power``: what change a number of patients can detect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from immunomon.api.power import PATIENTS, detectable_changes
from immunomon.cli.app import PlanOption, RunArgument, SeedOption, app
from immunomon.cli.saying import JsonOption, say_json
from immunomon.files import write_whole
from immunomon.runs.folder import table_csv

__all__ = ["power"]


@app.command()
def power(
    run: RunArgument,
    plan: PlanOption = None,
    patients: Annotated[
        list[int] | None, typer.Option("--patients", "-n", min=2, help="Numbers of patients; default: 3 to 18.")
    ] = None,
    target: Annotated[float, typer.Option("--power", min=0.5, max=0.99, help="The power asked for.")] = 0.8,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the table here; default: print it.")] = None,
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> int:
    """Say how small a change a number of patients can detect, from the run's own variances."""
    found = detectable_changes(run, plan, patients=patients or PATIENTS, power=target, seed=seed)
    table, declared = found.table, found.plan
    if as_json:
        say_json("power", plan=declared.digest, power=target, rows=table, absent=found.absent)
    for line in () if as_json else found.absent:
        typer.echo(line)
    if out is not None:
        write_whole(out, table_csv(table))
        typer.echo(f"Written: {out}", err=as_json)
    if out is not None or as_json:
        return 0
    typer.echo(f"Smallest mean change found with power {target:g} at level {declared.alpha:g}, as odds ratio or fold,")
    typer.echo("from the variance of this run; in brackets if that is as large as its upper 80 % limit.")
    source = "default plan" if declared.source == "default" else declared.source
    typer.echo(f"Plan: {source}, {declared.digest}.")
    for (endpoint, visit), rows in table.groupby(["endpoint", "visit"], sort=False):
        first = rows.iloc[0]
        if pd.isna(first["sd"]):
            typer.echo(f"\n{endpoint} at {visit} ({first['scale']}): {first['note']}.")
            continue
        typer.echo(
            f"\n{endpoint} at {visit} ({first['scale']}; SD {first['sd']:.2f}, {first['patients_seen']} patients)"
        )
        typer.echo(f"  {'n':>3}  {'t':>16}  {'moderated t':>16}  {'sign-flip':>16}")
        for n, cells in rows.groupby("n"):
            pairs = zip(cells["test"], cells["detectable"], cells["detectable_high"], strict=True)
            by_test = {test: _cell(change, high) for test, change, high in pairs}
            shown = (by_test[test] for test in ("t", "moderated t", "sign-flip"))
            typer.echo(f"  {n:>3}  " + "  ".join(f"{cell:>16}" for cell in shown))
    return 0


def _cell(change: float, high: float) -> str:
    return "not possible" if pd.isna(change) else f"{np.exp(change):.2f} ({np.exp(high):.2f})"
