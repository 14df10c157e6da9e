"""Deliveries with something broken on purpose, made from one that keeps every rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from immunomon.outputs.conformance.defined import Define
from immunomon.outputs.conformance.received import File, Received
from immunomon.outputs.conformance.table import Column, Record, Table

Change = Callable[[Received], Received]


def on(name: str, change: Callable[[Table], Table]) -> Change:
    """Change one table."""

    def apply(received: Received) -> Received:
        assert any(one.name == name for one in received.tables), name
        return replace(received, tables=tuple(change(one) if one.name == name else one for one in received.tables))

    return apply


def edit(name: str, *, every: bool = False, where: Callable[[Record], bool] = lambda _: True, **values) -> Change:
    """Change values of the first record that fits, or of every one; a value may be worked out from the record."""

    def change(table: Table) -> Table:
        rows, done = [list(row) for row in table.rows], 0
        for row, record in zip(rows, table.records, strict=True):
            if where(record) and (every or not done):
                done += 1
                for column, value in values.items():
                    row[table.names.index(column)] = value(record) if callable(value) else value
        assert done, f"no record of {name} fits"
        return replace(table, rows=tuple(map(tuple, rows)))

    return on(name, change)


def add(name: str, **values) -> Change:
    """Add a record: the last one with other values."""

    def change(table: Table) -> Table:
        last = dict(zip(table.names, table.rows[-1], strict=True)) | values
        return replace(table, rows=(*table.rows, tuple(last[column] for column in table.names)))

    return on(name, change)


def drop(name: str, where: Callable[[Record], bool]) -> Change:
    """Leave records out."""

    def change(table: Table) -> Table:
        kept = tuple(row for row, record in zip(table.rows, table.records, strict=True) if not where(record))
        assert len(kept) < len(table)
        return replace(table, rows=kept)

    return on(name, change)


def column(of: str, which: str, /, **changes) -> Change:
    """Change what a column is."""

    def change(table: Table) -> Table:
        assert which in table.names
        return replace(table, columns=tuple(replace(c, **changes) if c.name == which else c for c in table.columns))

    return on(of, change)


def without(name: str, which: str) -> Change:
    """Leave a column out."""

    def change(table: Table) -> Table:
        place = table.names.index(which)
        return replace(
            table,
            columns=table.columns[:place] + table.columns[place + 1 :],
            rows=tuple(row[:place] + row[place + 1 :] for row in table.rows),
        )

    return on(name, change)


def extra(name: str, which: str, value: object) -> Change:
    """Add a column at the end."""

    def change(table: Table) -> Table:
        new = Column(which, "Something Else", declared="Char", length=8)
        return replace(table, columns=(*table.columns, new), rows=tuple((*row, value) for row in table.rows))

    return on(name, change)


def swapped(name: str, one: str, other: str) -> Change:
    """Let two columns change places."""

    def change(table: Table) -> Table:
        order = list(range(len(table.names)))
        a, b = table.names.index(one), table.names.index(other)
        order[a], order[b] = b, a
        return replace(
            table,
            columns=tuple(table.columns[place] for place in order),
            rows=tuple(tuple(row[place] for place in order) for row in table.rows),
        )

    return on(name, change)


def table(of: str, /, **changes) -> Change:
    """Change what a table says of itself."""
    return on(of, lambda one: replace(one, **changes))


def removed(name: str) -> Change:
    """Leave a table out."""
    return lambda received: replace(received, tables=tuple(one for one in received.tables if one.name != name))


def manifest(**changes) -> Change:
    """Change the manifest; a change may be worked out from what stands there."""

    def apply(received: Received) -> Received:
        data = dict(received.manifest or {})
        data |= {key: value(data[key]) if callable(value) else value for key, value in changes.items()}
        return replace(received, manifest=data)

    return apply


def files(change: Callable[[tuple[File, ...]], tuple[File, ...]]) -> Change:
    """Change what files there are."""
    return lambda received: replace(received, files=change(received.files))


def define(change: Callable[[Define], Define], part: str = "sdtm") -> Change:
    """Change the Define-XML of a part."""
    return lambda received: replace(
        received, defines=tuple(change(one) if one.part == part else one for one in received.defines)
    )


def item(dataset: str, name: str, /, **changes) -> Change:
    """Change an ItemDef of a variable."""

    def change(one: Define) -> Define:
        oid = f"IT.{dataset}.{name}"
        assert one.item(oid)
        return replace(one, items=tuple(replace(i, **changes) if i.oid == oid else i for i in one.items))

    return define(change, "adam" if dataset.startswith("AD") else "sdtm")


def reference(dataset: str, name: str, /, **changes) -> Change:
    """Change an ItemRef of a variable."""

    def change(one: Define) -> Define:
        groups = tuple(
            replace(
                g, references=tuple(replace(r, **changes) if r.item.endswith(f".{name}") else r for r in g.references)
            )
            if g.name == dataset
            else g
            for g in one.groups
        )
        return replace(one, groups=groups)

    return define(change, "adam" if dataset.startswith("AD") else "sdtm")


def group(dataset: str, /, **changes) -> Change:
    """Change an ItemGroupDef."""
    part = "adam" if dataset.startswith("AD") else "sdtm"
    return define(
        lambda one: replace(one, groups=tuple(replace(g, **changes) if g.name == dataset else g for g in one.groups)),
        part,
    )


def all_of(*changes: Change) -> Change:
    """Make several changes, one after the other."""

    def apply(received: Received) -> Received:
        for change in changes:
            received = change(received)
        return received

    return apply
