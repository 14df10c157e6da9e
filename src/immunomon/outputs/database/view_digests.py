"""Digests of what the views of a database say, so that a view that was made otherwise is found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, text

from immunomon.outputs.database.schema import views

__all__ = ["digests_of_views"]

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
