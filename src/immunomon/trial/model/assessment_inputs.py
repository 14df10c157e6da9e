"""What the study's CSV files of other assessments hold; their columns stand in ``assessment_inputs.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["ASSESSMENT_INPUTS", "InputColumn", "InputTable"]


@dataclass(frozen=True)
class InputColumn:
    """A column: its name, what a cell holds, what it means, and whether it may be blank.

    optional: whether a file may lack the column; its values are then None.
    kind: ``text``, ``number``, ``whole``, ``day`` (a study day: no 0), ``date`` (ISO), ``time`` (hours and minutes),
    ``truth``, ``measured`` (a number, or ``<`` or ``>`` and a limit), or the words allowed.
    low, high: limits of a number.
    """

    name: str
    kind: str | tuple[str, ...]
    meaning: str
    needed: bool = False
    low: float | None = None
    high: float | None = None
    optional: bool = False


@dataclass(frozen=True)
class InputTable:
    """A file: its name without suffix, what a row is, and the columns that no two rows may share.

    about: the columns that say what a row is about, which rows are ordered and called by where they leave.
    """

    name: str
    row: str
    key: tuple[str, ...]
    about: tuple[str, ...]
    columns: tuple[InputColumn, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def needed_names(self) -> tuple[str, ...]:
        """The names of the columns that no file may lack."""
        return tuple(column.name for column in self.columns if not column.optional)


_COLUMNS = Path(__file__).with_suffix(".csv")


def _table(name: str, row: str, about: tuple[str, ...], *when: str, key: tuple[str, ...] | None = None) -> InputTable:
    """Return a file's table; when: what else tells its rows apart; key: if that is something else altogether."""
    return InputTable(name, row, (*about, *when) if key is None else key, about, _columns()[name])


@cache
def _columns() -> Mapping[str, tuple[InputColumn, ...]]:
    columns: dict[str, tuple[InputColumn, ...]] = {}
    with _COLUMNS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            kind = tuple(row["kind"].split("|")) if "|" in row["kind"] else row["kind"]
            low, high = (_limit(row[name]) for name in ("low", "high"))
            needed, optional = (row[name] == "yes" for name in ("needed", "optional"))
            column = InputColumn(row["column"], kind, row["meaning"], needed, low, high, optional)
            columns[row["table"]] = (*columns.get(row["table"], ()), column)
    return columns


def _limit(text: str) -> float | None:
    return None if not text else float(text) if "." in text else int(text)


_TABLES = (
    _table("platelets", "one platelet count", ("subject", "visit"), "study_day", "date"),
    _table("msc_concentration", "one blood sample around the first infusion", ("subject", "planned_time_h")),
    _table("antibodies", "one test for antibody to the cells", ("subject", "timepoint"), "study_day", "date"),
    _table(
        "viruses",
        "one test for one virus or other agent",
        ("subject", "visit", "virus"),
        key=("subject", "visit", "study_day", "date", "virus"),
    ),
    _table(
        "laboratory",
        "one result of one laboratory value",
        ("subject", "visit", "analyte"),
        key=("subject", "visit", "study_day", "date", "analyte"),
    ),
    _table("adverse_events", "one adverse event", ("subject", "term", "start_day"), key=()),
    _table("demographics", "one subject", ("subject",)),
    _table("infusions", "one infusion of the cells", ("subject", "infusion")),
    _table("medications", "one course of other medication", ("subject", "medication", "start_day"), key=()),
    _table("disposition", "how a subject's treatment or trial ended", ("subject", "of")),
    _table("queries", "one query between laboratory and sponsor", ("query",)),
)
ASSESSMENT_INPUTS = {table.name: table for table in _TABLES}
