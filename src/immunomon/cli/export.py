"""The body of ``immunomon export``: a run goes into a database."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from immunomon.export.database import export_run

__all__ = ["export"]

_SAID = {
    "written": "{study} is now in {database}.",
    "replaced": "{study} in {database} now holds this run; its earlier values were replaced.",
    "unchanged": "{study} in {database} already holds this run; nothing was changed.",
}


def export(run: Path, to: str | None) -> int:
    """Write a run folder's results into a database, say what was written, and return the exit code 0.

    to: a database URL; by default the SQLite file in the run folder. Raises ExportFailed; then nothing was changed.
    """
    summary = export_run(run, to)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(_SAID[summary.outcome].format(study=summary.study, database=summary.database))
    width = max(map(len, summary.rows))
    for table, rows in summary.rows.items():
        console.print(f"  {table:<{width}} {rows:>9,} rows")
    return 0
