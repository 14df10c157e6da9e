"""Triggers of ours that keep what was written once; what others put on our tables is named and refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, select, text

from immunomon.errors import ExportFailed, listed
from immunomon.outputs.database.schema import APPENDED, HISTORIES, metadata, runs, sealed_rows, seals, views

__all__ = ["GUARDED", "foreign_objects", "guard", "refuse_foreign", "unguarded"]

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
# Before each statement (2) that deletes (8) or truncates (32), of all but runs also one that updates (16).
_GUARD = """t.tgname = 'only_added' AND p.proname = 'immunomon_only_added' AND p.prosrc = :body AND t.tgqual IS NULL
  AND t.tgtype = CASE WHEN c.relname = 'runs' THEN 42 ELSE 58 END AND t.tgattr = ''::int2vector"""
_TRIGGERS = f"""
SELECT c.relname, t.tgname, t.tgenabled IN ('O', 'A') AND {_GUARD} AS guards, {_GUARD} AS ours
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace AND c.relname = ANY(:tables)
"""
_OF_TABLES = "c.relnamespace = current_schema()::regnamespace AND c.relname = ANY(:tables)"
_NOT_OURS = f"""
SELECT 'rule ' || quote_ident(r.rulename) || ' on table ' || c.relname
FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN' AND {_OF_TABLES}
UNION ALL
SELECT 'policy ' || quote_ident(o.polname) || ' on table ' || c.relname
FROM pg_policy AS o JOIN pg_class AS c ON c.oid = o.polrelid WHERE {_OF_TABLES}
UNION ALL
SELECT 'row-level security on table ' || c.relname FROM pg_class AS c WHERE c.relrowsecurity AND {_OF_TABLES}
UNION ALL
SELECT 'a view or foreign table in place of table ' || c.relname FROM pg_class AS c
WHERE c.relkind <> 'r' AND {_OF_TABLES}
UNION ALL
SELECT 'inheritance of table ' || c.relname FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid IN (i.inhrelid, i.inhparent) WHERE {_OF_TABLES}
UNION ALL
SELECT CASE WHEN a.attgenerated = '' THEN 'default ' ELSE 'generated column ' END || quote_ident(a.attname)
  || ' of table ' || c.relname
FROM pg_attrdef AS d JOIN pg_class AS c ON c.oid = d.adrelid
JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE NOT (c.relname = 'seals' AND a.attname = 'number' AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%')
  AND {_OF_TABLES}
UNION ALL
SELECT 'reference ' || quote_ident(k.conname) || ' with an action on table ' || c.relname
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
WHERE k.contype = 'f' AND (k.confupdtype <> 'a' OR k.confdeltype <> 'a') AND {_OF_TABLES}
UNION ALL
SELECT DISTINCT 'view ' || quote_ident(v.relname) FROM pg_class AS v
JOIN pg_rewrite AS r ON r.ev_class = v.oid JOIN pg_depend AS d ON d.objid = r.oid AND d.classid = 'pg_rewrite'::regclass
JOIN pg_class AS c ON c.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
WHERE v.relkind IN ('v', 'm') AND v.relnamespace = c.relnamespace AND v.oid <> c.oid
  AND v.relname NOT IN (SELECT name FROM immunomon_views) AND {_OF_TABLES}
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
        there = {row.relname for row in connection.execute(text(_TRIGGERS), _asked()) if row.guards}
        yield from (table for table in GUARDED if table not in there)
        return
    made = {row.name: row.sql for row in connection.execute(text("SELECT name, sql FROM sqlite_master"))}
    for table in GUARDED:
        if any(made.get(name) != statement for name, statement in _of_sqlite(table).items()):
            yield table


def foreign_objects(connection: Connection) -> list[str]:
    """Return what is not immunomon's and changes or hides what is written into its tables, each by kind and name."""
    if connection.dialect.name == "postgresql":
        triggers = connection.execute(text(_TRIGGERS), _asked()).all()
        foreign = connection.scalars(text(_NOT_OURS), {"tables": _asked()["tables"]})
        named = [f"trigger {row.tgname} on table {row.relname}" for row in triggers if not row.ours]
        return sorted({*named, *foreign})
    return sorted(_foreign_in_sqlite(connection))


def refuse_foreign(connection: Connection, database: str) -> None:
    """Raise ExportFailed, with their names, if something that is not immunomon's acts on its tables."""
    foreign = foreign_objects(connection)
    if foreign:
        objects = listed(foreign, 20, "; ")
        raise ExportFailed(
            f"{database}: not immunomon's, and able to change or hide what is written: {objects}; drop "
            "them, or export to a database or schema of its own; nothing was changed there"
        )


def _asked() -> dict[str, object]:
    body = _FUNCTION.partition("$$")[2].partition("$$")[0]
    return {"tables": [*metadata.tables, "alembic_version"], "body": body}


def _foreign_in_sqlite(connection: Connection) -> Iterator[str]:
    tables = {*metadata.tables, "alembic_version"}
    ours = {name: sql for table in GUARDED for name, sql in _of_sqlite(table).items()}
    known = set(connection.scalars(select(views.c.name)))
    of_tables = re.compile(rf"\b(?:{'|'.join(map(re.escape, tables))})\b", re.IGNORECASE)
    for row in connection.execute(text("SELECT type, name, tbl_name, sql FROM sqlite_master")):
        about = row.tbl_name.casefold()
        if row.type == "trigger" and ours.get(row.name) != row.sql and about in tables | known:
            yield f"trigger {row.name} on table {row.tbl_name}"
        elif row.type == "view" and row.name.casefold() in tables:
            yield f"a view in place of table {row.name}"
        elif row.type == "view" and row.name not in known and of_tables.search(row.sql):
            yield f"view {row.name}"
        elif row.type == "table" and about in tables:
            if not re.match(r"\s*CREATE\s+TABLE\b", row.sql, re.IGNORECASE):
                yield f"a virtual table in place of table {row.name}"
            for column in connection.execute(text("SELECT * FROM pragma_table_xinfo(:table)"), {"table": row.name}):
                if column.hidden:
                    yield f"generated column {column.name} of table {row.name}"
                elif column.dflt_value is not None:
                    yield f"default {column.name} of table {row.name}"


def _refused(table: str) -> tuple[str, ...]:
    return ("DELETE",) if table == runs.name else ("UPDATE", "DELETE")


def _of_sqlite(table: str) -> dict[str, str]:
    problem = f"rows of {table} are only ever added: they are not changed or deleted"
    names = {event: f"{table}_no_{event.lower()}" for event in _refused(table)}
    return {
        name: f"CREATE TRIGGER {name} BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, '{problem}'); END"
        for event, name in names.items()
    }
