"""``immunomon gate WORKSPACE FILES``: gates as FlowJo, FACSDiva or Kaluza placed them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import typer

from immunomon.api.gating_files import COLUMNS, Row, alike_once
from immunomon.api.gating_workspaces import COMPARED, GatedFiles, gate_by_workspace
from immunomon.cli.progress import stages
from immunomon.cli.saying import csv_text, json_text
from immunomon.files import write_whole
from immunomon.study.model.fcs import AS_JUDGED, Reading

__all__ = ["gate_workspace"]


def gate_workspace(
    path: Path,
    files: Sequence[Path],
    *,
    out: Path | None,
    memberships: Path | None,
    sample: str | None,
    compare_counts: bool,
    flowjo_bins: bool,
    compensation: str = "file",
    reading: Reading = AS_JUDGED,
    jobs: int | None = None,
    as_json: bool = False,
) -> int:
    """Gate files with a workspace's gates and write or print the table; return 0 if all populations were gated.

    files: none for those that the workspace holds itself, as a Kaluza analysis does. compare_counts:
    the program's stored counts beside ours, and how near each way of deciding comes to them.
    """
    gated = partial(
        gate_by_workspace, path, files, sample=sample, compensation=compensation, reading=reading, jobs=jobs
    )
    with stages() as progress:
        result = gated(bins=flowjo_bins, memberships=memberships, progress=progress)
    columns = COMPARED if compare_counts else COLUMNS
    rows = [{name: row.get(name) for name in columns} for row in result.rows]
    printed = json_text("gate", rows=rows, failures=result.failures, notes=result.notes) if as_json else ""
    _write(printed or csv_text(rows, columns), out)
    if compare_counts and not result.program.startswith("FlowJo"):
        typer.echo(_nearness("exactly", result), err=True)
    elif compare_counts:
        recounted = gated(bins=not flowjo_bins)
        exact, binned = (recounted, result) if flowjo_bins else (result, recounted)
        typer.echo(_nearness("exactly", exact), err=True)
        typer.echo(_nearness("with FlowJo's bins", binned), err=True)
    for note in result.notes:
        typer.echo(f"note: {note}", err=True)
    for failure in alike_once(result.failures, files):
        typer.echo(f"failed: {failure}", err=True)
    complete = all(row["count"] is not None for row in result.rows)
    return 0 if complete and not result.failures else 1


def _nearness(how: str, result: GatedFiles) -> str:
    off = [abs(float(row["difference_percent_of_parent"] or 0)) for row in _compared(result)]
    if not off:
        return f"decided {how}: no population has a stored count to compare with"
    equal = sum(1 for row in _compared(result) if row["count"] == row["reference_count"])
    mean = sum(off) / len(off)
    return (
        f"decided {how}: {equal} of {len(off)} counts are the stored ones; "
        f"off by {mean:.3g} % of the parent in the mean, {max(off):.3g} % at most"
    )


def _compared(result: GatedFiles) -> list[Row]:
    return [row for row in result.rows if row["difference_percent_of_parent"] is not None]


def _write(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, text)
        typer.echo(f"the table is in {out}", err=True)
