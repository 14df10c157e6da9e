"""A run's rows take the place of a study's earlier ones: only what differs changes, and what was there is kept.

The rows of a study that is there already are brought into a temporary table and compared in the database. A row that
differs, or is gone, is first copied into the table's history with the time, the run that ended it, and why.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import Connection, DateTime, Table, TextClause, bindparam, text

from immunomon.errors import ExportFailed, counted
from immunomon.outputs.database.building import OWN
from immunomon.outputs.database.bulk import load

__all__ = ["Counted", "Entry", "drop_staged", "is_empty", "merge", "withdraw"]


@dataclass(frozen=True)
class Entry:
    """The export that is under way: the study, the number of its run, when, and why values change."""

    study: str
    run_id: int
    now: datetime.datetime
    why: str
    why_gone: str


@dataclass(frozen=True)
class Counted:
    """How many rows of a table are new, changed and withdrawn by an export."""

    new: int = 0
    changed: int = 0
    withdrawn: int = 0


class _Sql:
    """The pieces of SQL that are about one table and its staged rows."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self.quote = connection.dialect.identifier_preparer.quote
        self.table = self.quote(table.name)
        self.history = self.quote(f"{table.name}_history")
        self.stage = self.quote(f"staged_{table.name}")
        self.key = [table.c[name] for name in table.info["key"]]
        self.names = [self.quote(column.name) for column in table.columns if column.name not in OWN]
        self.known = self.quote(next(column.name for column in self.key if not column.nullable))
        own = {column.name for column in self.key}
        rest = [self.quote(column.name) for column in table.columns if column.name not in {*OWN, *own}]
        # The same word on both: values that are missing on both sides do not differ.
        is_distinct = "IS DISTINCT FROM" if connection.dialect.name == "postgresql" else "IS NOT"
        self.same = "IS NOT DISTINCT FROM" if connection.dialect.name == "postgresql" else "IS"
        self.differs = " OR ".join(f"{self.table}.{name} {is_distinct} s.{name}" for name in rest) or "1 = 0"
        self.values = ", ".join(f"{name} = s.{name}" for name in rest)
        self.same_key = " AND ".join(self._same(column.name, nullable=bool(column.nullable)) for column in self.key)

    def _same(self, name: str, *, nullable: bool) -> str:
        own, staged = f"{self.table}.{self.quote(name)}", f"s.{self.quote(name)}"
        return f"coalesce({own}, '') = coalesce({staged}, '')" if nullable else f"{own} = {staged}"

    def listed(self, prefix: str = "") -> str:
        return ", ".join(prefix + name for name in self.names)


def is_empty(connection: Connection, table: Table, study: str) -> bool:
    """Return whether a table holds no row of a study."""
    sql = _Sql(connection, table)
    query = text(f"SELECT 1 FROM {sql.table} WHERE study = :study LIMIT 1")
    return connection.execute(query, {"study": study}).first() is None


def merge(connection: Connection, table: Table, rows: pa.Table, *, entry: Entry) -> Counted:
    """Bring new and changed rows into a table, and put what they replace into its history.

    rows: without the columns ``study`` and ``run_id``. Rows that are gone stay until ``withdraw``, since rows of other
    tables may refer to them that go themselves.
    """
    sql = _Sql(connection, table)
    _stage(connection, sql, rows)
    ended = connection.execute(_with_time(_archive(sql)), _values(entry)).rowcount
    _confirm_history(connection, sql, entry, ended)
    changed = 0
    if sql.values:
        changed = connection.execute(text(_update(sql)), _values(entry, "study", "run_id")).rowcount
    new = connection.execute(text(_insert(sql)), _values(entry, "study", "run_id")).rowcount
    return Counted(new, changed, ended - changed)


