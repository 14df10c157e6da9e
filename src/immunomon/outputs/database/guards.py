"""What was written once stays: triggers refuse to change or delete entries, deliveries, earlier versions and runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, text

from immunomon.outputs.database.schema import APPENDED, HISTORIES, runs, sealed_rows, seals

__all__ = ["GUARDED", "guard", "unguarded"]

# Rows of these are only ever added; of runs, which of them is current changes.
GUARDED = tuple(table.name for table in (*APPENDED, *HISTORIES.values(), seals, sealed_rows, runs))
_FUNCTION = """
CREATE FUNCTION immunomon_only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are only ever added: they are not changed or deleted', TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation';
END $$
"""
_OURS = "proname = 'immunomon_only_added' AND pronamespace = current_schema()::regnamespace"
_IS_THERE = f"SELECT 1 FROM pg_proc WHERE {_OURS}"
_ENABLED = """
SELECT c.relname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE t.tgname = 'only_added' AND t.tgenabled IN ('O', 'A') AND c.relnamespace = current_schema()::regnamespace
  AND p.proname = 'immunomon_only_added' AND p.prosrc LIKE '%RAISE EXCEPTION%'
"""


def guard(connection: Connection, tables: Iterable[str] = GUARDED) -> None:
    """Put the triggers on tables, which are new."""
    if connection.dialect.name == "postgresql":
        if connection.scalar(text(_IS_THERE)) is None:
            connection.execute(text(_FUNCTION))
        for table in tables:
            events = " OR ".join((*_refused(table), "TRUNCATE"))
            connection.execute(
                text(f"CREATE TRIGGER only_added BEFORE {events} ON {table} EXECUTE FUNCTION immunomon_only_added()")
            )
        return
    for table in tables:
        for statement in _of_sqlite(table).values():
            connection.execute(text(statement))


def unguarded(connection: Connection) -> Iterator[str]:
    """Yield the tables whose triggers are not there, are switched off, or do something else."""
    if connection.dialect.name == "postgresql":
        there = set(connection.scalars(text(_ENABLED)))
        yield from (table for table in GUARDED if table not in there)
        return
    made = {row.name: row.sql for row in connection.execute(text("SELECT name, sql FROM sqlite_master"))}
    for table in GUARDED:
        if any(made.get(name) != statement for name, statement in _of_sqlite(table).items()):
            yield table


def _refused(table: str) -> tuple[str, ...]:
    return ("DELETE",) if table == runs.name else ("UPDATE", "DELETE")


def _of_sqlite(table: str) -> dict[str, str]:
    what = f"rows of {table} are only ever added: they are not changed or deleted"
    names = {event: f"{table}_no_{event.lower()}" for event in _refused(table)}
    return {
        name: f"CREATE TRIGGER {name} BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, '{what}'); END"
        for event, name in names.items()
    }
