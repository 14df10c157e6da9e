"""``immunomon precision``: what the repeats of a precision study say of the assay, population by population."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from immunomon.cli.app import RunArgument, app
from immunomon.csvfile import read_csv_table
from immunomon.errors import BadSpec, Problem, counted, nearest
from immunomon.files import write_whole
from immunomon.runs.folder import table_csv
from immunomon.runs.opened import open_run
from immunomon.trial.statistics.precision import FACTORS, Precision, Repeat, precision_of

__all__ = ["precision", "read_repeats"]

_MOST_BYTES = 5_000_000


@app.command()
def precision(
    run: RunArgument,
    repeats: Annotated[
        Path, typer.Option("--repeats", help="CSV: sample_id, specimen, and operator, day, run where there are any.")
    ],
    most: Annotated[
        float, typer.Option("--most-cv", min=0, help="Mark what differs by more than so many percent within the lab.")
    ] = 25,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the table here; default: print it.")] = None,
) -> int:
    """Say how much repeats of a specimen differ: within a run, between runs, days and operators (CV in percent)."""
    opened = open_run(run)
    read = read_repeats(repeats, [str(name) for name in opened.table("samples")["sample_id"]])
    found, without = precision_of(read, _values(opened.table("frequencies")))
    if out is not None:
        write_whole(out, table_csv(pd.DataFrame([_row(result, most) for result in found])))
        typer.echo(f"Written: {out}")
    else:
        _say(found, most)
    for reason in without:
        typer.echo(f"Not estimated: {reason}")
    above = sum(result.within_laboratory > most for result in found)
    typer.echo(f"{counted(len(found), 'quantity', 'quantities')}; {above} above {most:g} % within the laboratory.")
    return 0


def read_repeats(path: Path, known: list[str]) -> list[Repeat]:
    """Read a list of repeats; known: the sample ids of the run. Raises BadSpec with every problem."""
    written = read_csv_table(path, _MOST_BYTES)
    problems = list(written.problems)
    columns = ("sample_id", "specimen", *FACTORS)
    missing = [name for name in columns[:2] if name not in written.columns]
    if missing:
        problem = Problem(str(path), written.header_line, "", f"has no column {', '.join(missing)}", "add it")
        raise BadSpec([*problems, problem])
    for name in filter(None, written.columns):
        if name not in columns:
            what = f"no column named '{name[:60]}'"
            problems.append(Problem(str(path), written.header_line, "header", what, nearest(name[:80], columns)))
    repeats: dict[str, Repeat] = {}
    for line, cells in written.rows:
        sample = cells.get("sample_id", "")
        if sample not in known or sample in repeats:
            what = "is there twice" if sample in repeats else "is no sample of the run"
            remedy = "keep one of the rows" if sample in repeats else nearest(sample[:80], known)
            problems.append(Problem(str(path), line, "sample_id", f"'{sample[:80]}' {what}", remedy))
            continue
        if not cells.get("specimen"):
            problems.append(Problem(str(path), line, "specimen", "is blank", "say which specimen it is of"))
        repeats[sample] = Repeat(*(cells.get(name, "") for name in columns))
    if problems:
        raise BadSpec(problems)
    return list(repeats.values())


def _values(frequencies: pd.DataFrame) -> list[dict[str, Any]]:
    names = {"percent": "percent", "cells_per_ul": "cells_per_ul"}
    rows: list[dict[str, Any]] = []
    for row in frequencies.to_dict(orient="records"):
        for quantity, column in names.items():
            if quantity == "cells_per_ul" and (column not in row or not row["is_parent"] or pd.isna(row[column])):
                continue
            value = row[column] if row["reportable"] and not pd.isna(row[column]) else None
            denominator = row["denominator"] if quantity == "percent" else ""
            common = {name: row[name] for name in ("sample_id", "panel", "population")}
            rows.append({**common, "quantity": quantity, "denominator": denominator, "value": value})
    return rows


def _row(result: Precision, most: float) -> dict[str, Any]:
    of = {name: getattr(result, name) for name in ("panel", "quantity", "population", "denominator")}
    counts = {name: getattr(result, name) for name in ("specimens", "repeats", "left_out", "mean_low", "mean_high")}
    return {
        **of,
        **counts,
        "repeatability_cv_percent": result.repeatability,
        "repeatability_upper_percent": result.repeatability_upper,
        "degrees_of_freedom": result.degrees,
        **{f"between_{name}_cv_percent": result.between.get(name) for name in FACTORS},
        "within_laboratory_cv_percent": result.within_laboratory,
        "above_limit": result.within_laboratory > most,
    }


def _say(found: list[Precision], most: float) -> None:
    for result in found:
        name = f"{result.panel} {result.population} {f'of {result.denominator}' if result.denominator else 'per uL'}"
        between = "".join(f", between {factor}s {cv:.1f}" for factor, cv in result.between.items())
        above = " ABOVE" if result.within_laboratory > most else ""
        left_out = f", {result.left_out} left out" if result.left_out else ""
        typer.echo(
            f"{name}: within a run {result.repeatability:.1f} % (to {result.repeatability_upper:.1f}){between}, "
            f"within the laboratory {result.within_laboratory:.1f} %{above} ({counted(result.specimens, 'specimen')}, "
            f"{counted(result.repeats, 'repeat')}{left_out}; {result.mean_low:.3g} to {result.mean_high:.3g})"
        )
