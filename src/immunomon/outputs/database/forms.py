"""The form of a database as plain data, so that a revision keeps its own for ever while the program's tables change."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Constraint,
    Date,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

__all__ = ["JSON_TYPE", "REVISIONS", "form_of", "read_form", "tables_of", "written"]

_MIGRATIONS = files("immunomon.outputs.database") / "migrations"
# Every revision of the tables, the first one first: each has a file of its own that brings a database into its form.
REVISIONS = tuple(
    sorted(
        revision[1]
        for file in (_MIGRATIONS / "versions").iterdir()
        if file.name.endswith(".py")
        and (revision := re.search(r'^revision = "(\d{4})"$', file.read_text(encoding="utf-8"), re.MULTILINE))
    )
)
JSON_TYPE = JSON().with_variant(JSONB(), "postgresql")
_TYPES: Mapping[str, TypeEngine[Any]] = {
    "text": Text(),
    "bigint": BigInteger(),
    "integer": Integer(),
    "double": Double(),
    "boolean": Boolean(),
    "date": Date(),
    "timestamp": DateTime(timezone=True),
    "json": JSON_TYPE,
    "binary": LargeBinary(),
}
_NAMES = {type(kind): name for name, kind in _TYPES.items()}
Form = dict[str, Any]


def form_of(metadata: MetaData) -> Form:
    """Return the form of a set of tables: columns, constraints and indexes, as data that JSON holds.

    >>> tables = MetaData()
    >>> _ = Table("studies", tables, Column("study", Text, nullable=False, comment="its name"))
    >>> form_of(tables)["studies"]["columns"]
    [['study', 'text', 'NOT NULL', 'its name']]
    """
    return {table.name: _form(table) for table in metadata.sorted_tables}


def _form(table: Table) -> Form:
    constraints = [
        _constraint(constraint) for constraint in table.constraints if not isinstance(constraint, PrimaryKeyConstraint)
    ]
    return {
        "columns": [
            [column.name, _NAMES[type(column.type)], "" if column.nullable else "NOT NULL", column.comment or ""]
            for column in table.columns
        ],
        "key": [column.name for column in table.primary_key.columns],
        "key_name": str(table.primary_key.name or ""),
        "numbered": [column.name for column in table.columns if column.identity is not None],
        "constraints": sorted(constraints),
        "indexes": sorted(_index(index) for index in table.indexes),
    }


def _constraint(constraint: Constraint) -> list[Any]:
    if isinstance(constraint, CheckConstraint):
        return [str(constraint.name), "check", str(constraint.sqltext)]
    if not isinstance(constraint, ForeignKeyConstraint):
        raise TypeError(f"no form for a {type(constraint).__name__}")
    return [
        str(constraint.name),
        "refers",
        list(constraint.column_keys),
        [key.target_fullname for key in constraint.elements],
    ]


def _index(index: Index) -> list[Any]:
    where = index.dialect_options["sqlite"].get("where")
    parts = [part.name if isinstance(part, Column) else str(part) for part in index.expressions]
    return [str(index.name), bool(index.unique), parts, "" if where is None else str(where)]


def tables_of(form: Form) -> MetaData:
    """Return the tables of a form."""
    metadata = MetaData()
    for name, item in form.items():
        columns: list[Column[Any]] = [
            Column(
                column,
                _TYPES[kind],
                *([Identity()] if column in item["numbered"] else []),
                nullable=not must,
                comment=comment or None,
            )
            for column, kind, must, comment in item["columns"]
        ]
        key = [PrimaryKeyConstraint(*item["key"], name=item["key_name"] or None)] if item["key"] else []
        table = Table(
            name,
            metadata,
            *columns,
            *key,
            *map(_made, item["constraints"]),
            sqlite_autoincrement=bool(item["numbered"]),
        )
        for index in item["indexes"]:
            _make_index(table, index)
    return metadata


def _made(form: Sequence[Any]) -> Constraint:
    if form[1] == "check":
        return CheckConstraint(form[2], name=form[0])
    return ForeignKeyConstraint(form[2], form[3], name=form[0])


def _make_index(table: Table, index: Sequence[Any]) -> None:
    name, unique, parts, where = index
    limited = text(where) if where else None
    Index(
        name,
        *(table.c[part] if part in table.c else text(part) for part in parts),
        unique=unique,
        sqlite_where=limited,
        postgresql_where=limited,
        _table=table,
    )


def read_form(revision: str) -> Form:
    """Return the form that a revision brings a database into.

    >>> "studies" in read_form("0001")
    True
    """
    path = _MIGRATIONS / "forms" / f"{revision}.json"
    form: Form = json.loads(path.read_text(encoding="utf-8"))
    return form


def written(form: Form) -> str:
    """Return the text of a form's file: a line a column, constraint or index."""
    lines = []
    for name, item in form.items():
        parts = []
        for part, values in item.items():
            rows = ",\n   ".join(json.dumps(value, ensure_ascii=False) for value in values)
            block = f"[\n   {rows}\n  ]" if part in {"columns", "constraints", "indexes"} and values else None
            parts.append(f'  "{part}": {block or json.dumps(values, ensure_ascii=False)}')
        lines.append(f' "{name}": {{\n' + ",\n".join(parts) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"
