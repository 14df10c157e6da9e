"""Rules of Define-XML: it describes what was delivered, all of it and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from immunomon.outputs.conformance.book import Family, Found
from immunomon.outputs.conformance.cells import Cell, text_of
from immunomon.outputs.conformance.defined import CodeList, Define, Group, Item, Reference
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.scopes import CDISC, DEFINES
from immunomon.outputs.conformance.table import Column, Table

__all__ = ["DEFINITIONS", "columns_of", "described", "too_long"]

DEFINITIONS = Family("Define-XML")
_NUMBERS = {"integer", "float"}
_ORIGINS = {"Collected", "Derived", "Assigned", "Protocol", "Predecessor", "Not Available", "Other"}
_SOURCE = "Define-XML 2.1"
_AGAIN = "make the Define-XML from the datasets again"


def described(define: Define, received: Received) -> Iterator[tuple[Group, Table]]:
    """Yield the datasets that a Define-XML describes, each with the table that lies beside it."""
    beside = {one.name: one for one in received.tables if one.part == define.part and one.is_cdisc}
    yield from ((group, beside[group.name]) for group in define.groups if group.name in beside)


def columns_of(define: Define, group: Group, table: Table) -> Iterator[tuple[Reference, Item, Column]]:
    """Yield the described variables that a table has: reference, definition and column."""
    items = {one.oid: one for one in define.items}
    columns = {one.name: one for one in table.columns}
    for reference in group.references:
        item = items.get(reference.item)
        if item is not None and item.name in columns:
            yield reference, item, columns[item.name]


@DEFINITIONS.rule(
    "DX001", CDISC, "A Define-XML 2.1 lies beside the datasets.", source=_SOURCE, remedy="write define.xml"
)
def _there(table: Table, received: Received) -> Iterator[Found]:
    beside = [one for one in received.defines if one.part == table.part]
    unread = any(one.fault and one.path == f"{table.part}/define.xml".lstrip("/") for one in received.files)
    if not beside and not unread and table.form in {"xpt", "json"}:
        yield Found(table.name, "no Define-XML lies beside it")


@DEFINITIONS.rule(
    "DX002",
    DEFINES,
    "A Define-XML says its version, 2.1, and names the standards and their versions that the datasets follow.",
    source=_SOURCE,
    remedy="name the standards, and refer to them by OID",
)
def _standards(define: Define, _: Received) -> Iterator[Found]:
    if not define.version.startswith("2.1"):
        yield Found(define.file, f"DefineVersion is '{define.version[:20]}'")
    if define.has_standards_without_version:
        yield Found(define.file, "a standard has no version")
    followers: list[Group | CodeList] = [*define.groups, *(known for known in define.code_lists if not known.external)]
    for one in followers:
        if not one.non_standard and one.standard not in define.standards:
            yield Found(define.file, f"'{one.name[:40]}' follows standard '{one.standard[:40]}', which is not named")


@DEFINITIONS.rule(
    "DX003",
    DEFINES,
    "Every dataset beside the Define-XML is described in it, and no other.",
    source=_SOURCE,
    remedy=_AGAIN,
)
def _datasets(define: Define, received: Received) -> Iterator[Found]:
    beside = {one.name for one in received.tables if one.part == define.part and one.is_cdisc}
    # A file that cannot be read is found by another rule.
    unread = {one.path.rpartition("/")[2].rpartition(".")[0].upper() for one in received.files if one.fault}
    names = {one.name for one in define.groups}
    yield from (Found(define.file, f"dataset {name} is not described") for name in sorted(beside - names))
    yield from (Found(define.file, f"dataset {name} is not there") for name in sorted(names - beside - unread))


@DEFINITIONS.rule(
    "DX004",
    DEFINES,
    "Every variable is described, in the order of the dataset, and no other.",
    source=_SOURCE,
    remedy=_AGAIN,
)
def _variables(define: Define, received: Received) -> Iterator[Found]:
    items = {one.oid: one.name for one in define.items}
    for group, table in described(define, received):
        names = [items[one.item] for one in group.references if one.item in items]
        for name in [one for one in table.names if one not in names]:
            yield Found(define.file, f"variable {group.name}.{name} is not described")
        for name in [one for one in names if one not in table.names]:
            yield Found(define.file, f"variable {group.name}.{name} is not there")
        if sorted(names) == sorted(table.names) and names != list(table.names):
            yield Found(define.file, f"the variables of {group.name} are not in the dataset's order")


@DEFINITIONS.rule(
    "DX005", DEFINES, "Labels are those of the datasets and their variables.", source=_SOURCE, remedy=_AGAIN
)
def _labels(define: Define, received: Received) -> Iterator[Found]:
    for group, table in described(define, received):
        if table.label and group.label != table.label:
            yield Found(define.file, f"{group.name} is '{group.label[:60]}', in its file '{table.label[:60]}'")
        for _reference, item, column in columns_of(define, group, table):
            if column.label and item.label != column.label:
                yield Found(
                    define.file, f"{group.name}.{item.name} is '{item.label[:60]}', in its file '{column.label[:60]}'"
                )


@DEFINITIONS.rule(
    "DX006",
    DEFINES,
    "Data types are those of the variables: text or numbers, whole ones if integer.",
    source=_SOURCE,
    remedy=_AGAIN,
)
def _types(define: Define, received: Received) -> Iterator[Found]:
    for group, table in described(define, received):
        for _reference, item, column in columns_of(define, group, table):
            numbers = [one for one in table.distinct(item.name) if isinstance(one, int | float)]
            if (item.type in _NUMBERS) != column.is_number:
                yield Found(define.file, f"{group.name}.{item.name} is {item.type[:20]}, in its file {column.declared}")
            elif item.type == "integer" and any(one != one // 1 for one in numbers):
                yield Found(define.file, f"{group.name}.{item.name} is integer, and holds broken numbers")


@DEFINITIONS.rule(
    "DX007",
    DEFINES,
    "No value is longer than its described length, and no number has more digits behind the point than described.",
    source=_SOURCE,
    remedy=_AGAIN,
)
def _lengths(define: Define, received: Received) -> Iterator[Found]:
    for group, table in described(define, received):
        for _reference, item, _column in columns_of(define, group, table):
            problem = too_long(item, table.distinct(item.name))
            if problem:
                yield Found(define.file, f"{group.name}.{item.name} {problem}")


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


@DEFINITIONS.rule(
    "DX008", DEFINES, "A dataset's leaf names the file that holds it.", source=_SOURCE, remedy="correct the leaf's href"
)
def _leaves(define: Define, received: Received) -> Iterator[Found]:
    for group, table in described(define, received):
        if group.file != table.file.rpartition("/")[2]:
            yield Found(define.file, f"{group.name} lies in {table.file}, its leaf says '{group.file[:60]}'")


@DEFINITIONS.rule(
    "DX009",
    DEFINES,
    "Every variable with values has an origin of the terminology, itself or value by value.",
    source=_SOURCE,
    remedy="give the origin",
)
def _origins(define: Define, received: Received) -> Iterator[Found]:
    by_oid = {one.oid: one for one in define.items}
    lists = dict(define.value_lists)
    for group, table in described(define, received):
        for reference, item, _column in columns_of(define, group, table):
            valued = [by_oid[one.item] for one in lists.get(item.value_list, ()) if one.item in by_oid]
            origins = item.origins or tuple(origin for one in valued for origin in one.origins)
            wrong = [origin for origin in origins if origin not in _ORIGINS]
            if wrong or (not origins and not reference.no_data):
                yield Found(define.file, f"{group.name}.{item.name} has origin '{wrong[0][:20] if wrong else ''}'")


@DEFINITIONS.rule(
    "DX010",
    DEFINES,
    "A derived variable has a method, itself or value by value; every method that is referred to is there.",
    source=_SOURCE,
    remedy="describe the derivation",
)
def _methods(define: Define, received: Received) -> Iterator[Found]:
    methods, by_oid = dict(define.methods), {one.oid: one for one in define.items}
    lists = dict(define.value_lists)
    references = [
        *(one for group in define.groups for one in group.references),
        *(one for refs in lists.values() for one in refs),
    ]
    for one in references:
        if one.method and not methods.get(one.method, "").strip():
            yield Found(define.file, f"method '{one.method[:60]}' of {one.item[:60]} is not there")
    for group, _table in described(define, received):
        for one in group.references:
            item = by_oid.get(one.item)
            if item is None or "Derived" not in item.origins or one.method:
                continue
            if not any(valued.method for valued in lists.get(item.value_list, ())):
                yield Found(define.file, f"{group.name}.{item.name} is derived, and has no method")
