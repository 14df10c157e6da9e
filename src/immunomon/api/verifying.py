"""Verify: a run's numbers, worked out a second time by other code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from immunomon.assurance.verify import run as gated
from immunomon.assurance.verify.imported import ImportedVerdict, imported_record, verify_imported
from immunomon.assurance.verify.run import SampleVerdict, Verification
from immunomon.runs.opened import Run

__all__ = ["ImportedVerdict", "SampleVerdict", "Verification", "verify_run"]


def verify_run(
    run: str | Path | Run,
    *,
    samples: int | None = None,
    study: str | Path | None = None,
    progress: Callable[[SampleVerdict], None] | None = None,
) -> Verification | ImportedVerdict:
    """Work out a run's numbers a second time by other code, as ``immunomon verify`` does; return what was compared.

    samples: so many, spread over panels and visits; None for all. Of a run of imported counts, percents and counts are
    held against the tables that they came from. progress: called with each sample's verdict. Raises ImmunomonError if
    there is no finished run, nothing in it was gated, or none of its files is found.
    """
    folder = run.folder if isinstance(run, Run) else Path(run)
    if study is None and isinstance(run, Run):
        study = run.study_folder
    above = None if study is None else Path(study)
    imported = imported_record(folder)
    if imported is not None:
        return verify_imported(folder, imported, above)
    return gated.verify_run(folder, samples=samples, study=above, progress=progress)
