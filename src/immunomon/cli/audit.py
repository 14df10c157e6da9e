"""``immunomon audit`` and ``immunomon lock``: what can be proven of a run, and freezing it."""

from __future__ import annotations

from pathlib import Path

import typer

from immunomon.errors import ImmunomonError
from immunomon.pipeline.audit import AuditTrail
from immunomon.pipeline.lock import Reason, lock_run

__all__ = ["audit", "lock"]


def audit(run: Path, *, entries: bool) -> int:
    """Print what does not fit, or that everything does; return 0 if it does, else 1."""
    if not run.is_dir():
        raise ImmunomonError(f"{run}: there is no such folder; name a run's folder")
    trail = AuditTrail(run)
    problems = trail.problems()
    if entries:
        for entry in [] if problems and not trail.path.is_file() else trail.entries():
            about = entry.get("target") or entry.get("digest") or ""
            why = f": {entry['reason']}" if entry.get("reason") else ""
            typer.echo(f"{entry['number']:>5}  {entry['utc']}  {entry['by']}  {entry['action']}  {about}{why}")
    for problem in problems:
        typer.echo(problem)
    if problems:
        typer.echo(f"{len(problems)} problem(s): the run is not as its trail says.")
        return 1
    found = trail.entries()
    typer.echo(
        f"{len(found)} entries, none changed; every file is as the last run left it. Last hash: {found[-1]['hash']}"
    )
    return 0


def lock(run: Path, *, reason: str, by: str) -> int:
    """Lock a run and say what was frozen; return 0."""
    digest = lock_run(run, Reason(reason, by))
    typer.echo(f"Locked. Everything its tables depend on: {digest}")
    typer.echo("A later change needs: immunomon run STUDY --reason ... --by ...; it lists every value that moved.")
    return 0
