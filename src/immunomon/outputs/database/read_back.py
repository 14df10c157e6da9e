"""What was written is read back, before the commit: a value that the database holds otherwise ends the export."""

from __future__ import annotations

import io
import json
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from sqlalchemy import JSON, BigInteger, Boolean, Column, Connection, Double, Integer, LargeBinary, Table, select, text

from immunomon.errors import ExportFailed
from immunomon.outputs.database.building import OWN
from immunomon.outputs.database.bulk import CHUNK
from immunomon.outputs.database.row_digests import STRANGE, keys_of, written_texts
from immunomon.outputs.database.schema import VERSIONED

__all__ = ["confirm", "read_back"]

_PARSED_AT_ONCE = 8 * 1024 * 1024
_CHANGED = "something in the database changes what is written: see its triggers, rules and defaults"
_VARIES = object()
Columns = Mapping[str, pa.Array | Sequence[Any]]


def read_back(connection: Connection, database: str, study: str, *, written: Mapping[str, pa.Table]) -> None:
    """Hold every row of a study in the database against the rows that were written; to be called before the commit.

    database: its name in messages; written: table -> rows, without the columns of ``building.OWN``. Raises ExportFailed
    that names table, row and column of the first difference.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")  # what waits for the commit happens now
        connection.exec_driver_sql("SET LOCAL synchronize_seqscans = off")  # rows come in the order of the pages
    for table in VERSIONED:
        difference = _difference(connection, table, study, written[table.name])
        if difference:
            raise ExportFailed(f"{database}: table {table.name}: {difference}; {_CHANGED}; nothing was changed there")


def confirm(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Read rows that were just added back by their keys; raises ExportFailed for the first that is another."""
    key = list(table.primary_key.columns)
    for row in rows:
        rows_held = connection.execute(select(table).where(*(column == row[column.name] for column in key))).mappings()
        held = rows_held.first()
        for column in table.columns:
            if column.name in row and (held is None or not _equal([held[column.name]], [row[column.name]], column)):
                name = ", ".join(f"{column.name}={row[column.name]}" for column in key)
                problem = "is missing" if held is None else f"holds another {column.name} than was written"
                raise ExportFailed(
                    f"table {table.name}: the row {name} {problem}; {_CHANGED}; nothing was changed there"
                )


def _difference(connection: Connection, table: Table, study: str, rows: pa.Table) -> str:
    """Return what differs, empty if nothing: compared in the order of writing first, which a first load keeps."""
    columns = [column for column in table.columns if column.name not in OWN]
    if _is_as_written(connection, table, study, rows):
        return ""
    places = {
        key: index for index, key in enumerate(keys_of({c.name: _expected(rows, c) for c in columns}, _key(table)))
    }
    with closing(_parts(connection, table, columns, study)) as parts:
        differences = (_of_part(table, columns, held, rows, places) for held in parts)
        return next(filter(None, differences), "") or _missing(table, places)


def _is_as_written(connection: Connection, table: Table, study: str, rows: pa.Table) -> bool:
    """Say whether the rows stand in the order in which they were written, each as it was."""
    key = set(table.info["key"])
    columns = [column for column in table.columns if column.name not in OWN]
    same = {column.name: _same_in_all(rows, column) for column in columns if column.name not in key}
    if connection.dialect.name == "sqlite" and rows.num_rows:
        # Values cost most on their way into Python: SQLite itself holds columns against what is the same in all rows.
        columns = [column for column in columns if column.name in key or same[column.name] is _VARIES]
        if not _holds(connection, table, study, {name: item for name, item in same.items() if item is not _VARIES}):
            return False
    start = 0
    with closing(_parts(connection, table, columns, study)) as parts:
        for held in parts:
            size = len(held[columns[0].name])
            expected = rows.slice(start, size)
            if expected.num_rows != size or not all(
                _equal(held[column.name], _expected(expected, column), column) for column in columns
            ):
                return False
            start += size
    return bool(start == rows.num_rows)


def _same_in_all(rows: pa.Table, column: Column[Any]) -> object:
    values = _expected(rows, column)
    if values.null_count == len(values):
        return None
    first = values[0]
    is_same = first.is_valid and pc.all(pc.equal(values, first), skip_nulls=False).as_py()
    return first.as_py() if is_same else _VARIES


def _holds(connection: Connection, table: Table, study: str, same: Mapping[str, object]) -> bool:
    """Say whether columns of an SQLite table hold one value each in all rows of a study."""
    quote = connection.dialect.identifier_preparer.quote
    all_of = " AND ".join(f"{quote(name)} IS ?" for name in same) or "1"
    query = f"SELECT 1 FROM {quote(table.name)} WHERE +study = ? AND NOT ({all_of}) LIMIT 1"
    driver: Any = connection.connection.driver_connection
    differing: list[Any] = driver.execute(query, [study, *same.values()]).fetchall()
    return not differing


