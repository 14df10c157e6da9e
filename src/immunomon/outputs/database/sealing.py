"""Seals of exports: each names the digests of the rows that it brought and ended, and the seal before it."""

from __future__ import annotations

import datetime
import hashlib
import json
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy import Column, Connection, Table, func, insert, select, text

import immunomon
from immunomon.outputs.database.building import OWN
from immunomon.outputs.database.read_back import confirm
from immunomon.outputs.database.row_digests import DIGEST_BYTES, Values, digests_of, keys_of
from immunomon.outputs.database.schema import (
    HISTORIES,
    VERSIONED,
    audit,
    deliveries,
    runs,
    sealed_rows,
    seals,
    studies,
    views,
)

__all__ = [
    "GENESIS",
    "PARTS",
    "Draft",
    "Part",
    "Sealed",
    "digests_of_views",
    "head_of",
    "read_part",
    "seal_as_it_stands",
    "seal_digest",
    "unpacked",
    "views_changed",
]

# Digests of what the views of a database say, so that a view that was made otherwise is found.

_OF_POSTGRESQL = "SELECT relname, pg_get_viewdef(oid) FROM pg_class WHERE relkind = 'v' AND oid = ANY(:views)"
_OURS = "SELECT oid FROM pg_class WHERE relkind = 'v' AND relnamespace = current_schema()::regnamespace"


def digests_of_views(connection: Connection) -> dict[str, Any]:
    """Return ``told_by``, the program that told the views, and ``views``: name -> SHA-256 of what it says now."""
    listed = {row.name: row.definition for row in connection.execute(select(views))}
    definitions = _of_sqlite(connection) if connection.dialect.name == "sqlite" else _of_postgresql(connection)
    names = sorted(name for name in {*listed, *definitions} if name.startswith("v_"))
    texts = {name: f"{listed.get(name)}\n{definitions.get(name)}" for name in names}
    digests = {name: hashlib.sha256(item.encode("utf-8")).hexdigest() for name, item in texts.items()}
    return {"told_by": _program(connection), "views": digests}


def _of_sqlite(connection: Connection) -> Mapping[str, str]:
    query = text("SELECT name, sql FROM sqlite_master WHERE type = 'view'")
    return {row.name: row.sql for row in connection.execute(query)}


def _of_postgresql(connection: Connection) -> Mapping[str, str]:
    own = list(connection.scalars(text(_OURS)))
    # With an empty search path every name is told with its schema, whoever asks.
    path = connection.scalar(text("SELECT current_setting('search_path')"))
    connection.execute(text("SELECT set_config('search_path', '', true)"))
    definitions = {row[0]: row[1] for row in connection.execute(text(_OF_POSTGRESQL), {"views": own})}
    connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": path})
    return definitions


def _program(connection: Connection) -> str:
    """Return what tells the views: another major version of PostgreSQL may write the same view otherwise."""
    if connection.dialect.name == "sqlite":
        return "SQLite"
    number = connection.scalar(text("SELECT current_setting('server_version_num')"))
    return f"PostgreSQL {int(str(number)) // 10_000}"


GENESIS = "0" * 64
_CHUNK = 20_000
_ENDED = ("run_id", "valid_from", "valid_to", "ended_by_run_id", "why")
Where = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Part:
    """What of a table is sealed as one: which rows, what identifies them within their study, and which columns.

    name: of the table that the rows belong to; part: ``added`` or ``ended``; tables: where such rows stand; owner: the
    column that names the export.
    """

    name: str
    part: str
    tables: tuple[Table, ...]
    key: tuple[Column[Any], ...]
    columns: tuple[Column[Any], ...]
    owner: str


