"""The first tab of an XLSX file that another program wrote: cells as text, by their places; further tabs are named."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from immunomon.csvfile import CsvRow
from immunomon.cytometry.formats.xmltree import XmlElement, parse_xml
from immunomon.cytometry.formats.zip_archive import ZipSource
from immunomon.errors import BadSpec, Problem, listed
from immunomon.findings import most_of, shown

__all__ = ["read_first_sheet"]

_LARGEST_SHEET = 100_000_000
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_MOST_CELLS = 5_000_000
_WRITTEN_OUT = re.compile(r'"[^"]*"|[\\_*].')  # in a cell's format: quoted text, an escaped, spaced or repeated sign


def read_first_sheet(path: Path) -> tuple[tuple[CsvRow, ...], tuple[str, ...]]:
    """Return the rows of an XLSX file's first tab that is not hidden, and a note on the tabs that are not read.

    Raises BadSpec for a file that cannot be read.

    >>> read_first_sheet(Path("none.xlsx"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none.xlsx: no such file; check the path
    """
    with ZipSource(path) as archive:
        (name, entry), *others = _tabs(archive)
        strings = _part(archive, "xl/sharedStrings.xml")
        texts = ["".join(_all_text(item)) for item in strings.all("si")] if strings else []
        styles = _part(archive, "xl/styles.xml")
        percents = _percent_styles(styles) if styles else set()
        root = parse_xml(archive.read(entry, _LARGEST_SHEET), path)
    unread = listed([shown(other) for other, _ in others], 10)
    notes = (f"{path}: sheet {shown(name)} is read, and not {unread}",) if others else ()
    data = root.first("sheetData")
    elements = list(data.all("row")) if data else []
    _refuse_uncalculated(path, elements)
    rows = [_row(element, number, texts, percents) for number, element in enumerate(elements, start=1)]
    width = max((len(row.cells) for row in rows), default=0)
    if width * len(rows) > _MOST_CELLS:
        raise BadSpec([Problem(str(path), None, "", f"more than {_MOST_CELLS:,} cells", "save the table as CSV")])
    filled = [CsvRow(row.line, (*row.cells, *[""] * (width - len(row.cells)))) for row in rows]
    return tuple(row for row in filled if any(row.cells)), notes


def _refuse_uncalculated(path: Path, rows: Iterable[XmlElement]) -> None:
    """Raise BadSpec for formulas whose value is not in the file, as programs write them that do not calculate."""
    remedy = "open the table in a spreadsheet program, save it there, and import it again"
    problems = [
        Problem(str(path), None, f"cell {cell.get('r') or '?'}", "a formula without its value", remedy)
        for row in rows
        for cell in row.all("c")
        if cell.first("f") is not None and cell.get("t") != "str" and not ((v := cell.first("v")) and v.text)
    ]
    if problems:
        raise BadSpec(most_of(problems))


def _part(archive: ZipSource, entry: str) -> XmlElement | None:
    """Return what an entry of the archive holds, None if there is none of this name."""
    if entry not in archive.names(".xml", ".rels"):
        return None
    return parse_xml(archive.read(entry, _LARGEST_SHEET), archive.path)


def _tabs(archive: ZipSource) -> list[tuple[str, str]]:
    """Return name and entry of each sheet in the order of the workbook's tabs, hidden ones last."""
    workbook, relations = _part(archive, "xl/workbook.xml"), _part(archive, "xl/_rels/workbook.xml.rels")
    sheets = workbook.first("sheets") if workbook else None
    entries = {
        relation.get("Id"): posixpath.normpath(posixpath.join("/xl", relation.get("Target") or ""))[1:]
        for relation in (relations.all("Relationship") if relations else ())
    }
    known = set(archive.names(".xml"))
    tabs = [
        (sheet.get("state") in ("hidden", "veryHidden"), sheet.get("name") or "", entry)
        for sheet in (sheets.all("sheet") if sheets else ())
        for entry in (entries.get(_relation_of(sheet), ""),)
        if entry in known
    ]
    if not tabs:
        archive.refuse("", "it has no sheet", "save it as CSV")
    return [(name, entry) for _, name, entry in sorted(tabs, key=lambda tab: tab[0])]


def _relation_of(sheet: XmlElement) -> str | None:
    """Return a sheet's ``r:id``; its namespace differs between the strict and the usual form of the format."""
    return next((value for key, value in sheet.attributes.items() if key.endswith("}id")), None)


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
    """Return the numbers of the cell styles that show a fraction as a percent.

    A percent sign that a format only writes behind the number, quoted or escaped, is of a percent already.
    """
    formats = root.first("numFmts")
    codes = {
        fmt.get("numFmtId"): _WRITTEN_OUT.sub("", fmt.get("formatCode") or "")
        for fmt in (formats.all("numFmt") if formats else ())
    }
    styles = root.first("cellXfs")
    ids = [style.get("numFmtId") for style in (styles.all("xf") if styles else ())]
    return {str(number) for number, name in enumerate(ids) if name in {"9", "10"} or "%" in codes.get(name, "")}


def _value(cell: XmlElement, texts: Sequence[str], percents: Container[str]) -> str:
    kind = cell.get("t") or "n"
    if kind == "inlineStr":
        return "".join(_all_text(cell))
    value = cell.first("v")
    text = (value.text or "") if value else ""
    if kind == "s":
        return texts[int(text)] if text.isdigit() and int(text) < len(texts) else ""
    if kind == "b":  # written 1 and 0, and no number
        return "TRUE" if text == "1" else "FALSE"
    if kind != "n":  # what a formula gives as text: a name such as 0012 stays so
        return text
    return _plain_number(text, 100 if cell.get("s") in percents else 1)


def _plain_number(text: str, times: int) -> str:
    # Excel writes 0.00012 as 1.2E-4, and 12.3 as 12.300000000000001.
    return f"{times * float(text):.15g}" if re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d{1,3})?", text) else text
