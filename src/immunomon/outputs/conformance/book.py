"""What a rule is: a number, a sentence, a source, a remedy, and what checks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.table import Record
from immunomon.registry import Registry

__all__ = ["CHECKS", "Check", "Family", "Issue", "Rule", "Scope", "Severity"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Issue:
    """A breach of a rule: the dataset or file, the record or variable, and what is wrong there."""

    where: str
    message: str
    record: str = ""

    @classmethod
    def at(cls, dataset: str, record: Record, message: str) -> Issue:
        """Return the issue of one record."""
        return cls(dataset, message, record.whose)


@dataclass(frozen=True)
class Scope:
    """What a rule looks at: which parts of a delivery, and what they are in words.

    of_cdisc: whether these are datasets of SDTM or ADaM.
    """

    words: str
    select: Callable[[Received], Sequence[Any]]
    of_cdisc: bool = False


Check = Callable[[Any, Received], Iterable[Issue]]


@dataclass(frozen=True)
class Rule:
    """A rule of deliveries.

    number: such as ``CP012``; says: what must be, in one sentence; source: where that is written, with [M] where it is
    common practice still to be confirmed; remedy: what to do about it; needs: datasets without which it says nothing.
    """

    number: str
    severity: Severity
    says: str
    source: str
    remedy: str
    scope: Scope
    check: Check = field(repr=False)
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """Rules of one kind, in the order in which they are written."""

    name: str
    rules: tuple[Rule, ...]


CHECKS: Registry[Check] = Registry("check of a rule")
