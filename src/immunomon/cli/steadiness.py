"""``immunomon steadiness``: which bridge samples break Westgard's rules, and by what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from immunomon.api.steadiness import draw_steadiness, judge_steadiness
from immunomon.cli.app import RunArgument, app
from immunomon.cli.saying import JsonOption, say_json

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["steadiness"]

_MOST_LINES = 60


@app.command()
def steadiness(
    run: RunArgument,
    panel: Annotated[str | None, typer.Option("--panel", "-p", help="Only this panel.")] = None,
    charts: Annotated[
        Path | None, typer.Option("--charts", help="Draw the charts, one picture a panel, into this folder.")
    ] = None,
    warnings: Annotated[bool, typer.Option("--warnings", help="List the 1_2s warnings, too.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Say which bridge samples break Westgard's rules, and in which population or marker."""
    table = judge_steadiness(run, panel)
    if as_json:
        say_json("steadiness", rows=table)
    for line in () if as_json else _lines(table, warnings=warnings):
        typer.echo(line)
    if charts is not None:
        for path in draw_steadiness(table, charts):
            typer.echo(f"Written: {path}", err=as_json)
    return 0


def _lines(table: pd.DataFrame, *, warnings: bool) -> Iterator[str]:
    if table.empty:
        yield "No bridge samples: give a tube of the same cells in each batch the role 'bridge' in the sample list."
        return
    judged = table[table["verdict"] != "not judged"]
    series = ["panel", "donor", "population", "quantity", "marker"]
    yield (
        f"{table['sample_id'].nunique()} bridge samples of {table['panel'].nunique()} panel(s), "
        f"{len(table[series].drop_duplicates())} charts; {len(judged)} of {len(table)} values judged"
    )
    for reason, count in _grouped(table[table["verdict"] == "not judged"]).items():
        yield f"  not judged: {count} values: {reason}"
    if judged.empty:
        return
    out = judged[judged["verdict"] == "out of control"]
    beyond = judged["z"].abs() > 2
    yield (
        f"{len(out)} values out of control; {int(beyond.sum())} beyond 2 SD, where chance alone puts about "
        f"{_expected_beyond(judged['judged_by'], 2.0):.0f}: look for samples and markers that stand out"
    )
    yield from _by_sample(judged)
    shown = judged[judged["verdict"].isin(["out of control", "warning"] if warnings else ["out of control"])]
    rows = shown.sort_values(["panel", "collection_date", "sample_id", "population", "marker"]).to_dict("records")
    yield from (_violation(row) for row in rows[:_MOST_LINES])
    if len(rows) > _MOST_LINES:
        yield f"... and {len(rows) - _MOST_LINES} more: tables/steadiness.csv has all of them"


def _expected_beyond(judged_by: pd.Series[int], z: float) -> float:
    """Return how many values lie beyond ``z`` SD by chance, where mean and SD are those of so many normal values."""
    import numpy as np
    from scipy.special import stdtr

    n = judged_by.to_numpy(dtype=np.float64)
    return float(np.sum(2 * stdtr(n - 1, -z / np.sqrt(1 + 1 / n))))


def _grouped(unjudged: pd.DataFrame) -> dict[str, int]:
    """Return how many values each kind of reason keeps out; numbers in reasons do not make kinds."""
    kinds = unjudged["reason"].astype("string").str.partition(":")[0]
    return {str(kind): int(count) for kind, count in kinds.value_counts().items()}


def _by_sample(judged: pd.DataFrame) -> Iterator[str]:
    """Name the bridge samples with the largest share of their values out of control."""
    share = (judged["verdict"] == "out of control").groupby([judged["panel"], judged["sample_id"]]).agg(["sum", "size"])
    worst = share[share["sum"] > 0].sort_values("sum", ascending=False, kind="stable").head(5)
    for row in worst.reset_index().to_dict("records"):
        yield f"  most in {row['sample_id']}: {row['sum']} of {row['size']} values"


def _violation(row: dict[Any, Any]) -> str:
    quantity = "% of parent" if row["quantity"] == "percent_of_parent" else f"median {row['marker']}"
    return (
        f"  {row['collection_date']}  {row['panel']}  {row['batch']}  {row['label']}, {quantity}: "
        f"{row['measured']:.4g} (z {row['z']:+.1f})  {row['rules']}"
    )
