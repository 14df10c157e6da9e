"""Run: every file of a study, with all that a person or a night's script may ask of it."""

from __future__ import annotations

from pathlib import Path

from immunomon.errors import ImmunomonError
from immunomon.runs.dry_run import DryRun, dry_run
from immunomon.runs.journal import Progress
from immunomon.runs.lock import Reason
from immunomon.runs.run import run_study
from immunomon.runs.summary import NO_FILES, RunSummary
from immunomon.runs.workers import MANY_APART, Limits

__all__ = ["NO_FILES", "DryRun", "RunSummary", "dry_run", "run_files", "why_changed"]

_SHOWN = 10


def why_changed(reason: str | None, by: str | None) -> Reason | None:
    """Return why a locked run is changed and who says so, None if neither is given; raises for one alone.

    >>> why_changed("a new matrix", None)
    Traceback (most recent call last):
        ...
    immunomon.errors.ImmunomonError: reason and by (--reason, --by) belong together: why a locked run is changed...
    """
    if reason is None and by is None:
        return None
    if reason is None or by is None:
        message = "reason and by (--reason, --by) belong together: why a locked run is changed, and who says so"
        raise ImmunomonError(message)
    return Reason(reason, by)


def run_files(
    study: str | Path,
    out: str | Path | None = None,
    *,
    reason: str | None = None,
    by: str | None = None,
    jobs: int | None = None,
    log: str | Path | None = None,
    timeout: float | None = None,
    retries: int = 0,
    scheduler: str | None = None,
    rehash: bool = False,
    progress: Progress | None = None,
) -> RunSummary:
    """Gate every file of a study and write its tables, as ``immunomon run`` does; return how the files went.

    What a check of the study finds is among the remarks. Many files are worked on by processes of their own, which
    begin with the script that started this one: guard it with ``if __name__ == "__main__"``, or use ``immunomon.run``,
    which takes threads. timeout: seconds that a step of a file may take. Raises what ``run_study`` does.
    """
    why = why_changed(reason, by)
    if scheduler and timeout is not None:
        raise ImmunomonError("--timeout is for processes of this machine; a cluster's own settings limit its workers")
    return run_study(
        study,
        out,
        jobs=jobs,
        progress=progress,
        why=why,
        log=None if log is None else Path(log),
        limits=Limits(timeout, retries) if timeout is not None or retries else MANY_APART,
        scheduler=scheduler,
        rehash=rehash,
        remarks=lambda: _remarks(Path(study)),
    )


def _remarks(study: Path) -> list[str]:
    """Return what a check of the study finds: a run does what it can, but not in silence."""
    from immunomon.cytometry.gates import GATE_METHODS
    from immunomon.runs.checks.paths import check_paths

    report = check_paths([study], methods=GATE_METHODS)
    lines = [f"warning {line}" for line in report.warnings[:_SHOWN]]
    lines += [f"problem {problem}" for problem in report.problems[:_SHOWN]]
    if len(report.problems) > _SHOWN:
        lines.append(f"and {len(report.problems) - _SHOWN} more: immunomon check {study}")
    return lines
