"""``immunomon audit`` and ``immunomon lock``: what can be proven of a run, and freezing it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from immunomon.cli.app import ByOption, ReasonOption, RunArgument, StudyOption, app
from immunomon.errors import ImmunomonError, counted
from immunomon.files import read_input
from immunomon.runs.audit import AuditTrail
from immunomon.runs.audit_folder import inspect_folder
from immunomon.runs.audit_inputs import Inspected, inspect_inputs
from immunomon.runs.folder import no_run
from immunomon.runs.lock import Reason, lock_run
from immunomon.runs.trail_review import record_review, review_trail

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["audit", "audit_database", "audit_run", "lock", "said_head", "say_noted"]

_SQLITE = b"SQLite format 3\0"

# ``immunomon audit URL``: every row of a database held against the seals of the exports that brought it.


def audit_database(source: str, *, entries: bool, head: str | None = None) -> int:
    """Print what in a database does not fit, or that everything does; return 0 if it does, else 1.

    head: one that was printed earlier and written down elsewhere; the chain of seals must still hold it.
    """
    from immunomon.outputs.database.connection import database_url, reading, shown
    from immunomon.outputs.database.verifying import verify

    url = database_url(source, "audit of")
    with reading(url) as connection:
        verified = verify(connection, shown(url))
        problems = [*verified.problems, *_seal_problem(connection, head)]
        if entries:
            for line in _listed(connection):
                typer.echo(line)
    for line in (*verified.notes, *problems):
        typer.echo(line)
    if problems:
        typer.echo(f"{counted(len(problems), 'problem')}: the database is not as its exports left it.")
        return 1
    if head is not None:
        typer.echo("The seal written down is there.")
    held = f"{counted(verified.rows, 'row')} held against {counted(verified.seals, 'seal')}"
    typer.echo(f"None changed: {held}. Head of the seals: {verified.head}")
    return 0


def _listed(connection: Connection) -> Iterator[str]:
    from sqlalchemy import select

    from immunomon.outputs.database.schema import seals

    query = select(seals.c.number, seals.c.sealed_at_utc, seals.c.study, seals.c.run_id, seals.c.hash)
    for row in connection.execute(query.order_by(seals.c.number)):
        subject = "entries of the audit trail" if row.run_id is None else f"export {row.run_id}"
        yield f"{row.number:>5}  {row.sealed_at_utc:%Y-%m-%d %H:%M:%S}  {row.study}  {subject}  {row.hash}"


def _seal_problem(connection: Connection, head: str | None) -> Iterator[str]:
    if head is None:
        return
    from sqlalchemy import select

    from immunomon.outputs.database.schema import seals

    number, _, digest = head.strip().rpartition(":")
    numbers = [row.number for row in connection.execute(select(seals.c.number).where(seals.c.hash == digest))]
    if not numbers or (number and number != str(numbers[0])):
        message = f"no seal is the one that was written down as {head.strip()}"
        yield f"table seals: {message}; they were written anew or cut off since then"


def said_head(run: Path) -> str:
    """Return the end of a run's trail in words, to be written down where nobody who writes the run folder writes."""
    head = AuditTrail(run).head()
    return "no entries" if head is None else f"{counted(head.entries, 'entry', 'entries')}, head {head}"


def say_noted(run: Path, what: str, unnoted: str, *, err: bool = False) -> None:
    """Say that something is in a run's trail, with its new head, or why it is not; nothing for a run without one.

    err: on standard error, where standard output holds JSON alone.
    """
    if unnoted:
        typer.echo(f"{what} was made, but {unnoted}", err=True)
    elif AuditTrail(run).path.is_file():
        typer.echo(f"Audit trail: {said_head(run)}", err=err)


