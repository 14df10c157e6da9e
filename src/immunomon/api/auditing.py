"""Audit: what can be proven of a run folder, or of a database that runs were exported to."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunomon.errors import ImmunomonError, counted
from immunomon.files import read_input
from immunomon.runs.audit import AuditTrail
from immunomon.runs.audit_folder import inspect_folder
from immunomon.runs.audit_inputs import Inspected, inspect_inputs
from immunomon.runs.folder import no_run
from immunomon.runs.opened import Run

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = [
    "AuditedDatabase",
    "AuditedRun",
    "DatabaseSeal",
    "audit_database",
    "audit_run",
    "database_of",
    "trail_entries",
    "trail_head",
]

_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class AuditedRun:
    """What an audit of a run found: what does not fit, what was looked at, and what was not.

    head: number and hash of the trail's last entry, None if the trail itself is broken or empty. entries_after: how
    many came after the head that was to be held; None if none was given, or if there are problems.
    """

    problems: tuple[str, ...]
    looked_at: tuple[str, ...]
    not_looked_at: tuple[str, ...]
    head: str | None
    entries_after: int | None

    @property
    def is_clean(self) -> bool:
        """Whether everything that was looked at is as recorded."""
        return not self.problems


@dataclass(frozen=True)
class DatabaseSeal:
    """A seal of a database: what it seals (an export by its run's id; None: entries of a trail), and when."""

    number: int
    sealed_at_utc: datetime.datetime
    study: str
    run_id: str | None
    hash: str


@dataclass(frozen=True)
class AuditedDatabase:
    """What an audit of a database found: rows and seals that were held against each other, and what does not fit."""

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    rows: int
    head: str
    seals: int
    chain: tuple[DatabaseSeal, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every row is as its export left it."""
        return not self.problems


def audit_run(run: str | Path | Run, *, study: str | Path | None = None, head: str | None = None) -> AuditedRun:
    """Verify a run's trail, its files and what it was made from, as ``immunomon audit RUN`` does.

    study: the study's folder; default: the folder above the run. head: ``number:hash``, written down elsewhere, which
    the trail must still hold. Raises ImmunomonError for what is no run's folder.

    >>> audit_run("no-such-run")
    Traceback (most recent call last):
        ...
    immunomon.errors.ImmunomonError: no-such-run: there is no such folder; name a run's folder, or the URL of a database
    """
    folder = run.folder if isinstance(run, Run) else Path(run)
    above = run.study_folder if study is None and isinstance(run, Run) else study
    _refuse_other_than_run(folder, None if above is None else Path(above))
    trail = AuditTrail(folder)
    inspected = Inspected((*trail.problems(), *_problem_of_head(trail, head)), (_sealed(trail),))
    inspected += inspect_inputs(folder, None if above is None else Path(above)) + inspect_folder(folder)
    broken = any(problem.startswith(str(trail.path)) for problem in inspected.problems)
    at_end = None if broken else trail.head()
    return AuditedRun(
        inspected.problems,
        inspected.looked_at,
        inspected.not_looked_at,
        None if at_end is None else str(at_end),
        None if head is None or inspected.problems else trail.after(head),
    )


def _refuse_other_than_run(run: Path, study: Path | None) -> None:
    if run.is_file():
        message = "is neither a run's folder nor an SQLite database"
        raise ImmunomonError(f"{run}: {message}; name the run folder, or the database by its file or URL")
    if not run.is_dir():
        raise ImmunomonError(f"{run}: there is no such folder; name a run's folder, or the URL of a database")
    if not (run / "audit.jsonl").exists() and (run / "run" / "audit.jsonl").exists():
        raise no_run(run)
    if study is not None and not study.exists():
        raise ImmunomonError(f"{study}: there is no such folder; name the study's folder")


def _sealed(trail: AuditTrail) -> str:
    sealed = sum((trail.root / name).is_file() for name in trail.names())
    return f"the trail and what it seals, {counted(sealed, 'file')}"


def _problem_of_head(trail: AuditTrail, head: str | None) -> Iterator[str]:
    if head is not None:
        try:
            trail.after(head)
        except ImmunomonError as error:
            yield str(error)


def database_of(source: str) -> str | None:
    """Return the URL of a database that is named by its URL or by its SQLite file; None for anything else.

    >>> database_of("sqlite:///trial.sqlite"), database_of("my-study/run")
    ('sqlite:///trial.sqlite', None)
    """
    if "://" in source:
        return source
    file = Path(source)
    is_sqlite = file.is_file() and read_input(file, max_bytes=len(_SQLITE)).startswith(_SQLITE)
    return f"sqlite:///{file}" if is_sqlite else None


def audit_database(source: str, *, head: str | None = None) -> AuditedDatabase:
    """Hold every row of a database against the seals of the exports that brought it, as ``immunomon audit URL`` does.

    source: a URL. head: one that was printed earlier and written down elsewhere; the chain of seals must still hold it.
    Raises ExportFailed for a database that cannot be read or holds no results.
    """
    from immunomon.outputs.database.connection import database_url, reading, shown
    from immunomon.outputs.database.verifying import verify

    url = database_url(source, "audit of")
    with reading(url) as connection:
        verified = verify(connection, shown(url))
        problems = (*verified.problems, *_problem_of_seal(connection, head))
        return AuditedDatabase(
            problems,
            tuple(verified.notes),
            verified.rows,
            verified.head or "",
            verified.seals,
            tuple(_seals(connection)),
        )


def _seals(connection: Connection) -> Iterator[DatabaseSeal]:
    from sqlalchemy import select

    from immunomon.outputs.database.schema import seals

    query = select(seals.c.number, seals.c.sealed_at_utc, seals.c.study, seals.c.run_id, seals.c.hash)
    for row in connection.execute(query.order_by(seals.c.number)):
        yield DatabaseSeal(row.number, row.sealed_at_utc, row.study, row.run_id, row.hash)


def _problem_of_seal(connection: Connection, head: str | None) -> Iterator[str]:
    if head is None:
        return
    number, _, digest = head.strip().rpartition(":")
    numbers = [seal.number for seal in _seals(connection) if seal.hash == digest]
    if not numbers or (number and number != str(numbers[0])):
        message = f"no seal is the one that was written down as {head.strip()}"
        yield f"table seals: {message}; they were written anew or cut off since then"


def trail_entries(run: str | Path | Run) -> tuple[dict[str, Any], ...]:
    """Return the entries of a run's trail, oldest first; none if it has no trail.

    Raises ImmunomonError for a line that is none.
    """
    trail = AuditTrail(run.folder if isinstance(run, Run) else Path(run))
    return tuple(trail.entries()) if trail.path.is_file() else ()


def trail_head(run: str | Path) -> str:
    """Return the end of a run's trail in words, to be written down where nobody who writes the run folder writes.

    Empty for a run without a trail.
    """
    trail = AuditTrail(Path(run))
    head = trail.head() if trail.path.is_file() else None
    return "" if head is None else f"{counted(head.entries, 'entry', 'entries')}, head {head}"
