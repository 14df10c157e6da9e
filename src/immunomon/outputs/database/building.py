"""How the tables of the trial database are built: from column contracts, with keys, references, and a history each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from immunomon.cytometry.model import populations as contracts
from immunomon.outputs.database.forms import JSON_TYPE

__all__ = [
    "HISTORY",
    "OWN",
    "columns_of",
    "history_of",
    "metadata",
    "of_study",
    "percents",
    "reason",
    "refers",
    "result",
    "whose",
]

metadata = MetaData()
OWN = ("study", "run_id")
HISTORY = ("valid_from", "valid_to", "ended_by_run_id", "why")
_TYPES: dict[str, type[TypeEngine[Any]]] = {
    "string": Text,
    "Int64": BigInteger,
    "Float64": Double,
    "boolean": Boolean,
}
_SPECIAL: dict[tuple[str, str], TypeEngine[Any]] = {
    ("samples", "collection_date"): Date(),
    ("steadiness", "collection_date"): Date(),
    ("summary", "subjects"): JSON_TYPE,
}


def of_study(
    name: str, key: Sequence[str], columns: Iterable[Column[Any]], *more: SchemaItem, has_many_rows: bool = False
) -> Table:
    """Return a table whose rows belong to a study and to the run that brought them.

    key: what identifies a row within its study; columns of it that may be missing count as '' in the unique index.
    has_many_rows: whether there are so many rows that what is checked for each of them takes its time.
    A reference to a table of the study says that there is such a study: then there is none to the study itself.
    """
    made = list(columns)
    refer = any(isinstance(item, ForeignKeyConstraint) for item in more)
    may_be_null = {column.name for column in made if column.nullable}
    unique: list[SchemaItem] = [PrimaryKeyConstraint("study", *key, name=f"pk_{name}")]
    if may_be_null & set(key):
        # NULLs never collide in a key: the index reads them as ''.
        parts = [text(f"coalesce({column}, '')") if column in may_be_null else column for column in key]
        unique = [Index(f"uq_{name}", "study", *parts, unique=True)]
    return Table(
        name,
        metadata,
        Column("study", Text, nullable=False, comment="study name"),
        Column("run_id", Integer, nullable=False, comment="the export that wrote this row"),
        *made,
        *([] if refer else [ForeignKeyConstraint(["study"], ["studies.study"], name=f"fk_{name}_study")]),
        # Checking a number that is the same in a million rows takes longer than writing these: runs are never deleted.
        *([] if has_many_rows else [ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=f"fk_{name}_run")]),
        *unique,
        *more,
        info={"key": tuple(key), "many": has_many_rows},
    )


def refers(table: str, own: Sequence[str], *, of: str) -> ForeignKeyConstraint:
    """Return a reference to a table of the same study, which names its key alike."""
    columns = [f"{table}.{name}" for name in ("study", *own)]
    return ForeignKeyConstraint(["study", *own], columns, name=f"fk_{of}_{table}")


def columns_of(contract: contracts.Table, required: Collection[str]) -> list[Column[Any]]:
    """Return the columns of a contract; those that are named as required are NOT NULL."""
    return [
        Column(
            column.name,
            _SPECIAL.get((contract.name, column.name)) or _TYPES[column.dtype](),
            nullable=column.name not in required,
            comment=column.meaning,
            info={"later": True} if column.name in contracts.TRUST_COLUMNS else {},
        )
        for column in contract.columns
    ]


def result(
    contract: contracts.Table, required: Iterable[str], *more: SchemaItem, extra: Iterable[Column[Any]] = ()
) -> Table:
    """Return the table of a column contract; the columns that are named as required are NOT NULL.

    Columns of trust stand at the end, as a migrated table has them, and are marked as later ones
    (``export.row_digests``).
    """
    columns = {column.name: column for column in columns_of(contract, set(required))}
    later = [
        columns.pop(name) for name in contracts.TRUST_COLUMNS if name in columns and contract is not contracts.DOUBTS
    ]
    made = [*columns.values(), *extra, *later]
    return of_study(contract.name, contract.key, made, *more, has_many_rows=contract.name != "samples")


def percents(table: str, *columns: str) -> list[CheckConstraint]:
    """Return that columns lie between 0 and 100."""
    return [CheckConstraint(f"{name} BETWEEN 0 AND 100", name=f"ck_{table}_{name}") for name in columns]


def reason(table: str, fine: str = "reportable", name: str = "reason") -> CheckConstraint:
    """Return that a row has a reason unless it is fine."""
    return CheckConstraint(f"{fine} OR (reason IS NOT NULL AND reason <> '')", name=f"ck_{table}_{name}")


def whose(table: str) -> CheckConstraint:
    """Return that what was measured on a patient's sample says whose it is and when it was taken."""
    known = "(subject IS NOT NULL AND visit IS NOT NULL)"
    return CheckConstraint(f"role <> 'sample' OR {known}", name=f"ck_{table}_whose")


def history_of(table: Table) -> Table:
    """Return the table of a table's earlier versions: the same columns, and from when, until when, by whom and why."""
    name = f"{table.name}_history"
    columns: list[Column[Any]] = [
        Column(column.name, column.type, nullable=column.nullable, comment=column.comment, info=dict(column.info))
        for column in table.columns
    ]
    return Table(
        name,
        metadata,
        *columns,
        Column("valid_from", DateTime(timezone=True), nullable=False, comment="when this version was exported"),
        Column("valid_to", DateTime(timezone=True), nullable=False, comment="when it was replaced or withdrawn"),
        Column("ended_by_run_id", Integer, nullable=False, comment="the export that replaced or withdrew it"),
        Column("why", Text, nullable=False, comment="why: what was different, or that it is not there any more"),
        ForeignKeyConstraint(["ended_by_run_id"], ["runs.run_id"], name=f"fk_{name}_ended"),
        CheckConstraint("why <> ''", name=f"ck_{name}_why"),
        Index(f"ix_{name}", "study", *table.info["key"]),
    )
