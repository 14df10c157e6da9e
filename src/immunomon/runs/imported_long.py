"""Statistics with one row a file and population: CellEngine, openCyto and flowWorkspace, OMIQ, Cytobank."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from immunomon.csvfile import BadCell, CsvFile, CsvRow
from immunomon.errors import BadSpec, Problem
from immunomon.findings import most_of, shown
from immunomon.runs.imported_numbers import events_of, number_of
from immunomon.study.model.marker_names import read_label

__all__ = ["LongRow", "LongTable", "read_long"]

# What a column says, by its name without blanks, signs and capitals.
_ROLES: Mapping[str, tuple[str, ...]] = {
    "file": ("filename", "file", "fcsfile", "fcsfilename", "sample", "samplename", "name"),
    "population": ("uniquepopulationname", "population", "populationname", "pop", "gate"),
    "parent": ("parentpopulation", "parent", "parentname", "parentpopulationname"),
    "count": ("eventcount", "eventcounts", "count", "counts", "events", "cells", "cellcount", "numberofevents"),
    "parent_count": ("parentcount", "parentevents", "parenteventcount"),
    "percent": (
        "percent",
        "percentofparent",
        "percentparent",
        "freqofparent",
        "frequencyofparent",
        "freqofparentpercent",
        "ofparent",
    ),
    "percent_of": ("percentofuniquename", "percentof"),
    "id": ("populationid",),
    "parent_id": ("parentpopulationid",),
    "channel": ("channel",),
    "reagent": ("reagent",),
    "median": ("median",),
    "statistic": ("statistic",),
    "value": ("value",),
}
_ALL_EVENTS = {"root", "ungated", "allevents", "all", "none", "na", "null"}
_MEDIAN_OF = re.compile(r"(?:raw )?median(?:s)?\s*[(:\-]\s*(?P<channel>[^()]+(?:\([^()]*\))?[^()]*?)\)?", re.IGNORECASE)
_BLANK = {"", "na", "n/a", "nan", "null", "none"}


@dataclass(frozen=True)
class LongRow:
    """A population of a file: its path from all events on ('' for these), what was counted, and where it stands.

    percent: of the parent.
    """

    file: str
    path: str
    line: int
    count: int | None
    percent: float | None
    parent_count: int | None
    medians: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LongTable:
    """The rows of a table, whether it says which population lies in which, and columns that are not read."""

    form: str
    rows: tuple[LongRow, ...]
    has_parents: bool
    unread: tuple[str, ...] = ()


def read_long(path: Path, source: CsvFile) -> LongTable | None:
    """Return the rows of a table that has a column for files, one for populations, and counts or percents.

    None for any other table. A percent is read if it is of the parent: where the table says of what, only then. Raises
    BadSpec, with the line of each problem, for numbers that are none, a population that is given twice in a file with
    other values, and a parent that is not there.

    >>> head = CsvRow(1, ("name", "Population", "Parent", "Count", "ParentCount"))
    >>> row = CsvRow(2, ("a.fcs", "/Lv/CD3", "/Lv", "40", "90"))
    >>> read_long(Path("t.csv"), CsvFile("t.csv", (head, row), ",", "")).rows[0].path
    'Lv/CD3'
    """
    if not source.rows:
        return None
    columns = _columns(source.rows[0].cells)
    if not {"file", "population"} <= set(columns) or not set(columns) & {"count", "percent", "value"}:
        return None
    problems = [*source.problems, *source.uneven()]
    unread: dict[str, None] = {}
    lines = [_Line(path, row, columns, source, problems, unread) for row in source.rows[1:] if any(row.cells)]
    has_parents = bool({"parent", "parent_id"} & set(columns)) or any("/" in line.text("population") for line in lines)
    medians_of = {
        place: match["channel"].strip()
        for place, cell in enumerate(source.rows[0].cells)
        if (match := _MEDIAN_OF.fullmatch(cell.strip()))
    }
    by_key: dict[tuple[str, str], _Gathered] = {}
    for line, population in zip(lines, _paths(lines), strict=True):
        _gather(by_key, line, population, medians_of)
    if has_parents:
        _hold_parents(by_key)
    if problems:
        raise BadSpec(most_of(problems))
    rows = tuple(gathered.row(file, own) for (file, own), gathered in by_key.items())
    known = set(columns.values()) | set(medians_of)
    columns_unread = (cell for place, cell in enumerate(source.rows[0].cells) if cell.strip() and place not in known)
    return LongTable(_form(columns), rows, has_parents, (*columns_unread, *unread))


def _columns(head: Sequence[str]) -> dict[str, int]:
    """Return the place of each role's column; where several fit, that of the name that is listed first."""
    bare = [re.sub(r"[^a-z]", "", cell.casefold().replace("%", "percent").replace("#", "")) for cell in head]
    columns: dict[str, int] = {}
    for role, names in _ROLES.items():
        column = next((bare.index(name) for name in names if name in bare), None)
        if column is not None and column not in columns.values():
            columns[role] = column
    return columns


