"""``immunomon audit`` and ``immunomon lock``: what can be proven of a run, and freezing it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from immunomon.errors import ImmunomonError, counted
from immunomon.runs.audit import SEALED, AuditTrail
from immunomon.runs.lock import Reason, lock_run

__all__ = ["audit", "lock", "said_head"]


def said_head(run: Path) -> str:
    """Return the end of a run's trail in words, to be written down where nobody who writes the run folder writes."""
    head = AuditTrail(run).head()
    return "no entries" if head is None else f"{counted(head.entries, 'entry', 'entries')}, head {head}"


def audit(run: Path, *, entries: bool, head: str | None = None) -> int:
    """Print what does not fit, or that everything does; return 0 if it does, else 1.

    head: one that was printed earlier and written down elsewhere; the trail must still hold it.
    """
    if not run.is_dir():
        raise ImmunomonError(f"{run}: there is no such folder; name a run's folder")
    if not (run / "audit.jsonl").exists() and (run / "run" / "audit.jsonl").exists():
        raise ImmunomonError(f"{run}: this is no run folder; did you mean {run / 'run'}?")
    trail = AuditTrail(run)
    problems = [*trail.problems(), *_head_problem(trail, head)]
    if entries:
        for entry in [] if problems and not trail.path.is_file() else trail.entries():
            about = entry.get("target") or entry.get("digest") or ""
            why = f": {entry['reason']}" if entry.get("reason") else ""
            typer.echo(f"{entry['number']:>5}  {entry['utc']}  {entry['by']}  {entry['action']}  {about}{why}")
    for problem in problems:
        typer.echo(problem)
    if problems:
        typer.echo(f"{counted(len(problems), 'problem')}: the run is not as its trail says.")
        return 1
    if head is not None:
        typer.echo(f"The entry written down is there; {counted(trail.after(head), 'entry', 'entries')} came after it.")
    others = _unsealed(run)
    if others:
        typer.echo(f"Not sealed, because other commands write them from the run: {', '.join(others)}")
    typer.echo(f"None changed; every sealed file is as its entry says. Audit trail: {said_head(run)}")
    return 0


def _head_problem(trail: AuditTrail, head: str | None) -> Iterator[str]:
    if head is not None:
        try:
            trail.after(head)
        except ImmunomonError as error:
            yield str(error)


def _unsealed(run: Path) -> list[str]:
    """Return the names in a run folder that no entry seals: reports, other assessments, a database."""
    return sorted(path.name for path in run.iterdir() if not path.name.startswith(".") and path.name not in SEALED)


def lock(run: Path, *, reason: str, by: str) -> int:
    """Lock a run and say what was frozen; return 0."""
    digest = lock_run(run, Reason(reason, by))
    typer.echo(f"Locked. Everything its tables depend on: {digest}")
    typer.echo("A later change needs: immunomon run STUDY --reason ... --by ...; it lists every value that moved.")
    typer.echo(f"Audit trail: {said_head(run)}")
    return 0
