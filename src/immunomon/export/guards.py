"""What was written once stays: triggers refuse to change or delete entries, deliveries, earlier versions and runs."""

from __future__ import annotations

from sqlalchemy import Connection, text

from immunomon.export.schema import APPENDED, HISTORIES, runs

__all__ = ["guard"]

_FUNCTION = """
CREATE FUNCTION immunomon_only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are only ever added: they are not changed or deleted', TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def guard(connection: Connection) -> None:
    """Put the triggers on the tables, which are new."""
    tables: list[tuple[str, tuple[str, ...]]] = [
        (table.name, ("UPDATE", "DELETE")) for table in (*APPENDED, *HISTORIES.values())
    ]
    tables.append((runs.name, ("DELETE",)))
    postgresql = connection.dialect.name == "postgresql"
    if postgresql:
        connection.execute(text(_FUNCTION))
    for table, refused in tables:
        if postgresql:
            events = " OR ".join((*refused, "TRUNCATE"))
            connection.execute(
                text(f"CREATE TRIGGER only_added BEFORE {events} ON {table} EXECUTE FUNCTION immunomon_only_added()")
            )
            continue
        for event in refused:
            what = f"rows of {table} are only ever added: they are not changed or deleted"
            name = f"{table}_no_{event.lower()}"
            connection.execute(
                text(f"CREATE TRIGGER {name} BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, '{what}'); END")
            )
