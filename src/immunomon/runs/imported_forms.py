"""Counts in other programs' forms: a FlowJo table (CSV, XLSX), and the counts that a workspace stores."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from immunomon.csvfile import BadCell, CsvFile, CsvRow, read_csv
from immunomon.cytometry.formats.workspaces import read_workspace
from immunomon.cytometry.formats.xmltree import XmlElement, parse_xml
from immunomon.cytometry.formats.zip_archive import ZipSource
from immunomon.errors import BadSpec, Problem
from immunomon.files import file_digest
from immunomon.findings import shown
from immunomon.runs.imported_numbers import doubts_of_percents, events_of
from immunomon.study.model.marker_names import read_label
from immunomon.study.model.strategy import ROOT

__all__ = ["ForeignSample", "ForeignTable", "parent_of", "read_foreign"]

_LARGEST = 200_000_000
_LARGEST_SHEET = 100_000_000
_STATISTIC = re.compile(r"\s*\|\s*")
_COUNT = re.compile(r"(count|#\s*cells|events)$", re.IGNORECASE)
_OF_PARENT = re.compile(r"freq(?:uency)?\.?\s*of\s*parent.*|%\s*of\s*parent|% ?parent", re.IGNORECASE)
_MEDIAN = re.compile(r"median\s*\((?P<channel>.+)\)", re.IGNORECASE)
_SUMMARIES = {"mean", "sd", "stddev", "cv", "median", "min", "max", "sum", "n"}
_WORKSPACES = {".wsp", ".xml", ".analysis", ".flowjo", ".acs"}


@dataclass(frozen=True)
class ForeignSample:
    """A sample by another program's name: its row, and by path what it counted; '' is the path of all events.

    counts: path -> events; percents: path -> percent of the parent; medians: path -> marker -> intensity.
    """

    name: str
    line: int
    counts: Mapping[str, int] = field(default_factory=dict)
    percents: Mapping[str, float] = field(default_factory=dict)
    medians: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class ForeignTable:
    """A table of another program: its samples, the paths of its populations, the digest of its bytes, its form.

    notes: what of it is not read.
    """

    path: Path
    form: str
    sha256: str
    samples: tuple[ForeignSample, ...]
    paths: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_foreign(path: Path) -> ForeignTable | None:
    """Return a FlowJo table or the counts of a workspace; None for a file that is neither, such as tidy CSV.

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
        return _of_rows(path, "FlowJo table (XLSX)", CsvFile(str(path), _sheet(path), ",", file_digest(path)))
    source = read_csv(path, _LARGEST)
    head = source.rows[0].cells if source.rows else ()
    if not any(_STATISTIC.search(cell) for cell in head):
        return None
    return _of_rows(path, "FlowJo table (CSV)", source)


def _of_rows(path: Path, form: str, source: CsvFile) -> ForeignTable:
    if not source.rows or not any(_STATISTIC.search(cell) for cell in source.rows[0].cells):
        what = "no column such as 'Lymphocytes/CD4 | Count'"
        raise BadSpec([Problem(str(path), 1, "header", what, "export the table with its paths and statistics")])
    problems = list(source.problems)
    columns = [_column(cell) for cell in source.rows[0].cells]
    problems += _doubled(path, source.rows[0], columns)
    samples: dict[str, ForeignSample] = {}
    summaries = []
    for row in source.rows[1:]:
        name = row.cells[0]
        if name.casefold() in _SUMMARIES or not name:
            summaries.append(name)
            continue
        if name in samples:
            what = f"sample {shown(name)} is given twice, first on line {samples[name].line}"
            problems.append(Problem(str(path), row.line, "", what, "keep one of the rows"))
        samples[name] = _sample(path, row, columns, source, problems)
    if problems:
        raise BadSpec(problems[:200])
    unread = [
        cell for cell, column in zip(source.rows[0].cells[1:], columns[1:], strict=True) if cell and column is None
    ]
    notes = [f"{path}: statistics that are not read: {', '.join(map(shown, unread[:10]))}"] if unread else []
    notes += [f"{path}: rows of summaries are not read: {', '.join(filter(None, summaries))}"] if any(summaries) else []
    percents = [percent for sample in samples.values() for percent in sample.percents.values()]
    notes += [f"{path}: {doubt}" for doubt in doubts_of_percents(percents)]
    paths = dict.fromkeys(column[0] for column in columns if column and column[1] != "median" and column[0])
    return ForeignTable(path, form, source.digest, tuple(samples.values()), tuple(paths), tuple(notes))


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
            number: float = events_of(source, text) if column[1] == "count" else source.number(text)
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