def _parts() -> Iterator[Part]:
    for table in VERSIONED:
        history, own = HISTORIES[table.name], table.info["key"]
        key = tuple(table.c[name] for name in own)
        columns = tuple(column for column in table.columns if column.name not in OWN)
        yield Part(table.name, "added", (table, history), key, columns, "run_id")
        ended = (*(history.c[name] for name in own), *(history.c[name] for name in _ENDED))
        yield Part(table.name, "ended", (history,), key, ended, "ended_by_run_id")
    kept = tuple(column for column in runs.columns if column.name not in {"study", "is_current"})
    yield Part("runs", "added", (runs,), (runs.c.run_id,), kept, "run_id")
    for table in (audit, deliveries):
        columns = tuple(column for column in table.columns if column.name != "study")
        yield Part(table.name, "added", (table,), (table.c.trail, table.c.number), columns, "")


PARTS = {(part.name, part.part): part for part in _parts()}


@dataclass(frozen=True)
class Sealed:
    """The rows of a part: what identifies each, and its digest, in the same order."""

    keys: Sequence[str]
    digests: Sequence[bytes]

    def packed(self) -> tuple[bytes, bytes]:
        """Return keys and digests as they are kept."""
        return zlib.compress(json.dumps(self.keys, ensure_ascii=False).encode("utf-8"), 1), b"".join(self.digests)


def unpacked(keys: bytes, digests: bytes) -> Sealed:
    """Return what was kept; raises ValueError for what is damaged."""
    try:
        listed = json.loads(zlib.decompress(keys))
    except (zlib.error, RecursionError) as error:
        raise ValueError(f"not readable: {error}") from error
    if not isinstance(listed, list) or len(digests) != DIGEST_BYTES * len(listed):
        raise ValueError("other digests than keys")
    cut = [bytes(digests[start : start + DIGEST_BYTES]) for start in range(0, len(digests), DIGEST_BYTES)]
    return Sealed([str(key) for key in listed], cut)


def _sealed(part: Part, values: Values) -> Sealed:
    return Sealed(keys_of(values, part.key), digests_of(values, part.columns))


def read_part(connection: Connection, part: Part, where: Where) -> Iterator[Sealed]:
    """Yield the rows of a part whose columns have these values, some thousand at once, table by table."""
    quote = connection.dialect.identifier_preparer.quote
    names = list(dict.fromkeys(column.name for column in (*part.key, *part.columns)))
    condition = " AND ".join(f"{quote(name)} = :{name}" for name in where)
    for table in part.tables:
        query = f"SELECT {', '.join(map(quote, names))} FROM {quote(table.name)} WHERE {condition}"
        # Plain SQL: what a person wrote into an SQLite file need not be of the column's type.
        result = connection.execute(text(query), dict(where))
        while rows := result.fetchmany(_CHUNK):
            columns = zip(*rows, strict=True)
            yield _sealed(part, {name: list(values) for name, values in zip(names, columns, strict=True)})


class Draft:
    """The seal of an export that is under way."""

    def __init__(self, connection: Connection, study: str, run_id: int | None = None) -> None:
        self._connection, self._study, self._run_id = connection, study, run_id
        self._found: dict[tuple[str, str], Sealed] = {}
        self._coming: dict[tuple[str, str], Future[Sealed]] = {}

    def loading(self, table: Table, rows: pa.Table, beside: Executor) -> None:
        """Take in rows that are being written into an empty table, from memory and beside the writing."""
        part, missing = PARTS[table.name, "added"], pa.nulls(rows.num_rows)
        held = {column.name: missing for column in part.columns}
        held |= {name: rows[name] for name in rows.column_names if name in held}
        self._coming[table.name, "added"] = beside.submit(_sealed, part, held)

    def entries(self, new: Collection[str] | None = None) -> None:
        """Take in the entries of the study's trails with these keys, and the deliveries among them; None: all."""
        for name in ("audit", "deliveries"):
            sealed = _joined(read_part(self._connection, PARTS[name, "added"], {"study": self._study}))
            kept = [index for index, key in enumerate(sealed.keys) if new is None or key in new]
            self._found[name, "added"] = Sealed(
                [sealed.keys[index] for index in kept], [sealed.digests[index] for index in kept]
            )

    def write(self) -> str:
        """Add the seal, with what was not taken in yet read from the database; return its hash."""
        self._found |= {which: coming.result() for which, coming in self._coming.items()}
        for (name, part), rows in PARTS.items():
            if (name, part) not in self._found and rows.owner and self._run_id is not None:
                where = {"study": self._study, rows.owner: self._run_id}
                self._found[name, part] = _joined(read_part(self._connection, rows, where))
        return _append(self._connection, self._study, self._run_id, self._found)


