"""Many rows at once into a table, and the keys and references that a first load makes after them."""

from __future__ import annotations

import datetime
import io
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from sqlalchemy import BigInteger, Boolean, Connection, Date, Double, ForeignKeyConstraint, Integer, Table
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import AddConstraint, CreateIndex, DropConstraint, DropIndex

from immunomon.errors import ExportFailed

__all__ = ["CHUNK", "arrow_of", "keys_made_late", "load"]

CHUNK = 20_000
_SQLITE_VALUES = 999  # that one statement can take, in every SQLite there is


def arrow_of(frame: pd.DataFrame, table: Table) -> pa.Table:
    """Return a frame's columns as they go into a table: whatever is missing, not-a-number included, is null.

    Raises ExportFailed for a value that the column cannot hold.
    """
    columns = {}
    for name in frame.columns:
        try:
            columns[str(name)] = _column(frame[name], table, str(name))
        except (ValueError, TypeError, pa.ArrowException) as error:
            raise ExportFailed(f"table '{table.name}': column '{name}': {error}; nothing was changed") from error
    return pa.table(columns)


def _column(values: pd.Series[Any], table: Table, name: str) -> pa.Array:
    kind = table.c[name].type
    if isinstance(kind, Double):
        numbers = pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
        if np.isinf(numbers).any():
            raise ValueError("holds an infinite value")
        return pa.array(numbers, from_pandas=True)
    if isinstance(kind, Date):
        for value in values.dropna().unique():
            datetime.date.fromisoformat(value)
    plain = values.astype(object).where(values.notna(), None) if values.dtype == object else values
    if isinstance(kind, Boolean):
        return pa.array(plain, pa.bool_())
    return pa.array(plain, pa.int64() if isinstance(kind, BigInteger | Integer) else pa.string())


def load(connection: Connection, into: str, rows: pa.Table, constants: Mapping[str, str | int] | None = None) -> int:
    """Add rows to a table, whose columns have the names of the rows'; returns how many.

    constants: columns that are the same in every row.
    """
    if rows.num_rows == 0:
        return 0
    # A column without any value need not be written: it is NULL without that.
    filled = [name for name in rows.column_names if rows[name].null_count < rows.num_rows] or rows.column_names
    same, filled_rows = dict(constants or {}), rows.select(filled)
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(name) for name in (*same, *filled))
    if connection.dialect.name == "postgresql":
        columns = [pa.repeat(pa.scalar(value), filled_rows.num_rows) for value in same.values()]
        whole = pa.table([*columns, *filled_rows.columns], names=[*same, *filled])
        _copy(connection, f"COPY {quote(into)} ({names}) FROM STDIN WITH (FORMAT csv)", whole)
    else:
        values = [*(_literal(value) for value in same.values()), *("?" * len(filled))]
        _insert(connection, (f"INSERT INTO {quote(into)} ({names}) VALUES ", f"({', '.join(values)})"), filled_rows)
    return int(rows.num_rows)


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _insert(connection: Connection, statement: tuple[str, str], rows: pa.Table) -> None:
    """Insert many rows by one statement: then a row costs little beside its values.

    statement: until VALUES, and the values of one row, with a ``?`` for each column.
    """
    driver: Any = connection.connection.driver_connection
    start, row = statement
    at_once = max(1, _SQLITE_VALUES // rows.num_columns)
    try:
        for batch in rows.to_batches(max_chunksize=CHUNK):
            values = list(chain.from_iterable(zip(*(column.to_pylist() for column in batch.columns), strict=True)))
            for first in range(0, len(values), at_once * rows.num_columns):
                chunk = values[first : first + at_once * rows.num_columns]
                driver.execute(start + ", ".join([row] * (len(chunk) // rows.num_columns)), chunk)
    except sqlite3.Error as error:
        raise OperationalError(start, None, error) from error


def _copy(connection: Connection, statement: str, rows: pa.Table) -> None:
    import psycopg

    driver: Any = connection.connection.driver_connection
    options = pa.csv.WriteOptions(include_header=False)
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for batch in rows.to_batches(max_chunksize=CHUNK):
                buffer = io.BytesIO()
                pa.csv.write_csv(batch, buffer, write_options=options)
                copy.write(buffer.getvalue())
    except psycopg.Error as error:
        raise OperationalError(statement, None, error) from error


# Keys and references made after the rows: for the first load into new tables, which is much faster on PostgreSQL.


@contextmanager
def keys_made_late(connection: Connection, tables: Sequence[Table]) -> Iterator[None]:
    """Take keys, references and indexes off tables for the length of the block, and put them back on at its end.

    tables: empty, made in this very transaction, and referred to by nothing else; parents first. All rows are held
    against all that was taken off, at once instead of one by one; the transaction fails if one does not fit.
    """
    references = [reference for table in tables for reference in _references(table)]
    for reference in references:
        connection.execute(DropConstraint(reference))
    for table in tables:
        if len(table.primary_key.columns):
            connection.execute(DropConstraint(table.primary_key))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(DropIndex(index))
    yield
    for table in tables:
        if len(table.primary_key.columns):
            connection.execute(AddConstraint(table.primary_key))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(CreateIndex(index))
    for reference in references:
        connection.execute(AddConstraint(reference))


def _references(table: Table) -> list[ForeignKeyConstraint]:
    references = [constraint for constraint in table.constraints if isinstance(constraint, ForeignKeyConstraint)]
    return sorted(references, key=lambda reference: str(reference.name))
