"""Keys and references made after the rows: for the first load into new tables, which is much faster on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, ForeignKeyConstraint, Table
from sqlalchemy.schema import AddConstraint, CreateIndex, DropConstraint, DropIndex

__all__ = ["keys_made_late"]


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
