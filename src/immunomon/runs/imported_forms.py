"""Counts in other programs' forms: FlowJo's table, one row a file and population, and what a workspace stores."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from immunomon.csvfile import BadCell, CsvFile, CsvRow, read_csv
from immunomon.cytometry.formats.workspaces import read_workspace
from immunomon.errors import BadSpec, Problem, listed
from immunomon.files import file_digest
from immunomon.findings import most_of, shown
from immunomon.runs.imported_long import LongRow, LongTable, read_long
from immunomon.runs.imported_numbers import doubts_of_percents, events_of, number_of
from immunomon.runs.imported_sheets import read_first_sheet
from immunomon.study.model.marker_names import read_label

__all__ = ["ForeignSample", "ForeignTable", "read_foreign"]

_LARGEST = 200_000_000
_STATISTIC = re.compile(r"\s*\|\s*")
_COUNT = re.compile(r"(count|#\s*cells|events)$", re.IGNORECASE)
_OF_PARENT = re.compile(r"freq(?:uency)?\.?\s*of\s*parent.*|%\s*of\s*parent|% ?parent", re.IGNORECASE)
_MEDIAN = re.compile(r"median\s*\((?P<channel>.+)\)", re.IGNORECASE)
_SUMMARIES = {"mean", "sd", "stddev", "cv", "median", "min", "max", "sum", "n"}
_WORKSPACES = {".wsp", ".xml", ".analysis", ".flowjo", ".acs"}


@dataclass(frozen=True)
class ForeignSample:
    """A sample by another program's name: its row, and by path what it counted; '' is the path of all events.

    counts: path -> events; percents: path -> percent of the parent; medians: path -> marker -> intensity;
    parent_counts: path -> events of its parent, where the table does not say which that is.
    """

    name: str
    line: int
    counts: Mapping[str, int] = field(default_factory=dict)
    percents: Mapping[str, float] = field(default_factory=dict)
    medians: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    parent_counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ForeignTable:
    """A table of another program: its samples, the paths of its populations, the digest of its bytes, its form.

    notes: what of it is not read. has_parents: whether its paths say which population lies in which.
    """

    path: Path
    form: str
    sha256: str
    samples: tuple[ForeignSample, ...]
    paths: tuple[str, ...]
    notes: tuple[str, ...] = ()
    has_parents: bool = True


def read_foreign(path: Path) -> ForeignTable | None:
    """Return another program's table, or the counts of a workspace; None for a file that is neither, as tidy CSV is.

    Raises BadSpec for one that cannot be read.

    >>> read_foreign(Path("none.wsp"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none.wsp: no such file; check the path
    """
    ending = path.suffix.casefold()
    if ending in _WORKSPACES:
        return _of_workspace(path)
    if ending == ".xlsx":
        rows, notes = read_first_sheet(path)
        source = CsvFile(str(path), rows, ",", file_digest(path))
        table = _of_source(path, source, "XLSX") or _of_rows(path, "FlowJo table (XLSX)", source)
        return replace(table, notes=(*notes, *table.notes))
    source = read_csv(path, _LARGEST)
    return _of_source(path, source, "CSV")


def _of_source(path: Path, source: CsvFile, kind: str) -> ForeignTable | None:
    """Return a FlowJo table, or one with a row for each file and population; None for any other."""
    head = source.rows[0].cells if source.rows else ()
    # A tidy table has its own reader, which has more to say of what is wrong with it.
    if {"subject", "visit"} <= {cell.strip().casefold() for cell in head}:
        return None
    if any(_STATISTIC.search(cell) for cell in head):
        return _of_rows(path, f"FlowJo table ({kind})", source)
    table = read_long(path, source)
    return None if table is None else _of_long(path, table, source.digest)


def _of_long(path: Path, table: LongTable, sha256: str) -> ForeignTable:
    samples: dict[str, list[LongRow]] = {}
    for row in table.rows:
        samples.setdefault(row.file, []).append(row)
    notes = _unread(path, table.unread)
    notes += [
        f"{path}: {doubt}" for doubt in doubts_of_percents([r.percent for r in table.rows if r.percent is not None])
    ]
    if not table.has_parents:
        notes.append(f"{path}: it does not say which population lies in which: the map does (parents:)")
    paths = tuple(dict.fromkeys(row.path for row in table.rows if row.path))
    made = tuple(_of_file(name, rows, has_parents=table.has_parents) for name, rows in samples.items())
    return ForeignTable(path, table.form, sha256, made, paths, tuple(notes), table.has_parents)


def _of_file(name: str, rows: Sequence[LongRow], *, has_parents: bool) -> ForeignSample:
    counts = {row.path: row.count for row in rows if row.count is not None}
    above = {row.path: row.parent_count for row in rows if row.parent_count is not None and row.path}
    if has_parents:
        counts = {path.rpartition("/")[0]: count for path, count in above.items()} | counts
    percents = {row.path: row.percent for row in rows if row.percent is not None and row.path}
    medians = {row.path: row.medians for row in rows if row.medians}
    return ForeignSample(name, rows[0].line, counts, percents, medians, {} if has_parents else above)


def _of_rows(path: Path, form: str, source: CsvFile) -> ForeignTable:
    if not source.rows or not any(_STATISTIC.search(cell) for cell in source.rows[0].cells):
        what = "no column such as 'Lymphocytes/CD4 | Count'"
        raise BadSpec([Problem(str(path), 1, "header", what, "export the table with its paths and statistics")])
    problems = [*source.problems, *source.uneven()]
    columns = [_column(cell) for cell in source.rows[0].cells]
    problems += _doubled(path, source.rows[0], columns)
    samples: dict[str, ForeignSample] = {}
    summaries, nameless = [], []
    for row in source.rows[1:]:
        name = row.cells[0]
        if name.casefold() in _SUMMARIES or not name:
            if name:
                summaries.append(name)
            elif any(row.cells):
                nameless.append(str(row.line))
            continue
        if name in samples:
            what = f"sample {shown(name)} is given twice, first on line {samples[name].line}"
            problems.append(Problem(str(path), row.line, "", what, "keep one of the rows"))
        samples[name] = _sample(path, row, columns, source, problems)
    if problems:
        raise BadSpec(most_of(problems))
    unread = [
        cell for cell, column in zip(source.rows[0].cells[1:], columns[1:], strict=True) if cell and column is None
    ]
    notes = _unread(path, unread)
    notes += [f"{path}: rows of summaries are not read: {', '.join(summaries)}"] if summaries else []
    notes += [f"{path}: rows that name no sample are not read: line {listed(nameless, 10)}"] if nameless else []
    percents = [percent for sample in samples.values() for percent in sample.percents.values()]
    notes += [f"{path}: {doubt}" for doubt in doubts_of_percents(percents)]
    paths = dict.fromkeys(column[0] for column in columns if column and column[1] != "median" and column[0])
    bare = dict.fromkeys(column[0] for column in columns if column and column[0] not in paths and column[1] == "median")
    if bare:
        populations = listed([shown(population, 200) for population in bare], 10)
        notes.append(f"{path}: medians of populations without a count or percent are not read: {populations}")
    return ForeignTable(path, form, source.digest, tuple(samples.values()), tuple(paths), tuple(notes))


def _unread(path: Path, statistics: Sequence[str]) -> list[str]:
    names = listed([*map(shown, statistics)], 10)
    return [f"{path}: statistics that are not read: {names}"] if statistics else []


_Column = tuple[str, str, str]  # path, statistic, marker


def _doubled(path: Path, header: CsvRow, columns: Sequence[_Column | None]) -> Iterator[Problem]:
    """Yield columns that are of the same population, statistic and marker as one before, however they are spelled."""
    first: dict[object, str] = {}
    for cell, column in zip(header.cells[1:], columns[1:], strict=True):
        if not cell:
            continue
        if (other := first.get(column or cell)) is not None:
            what = f"column {shown(cell)} is given twice, first as {shown(other)}"
            yield Problem(str(path), header.line, "header", what, "keep one of them")
        first.setdefault(column or cell, cell)


def _column(cell: str) -> _Column | None:
    """Return what a column of a FlowJo table is of; None for what is not read."""
    path, _, statistic = (part.strip() for part in cell.rpartition("|")) if "|" in cell else ("", "", cell.strip())
    path = path.strip("/")
    if _COUNT.fullmatch(statistic):
        return path, "count", ""
    if _OF_PARENT.fullmatch(statistic):
        return path, "percent", ""
    if median := _MEDIAN.fullmatch(statistic):
        label = read_label(median["channel"])
        return path, "median", label.marker or median["channel"].rpartition("::")[2].strip()
    return None


def _sample(
    path: Path, row: CsvRow, columns: Sequence[_Column | None], source: CsvFile, problems: list[Problem]
) -> ForeignSample:
    counts: dict[str, int] = {}
    percents: dict[str, float] = {}
    medians: dict[str, dict[str, float]] = {}
    for cell, column in zip(row.cells, columns, strict=False):
        text = cell.removesuffix("%").strip()
        if column is None or not text or text.casefold() in {"n/a", "nan", "-", "•"}:
            continue
        try:
            number: float = events_of(source, text) if column[1] == "count" else number_of(source, text)
        except BadCell as error:
            problems.append(Problem(str(path), row.line, column[0], error.what, error.remedy))
            continue
        if column[1] == "count":
            counts[column[0]] = int(number)
        elif column[1] == "percent":
            if not 0 <= number <= 100:
                what = f"{shown(text)} is no percent of a parent"
                problems.append(Problem(str(path), row.line, column[0], what, "correct it"))
            percents[column[0]] = number
        else:
            medians.setdefault(column[0], {})[column[2]] = number
    return ForeignSample(row.cells[0], row.line, counts, percents, medians)


def _of_workspace(path: Path) -> ForeignTable:
    workspace = read_workspace(path)
    samples = []
    paths: dict[str, None] = {}
    for number, sample in enumerate(workspace.samples, start=1):
        own = {population.id: population.path.strip("/") for population in sample.placed.populations}
        counts = {own[name]: count for name, count in sample.counts.items() if name in own}
        if sample.event_count is not None:
            counts[""] = sample.event_count
        paths |= dict.fromkeys(own[name] for name in sample.order if name in own)
        samples.append(ForeignSample(sample.name, number, counts))
    form = f"counts stored by {workspace.program}"
    return ForeignTable(path, form, file_digest(path), tuple(samples), tuple(paths), tuple(workspace.remarks))