# The first sheet of an XLSX file: cells as text, by their places.

_SHEET = re.compile(r"xl/worksheets/sheet\d+\.xml")
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_MOST_CELLS = 5_000_000


def _sheet(path: Path) -> tuple[CsvRow, ...]:
    """Return the rows of the first sheet of an XLSX file; raises BadSpec for one that cannot be read."""
    with ZipSource(path) as archive:
        sheets = sorted(
            (name for name in archive.names(".xml") if _SHEET.fullmatch(name)), key=lambda name: (len(name), name)
        )
        if not sheets:
            archive.refuse("", "it has no sheet", "save it as CSV")
        shared = [name for name in archive.names(".xml") if name == "xl/sharedStrings.xml"]
        texts = _texts(parse_xml(archive.read(shared[0], _LARGEST_SHEET), path)) if shared else []
        styles = [name for name in archive.names(".xml") if name == "xl/styles.xml"]
        percents = _percent_styles(parse_xml(archive.read(styles[0], _LARGEST_SHEET), path)) if styles else set()
        root = parse_xml(archive.read(sheets[0], _LARGEST_SHEET), path)
    data = root.first("sheetData")
    rows = [
        _row(element, number, texts, percents)
        for number, element in enumerate(data.all("row") if data else (), start=1)
    ]
    width = max((len(row.cells) for row in rows), default=0)
    if width * len(rows) > _MOST_CELLS:
        raise BadSpec([Problem(str(path), None, "", f"more than {_MOST_CELLS:,} cells", "save the table as CSV")])
    filled = [CsvRow(row.line, (*row.cells, *[""] * (width - len(row.cells)))) for row in rows]
    return tuple(row for row in filled if any(row.cells))


def _texts(root: XmlElement) -> list[str]:
    return ["".join(_all_text(item)) for item in root.all("si")]


def _all_text(element: XmlElement) -> Iterator[str]:
    if element.name == "t":
        yield element.text or ""
    for child in element.children:
        if child.name != "rPh":
            yield from _all_text(child)


def _row(element: XmlElement, number: int, texts: Sequence[str], percents: Container[str]) -> CsvRow:
    cells: dict[int, str] = {}
    for position, cell in enumerate(element.all("c")):
        place = _PLACE.fullmatch(cell.get("r") or "")
        column = _index(place[1]) if place else position
        if column < 5_000:
            cells[column] = _value(cell, texts, percents).strip()
    line = element.get("r") or ""
    width = max(cells, default=-1) + 1
    return CsvRow(int(line) if line.isdigit() else number, tuple(cells.get(column, "") for column in range(width)))


def _index(letters: str) -> int:
    index = 0
    for letter in letters:
        index = 26 * index + ord(letter) - ord("A") + 1
    return index - 1


def _percent_styles(root: XmlElement) -> set[str]:
    """Return the numbers of the cell styles that show a fraction as a percent."""
    formats = root.first("numFmts")
    codes = {fmt.get("numFmtId"): fmt.get("formatCode") or "" for fmt in (formats.all("numFmt") if formats else ())}
    styles = root.first("cellXfs")
    ids = [style.get("numFmtId") for style in (styles.all("xf") if styles else ())]
    return {str(number) for number, name in enumerate(ids) if name in {"9", "10"} or "%" in codes.get(name, "")}


def _value(cell: XmlElement, texts: Sequence[str], percents: Container[str]) -> str:
    if cell.get("t") == "inlineStr":
        return "".join(_all_text(cell))
    value = cell.first("v")
    text = (value.text or "") if value else ""
    if cell.get("t") == "s":
        return texts[int(text)] if text.isdigit() and int(text) < len(texts) else ""
    return _plain_number(text, 100 if cell.get("s") in percents else 1)


def _plain_number(text: str, times: int) -> str:
    # Excel writes 0.00012 as 1.2E-4, and 12.3 as 12.300000000000001.
    return f"{times * float(text):.15g}" if re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d{1,3})?", text) else text


def parent_of(path: str, listed: Sequence[str]) -> str:
    """Return the nearest path above one that is listed; root if there is none.

    >>> parent_of("a/b/c", ["a", "a/b/c"]), parent_of("a", ["a"])
    ('a', 'root')
    """
    known = set(listed)
    while "/" in path:
        path = path.rpartition("/")[0]
        if path in known:
            return path
    return ROOT
