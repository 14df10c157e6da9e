"""Export: a run's results into a database, with who exports and why."""

from __future__ import annotations

from pathlib import Path

from immunomon.outputs.database.database import ExportStatement, ExportSummary, export_run
from immunomon.outputs.database.secrets import without_passwords
from immunomon.runs.opened import Run
from immunomon.runs.provenance import user_name

__all__ = ["ExportSummary", "export_results"]


def export_results(
    run: str | Path | Run,
    to: str | None = None,
    *,
    study: str | Path | None = None,
    reason: str = "",
    by: str = "",
) -> ExportSummary:
    """Write a run's results into a database, all or nothing, and return what was written.

    to: a database URL; default: the SQLite file in the run folder. study: default: the folder above the run. reason,
    by: go into the database and the audit trail; by: default this computer's user; passwords in a reason are left out.
    Raises BadRun, ExportFailed; then nothing was changed.
    """
    folder = run.folder if isinstance(run, Run) else Path(run)
    if study is None and isinstance(run, Run):
        study = run.study_folder
    said = ExportStatement(by or user_name(), without_passwords(reason), None if study is None else Path(study))
    return export_run(folder, to, said)
