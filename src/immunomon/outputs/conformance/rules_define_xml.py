"""Rules of Define-XML: it describes what was delivered, all of it and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from immunomon.outputs.conformance.book import CHECKS, Issue
from immunomon.outputs.conformance.cells import Cell, text_of
from immunomon.outputs.conformance.defined import CodeList, Define, Group, Item, Reference
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.table import Column, Table

__all__ = ["columns_of", "described", "too_long"]

_NUMBERS = {"integer", "float"}
_ORIGINS = {"Collected", "Derived", "Assigned", "Protocol", "Predecessor", "Not Available", "Other"}


def described(define: Define, received: Received) -> Iterator[tuple[Group, Table]]:
    """Yield the datasets that a Define-XML describes, each with the table that lies beside it."""
    beside = {table.name: table for table in received.tables if table.part == define.part and table.is_cdisc}
    yield from ((group, beside[group.name]) for group in define.groups if group.name in beside)


def columns_of(define: Define, group: Group, table: Table) -> Iterator[tuple[Reference, Item, Column]]:
    """Yield the described variables that a table has: reference, definition and column."""
    items = {item.oid: item for item in define.items}
    columns = {column.name: column for column in table.columns}
    for reference in group.references:
        item = items.get(reference.item)
        if item is not None and item.name in columns:
            yield reference, item, columns[item.name]


@CHECKS.register("DX001")
def _there(table: Table, received: Received) -> Iterator[Issue]:
    beside = [define for define in received.defines if define.part == table.part]
    unread = any(file.fault and file.path == f"{table.part}/define.xml".lstrip("/") for file in received.files)
    if not beside and not unread and table.form in {"xpt", "json"}:
        yield Issue(table.name, "no Define-XML lies beside it")


@CHECKS.register("DX002")
def _standards(define: Define, _: Received) -> Iterator[Issue]:
    if not define.version.startswith("2.1"):
        yield Issue(define.file, f"DefineVersion is '{define.version[:20]}'")
    if define.has_standards_without_version:
        yield Issue(define.file, "a standard has no version")
    followers: list[Group | CodeList] = [*define.groups, *(known for known in define.code_lists if not known.external)]
    for follower in followers:
        if not follower.non_standard and follower.standard not in define.standards:
            yield Issue(
                define.file, f"'{follower.name[:40]}' follows standard '{follower.standard[:40]}', which is not named"
            )


@CHECKS.register("DX003")
def _datasets(define: Define, received: Received) -> Iterator[Issue]:
    beside = {table.name for table in received.tables if table.part == define.part and table.is_cdisc}
    # A file that cannot be read is found by another rule.
    unread = {file.path.rpartition("/")[2].rpartition(".")[0].upper() for file in received.files if file.fault}
    names = {group.name for group in define.groups}
    yield from (Issue(define.file, f"dataset {name} is not described") for name in sorted(beside - names))
    yield from (Issue(define.file, f"dataset {name} is not there") for name in sorted(names - beside - unread))


@CHECKS.register("DX004")
def _variables(define: Define, received: Received) -> Iterator[Issue]:
    items = {item.oid: item.name for item in define.items}
    for group, table in described(define, received):
        names = [items[reference.item] for reference in group.references if reference.item in items]
        for name in [name for name in table.names if name not in names]:
            yield Issue(define.file, f"variable {group.name}.{name} is not described")
        for name in [name for name in names if name not in table.names]:
            yield Issue(define.file, f"variable {group.name}.{name} is not there")
        if sorted(names) == sorted(table.names) and names != list(table.names):
            yield Issue(define.file, f"the variables of {group.name} are not in the dataset's order")


@CHECKS.register("DX005")
def _labels(define: Define, received: Received) -> Iterator[Issue]:
    for group, table in described(define, received):
        if table.label and group.label != table.label:
            yield Issue(define.file, f"{group.name} is '{group.label[:60]}', in its file '{table.label[:60]}'")
        for _reference, item, column in columns_of(define, group, table):
            if column.label and item.label != column.label:
                yield Issue(
                    define.file, f"{group.name}.{item.name} is '{item.label[:60]}', in its file '{column.label[:60]}'"
                )


@CHECKS.register("DX006")
def _types(define: Define, received: Received) -> Iterator[Issue]:
    for group, table in described(define, received):
        for _reference, item, column in columns_of(define, group, table):
            numbers = [value for value in table.distinct(item.name) if isinstance(value, int | float)]
            if (item.type in _NUMBERS) != column.is_number:
                yield Issue(define.file, f"{group.name}.{item.name} is {item.type[:20]}, in its file {column.declared}")
            elif item.type == "integer" and any(number != number // 1 for number in numbers):
                yield Issue(define.file, f"{group.name}.{item.name} is integer, and holds broken numbers")


@CHECKS.register("DX007")
def _lengths(define: Define, received: Received) -> Iterator[Issue]:
    for group, table in described(define, received):
        for _reference, item, _column in columns_of(define, group, table):
            problem = too_long(item, table.distinct(item.name))
            if problem:
                yield Issue(define.file, f"{group.name}.{item.name} {problem}")


def too_long(item: Item, values: Iterable[Cell]) -> str:
    """Return how values go beyond what an item says of their length and digits, or an empty text."""
    if item.type in {"text", "integer", "float"} and item.length is None:
        return "has no length"
    if item.type == "text":
        longest = max((len(text_of(value)) for value in values), default=0)
        return f"has length {item.length}, and a value of {longest} letters" if longest > (item.length or 0) else ""
    if item.type != "float":
        return ""
    digits = max((_digits(value) for value in values if isinstance(value, int | float)), default=0)
    return f"has {item.digits} significant digits, and a value with {digits}" if digits > (item.digits or 0) else ""


def _digits(value: float) -> int:
    # Numbers are delivered with ten significant digits; what differs behind them is rounding.
    return len(f"{value:.10g}".partition("e")[0].partition(".")[2])


@CHECKS.register("DX008")
def _leaves(define: Define, received: Received) -> Iterator[Issue]:
    for group, table in described(define, received):
        if group.file != table.file.rpartition("/")[2]:
            yield Issue(define.file, f"{group.name} lies in {table.file}, its leaf says '{group.file[:60]}'")


@CHECKS.register("DX009")
def _origins(define: Define, received: Received) -> Iterator[Issue]:
    by_oid = {item.oid: item for item in define.items}
    lists = dict(define.value_lists)
    for group, table in described(define, received):
        for reference, item, _column in columns_of(define, group, table):
            valued = [
                by_oid[reference.item] for reference in lists.get(item.value_list, ()) if reference.item in by_oid
            ]
            origins = item.origins or tuple(origin for value_item in valued for origin in value_item.origins)
            wrong = [origin for origin in origins if origin not in _ORIGINS]
            if wrong or (not origins and not reference.no_data):
                yield Issue(define.file, f"{group.name}.{item.name} has origin '{wrong[0][:20] if wrong else ''}'")


@CHECKS.register("DX010")
def _methods(define: Define, received: Received) -> Iterator[Issue]:
    methods, by_oid = dict(define.methods), {item.oid: item for item in define.items}
    lists = dict(define.value_lists)
    references = [
        *(reference for group in define.groups for reference in group.references),
        *(reference for refs in lists.values() for reference in refs),
    ]
    for reference in references:
        if reference.method and not methods.get(reference.method, "").strip():
            yield Issue(define.file, f"method '{reference.method[:60]}' of {reference.item[:60]} is not there")
    for group, _table in described(define, received):
        for reference in group.references:
            item = by_oid.get(reference.item)
            if item is None or "Derived" not in item.origins or reference.method:
                continue
            if not any(valued.method for valued in lists.get(item.value_list, ())):
                yield Issue(define.file, f"{group.name}.{item.name} is derived, and has no method")
