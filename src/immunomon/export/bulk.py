"""Many rows at once into a table: COPY on PostgreSQL, prepared inserts on SQLite."""

from __future__ import annotations

import datetime
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from sqlalchemy import BigInteger, Boolean, Connection, Date, Double, Integer, Table
from sqlalchemy.exc import OperationalError

from immunomon.errors import ExportFailed

__all__ = ["CHUNK", "arrow_of", "load"]

CHUNK = 20_000


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
        for one in values.dropna().unique():
            datetime.date.fromisoformat(one)
    plain = values.astype(object).where(values.notna(), None) if values.dtype == object else values
    if isinstance(kind, Boolean):
        return pa.array(plain, pa.bool_())
    return pa.array(plain, pa.int64() if isinstance(kind, BigInteger | Integer) else pa.string())


def load(connection: Connection, into: str, rows: pa.Table, constants: Mapping[str, str | int] | None = None) -> int:
    """Add rows to a table, whose columns have the names of the rows'; returns how many.

    constants: columns that are the same in every row.
    """
    same = dict(constants or {})
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(name) for name in (*same, *rows.column_names))
    if rows.num_rows == 0:
        return 0
    if connection.dialect.name == "postgresql":
        columns = [pa.repeat(pa.scalar(value), rows.num_rows) for value in same.values()]
        whole = pa.table([*columns, *rows.columns], names=[*same, *rows.column_names])
        _copy(connection, f"COPY {quote(into)} ({names}) FROM STDIN WITH (FORMAT csv)", whole)
    else:
        values = [*(_literal(value) for value in same.values()), *("?" * rows.num_columns)]
        _insert(connection, f"INSERT INTO {quote(into)} ({names}) VALUES ({', '.join(values)})", rows)
    return int(rows.num_rows)


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _insert(connection: Connection, statement: str, rows: pa.Table) -> None:
    for batch in rows.to_batches(max_chunksize=CHUNK):
        values = [column.to_pylist() for column in batch.columns]
        connection.exec_driver_sql(statement, list(zip(*values, strict=True)))


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