def _confirm_history(connection: Connection, sql: _Sql, entry: Entry, ended: int) -> None:
    """Raise ExportFailed unless the earlier versions that were just kept are what still stands in the table."""
    kept = " AND ".join(f"{sql.history}.{name} {sql.same} {sql.table}.{name}" for name in (*sql.names, "run_id"))
    query = (
        f"SELECT count(*) FROM {sql.history} JOIN {sql.table} ON {sql.table}.study = {sql.history}.study AND {kept} "
        f"WHERE {sql.history}.study = :study AND {sql.history}.ended_by_run_id = :run_id"
    )
    unchanged = connection.scalar(text(query), _values(entry, "study", "run_id"))
    if unchanged != ended:
        problem = f"of {counted(ended, 'row')} kept as earlier versions, {unchanged:,} can be found as they were"
        raise ExportFailed(
            f"table {sql.history}: {problem}; something in the database changes what is written: see its triggers, "
            "rules and defaults; nothing was changed there"
        )


def withdraw(connection: Connection, table: Table, entry: Entry) -> None:
    """Take out the rows that are not in the run any more; ``merge`` has put them into the history."""
    sql = _Sql(connection, table)
    gone = (
        f"DELETE FROM {sql.table} WHERE study = :study "
        f"AND NOT EXISTS (SELECT 1 FROM {sql.stage} AS s WHERE {sql.same_key})"
    )
    connection.execute(text(gone), _values(entry, "study"))


def drop_staged(connection: Connection, tables: Iterable[Table]) -> None:
    """Forget the staged rows."""
    for table in tables:
        connection.execute(text(f"DROP TABLE {_Sql(connection, table).stage}"))


def _stage(connection: Connection, sql: _Sql, rows: pa.Table) -> None:
    columns = sql.listed()
    connection.execute(text(f"CREATE TEMPORARY TABLE {sql.stage} AS SELECT {columns} FROM {sql.table} WHERE 1 = 0"))
    load(connection, sql.stage.strip('"'), rows)
    parts = [f"coalesce({sql.quote(c.name)}, '')" if c.nullable else sql.quote(c.name) for c in sql.key]
    index = sql.quote("ix_" + sql.stage.strip('"'))
    connection.execute(text(f"CREATE UNIQUE INDEX {index} ON {sql.stage} ({', '.join(parts)})"))
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ANALYZE {sql.stage}"))


def _archive(sql: _Sql) -> str:
    return (
        f"INSERT INTO {sql.history} (study, run_id, {sql.listed()}, valid_from, valid_to, ended_by_run_id, why) "
        f"SELECT {sql.table}.study, {sql.table}.run_id, {sql.listed(sql.table + '.')}, r.exported_at_utc, :now, "
        f":run_id, CASE WHEN s.{sql.known} IS NULL THEN :why_gone ELSE :why END "
        f"FROM {sql.table} JOIN runs AS r ON r.run_id = {sql.table}.run_id "
        f"LEFT JOIN {sql.stage} AS s ON {sql.same_key} "
        f"WHERE {sql.table}.study = :study AND (s.{sql.known} IS NULL OR {sql.differs})"
    )


def _update(sql: _Sql) -> str:
    return (
        f"UPDATE {sql.table} SET run_id = :run_id, {sql.values} FROM {sql.stage} AS s "
        f"WHERE {sql.table}.study = :study AND {sql.same_key} AND ({sql.differs})"
    )


def _insert(sql: _Sql) -> str:
    return (
        f"INSERT INTO {sql.table} (study, run_id, {sql.listed()}) SELECT :study, :run_id, {sql.listed('s.')} "
        f"FROM {sql.stage} AS s LEFT JOIN {sql.table} ON {sql.table}.study = :study AND {sql.same_key} "
        f"WHERE {sql.table}.study IS NULL"
    )


def _with_time(statement: str) -> TextClause:
    return text(statement).bindparams(bindparam("now", type_=DateTime(timezone=True)))


def _values(entry: Entry, *names: str) -> dict[str, object]:
    every = ("study", "run_id", "now", "why", "why_gone")
    return {name: getattr(entry, name) for name in names or every}