@app.command()
def audit(
    source: Annotated[
        str,
        typer.Argument(help="The run folder, or the URL (SQLite: or file) of a database that runs were exported to."),
    ],
    entries: Annotated[
        bool, typer.Option("--list", help="Print every entry of the trail, or every seal, too.")
    ] = False,
    head: Annotated[
        str | None, typer.Option("--head", help="A head printed earlier, written down elsewhere: number:hash.")
    ] = None,
    study: StudyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Of a run folder: as JSON.")] = False,
    review: Annotated[
        bool, typer.Option("--review", help="Of a run folder: what is new since the last review, and what is unusual.")
    ] = False,
    by: Annotated[str, typer.Option("--by", help="With --review: enter into the trail that this person did.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="With --by: what was made of it.")] = "",
) -> int:
    """Verify a run's trail, its files and what it was made from, or every row of a database. Exit 1 if any changed."""
    file = Path(source)
    if "://" not in source and file.is_file() and _is_sqlite(file):
        source = f"sqlite:///{file}"
    if "://" in source:
        return audit_database(source, entries=entries, head=head)
    if review:
        return _review(Path(source), by=by, reason=reason)
    return audit_run(Path(source), entries=entries, head=head, study=study, as_json=as_json)


def _review(run: Path, *, by: str, reason: str) -> int:
    found = review_trail(run)
    last = found.reviewed
    since = "never" if last is None else f"{last['utc']} by {last['by']} (entry {last['number']})"
    typer.echo(f"Last reviewed: {since}. Since then {counted(len(found.entries), 'entry', 'entries')}:")
    for entry in found.entries:
        typer.echo(f"  {_line(entry)}")
    for unusual in found.unusual:
        numbers = ", ".join(map(str, unusual.entries[:8])) + (" ..." if len(unusual.entries) > 8 else "")
        typer.echo(f"  UNUSUAL (entry {numbers}): {unusual.what}")
    if not found.unusual:
        typer.echo("Nothing unusual: no decision after results were seen or after the lock, none without a reason.")
    if not by:
        typer.echo("To enter that it was reviewed, add --by NAME" + (" --reason TEXT" if found.unusual else ""))
        return 0
    record_review(run, found, by=by, note=reason)
    typer.echo(f"Reviewed by {by}. Audit trail: {said_head(run)}")
    return 0


def _line(entry: Mapping[str, Any]) -> str:
    about = entry.get("target") or entry.get("digest") or ""
    why = f": {entry['reason']}" if entry.get("reason") else ""
    return f"{entry['number']:>5}  {entry['utc']}  {entry['by']}  {entry['action']}  {about}{why}"


def _is_sqlite(file: Path) -> bool:
    return read_input(file, max_bytes=len(_SQLITE)).startswith(_SQLITE)


def audit_run(
    run: Path, *, entries: bool, head: str | None = None, study: Path | None = None, as_json: bool = False
) -> int:
    """Print what does not fit, or that everything does, and what was not looked at; return 0 if all fits, else 1.

    head: one that was printed earlier and written down elsewhere; the trail must still hold it. study: the study's
    folder, if it is not the one above the run.
    """
    if run.is_file():
        message = "is neither a run's folder nor an SQLite database"
        raise ImmunomonError(f"{run}: {message}; name the run folder, or the database by its file or URL")
    if not run.is_dir():
        raise ImmunomonError(f"{run}: there is no such folder; name a run's folder, or the URL of a database")
    if not (run / "audit.jsonl").exists() and (run / "run" / "audit.jsonl").exists():
        raise no_run(run)
    if study is not None and not study.exists():
        raise ImmunomonError(f"{study}: there is no such folder; name the study's folder")
    trail = AuditTrail(run)
    inspected = Inspected((*trail.problems(), *_head_problem(trail, head)), (_sealed(trail),))
    inspected += inspect_inputs(run, study) + inspect_folder(run)
    if as_json:
        _print_json(inspected, trail)
        return 1 if inspected.problems else 0
    if entries:
        for entry in [] if inspected.problems and not trail.path.is_file() else trail.entries():
            typer.echo(_line(entry))
    for problem in inspected.problems:
        typer.echo(problem)
    _say("Looked at", inspected.looked_at)
    _say("Not looked at", inspected.not_looked_at)
    if inspected.problems:
        typer.echo(
            f"{counted(len(inspected.problems), 'problem')}: the run, or what it was made from, is not as recorded."
        )
        return 1
    if head is not None:
        typer.echo(f"The entry written down is there; {counted(trail.after(head), 'entry', 'entries')} came after it.")
    typer.echo(f"None changed; everything that was looked at is as recorded. Audit trail: {said_head(run)}")
    return 0


def _sealed(trail: AuditTrail) -> str:
    sealed = sum((trail.root / name).is_file() for name in trail.names())
    return f"the trail and what it seals, {counted(sealed, 'file')}"


def _say(title: str, lines: Sequence[str]) -> None:
    for number, line in enumerate(lines):
        typer.echo(f"{title}: {line}" if number == 0 else f"{' ' * len(title)}  {line}")


def _print_json(inspected: Inspected, trail: AuditTrail) -> None:
    broken = any(problem.startswith(str(trail.path)) for problem in inspected.problems)
    head = None if broken else trail.head()
    typer.echo(json.dumps({**asdict(inspected), "head": None if head is None else str(head)}, indent=1))


def _head_problem(trail: AuditTrail, head: str | None) -> Iterator[str]:
    if head is not None:
        try:
            trail.after(head)
        except ImmunomonError as error:
            yield str(error)


@app.command()
def lock(
    run: RunArgument,
    reason: ReasonOption,
    by: ByOption,
    approved: Annotated[
        bool, typer.Option("--approved", help="Only if every sample was approved at the review desk.")
    ] = False,
) -> int:
    """Freeze a run: its strategies, overrides and gates; a later change needs a reason and lists what moved."""
    digest = lock_run(run, Reason(reason, by), approved=approved)
    typer.echo(f"Locked. Everything its tables depend on: {digest}")
    typer.echo("A later change needs: immunomon run STUDY --reason ... --by ...; it lists every value that moved.")
    typer.echo(f"Audit trail: {said_head(run)}")
    return 0
