"""A dataset as it was received: columns as its file declares them, and the values that lie in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from immunomon.outputs.conformance.cells import Cell, number_of, text_of

__all__ = ["Column", "Record", "Table"]

_IDENTITY = ("SUBJID", "record_id", "subject", "sample_id", "VISIT", "visit", "PARAMCD", "AVISIT", "QNAM")


@dataclass(frozen=True)
class Column:
    """A column of a dataset, as its file declares it.

    declared: the type in the file's own words; length: 0 if it declares none; key: its place in the key, or 0.
    """

    name: str
    label: str = ""
    is_number: bool = False
    declared: str = ""
    length: int = 0
    key: int = 0
    oid: str = ""


@dataclass(frozen=True, eq=False)
class Record:
    """A record and its number in the dataset, counted from 1; what a dataset does not have is missing."""

    number: int
    values: Mapping[str, Cell]
    whose: str = ""

    def __getitem__(self, name: str) -> Cell:
        return self.values.get(name)

    def text(self, name: str) -> str:
        """Return a value as text, empty if there is none."""
        return text_of(self.values.get(name))

    def shown(self, name: str) -> str:
        """Return a value as a message shows it: its beginning, or ``missing``."""
        return self.text(name)[:40] or "missing"

    def number_in(self, name: str) -> float | None:
        """Return a number, None if there is none."""
        return number_of(self.values.get(name))

    def has(self, name: str) -> bool:
        """Say whether there is a value."""
        return self.text(name) != ""

    def texts(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return several values as text."""
        return tuple(self.text(name) for name in names)


@dataclass(frozen=True, eq=False)
class Table:
    """A dataset: name, the file it lies in (relative to the delivery), the file's form (xpt, json, csv, xlsx).

    about: what else the file says of itself.
    """

    name: str
    file: str
    form: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...] = field(repr=False)
    label: str = ""
    about: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def part(self) -> str:
        """The folder of its file, such as ``sdtm``; empty at the top."""
        return self.file.rpartition("/")[0]

    @property
    def is_cdisc(self) -> bool:
        """Whether it is a dataset of SDTM or ADaM."""
        return "STUDYID" in self.names or self.form in {"xpt", "json"}

    @property
    def is_analysis(self) -> bool:
        """Whether it is a dataset of ADaM."""
        return self.is_cdisc and self.name.startswith("AD")

    @property
    def is_tabulation(self) -> bool:
        """Whether it is a dataset of SDTM."""
        return self.is_cdisc and not self.is_analysis

    @property
    def prefix(self) -> str:
        """What its variables' names begin with in the general model: the domain; empty for others."""
        return self.name if self.is_tabulation and len(self.name) == 2 else ""

    @property
    def is_finding(self) -> bool:
        """Whether it is a domain of findings: tests and their results."""
        return bool(self.prefix) and f"{self.prefix}TESTCD" in self.names

    def own(self, suffix: str) -> str:
        """Return the name of a variable of the general model in this domain, such as ``CPSEQ`` for ``SEQ``."""
        return f"{self.prefix}{suffix}"

    def has(self, *names: str) -> bool:
        """Say whether it has all of some variables."""
        return set(names) <= set(self.names)

    @cached_property
    def _columns(self) -> dict[str, tuple[Cell, ...]]:
        columns = list(zip(*self.rows, strict=False)) or [()] * len(self.names)
        return dict(zip(reversed(self.names), reversed(columns), strict=False))  # of two of a name, the first

    @cached_property
    def _texts(self) -> dict[str, tuple[str, ...]]:
        return {}

    @cached_property
    def _distinct(self) -> dict[str, dict[Cell, int]]:
        return {}

    def column(self, name: str) -> tuple[Cell, ...]:
        """Return a column's values, all missing if there is no such column."""
        values = self._columns.get(name)
        return (None,) * len(self.rows) if values is None else values

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a column's values as text."""
        if name not in self._texts:
            self._texts[name] = tuple(map(text_of, self.column(name)))
        return self._texts[name]

    def distinct(self, name: str) -> Mapping[Cell, int]:
        """Return a column's values, each with the number of the first record that has it; missing ones are left out."""
        if name not in self._distinct:
            first_rows: dict[Cell, int] = {}
            for number, value in enumerate(self.column(name), start=1):
                if value is not None:
                    first_rows.setdefault(value, number)
            self._distinct[name] = first_rows
        return self._distinct[name]

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """The records, in order."""
        shown = [name for name in ("USUBJID", f"{self.prefix}SEQ", *_IDENTITY) if name in self.names][:3]
        return tuple(self._record(number, row, shown) for number, row in enumerate(self.rows, start=1))

    def _record(self, number: int, row: tuple[Cell, ...], shown: list[str]) -> Record:
        values = dict(zip(self.names, row, strict=False))
        identity = ", ".join(f"{name} {text_of(values.get(name))[:40]}" for name in shown)
        return Record(number, values, f"{number}" + (f" ({identity})" if identity else ""))

    def grouped(self, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Record]]]:
        """Yield the records by the text of some variables, in the order in which they come."""
        groups: dict[tuple[str, ...], list[Record]] = {}
        for key, record in zip(zip(*map(self.texts, names), strict=True), self.records, strict=True):
            groups.setdefault(key, []).append(record)
        yield from groups.items()
