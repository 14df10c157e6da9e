"""The body of ``immunomon export``: a run goes into a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from immunomon.api.exporting import ExportSummary, export_results
from immunomon.cli.app import RunArgument, StudyOption, app, one_of
from immunomon.cli.audit import say_noted
from immunomon.cli.progress import stages
from immunomon.cli.saying import JsonOption, say_json
from immunomon.maps.anndata.export import export_cells

__all__ = ["export", "export_anndata", "export_database"]

# The body of ``immunomon export --as anndata``: a run's cells go into a file that scanpy opens.


def export_anndata(
    run: Path,
    *,
    panel: str | None,
    out: Path | None,
    within: str | None,
    atlas_only: bool,
    overwrite: bool,
    study: Path | None,
    as_json: bool = False,
) -> int:
    """Write a run's cells with a progress bar, say what was written; return 0."""
    with stages() as progress:
        done = export_cells(
            run, panel, out=out, within=within, atlas_only=atlas_only, overwrite=overwrite, study=study,
            progress=progress,
        )  # fmt: skip
    if as_json:
        say_json("export", **asdict(done))
        return 0
    typer.echo(
        f"{done.cells:,} cells of {done.samples} samples of the panel {done.panel}, {done.markers} markers; "
        f"{done.placed:,} with a place in the atlas"
    )
    for note in done.notes:
        typer.echo(f"Not exported: {note}.")
    typer.echo(f"Written: {done.path} ({done.path.stat().st_size / 1e6:,.1f} MB)")
    return 0


_SAID = {
    "written": "{study} is now in {database}.",
    "replaced": "{study} in {database} now holds this run; what it replaces is kept as earlier versions.",
    "unchanged": "{study} in {database} already holds this run; nothing was changed.",
    "noted": "{study} in {database} already holds this run; only new entries of its audit trail were added.",
}


Kind = Literal["database", "anndata"]


def _refuse(kind: str, options: Mapping[str, object]) -> None:
    """Refuse options that say nothing here: whoever gave them meant something else."""
    foreign = [name for name, value in options.items() if value]
    if foreign:
        other_kind = "database" if kind == "anndata" else "anndata"
        raise typer.BadParameter(f"{', '.join(foreign)} belongs to --as {other_kind}")


@app.command()
def export(
    run: RunArgument,
    kind: Annotated[
        Kind, typer.Option("--as", help="Results into a database, or cells for scanpy.", **one_of(Kind))
    ] = "database",
    to: Annotated[
        str | None, typer.Option("--to", help="Database URL; default: the SQLite file in the run folder.")
    ] = None,
    study: StudyOption = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept beside the values that are replaced.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who exports; default: this computer's user.")] = "",
    panel: Annotated[
        str | None, typer.Option("--panel", "-p", help="With anndata: the panel; default: the study's first.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="With anndata: the file; default: RUN/anndata/PANEL.h5ad.")
    ] = None,
    within: Annotated[
        str | None, typer.Option("--within", help="With anndata: only the cells of this population.")
    ] = None,
    atlas_only: Annotated[
        bool, typer.Option("--atlas-only", help="With anndata: only the cells that immunomon embed laid out.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="With anndata: replace the file.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Write frequencies and changes into a database (all or nothing, repeatable), or cells as AnnData (.h5ad)."""
    if kind == "anndata":
        _refuse("anndata", {"--to": to, "--reason": reason, "--by": by})

        return export_anndata(
            run,
            panel=panel,
            out=out,
            within=within,
            atlas_only=atlas_only,
            overwrite=overwrite,
            study=study,
            as_json=as_json,
        )
    options = {"--panel": panel, "--out": out, "--within": within, "--atlas-only": atlas_only, "--overwrite": overwrite}
    _refuse("database", options)

    return export_database(run, to, study=study, reason=reason, by=by, as_json=as_json)


def export_database(
    run: Path, to: str | None, *, study: Path | None = None, reason: str = "", by: str = "", as_json: bool = False
) -> int:
    """Write a run folder's results into a database, say what was written, and return the exit code 0.

    to: a database URL; by default the SQLite file in the run folder. reason, by: go into the database and the audit
    trail. Raises ExportFailed; then nothing was changed.
    """
    summary = export_results(run, to, study=study, reason=reason, by=by)
    if as_json:
        say_json("export", **asdict(summary))
        return 0
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if summary.migrated_from:
        console.print(f"{summary.database} was of an earlier version; its tables were migrated, with every row.")
    console.print(_SAID[summary.outcome].format(study=summary.study, database=summary.database))
    width = max(map(len, summary.rows))
    for table, rows in summary.rows.items():
        console.print(f"  {table:<{width}} {rows:>9,} rows{_changed(summary, table)}")
    for note in summary.notes:
        console.print(f"Not exported: {note}.")
    if summary.outcome != "unchanged":
        console.print(f"Sealed: head {summary.head}; to verify every row: immunomon audit {summary.database}")
        say_noted(run, "The export", summary.unnoted)
    return 0


def _changed(summary: ExportSummary, table: str) -> str:
    if summary.outcome != "replaced" or table not in summary.changes:
        return ""
    changes = summary.changes[table]
    kinds = {"new": changes.new, "changed": changes.changed, "withdrawn": changes.withdrawn}
    return f"  ({', '.join(f'{number:,} {kind}' for kind, number in kinds.items())})"