def _form(columns: Mapping[str, int]) -> str:
    if {"id", "percent_of"} & set(columns):
        return "statistics of CellEngine"
    return "statistics of flowWorkspace" if "parent_count" in columns else "statistics by file and population"


@dataclass(frozen=True, eq=False)
class _Line:
    path: Path
    row: CsvRow
    columns: Mapping[str, int]
    source: CsvFile
    problems: list[Problem]
    unread: dict[str, None]

    def text(self, role: str) -> str:
        place = self.columns.get(role)
        return self.row.cells[place].strip() if place is not None and place < len(self.row.cells) else ""

    def complain(self, role: str, what: str, remedy: str) -> None:
        self.problems.append(Problem(str(self.path), self.row.line, role, what, remedy))

    def number(self, text: str, role: str, read: Callable[[CsvFile, str], float]) -> float | None:
        bare = text.removesuffix("%").strip()
        if bare.casefold() in _BLANK:
            return None
        try:
            return read(self.source, bare)
        except BadCell as error:
            self.complain(role, error.what, error.remedy)
            return None

    @property
    def is_root(self) -> bool:
        return _is_root(self.text("population"))


def _is_root(name: str) -> bool:
    # Letters of every script and + are part of a name: gamma-delta T cells are often just those two letters.
    return name.strip() in {"", "-", "/"} or re.sub(r"[^\w/+]|_", "", name.casefold()) in _ALL_EVENTS


def _paths(lines: Sequence[_Line]) -> list[str]:
    """Return each row's path from all events on: as it stands, or put together from names of parents, or ids."""
    by_id = any(line.text("id") for line in lines) and "parent_id" in (lines[0].columns if lines else {})
    own_role, parent_role = ("id", "parent_id") if by_id else ("population", "parent")
    written = any("/" in line.text("population") and line.text("population").startswith("/") for line in lines)
    if written or ("parent" not in (lines[0].columns if lines else {}) and not by_id):
        return ["" if line.is_root else line.text("population").strip("/") for line in lines]
    above: dict[str, tuple[str, str]] = {}
    for line in lines:
        key, parent = line.text(own_role), line.text(parent_role)
        known = above.setdefault(key, (line.text("population"), parent))
        if known[1] != parent:
            what = f"the parent of {shown(line.text('population'))} is {shown(parent)}, and {shown(known[1])} before"
            line.complain("parent", what, "give each population one parent, and those of one name names of their own")
    full = {key: _full(key, above) for key in above}
    for line in lines:
        if full[line.text(own_role)] is None:
            what = f"{shown(line.text('population'))} lies in {shown(line.text('parent') or line.text(parent_role))}"
            line.complain("parent", f"{what}, which leads to no row above it", "export all that it lies in, too")
    return ["" if line.is_root else full[line.text(own_role)] or "" for line in lines]


