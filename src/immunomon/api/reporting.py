"""Report: a run folder becomes one HTML page, and its audit trail knows that somebody may have read it."""

from __future__ import annotations

from pathlib import Path

from immunomon.outputs.report import write_report
from immunomon.runs.opened import Run
from immunomon.runs.trail_review import note_shown

__all__ = ["report_run"]


def report_run(run: str | Path | Run, out: str | Path | None = None) -> tuple[Path, str]:
    """Write the report of a run; return its path, and why the audit trail could not take it up (empty: it did).

    out: the HTML file; default ``report.html`` in the run. Raises BadRun if there is no finished run.
    """
    folder = run.folder if isinstance(run, Run) else Path(run)
    page = write_report(folder, None if out is None else Path(out))
    return page, note_shown(folder, "report")
