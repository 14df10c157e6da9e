"""Commands about single FCS files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import DataOffset, DataSet, Jobs, app

__all__ = ["export_events", "gate", "info"]


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="An FCS file, or the workspace of another program.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_set: DataSet = None,
    data_offset: DataOffset = None,
) -> None:
    """Show an FCS file's header, channels, matrix, number of events and repairs, or what a workspace holds."""
    from immunomon.cytometry.formats.workspaces import is_workspace

    if is_workspace(file):
        from immunomon.cli.info_workspace import info_workspace

        raise typer.Exit(info_workspace(file, as_json=as_json))
    from immunomon.cli.info import info as work

    raise typer.Exit(work(file, as_json=as_json, data_set=data_set, data_offset=data_offset))


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
) -> None:
    """Gate FCS files without a study: one row per file and population."""
    from immunomon.study.model.fcs import Reading

    if Path(strategy).suffix.lower() not in ("", ".yaml", ".yml") and Path(strategy).is_file():
        from immunomon.cytometry.formats.workspaces import is_workspace

        if is_workspace(Path(strategy)):
            from immunomon.cli.gate import compensation_of
            from immunomon.cli.gate_workspace import gate_workspace

            if panel:
                raise typer.BadParameter("a workspace names the channels itself: no --panel")
            raise typer.Exit(
                gate_workspace(
                    Path(strategy),
                    files or (),
                    out=out,
                    memberships=memberships,
                    sample=sample,
                    compare_counts=compare_counts,
                    flowjo_bins=flowjo_bins,
                    compensation=compensation_of(compensation),
                    reading=Reading(data_set, data_offset),
                    jobs=jobs,
                )
            )
    if sample or compare_counts or flowjo_bins:
        raise typer.BadParameter("--sample, --compare-counts and --flowjo-bins need the workspace of another program")
    if not files:
        raise typer.BadParameter("name the FCS files to gate")
    from immunomon.cli.gate import gate as work

    raise typer.Exit(
        work(
            strategy,
            files,
            panel=panel,
            out=out,
            memberships=memberships,
            compensation=compensation,
            reading=Reading(data_set, data_offset),
            jobs=jobs,
        )
    )


@app.command("export-events")
def export_events(
    source: Annotated[str, typer.Argument(help="A run folder that gated the file, or a strategy's file or name.")],
    file: Annotated[Path, typer.Argument(help="The FCS file.")],
    population: Annotated[str, typer.Option("--population", help="The population's id; root: all events.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The new FCS file.")],
    panel: Annotated[
        str | None, typer.Option("--panel", "-p", help="A panel file or name; default: the strategy's.")
    ] = None,
    data_set: DataSet = None,
    data_offset: DataOffset = None,
) -> None:
    """Write a population's raw events as an FCS 3.1 file of their own, with the file's keywords."""
    from immunomon.cli.export_events import export_events as work
    from immunomon.study.model.fcs import Reading

    reading = Reading(data_set, data_offset)
    raise typer.Exit(work(source, file, population=population, out=out, panel=panel, reading=reading))