def _full(key: str, above: Mapping[str, tuple[str, str]]) -> str | None:
    """Return the names from all events down to a population; None if one has no row, or they are a circle."""
    names: list[str] = []
    while not _is_root(key) and not _is_root(above.get(key, (key, ""))[0]):
        if key not in above or len(names) > 100:
            return None
        name, key = above[key]
        names.append(name.replace("/", "|"))  # a sign of its name is no step of the path
    return "/".join(reversed(names))


@dataclass(eq=False)
class _Gathered:
    """What several rows say of one population of a file: each channel has a row of its own."""

    line: _Line
    numbers: dict[str, float] = field(default_factory=dict)
    medians: dict[str, float] = field(default_factory=dict)

    def take(self, numbers: dict[str, float], role: str, value: float | None, line: _Line) -> None:
        if value is None:
            return
        if numbers.setdefault(role, value) != value:
            what = f"{value:.9g}, but {numbers[role]:.9g} on line {self.line.row.line} of the same file and population"
            line.complain(role, what, "keep one of the rows")

    def row(self, file: str, path: str) -> LongRow:
        count, above = (
            None if (value := self.numbers.get(role)) is None else int(value) for role in ("count", "parent_count")
        )
        return LongRow(file, path, self.line.row.line, count, self.numbers.get("percent"), above, self.medians)


def _gather(by_key: dict[tuple[str, str], _Gathered], line: _Line, path: str, medians_of: Mapping[int, str]) -> None:
    file = line.text("file")
    if not file:
        line.complain("file", "is blank", "name the file")
    gathered = by_key.setdefault((file, path), _Gathered(line))
    statistic = re.sub(r"[^a-z]", "", line.text("statistic").casefold())
    texts = {role: line.text(role) for role in ("count", "parent_count", "percent", "median")}
    if statistic:
        role = next((role for role in texts if statistic in _ROLES[role]), None)
        if role is None:
            line.unread[line.text("statistic")] = None
        texts = {} if role is None else {role: line.text("value")}
    for role in ("count", "parent_count"):
        gathered.take(gathered.numbers, role, line.number(texts.get(role, ""), role, events_of), line)
    percent = line.number(texts.get("percent", ""), "percent", number_of)
    if percent is not None and not 0 <= percent <= 100:
        line.complain("percent", f"{percent:g} is no percent of a parent", "correct it")
    if percent is not None and _is_of_parent(line):
        gathered.take(gathered.numbers, "percent", percent, line)
    median = line.number(texts.get("median", ""), "median", number_of)
    if marker := _marker(line.text("reagent") or line.text("channel")):
        gathered.take(gathered.medians, marker, median, line)
    elif median is not None:
        line.unread["median without a channel"] = None
    for place, channel in medians_of.items():
        value = line.number(line.row.cells[place] if place < len(line.row.cells) else "", "median", number_of)
        gathered.take(gathered.medians, _marker(channel), value, line)


def _hold_parents(by_key: Mapping[tuple[str, str], _Gathered]) -> None:
    """Complain of events of a parent that are not those of its own row, or of its other populations."""
    counts = {key: (own.numbers["count"], own.line) for key, own in by_key.items() if "count" in own.numbers}
    for (file, path), own in by_key.items():
        if (number := own.numbers.get("parent_count")) is None or not path:
            continue
        known, line = counts.setdefault((file, path.rpartition("/")[0]), (number, own.line))
        if known != number:
            what = f"{number:.0f} events, but {known:.0f} by line {line.row.line} of the same file"
            own.line.complain("parent_count", what, "correct one of them")


def _is_of_parent(line: _Line) -> bool:
    of, parent = line.text("percent_of"), line.text("parent")
    return "percent_of" not in line.columns or of == parent or (_is_root(of) and _is_root(parent))


def _marker(channel: str) -> str:
    return read_label(channel).marker or channel.rpartition("::")[2].strip()
