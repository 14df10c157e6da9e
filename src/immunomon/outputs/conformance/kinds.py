"""Checks that several rules share, each made from its words in ``rules.csv``.

``once: USUBJID VISITNUM``: no two records have these variables in common; ``one to one: VISITNUM VISIT``: two variables
stand for each other; ``no record: SVOCCUR = Y & SVSTDTC blank; SVOCCUR = N & SVSTDTC filled``: no record meets one of
the clauses; ``no combination: ...``: the same, with one issue for all records that have these values in common. A
condition compares with words (``=`` and ``!=``, several of them by ``|``, none for a blank) or with a number (``<`` and
``>``), or says ``blank`` or ``filled``; ``--`` stands for the two letters of the domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from immunomon.outputs.conformance.book import Check, Issue
from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.table import Record, Table
from immunomon.registry import Registry

__all__ = ["KINDS", "check_of", "not_one_to_one"]

KINDS: Registry[Callable[[str], Check]] = Registry("kind of check")


def check_of(words: str) -> Check:
    """Return the check that words of the table of rules mean.

    Raises UnknownName for a kind that there is not, ValueError for a condition that compares by nothing known.

    >>> check_of("no records: SEX blank")
    Traceback (most recent call last):
        ...
    immunomon.errors.UnknownName: no kind of check named 'no records'; did you mean 'no record'?
    """
    kind, _, rest = words.partition(": ")
    return KINDS[kind](rest)


_OPERATORS: Mapping[str, Callable[[Record, str, str], bool]] = {
    "blank": lambda record, name, _: not record.has(name),
    "filled": lambda record, name, _: record.has(name),
    "=": lambda record, name, words: record.text(name) in words.split("|"),
    "!=": lambda record, name, words: record.text(name) not in words.split("|"),
    "<": lambda record, name, limit: (number := record.number_in(name)) is not None and number < float(limit),
    ">": lambda record, name, limit: (number := record.number_in(name)) is not None and number > float(limit),
}


@dataclass(frozen=True)
class _Condition:
    variable: str
    operator: str
    operand: str = ""

    def holds(self, table: Table, record: Record) -> bool:
        return _OPERATORS[self.operator](record, _named(table, self.variable), self.operand)


_Clause = tuple[_Condition, ...]


def _condition(words: str) -> _Condition:
    condition = _Condition(*words.strip().split(maxsplit=2))
    if condition.operator not in _OPERATORS:
        raise ValueError(f"'{words.strip()}' is no condition; use one of {', '.join(_OPERATORS)}")
    return condition


def _clauses(words: str) -> tuple[_Clause, ...]:
    return tuple(tuple(map(_condition, clause.split("&"))) for clause in words.split(";"))


def _named(table: Table, variable: str) -> str:
    return table.own(variable[2:]) if variable.startswith("--") else variable


def _problems(clauses: tuple[_Clause, ...], table: Table, record: Record) -> str:
    """Return the values that meet clauses, in words; nothing if none is met."""
    variables = dict.fromkeys(
        _named(table, condition.variable)
        for clause in clauses
        if all(condition.holds(table, record) for condition in clause)
        for condition in clause
    )
    return ", ".join(
        f"{name} is '{record.shown(name)}'" if record.has(name) else f"{name} is missing" for name in variables
    )


@KINDS.register("no record")
def _no_record(words: str) -> Check:
    clauses = _clauses(words)

    def check(table: Table, _: Received) -> Iterator[Issue]:
        for record in table.records:
            if problems := _problems(clauses, table, record):
                yield Issue.at(table.name, record, problems)

    return check


@KINDS.register("no combination")
def _no_combination(words: str) -> Check:
    clauses = _clauses(words)
    variables = dict.fromkeys(condition.variable for clause in clauses for condition in clause)

    def check(table: Table, _: Received) -> Iterator[Issue]:
        for _values, records in table.grouped(tuple(_named(table, variable) for variable in variables)):
            if problems := _problems(clauses, table, records[0]):
                count = f" ({len(records)} records)" if len(records) > 1 else ""
                yield Issue.at(table.name, records[0], problems + count)

    return check


@KINDS.register("once")
def _once(words: str) -> Check:
    key = tuple(words.split())

    def check(table: Table, _: Received) -> Iterator[Issue]:
        for values, records in table.grouped(key):
            if len(records) > 1:
                shared = ", ".join(filter(None, values))[:120]
                yield Issue.at(table.name, records[1], f"there are {len(records)} records of {shared}")

    return check


@KINDS.register("one to one")
def _one_to_one(words: str) -> Check:
    left, right = words.split()

    def check(table: Table, _: Received) -> Iterator[Issue]:
        yield from not_one_to_one(table, _named(table, left), _named(table, right))

    return check


def not_one_to_one(table: Table, name: str, other_name: str) -> Iterator[Issue]:
    """Yield where two variables, both filled, do not stand for each other one to one."""
    forth: dict[str, str] = {}
    back: dict[str, str] = {}
    pairs: set[tuple[str, str]] = set()
    for record in table.records:
        left, right = record.text(name), record.text(other_name)
        if not left or not right or (left, right) in pairs:
            continue
        pairs.add((left, right))
        if forth.setdefault(left, right) != right:
            yield Issue.at(
                table.name, record, f"{name} '{left[:40]}' has {other_name} '{forth[left][:60]}' and '{right[:60]}'"
            )
        elif back.setdefault(right, left) != left:
            yield Issue.at(
                table.name, record, f"{other_name} '{right[:60]}' has {name} '{back[right][:40]}' and '{left[:40]}'"
            )
