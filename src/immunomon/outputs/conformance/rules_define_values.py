"""Rules of Define-XML: code lists, keys, and what a value is, test by test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from immunomon.outputs.conformance.book import CHECKS, Issue
from immunomon.outputs.conformance.cells import Cell, text_of
from immunomon.outputs.conformance.defined import CodeList, Condition, Define
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.rules_define_xml import columns_of, described, too_long
from immunomon.outputs.conformance.table import Table


@CHECKS.register("DX011")
def _code_lists(define: Define, received: Received) -> Iterator[Issue]:
    lists = {code_list.oid: code_list for code_list in define.code_lists}
    used = {item.code_list for item in define.items if item.code_list}
    yield from (Issue(define.file, f"code list {name[:60]} is not there") for name in sorted(used - set(lists)))
    yield from (Issue(define.file, f"code list {name[:60]} is used nowhere") for name in sorted(set(lists) - used))
    for group, table in described(define, received):
        for _reference, item, column in columns_of(define, group, table):
            known = lists.get(item.code_list)
            wrong = _not_listed(known, table.distinct(item.name)) if known else []
            if wrong:
                yield Issue(
                    define.file,
                    f"{group.name}.{column.name} holds '{wrong[0][:40]}', which {item.code_list[:40]} does not",
                )
    for code_list in define.code_lists:
        twice = [value for value, count in Counter(code_list.values).items() if count > 1]
        if twice:
            yield Issue(define.file, f"code list {code_list.oid[:60]} has '{twice[0][:40]}' twice")


def _not_listed(known: CodeList, values: Iterable[Cell]) -> list[str]:
    if known.external:
        return []
    return sorted({text_of(value) for value in values} - set(known.values))


@CHECKS.register("DX012")
def _oids(define: Define, _: Received) -> Iterator[Issue]:
    for oid, count in Counter(define.oids()).items():
        if count > 1 or not oid:
            yield Issue(define.file, f"OID '{oid[:60]}' is there {count} times")
    items, wheres, lists = {item.oid for item in define.items}, dict(define.wheres), dict(define.value_lists)
    for reference in (
        reference for group in (*(g.references for g in define.groups), *lists.values()) for reference in group
    ):
        if reference.item not in items:
            yield Issue(define.file, f"item '{reference.item[:60]}' is not there")
        yield from (
            Issue(define.file, f"where clause '{name[:60]}' is not there")
            for name in reference.where
            if name not in wheres
        )
    for item in define.items:
        if item.value_list and item.value_list not in lists:
            yield Issue(define.file, f"value list '{item.value_list[:60]}' is not there")


@CHECKS.register("DX013")
def _keys(define: Define, received: Received) -> Iterator[Issue]:
    for group, table in described(define, received):
        numbered = sorted(
            (int(r.key), i.name) for r, i, _ in columns_of(define, group, table) if r.key.isdigit() and len(r.key) < 4
        )
        if not numbered or [number for number, _ in numbered] != list(range(1, len(numbered) + 1)):
            yield Issue(define.file, f"the key of {group.name} is not numbered 1, 2, 3, ...")
            continue
        for key, records in table.grouped(tuple(name for _, name in numbered)):
            if len(records) > 1:
                yield Issue(
                    define.file,
                    f"{len(records)} records of {group.name} have the key {', '.join(key)[:100]}",
                    records[1].whose,
                )


@CHECKS.register("DX014")
def _data(define: Define, received: Received) -> Iterator[Issue]:
    for group, table in described(define, received):
        for reference, item, _column in columns_of(define, group, table):
            values = table.column(item.name)
            blank = sum(value is None for value in values)
            if reference.mandatory and blank:
                yield Issue(define.file, f"{group.name}.{item.name} is mandatory, and missing {blank} times")
            if len(values) and reference.no_data != (blank == len(values)):
                yield Issue(
                    define.file,
                    f"HasNoData of {group.name}.{item.name} is {reference.no_data}, {len(values) - blank} values",
                )


@CHECKS.register("DX015")
def _wheres(define: Define, _: Received) -> Iterator[Issue]:
    homes = {reference.item: group.name for group in define.groups for reference in group.references}
    for oid, conditions in define.wheres:
        compared = {homes.get(condition.item, "") for condition in conditions}
        if not conditions or "" in compared or len(compared) > 1:
            yield Issue(define.file, f"where clause {oid[:60]} compares no variables of one dataset")
        for condition in conditions:
            if condition.comparator not in {"EQ", "NE", "IN", "NOTIN", "LT", "LE", "GT", "GE"} or not condition.values:
                yield Issue(
                    define.file,
                    f"where clause {oid[:60]} compares by '{condition.comparator[:20]}' "
                    f"with {len(condition.values)} values",
                )


@CHECKS.register("DX016")
def _value_level(define: Define, received: Received) -> Iterator[Issue]:
    by_oid, lists, wheres = {item.oid: item for item in define.items}, dict(define.value_lists), dict(define.wheres)
    for group, table in described(define, received):
        for _reference, item, _column in columns_of(define, group, table):
            references = lists.get(item.value_list, ()) if item.value_list else ()
            rows = _by_clause(
                define, table, [wheres.get(name, ()) for reference in references for name in reference.where]
            )
            covered = Counter(number for numbers in rows for number in numbers)
            values = table.column(item.name)
            lost = [n for n, value in enumerate(values) if value is not None and covered[n] != 1] if references else []
            if lost:
                yield Issue(
                    define.file,
                    f"a value of {group.name}.{item.name} is described {covered[lost[0]]} times",
                    str(lost[0] + 1),
                )
            described_as = [by_oid.get(reference.item) for reference in references for _ in reference.where]
            for valued, numbers in zip(described_as, rows, strict=True):
                problem = too_long(valued, tuple(values[n] for n in numbers)) if valued else ""
                if problem:
                    yield Issue(define.file, f"{valued.oid[:60] if valued else ''} {problem}")


def _by_clause(define: Define, table: Table, clauses: Sequence[tuple[Condition, ...]]) -> list[list[int]]:
    """Return the places of the records that each where clause finds."""
    names = {item.oid: item.name for item in define.items}
    rows_by_clause: list[list[int]] = []
    grouped: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}
    for clause in clauses:
        variables = tuple(names.get(condition.item, "") for condition in clause)
        if any(condition.comparator not in {"EQ", "IN"} for condition in clause):
            rows_by_clause.append([])
            continue
        if variables not in grouped:
            grouped[variables] = {
                key: [record.number - 1 for record in records] for key, records in table.grouped(variables)
            }
        keys: list[tuple[str, ...]] = [()]
        for condition in clause:
            keys = [(*key, value) for key in keys for value in condition.values][:1000]
        rows_by_clause.append([number for key in keys for number in grouped[variables].get(key, ())])
    return rows_by_clause


@CHECKS.register("DX017")
def _study(define: Define, received: Received) -> Iterator[Issue]:
    for _group, table in described(define, received):
        names = set(map(text_of, table.distinct("STUDYID")))
        if names and define.study not in names:
            yield Issue(define.file, f"StudyName is '{define.study[:40]}', STUDYID of {table.name} '{min(names)[:40]}'")
            return


@CHECKS.register("DX018")
def _same_oids(table: Table, received: Received) -> Iterator[Issue]:
    for define in received.defines:
        for group, described_table in described(define, received):
            if described_table is not table:
                continue
            if table.about.get("itemGroupOID") != group.oid:
                yield Issue(
                    table.name,
                    f"itemGroupOID is '{str(table.about.get('itemGroupOID'))[:40]}', in Define-XML '{group.oid[:40]}'",
                )
            known = {reference.item for reference in group.references}
            for column in table.columns:
                if column.oid not in known:
                    yield Issue(table.name, f"itemOID '{column.oid[:40]}' of {column.name} is not in Define-XML")
