"""What somebody with direct access to a database could do to it, point by point, its own guards set aside."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import JSON, Boolean, Connection, Date, DateTime, Double, Integer, LargeBinary, Table, text
from sqlalchemy.exc import DBAPIError

from immunomon.outputs.database.guards import GUARDED, guard
from immunomon.outputs.database.schema import (
    APPENDED,
    HISTORIES,
    VERSIONED,
    runs,
    sealed_rows,
    seals,
    studies,
)

TABLES = (*VERSIONED, *HISTORIES.values(), *APPENDED, runs, studies, seals, sealed_rows)
_SQLITE = {Boolean: "1 - coalesce({0}, 0)", Date: "'1999-01-01'", DateTime: "'1999-01-01 00:00:00.000000'"}
_SQLITE |= {
    JSON: "'{{\"x\": 1}}'",
    LargeBinary: "x'00'",
    Double: "coalesce({0}, 0) + 1e-6",
    Integer: "coalesce({0}, 0) + 1",
}
_SERVER = _SQLITE | {Boolean: "NOT coalesce({0}, false)", LargeBinary: "{0} || '\\x00'::bytea"}


@dataclass(frozen=True)
class Point:
    """One change: of which table, what is done, and by which statement."""

    table: Table
    what: str
    statement: str
    key: tuple[str, ...] = ()


def points(connection: Connection, tables: tuple[Table, ...] = TABLES) -> Iterator[Point]:
    """Yield every column of a row of each table changed, the row taken out, and a row like it put in."""
    server = connection.dialect.name == "postgresql"
    quote = connection.dialect.identifier_preparer.quote
    own = "ctid" if server else "rowid"
    for table in tables:
        name, names = quote(table.name), [quote(column.name) for column in table.columns]
        rows = connection.execute(text(f"SELECT {own} AS place_of_it, * FROM {name}")).mappings().all()
        if not rows:
            continue
        picked = rows[len(rows) // 2]
        key = tuple(str(picked[part]) for part in table.info.get("key", ()) if picked[part] is not None)
        at = f"{own} = '{picked['place_of_it']}'"
        for column in table.columns:
            other = _other(column.type, server=server).format(quote(column.name))
            yield Point(
                table, f"change {column.name}", f"UPDATE {name} SET {quote(column.name)} = {other} WHERE {at}", key
            )
        yield Point(table, "delete", f"DELETE FROM {name} WHERE {at}", key)
        part = table.info.get("key", ()) or [column.name for column in table.primary_key.columns]
        changed = {quote(one): _other(table.c[one].type, server=server).format(quote(one)) for one in part[-1:]}
        listed = ", ".join(changed.get(one, one) for one in names)
        yield Point(table, "insert", f"INSERT INTO {name} ({', '.join(names)}) SELECT {listed} FROM {name} WHERE {at}")


def _other(kind: object, *, server: bool) -> str:
    for known, other in (_SERVER if server else _SQLITE).items():
        if isinstance(kind, known):
            return other
    return "coalesce({0}, '') || 'x'"


@contextmanager
def done(connection: Connection, changes: Iterable[Point]) -> Iterator[list[Point]]:
    """Make changes for the length of the block, with all guards in place after them.

    Yields those that were made: a constraint may refuse others.
    """
    server = connection.dialect.name == "postgresql"
    connection.execute(text("SAVEPOINT tampered"))
    try:
        if server:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            for table, event in itertools.product(GUARDED, ("update", "delete")):
                connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_{event}"))
        made = [point for point in changes if _made(connection, point)]
        if not server:
            guard(connection)
        yield made
    finally:
        connection.execute(text("ROLLBACK TO SAVEPOINT tampered"))


def _made(connection: Connection, point: Point) -> bool:
    connection.execute(text("SAVEPOINT one"))
    try:
        return connection.exec_driver_sql(point.statement).rowcount == 1
    except DBAPIError:
        connection.execute(text("ROLLBACK TO SAVEPOINT one"))
        return False


def rounds(connection: Connection) -> Iterator[list[Point]]:
    """Yield the points in groups to be tried together: one of each table of rows, and one by one of what seals them."""
    every = list(points(connection))
    apart = {runs.name, studies.name, seals.name, sealed_rows.name}
    together: dict[str, list[Point]] = {}
    for point in every:
        if point.table.name not in apart:
            together.setdefault(point.table.name, []).append(point)
    for group in itertools.zip_longest(*together.values()):
        yield [point for point in group if point is not None]
    yield from ([point] for point in every if point.table.name in apart)


def unnamed(made: Iterable[Point], problems: Sequence[str]) -> list[Point]:
    """Return the points that no problem names, by the table and, where it is a row's, by its key."""

    # An earlier version is a row of its table to whoever looks for what an export brought.
    def named(point: Point) -> bool:
        about = [one for one in problems if f"table {point.table.name.removesuffix('_history')}" in one]
        return any(all(part in one for part in point.key) for one in about)

    return [point for point in made if not named(point)]
