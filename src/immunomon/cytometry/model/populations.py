"""The contracts of the result tables: what one row is, its key, and the columns, which stand in ``columns.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CHANGES",
    "DOUBTS",
    "FREQUENCIES",
    "MEDIANS",
    "POPULATIONS",
    "SAMPLES",
    "SUMMARY",
    "TABLES",
    "TRUST_COLUMNS",
    "Column",
    "Table",
    "contract",
]

_COLUMNS = Path(__file__).with_name("columns.csv")
_DTYPES = ("string", "Int64", "Float64", "boolean")


@dataclass(frozen=True)
class Column:
    """One column: its name, its pandas type, and what it means."""

    name: str
    dtype: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A result table: its name, what one row is, which columns identify a row, and the columns in order."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def dtypes(self) -> dict[str, str]:
        """The pandas type of each column."""
        return {column.name: column.dtype for column in self.columns}

    def frame(self, rows: Iterable[Mapping[str, Any]] = ()) -> pd.DataFrame:
        """Return rows as a table with exactly these columns and types."""
        import pandas as pd

        return pd.DataFrame(list(rows), columns=list(self.names), dtype=object).astype(self.dtypes)

    def shaped(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table with exactly these columns and types; columns that it lacks are empty."""
        return table.reindex(columns=list(self.names)).astype(self.dtypes)


def contract(name: str, row: str, *key: str) -> Table:
    """Return the contract of a result table: its columns are the rows of ``columns.csv`` that name it.

    row: what one row of the table is; key: the columns that identify it. Raises KeyError for a table without columns.

    >>> contract("doubts", "one doubt", "sample_id", "code").names[:2]
    ('sample_id', 'subject')
    """
    return Table(name, row, key, tuple(_columns(name)))


@cache
def _rows() -> dict[str, list[tuple[str, str, str]]]:
    rows: dict[str, list[tuple[str, str, str]]] = {}
    with _COLUMNS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["table"], []).append((row["column"], row["dtype"], row["meaning"]))
    return rows


def _columns(name: str) -> Iterator[Column]:
    for column, dtype, meaning in _rows()[name]:
        if column.startswith("*"):  # a group of columns that several tables share
            yield from _columns(column[1:])
        elif dtype in _DTYPES and column and meaning:
            yield Column(column, dtype, meaning)
        else:
            raise ValueError(f"{_COLUMNS}: {name}, {column!r}: needs a name, a meaning and a type of {_DTYPES}")


# Columns that run folders of before do not have.
TRUST_COLUMNS = ("placed_by", "doubts", "rests_on", "baseline_rests_on")

SAMPLES = contract("samples", "one FCS file of the sample list", "sample_id")
POPULATIONS = contract("populations", "one gated sample x population", "sample_id", "population")
FREQUENCIES = contract(
    "frequencies",
    "one gated sample x population x denominator; the parent is always one of the denominators",
    "sample_id",
    "population",
    "denominator",
)
MEDIANS = contract("medians", "one gated sample x population x marker", "sample_id", "population", "marker")
DOUBTS = contract(
    "doubts", "one gated sample x population x doubt or remark", "sample_id", "population", "code", "axis"
)
CHANGES = contract(
    "changes", "one subject x visit x quantity", "subject", "visit", "panel", "quantity", "population", "denominator"
)
SUMMARY = contract(
    "summary",
    "one dose group (and all together) x visit x quantity x measure",
    "dose_group",
    "visit",
    "panel",
    "quantity",
    "population",
    "denominator",
    "measure",
)
TABLES = {table.name: table for table in (SAMPLES, POPULATIONS, FREQUENCIES, MEDIANS, CHANGES, SUMMARY)}
