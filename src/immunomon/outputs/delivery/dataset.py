"""What is delivered, before it is a file: datasets of variables and rows, in CDISC's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from immunomon.errors import DeliveryFailed, UnknownName, nearest

__all__ = ["LONGEST_TEXT", "Dataset", "Value", "Variable", "VariableType", "as_long_as_fits", "dataset_of"]

Value = str | int | float | None
VariableType = Literal["text", "integer", "float", "date", "datetime"]
LONGEST_TEXT = 200  # letters, in SAS transport files of version 5


def as_long_as_fits(text: str) -> str:
    """Return as much of a text as a variable may hold; none of the blanks that a cut leaves at its end.

    >>> len(as_long_as_fits("x" * 199 + " more of it"))
    199
    """
    return text[:LONGEST_TEXT].rstrip()


@dataclass(frozen=True)
class Variable:
    """One variable: name, label, type, and what Define-XML says of it.

    type: ``text``, ``integer``, ``float``, or ``date`` or ``datetime`` (ISO 8601 text, complete
    or partial). length: of the longest
    value in characters, 8 for numbers. core: ``Req``, ``Exp``, ``Perm`` or blank. codelist: the name of the list that
    its values are from, or blank. origin and source: as in Define-XML 2.1. method: how it was derived, in words.
    display: a format for numbers, such as ``DATE9.``. sources: what it is made of, as ``table.column`` or
    ``DATASET.VARIABLE``.
    """

    name: str
    label: str
    type: VariableType = "text"
    length: int = 0
    role: str = ""
    codelist: str = ""
    core: str = ""
    origin: str = ""
    source: str = ""
    method: str = ""
    display: str = ""
    sources: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.type in {"integer", "float"}


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named table: variables in order, rows of their values, and the variables that identify a row.

    order: the variables that rows are sorted by, where these are not the keys: observations in the order of time.
    A missing value is None, never an empty text. structure: what one row is; kind: CDISC's class of it, such as
    ``FINDINGS``; standard: the implementation guide it follows, blank for tables of our own;
    comment: what a reviewer should know of it.

    >>> cp = Dataset("CP", "Cell Phenotype Findings", (Variable("CPSEQ", "Sequence Number", "integer"),), ((1,), (2,)))
    >>> len(cp), cp.column("CPSEQ"), next(cp.records())
    (2, (1, 2), {'CPSEQ': 1})
    """

    name: str
    label: str
    variables: tuple[Variable, ...]
    rows: tuple[tuple[Value, ...], ...] = field(repr=False)
    keys: tuple[str, ...] = ()
    structure: str = ""
    kind: str = ""
    standard: str = ""
    order: tuple[str, ...] = ()
    comment: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables' names, in order."""
        return tuple(variable.name for variable in self.variables)

    def variable(self, name: str) -> Variable:
        """Return a variable by name; raises UnknownName with the nearest."""
        return self.variables[self.index_of(name)]

    def index_of(self, name: str) -> int:
        """Return a variable's place, counted from 0; raises UnknownName with the nearest name."""
        if name not in self.names:
            raise UnknownName(f"dataset {self.name}: no variable '{name}'; {nearest(name, self.names)}")
        return self.names.index(name)

    def column(self, name: str) -> tuple[Value, ...]:
        """Return a variable's values, row by row."""
        index = self.index_of(name)
        return tuple(row[index] for row in self.rows)

    def records(self) -> Iterator[dict[str, Value]]:
        """Yield the rows as mappings of names to values."""
        names = self.names
        for row in self.rows:
            yield dict(zip(names, row, strict=True))

    def with_rows(self, rows: Sequence[Sequence[Value]]) -> Dataset:
        """Return the dataset with other rows, lengths of its variables as they were."""
        return replace(self, rows=tuple(tuple(row) for row in rows))


def dataset_of(frame: Dataset, records: Sequence[Mapping[str, Value]]) -> Dataset:
    """Return a dataset of the same variables that holds these records, each variable as long as its longest value.

    frame: a dataset without rows. A name that a record lacks is missing; an empty text is missing, too; a number in a
    text variable becomes its shortest text. Raises DeliveryFailed for a name that the dataset does not have, or a value
    that is no number where one is needed.

    >>> frame = Dataset("LB", "Laboratory", (Variable("LBTESTCD", "Test"), Variable("LBSTRESN", "Result", "float")), ())
    >>> dataset_of(frame, [{"LBTESTCD": "PLAT", "LBSTRESN": 15}]).rows
    (('PLAT', 15.0),)
    """
    known = set(frame.names)
    for record in records:
        if not known.issuperset(record):
            extra = sorted(set(record) - known)
            raise DeliveryFailed(f"dataset {frame.name}: no variable {', '.join(extra)}; {nearest(extra[0], known)}")
    columns = [
        [_value(variable, record.get(variable.name), frame.name) for record in records] for variable in frame.variables
    ]
    variables = tuple(_sized(variable, column) for variable, column in zip(frame.variables, columns, strict=True))
    rows = tuple(zip(*columns, strict=True)) if columns else ()
    return replace(frame, variables=variables, rows=rows)


def _value(variable: Variable, value: Value, dataset: str) -> Value:
    if value is None or value == "" or (isinstance(value, float) and value != value):
        return None
    if not variable.is_number:
        return value if isinstance(value, str) else f"{value:.10g}"
    try:
        return int(value) if variable.type == "integer" else float(value)
    except (ValueError, OverflowError):
        raise DeliveryFailed(
            f"dataset {dataset}: variable {variable.name} holds '{value}', which is no number; correct its source"
        ) from None


def _sized(variable: Variable, column: Sequence[Value]) -> Variable:
    longest = 8 if variable.is_number else max((len(str(value)) for value in column if value is not None), default=1)
    return replace(variable, length=longest)