def _of_part(
    table: Table, columns: Sequence[Column[Any]], held: Columns, rows: pa.Table, places: dict[str, int]
) -> str:
    """Return the first difference of some rows, which are found by their keys; they are taken out of the places."""
    keys = keys_of(held, _key(table))
    stray = next((key for key in keys if key not in places), None)
    if stray is not None or len(set(keys)) < len(keys):
        return f"the row {_named(table, stray or keys[0])} was not written, or is there twice"
    indices = pa.array([places.pop(key) for key in keys], pa.int64())
    for column in columns:
        expected = _expected(rows, column).take(indices)
        if not _equal(held[column.name], expected, column):
            pairs = zip(keys, _texts(held[column.name], column), _texts(expected, column), strict=True)
            changed = next(key for key, there, wrote in pairs if there != wrote)
            return f"the row {_named(table, changed)} holds another {column.name} than was written"
    return ""


def _missing(table: Table, places: Mapping[str, int]) -> str:
    return f"the row {_named(table, next(iter(places)))} is missing" if places else ""


def _key(table: Table) -> list[Column[Any]]:
    return [table.c[name] for name in table.info["key"]]


def _named(table: Table, key: str) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(table.info["key"], key.split("\x1f"), strict=False))


def _expected(rows: pa.Table, column: Column[Any]) -> pa.Array:
    if column.name not in rows.column_names:
        return pa.nulls(rows.num_rows, pa.string())
    held = rows[column.name]
    return held.combine_chunks() if isinstance(held, pa.ChunkedArray) else held


def _equal(held: pa.Array | Sequence[Any], wrote: pa.Array | Sequence[Any], column: Column[Any]) -> bool:
    try:
        if _array(held, column).equals(_array(wrote, column)):
            return True
    except STRANGE:
        pass
    return _texts(held, column) == _texts(wrote, column)


def _texts(values: pa.Array | Sequence[Any], column: Column[Any]) -> list[str | None]:
    if isinstance(column.type, JSON):
        listed = values.to_pylist() if isinstance(values, pa.Array) else values
        values = [json.dumps(value) if isinstance(value, dict | list) else value for value in listed]
    return list(written_texts(values, column).to_pylist())


def _array(values: pa.Array | Sequence[Any], column: Column[Any]) -> pa.Array:
    kind = _arrow_type(column)
    if isinstance(values, pa.Array):
        return values if values.type == kind else values.cast(kind)
    if isinstance(column.type, Boolean):  # SQLite's are 0 and 1
        return pc.cast(pa.array(values), pa.bool_())
    return pa.array(values, kind)


def _arrow_type(column: Column[Any]) -> pa.DataType:
    kind = column.type
    if isinstance(kind, Double):
        return pa.float64()
    if isinstance(kind, Boolean):
        return pa.bool_()
    if isinstance(kind, LargeBinary):
        return pa.binary()
    return pa.int64() if isinstance(kind, BigInteger | Integer) else pa.string()


def _parts(
    connection: Connection, table: Table, columns: Sequence[Column[Any]], study: str
) -> Generator[Columns, None, None]:
    """Yield the rows of a study, some thousand at once, in the order in which they lie in the table."""
    quote = connection.dialect.identifier_preparer.quote
    names = [column.name for column in columns]
    query = f"SELECT {', '.join(map(quote, names))} FROM {quote(table.name)} WHERE"
    if connection.dialect.name == "postgresql":
        yield from _copied(connection, f"{query} study = :study", columns, study)
        return
    driver: Any = connection.connection.driver_connection
    # The plus keeps SQLite from taking the rows in the order of the key, and sorting them.
    cursor = driver.execute(f"{query} +study = ? ORDER BY rowid", (study,))
    while rows := cursor.fetchmany(CHUNK):
        yield dict(zip(names, zip(*rows, strict=True), strict=True))


def _copied(
    connection: Connection, query: str, columns: Sequence[Column[Any]], study: str
) -> Generator[Columns, None, None]:
    literal = str(text(":study").bindparams(study=study).compile(connection, compile_kwargs={"literal_binds": True}))
    statement = f"COPY ({query.replace(':study', literal)}) TO STDOUT WITH (FORMAT csv)"
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        held, size = [], 0
        try:
            for line in copy:  # the server sends whole rows
                held.append(bytes(line))
                size += len(line)
                if size > _PARSED_AT_ONCE:
                    yield _parsed(b"".join(held), columns)
                    held, size = [], 0
            if held:
                yield _parsed(b"".join(held), columns)
        finally:
            deque(copy, maxlen=0)  # to leave it in the middle would break the transaction off


def _parsed(lines: bytes, columns: Sequence[Column[Any]]) -> Columns:
    parsed = pa.csv.read_csv(
        io.BytesIO(lines),
        read_options=pa.csv.ReadOptions(column_names=[column.name for column in columns], block_size=len(lines) + 1),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa.csv.ConvertOptions(
            column_types={column.name: _arrow_type(column) for column in columns},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    return {name: parsed[name].combine_chunks() for name in parsed.column_names}
