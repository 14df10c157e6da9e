"""From one form of the database to the next, with nothing lost: what a revision does to tables that hold rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, text
from sqlalchemy.schema import AddConstraint, CreateColumn, CreateIndex, CreateTable

from immunomon.outputs.database.forms import read_form, tables_of

__all__ = ["Reform"]

Fill = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Reform:
    """The way from the form of one revision to that of a later one: tables and columns are added, never taken away."""

    connection: Connection
    old: str
    new: str

    def create_tables(self) -> None:
        """Make the tables, with their indexes, that the later form has and the earlier one has not."""
        known = read_form(self.old) if self.old else {}
        for table in tables_of(read_form(self.new)).sorted_tables:
            if table.name not in known:
                table.create(self.connection)

    def alter_tables(self, fill: Fill | None = None) -> None:
        """Give the tables that both forms have the columns, constraints and indexes of the later one.

        fill: (table, column) -> SQL for the values of a new column, over the columns of the table as it was.
        """
        before, after = read_form(self.old), read_form(self.new)
        tables = tables_of(after)
        for name in (table.name for table in tables.sorted_tables if table.name in before):
            if before[name] != after[name]:
                change = self._alter if self.connection.dialect.name == "postgresql" else self._rebuild
                change(tables.tables[name], before[name], dict(fill or {}))

    def _do(self, statement: str) -> None:
        self.connection.execute(text(statement.replace(":", r"\:")))

    def _name(self, name: str) -> str:
        return self.connection.dialect.identifier_preparer.quote(name)

    def _rebuild(self, table: Table, before: Mapping[str, Any], fill: Fill) -> None:
        """Copy the rows into a table of the new form that takes the old one's place: SQLite cannot change constraints.

        References to the table stay as they are, because they go by its name; the caller has switched their
        enforcement off, and checks them all before it commits.
        """
        name, made = self._name(table.name), self._name(f"{table.name}_new")
        kept = [column[0] for column in before["columns"]]
        filled = [
            column.name for column in table.columns if column.name not in kept and (table.name, column.name) in fill
        ]
        self._do(str(CreateTable(table).compile(dialect=self.connection.dialect)).replace(name, made, 1))
        into = ", ".join(map(self._name, [*kept, *filled]))
        out = ", ".join([*map(self._name, kept), *(fill[table.name, name] for name in filled)])
        self._do(f"INSERT INTO {made} ({into}) SELECT {out} FROM {name}")
        self._do(f"DROP TABLE {name}")
        self._do(f"ALTER TABLE {made} RENAME TO {name}")
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            self.connection.execute(CreateIndex(index))

    def _alter(self, table: Table, before: Mapping[str, Any], fill: Fill) -> None:
        name = self._name(table.name)
        after = read_form(self.new)[table.name]
        kept = {column[0] for column in before["columns"]}
        for column in table.columns:
            if column.name not in kept:
                self._add_column(table, column.name, fill.get((table.name, column.name)))
            if column.comment:
                quoted = column.comment.replace("'", "''")
                self._do(f"COMMENT ON COLUMN {name}.{self._name(column.name)} IS '{quoted}'")
        for column_name, _, had_to, _ in before["columns"]:
            if had_to and table.c[column_name].nullable:
                self._do(f"ALTER TABLE {name} ALTER COLUMN {self._name(column_name)} DROP NOT NULL")
        for dropped in before["constraints"]:
            if dropped not in after["constraints"]:
                self._do(f"ALTER TABLE {name} DROP CONSTRAINT {self._name(dropped[0])}")
        new_constraints = {
            constraint[0] for constraint in after["constraints"] if constraint not in before["constraints"]
        }
        for constraint in sorted(table.constraints, key=lambda constraint: str(constraint.name)):
            if constraint.name in new_constraints:
                self.connection.execute(AddConstraint(constraint))
        present = {index[0] for index in before["indexes"]}
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if index.name not in present:
                self.connection.execute(CreateIndex(index))

    def _add_column(self, table: Table, column: str, fill: str | None) -> None:
        name, quoted = self._name(table.name), self._name(column)
        must = not table.c[column].nullable
        kind = str(CreateColumn(table.c[column]).compile(dialect=self.connection.dialect)).replace(" NOT NULL", "")
        self._do(f"ALTER TABLE {name} ADD COLUMN {kind}")
        if fill is not None:
            self._do(f"UPDATE {name} SET {quoted} = {fill}")
        if must:
            self._do(f"ALTER TABLE {name} ALTER COLUMN {quoted} SET NOT NULL")
