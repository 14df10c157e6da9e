"""``immunomon gate``: FCS files through a strategy, without a study."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from immunomon.api.gating_files import COLUMNS, alike_once, gate_by_strategy, is_workspace_file
from immunomon.cli.app import DataOffset, DataSet, Jobs, app
from immunomon.cli.progress import stages
from immunomon.cli.saying import csv_text, json_text
from immunomon.errors import counted
from immunomon.files import write_whole
from immunomon.study.model.fcs import AS_JUDGED, Reading

__all__ = ["gate", "gate_with_strategy"]


@app.command()
def gate(
    strategy: Annotated[
        str,
        typer.Argument(
            help="A strategy file, the name of a shipped strategy, or a FlowJo, FACSDiva or Kaluza workspace."
        ),
    ],
    files: Annotated[
        list[Path] | None, typer.Argument(help="FCS files; none for those that a Kaluza analysis holds.")
    ] = None,
    panel: Annotated[
        str | None, typer.Option("--panel", "-p", help="A panel file or name; default: the strategy's.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the table here; default: print it.")] = None,
    memberships: Annotated[
        Path | None, typer.Option("--memberships", help="Write which event is in which population into this folder.")
    ] = None,
    compensation: Annotated[
        str,
        typer.Option(
            "--compensation",
            help="file (its own matrix), none, or the path of a CSV matrix; a workspace's own matrix goes before.",
        ),
    ] = "file",
    sample: Annotated[
        str | None, typer.Option("--sample", help="Workspaces: the sample or group whose gates all files get.")
    ] = None,
    compare_counts: Annotated[
        bool, typer.Option("--compare-counts", help="Workspaces: the counts stored there beside ours.")
    ] = False,
    flowjo_bins: Annotated[
        bool, typer.Option("--flowjo-bins", help="Workspaces: decide polygons on FlowJo's 256 bins, as it does.")
    ] = False,
    data_set: DataSet = None,
    data_offset: DataOffset = None,
    jobs: Jobs = None,
    as_json: Annotated[bool, typer.Option("--json", help="The table as JSON, not CSV.")] = False,
) -> int:
    """Gate FCS files without a study: one row per file and population."""
    reading = Reading(data_set, data_offset)
    file = Path(strategy)
    if is_workspace_file(file):
        from immunomon.cli.gate_workspace import gate_workspace

        if panel:
            raise typer.BadParameter("a workspace names the channels itself: no --panel")
        return gate_workspace(
            file,
            files or (),
            out=out,
            memberships=memberships,
            sample=sample,
            compare_counts=compare_counts,
            flowjo_bins=flowjo_bins,
            compensation=compensation,
            reading=reading,
            jobs=jobs,
            as_json=as_json,
        )
    if sample or compare_counts or flowjo_bins:
        raise typer.BadParameter("--sample, --compare-counts and --flowjo-bins need the workspace of another program")
    if not files:
        raise typer.BadParameter("name the FCS files to gate")

    return gate_with_strategy(
        strategy,
        files,
        panel=panel,
        out=out,
        memberships=memberships,
        compensation=compensation,
        reading=reading,
        jobs=jobs,
        as_json=as_json,
    )


def gate_with_strategy(
    strategy: str,
    files: Sequence[Path],
    *,
    panel: str | None,
    out: Path | None,
    memberships: Path | None,
    compensation: str,
    reading: Reading = AS_JUDGED,
    jobs: int | None,
    as_json: bool = False,
) -> int:
    """Gate files and write or print the table; return 0 if every population of every file was placed, else 1."""
    with stages() if len(files) > 1 else nullcontext() as progress:  # one file is done before a bar is drawn
        gated = gate_by_strategy(
            strategy,
            files,
            panel=panel,
            compensation=compensation,
            reading=reading,
            memberships=memberships,
            jobs=jobs,
            progress=progress,
        )
    rows, failures = gated.rows, gated.failures
    text = json_text("gate", rows=rows, failures=failures, notes=gated.notes) if as_json else csv_text(rows, COLUMNS)
    if out is None:
        sys.stdout.write(text)
    else:
        write_whole(out, text)
        typer.echo(
            f"{counted(len(files) - len(failures), 'file')} gated, {len(failures)} failed; the table is in {out}",
            err=True,
        )
    for line in gated.warnings:
        typer.echo(f"warning: {line}", err=True)
    for remark in gated.notes:
        typer.echo(f"note: {remark}", err=True)
    for failure in alike_once(failures, files):
        typer.echo(f"failed: {failure}", err=True)
    return 1 if failures or any(row["count"] is None for row in rows) else 0
