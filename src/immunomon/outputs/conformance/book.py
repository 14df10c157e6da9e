"""What a rule is, and how rules are written down: a number, a sentence, a source, a remedy, and what checks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from immunomon.outputs.conformance.received import Received
from immunomon.outputs.conformance.table import Record

__all__ = ["Check", "Family", "Issue", "Rule", "Scope", "Severity"]

Severity = Literal["error", "warning"]
T = TypeVar("T")


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
class Scope(Generic[T]):
    """What a rule looks at: which parts of a delivery, and what they are in words.

    of_cdisc: whether these are datasets of SDTM or ADaM.
    """

    words: str
    select: Callable[[Received], Sequence[T]]
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
    scope: Scope[Any]
    check: Check = field(repr=False)
    needs: tuple[str, ...] = ()


class Family:
    """Rules of one kind, in the order in which they are written.

    >>> from immunomon.outputs.conformance.registry import RULES
    >>> RULES["CP003"].severity
    'error'
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._rules: list[Rule] = []

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def rule(
        self,
        number: str,
        scope: Scope[T],
        says: str,
        *,
        source: str,
        remedy: str,
        severity: Severity = "error",
        needs: str = "",
    ) -> Callable[[Callable[[T, Received], Iterable[Issue]]], Callable[[T, Received], Iterable[Issue]]]:
        """Enter the decorated function as the check of a rule; needs: names of datasets, separated by blanks."""

        def enter(check: Callable[[T, Received], Iterable[Issue]]) -> Callable[[T, Received], Iterable[Issue]]:
            self._rules.append(Rule(number, severity, says, source, remedy, scope, check, tuple(needs.split())))
            return check

        return enter
