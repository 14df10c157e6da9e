"""``immunomon audit URL``: every row of a database held against the seals of the exports that brought it."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from sqlalchemy import Connection, select

from immunomon.errors import counted
from immunomon.outputs.database.connection import database_url, reading, shown
from immunomon.outputs.database.schema import seals
from immunomon.outputs.database.verifying import verify

__all__ = ["audit_database"]


def audit_database(source: str, *, entries: bool, head: str | None = None) -> int:
    """Print what in a database does not fit, or that everything does; return 0 if it does, else 1.

    head: one that was printed earlier and written down elsewhere; the chain of seals must still hold it.
    """
    url = database_url(source, "audit of")
    with reading(url) as connection:
        verified = verify(connection, shown(url))
        problems = [*verified.problems, *_head_problem(connection, head)]
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
    query = select(seals.c.number, seals.c.sealed_at_utc, seals.c.study, seals.c.run_id, seals.c.hash)
    for row in connection.execute(query.order_by(seals.c.number)):
        subject = "entries of the audit trail" if row.run_id is None else f"export {row.run_id}"
        yield f"{row.number:>5}  {row.sealed_at_utc:%Y-%m-%d %H:%M:%S}  {row.study}  {subject}  {row.hash}"


def _head_problem(connection: Connection, head: str | None) -> Iterator[str]:
    if head is None:
        return
    number, _, digest = head.strip().rpartition(":")
    numbers = [row.number for row in connection.execute(select(seals.c.number).where(seals.c.hash == digest))]
    if not numbers or (number and number != str(numbers[0])):
        message = f"no seal is the one that was written down as {head.strip()}"
        yield f"table seals: {message}; they were written anew or cut off since then"