def _joined(parts: Iterator[Sealed]) -> Sealed:
    keys: list[str] = []
    digests: list[bytes] = []
    for sealed in parts:
        keys += sealed.keys
        digests += sealed.digests
    return Sealed(keys, digests)


def _append(
    connection: Connection, study: str, run_id: int | None, sealed_parts: Mapping[tuple[str, str], Sealed]
) -> str:
    last = connection.execute(select(seals).order_by(seals.c.number.desc()).limit(1)).first()
    number = 1 if last is None else int(last.number) + 1
    packed = {which: sealed.packed() for which, sealed in sealed_parts.items() if sealed.keys}
    content = {
        "title": connection.scalar(select(studies.c.title).where(studies.c.study == study)),
        "rows": [_described(which, *packed[which], len(sealed_parts[which].keys)) for which in sorted(packed)],
        "views": digests_of_views(connection),
    }
    seal = {
        "number": number,
        "study": study,
        "run_id": run_id,
        "sealed_at_utc": datetime.datetime.now(datetime.UTC),
        "software_version": immunomon.__version__,
        "content": content,
        "previous_hash": GENESIS if last is None else str(last.hash),
    }
    digest = seal_digest(seal)
    connection.execute(insert(seals).values(**seal, hash=digest))
    confirm(connection, seals, [{**seal, "hash": digest}])
    for (name, part), (keys, digests) in packed.items():
        row = {"number": number, "of_table": name, "part": part, "keys": keys, "digests": digests}
        connection.execute(insert(sealed_rows).values(**row))
        confirm(connection, sealed_rows, [row])
    return digest


def _described(which: tuple[str, str], keys: bytes, digests: bytes, rows: int) -> dict[str, Any]:
    name, part = which
    columns = [column.name for column in PARTS[which].columns]
    digest = hashlib.sha256(keys + digests).hexdigest()
    return {"table": name, "part": part, "rows": rows, "columns": columns, "sha256": digest}


def seal_digest(seal: Mapping[str, Any]) -> str:
    """Return the hash of a seal: of everything in it, in one order, with the time in UTC."""
    time = seal["sealed_at_utc"]
    aware = time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
    plain = {name: value for name, value in seal.items() if name != "hash"}
    plain["sealed_at_utc"] = aware.astimezone(datetime.UTC).isoformat(timespec="microseconds")
    written = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(written.encode("utf-8")).hexdigest()


def head_of(connection: Connection) -> str | None:
    """Return the end of the chain, as it is to be written down elsewhere: ``number:hash``; None without a seal."""
    last = connection.execute(select(seals.c.number, seals.c.hash).order_by(seals.c.number.desc()).limit(1)).first()
    return None if last is None else f"{last.number}:{last.hash}"


def views_changed(connection: Connection) -> set[str]:
    """Return the views that are not as the last export left them."""
    query = select(seals.c.content).where(seals.c.run_id.is_not(None)).order_by(seals.c.number.desc()).limit(1)
    sealed = (connection.scalar(query) or {}).get("views")
    now = digests_of_views(connection)
    if sealed is None or sealed["told_by"] != now["told_by"]:
        return set()
    names = {*sealed["views"], *now["views"]}
    return {name for name in names if sealed["views"].get(name) != now["views"].get(name)}


def seal_as_it_stands(connection: Connection) -> None:
    """Seal every export that a database without seals holds: what was done to its rows before cannot be known."""
    if connection.scalar(select(func.count()).select_from(seals)):
        return
    for study in connection.scalars(select(studies.c.study).order_by(studies.c.study)).all():
        numbers = connection.scalars(select(runs.c.run_id).where(runs.c.study == study).order_by(runs.c.run_id)).all()
        for run_id in numbers:
            draft = Draft(connection, study, int(run_id))
            if run_id == numbers[-1]:
                draft.entries()
            draft.write()
