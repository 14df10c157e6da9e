"""Reading CSV as persons save it: from Excel in any language, LibreOffice, R or a text editor."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from immunomon.errors import BadSpec, Problem, counted
from immunomon.findings import shown
from immunomon.yamlfile import read_bytes

__all__ = [
    "BadCell",
    "CsvFile",
    "CsvRow",
    "CsvTable",
    "cell_of_text",
    "date_in",
    "read_csv",
    "read_csv_table",
    "text_of_cell",
]

_SEPARATORS = (",", ";", "\t")
_MOST_ROWS, _MOST_COLUMNS = 200_000, 5_000
_DECIMAL = re.compile(r"[-+]?(?:[0-9]{1,30}(?:[.,][0-9]{0,30})?|[.,][0-9]{1,30})(?:[eE][-+]?[0-9]{1,3})?")
_GROUPED = re.compile(r"[-+]?[1-9][0-9]{0,2}([.,])[0-9]{3}(?:\1[0-9]{3})*")
_THOUSANDS = r"(?:(?:\.[0-9]{3})+(?=,)|(?:,[0-9]{3})+(?=\.)|(?:[ '\u2019\u00a0\u202f][0-9]{3})+)"
_GROUPED_DECIMAL = re.compile(rf"([-+]?[1-9][0-9]{{0,2}}{_THOUSANDS})((?:[.,][0-9]*)?)")
_MINUS = str.maketrans("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d", "-------")
_COMMENT = re.compile(r"^[ \t]*#(?!N/A|NV|DIV/0!|REF!|NAME\?|VALUE!|NUM!|NULL!)[^\n]*", re.MULTILINE)
_SEP_LINE = re.compile(r'"?sep=(.|\\t)"?[,; \t]*', re.IGNORECASE)
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_INVISIBLE = "\u200b\u2060\ufeff"
_DAY_ZERO = datetime.date(1899, 12, 30)  # from which Excel counts its days


class BadCell(ValueError):
    """A cell that cannot be read: what is wrong, and the remedy."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what, self.remedy = what, remedy

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


@dataclass(frozen=True)
class CsvRow:
    """A row's cells, without the blanks around them, and the line on which it ends."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class CsvFile:
    """The rows of a CSV file that are not blank, without the columns that are blank to the end.

    problems: where it stopped being CSV; digest: SHA-256 of the bytes that were read.
    """

    file: str
    rows: tuple[CsvRow, ...]
    separator: str
    digest: str
    problems: tuple[Problem, ...] = ()

    @cached_property
    def decimal_sign(self) -> str:
        """The decimal sign of the file's numbers, ``""`` where both are used.

        What the numbers show; where they show nothing, the comma if semicolons separate the cells.
        """
        signs = {
            "," if "," in cell else "."
            for row in self.rows
            for cell in row.cells
            if ("," in cell or "." in cell) and _DECIMAL.fullmatch(cell) and not _GROUPED.fullmatch(cell)
        }
        if len(signs) == 1:
            return signs.pop()
        return "" if signs else "," if self.separator == ";" else "."

    def number(self, text: str) -> float:
        """Return a cell's number; raises BadCell.

        >>> CsvFile("a.csv", (), ";", "").number("0,25")
        0.25
        >>> CsvFile("a.csv", (), ",", "").number("1,520")
        Traceback (most recent call last):
            ...
        immunomon.csvfile.BadCell: '1,520' may be 1520 or 1.520; write it without thousands separators
        """
        if (grouped := _GROUPED.fullmatch(text)) and grouped[1] != self.decimal_sign:
            decimal = [text.replace(",", ".")] if text.count(grouped[1]) == 1 else []
            readings = " or ".join([text.replace(grouped[1], ""), *decimal])
            raise BadCell(f"{shown(text)} may be {readings}", "write it without thousands separators")
        if parted := _GROUPED_DECIMAL.fullmatch(text):
            plain = re.sub(r"[^-+0-9]", "", parted[1]) + parted[2]
            raise BadCell(f"{shown(text)} has thousands separators", f"write it without them: {plain}")
        if _DECIMAL.fullmatch(hyphened := text.translate(_MINUS)) and hyphened != text:
            raise BadCell(f"{shown(text)} begins with a dash that is no minus sign of a number", f"write {hyphened}")
        if not _DECIMAL.fullmatch(text):
            remedy = "write digits with a decimal point, without a unit"
            raise BadCell(f"{shown(text)} is not a number", remedy)
        return float(text.replace(",", "."))

    def uneven(self) -> Iterator[Problem]:
        """Yield a problem for each row with more or fewer cells than the first: which cell is which is not known."""
        width = len(self.rows[0].cells) if self.rows else 0
        remedy = "put cells that hold the separator in double quotes, and write the separators of blank cells"
        for row in (row for row in self.rows if len(row.cells) != width):
            what = f"{counted(len(row.cells), 'cell')}, but the header has {counted(width, 'column')}"
            yield Problem(self.file, row.line, "", what, remedy)


@dataclass(frozen=True, eq=False)
class CsvTable:
    """A CSV file with named columns: each row's line and its cells by column name, in lower case.

    problems: rows with more or fewer cells than the header, and where the file stopped being CSV.
    """

    source: CsvFile
    columns: tuple[str, ...]
    header_line: int
    rows: tuple[tuple[int, Mapping[str, str]], ...] = field(default=())
    problems: tuple[Problem, ...] = ()


def read_csv(path: Path, max_bytes: int, *, comments: bool = False) -> CsvFile:
    """Read a CSV file: separated by commas, semicolons, tabs (or R's blanks), in UTF-8 or UTF-16, or as ``sep=`` says.

    comments: lines that start with ``#`` are passed over. Raises BadSpec if it is missing, too large, or no text.

    >>> read_csv(Path("none.csv"), 1000)
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none.csv: no such file; check the path
    """
    raw = read_bytes(path, max_bytes)
    text = _decoded(path, raw)
    if comments:
        text = _COMMENT.sub("", text)
    separator = _separator(text)
    if stated := _SEP_LINE.fullmatch(text.partition("\n")[0]):
        separator = stated[1].replace("\\t", "\t")
        text = "\n" + text.partition("\n")[2]
    if separator not in (*_SEPARATORS, " "):
        what = f"its first line says that {shown(separator)} separates the cells"
        raise BadSpec([Problem(str(path), 1, "", what, "save it with commas, semicolons or tabs")])
    rows: list[CsvRow] = []
    problems = tuple(_split(path, text, separator, rows))
    return CsvFile(str(path), _trimmed(rows), separator, hashlib.sha256(raw).hexdigest(), problems)


def read_csv_table(path: Path, max_bytes: int, *, comments: bool = False) -> CsvTable:
    """Read a CSV file whose first row names the columns, each once; raises BadSpec as ``read_csv`` does.

    A row with fewer or more cells than the header is a problem, not a guess, unless the column is blank in all rows.
    """
    source = read_csv(path, max_bytes, comments=comments)
    if not source.rows:
        return CsvTable(source, (), 1, (), source.problems)
    head = source.rows[0]
    columns = tuple(" ".join(name.split()).casefold() for name in head.cells)
    problems = [*source.problems, *_header_problems(str(path), head, columns), *source.uneven()]
    even = (row for row in source.rows[1:] if len(row.cells) == len(columns))
    rows = tuple((row.line, dict(zip(columns, row.cells, strict=True))) for row in even)
    return CsvTable(source, columns, head.line, rows, tuple(problems))


def cell_of_text(text: str) -> str:
    """Return a text as a spreadsheet may hold it: what it would run, which is no number, begins with an apostrophe.

    >>> cell_of_text("=1+1"), cell_of_text("-2.5"), cell_of_text("CD3+"), text_of_cell(cell_of_text("'=x"))
    ("'=1+1", '-2.5', 'CD3+', "'=x")
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")  # csv writers do not quote "\r", which begins a row
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def text_of_cell(cell: str) -> str:
    """Return the text that ``cell_of_text`` made a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def date_in(text: str) -> datetime.date:
    """Return a date in ISO form; raises BadCell with the dates that another form may mean.

    >>> date_in("2024-04-03")
    datetime.date(2024, 4, 3)
    >>> date_in("03/04/2024")
    Traceback (most recent call last):
        ...
    immunomon.csvfile.BadCell: '03/04/2024' may be 2024-04-03 or 2024-03-04; write it as year-month-day
    """
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            return datetime.date.fromisoformat(text)
        except ValueError:
            pass  # such as 30 February
    readings = list(dict.fromkeys(day.isoformat() for day in _readings(text)))
    what = f"may be {' or '.join(readings)}" if readings else "is not a date"
    remedy = "write it as year-month-day" + ("" if readings else ", such as 2025-01-31")
    raise BadCell(f"{shown(text)} {what}", remedy)


def _readings(text: str) -> Iterator[datetime.date]:
    """Yield the dates that a text may mean: any order of day and month, month names, Excel's number of a day."""
    bare = re.sub(r"(?<=[0-9])[T ]+[0-9]{1,2}:[0-9:.]+Z?$", "", text.strip())
    parts = re.split(r"[\s./,-]+", bare.strip(" ."))
    orders: Iterable[Sequence[str]] = ()
    if len(parts) == 3 and not parts[0].isdigit():
        parts = [parts[1], parts[0], parts[2]]
    if len(parts) == 3 and len(parts[0]) == 4:
        orders = (parts,)
    elif len(parts) == 3:
        orders = ((parts[2], parts[1], parts[0]), (parts[2], parts[0], parts[1]), parts)
    elif re.fullmatch(r"(?:19|20)[0-9]{6}", bare):
        orders = ((bare[:4], bare[4:6], bare[6:]),)
    elif re.fullmatch(r"[2-6][0-9]{4}(?:[.,]0*)?", bare):
        yield _DAY_ZERO + datetime.timedelta(days=int(bare[:5]))
    months = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
    for year, month, day in orders:
        number = months.index(month[:3].casefold()) + 1 if month[:3].casefold() in months else month
        digits = (year if len(year) == 4 else f"20{year}", str(number), day)
        if len(year) in (2, 4) and all(re.fullmatch(r"[0-9]{1,4}", part) for part in digits):
            try:
                yield datetime.date(*map(int, digits))
            except ValueError:
                continue


def _decoded(path: Path, raw: bytes) -> str:
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        remedy = "save the file as 'CSV UTF-8'"
        raise BadSpec([Problem(str(path), line, "", "not UTF-8 text", remedy)]) from None
    if "\0" in text:
        raise BadSpec([Problem(str(path), None, "", "not text: it has NUL characters", "save the file as CSV")])
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _separator(text: str) -> str:
    head = next((line for line in text.split("\n") if line.strip(' ,;\t"')), "")
    unquoted = re.sub(r'"[^"]*"', "", head)
    found = max(_SEPARATORS, key=unquoted.count)
    # R's write.table puts blanks between names in quotes.
    return " " if found not in unquoted and re.search(r'" +"', head) else found


def _split(path: Path, text: str, separator: str, rows: list[CsvRow]) -> Iterator[Problem]:
    blanks = separator == " "
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=blanks)
    try:
        for raw in reader:
            cells = tuple(cell.strip().strip(_INVISIBLE).strip() for cell in raw)
            if not any(cells):
                continue
            if len(rows) >= _MOST_ROWS or len(cells) > _MOST_COLUMNS:
                what = f"more than {_MOST_ROWS:,} rows or {_MOST_COLUMNS:,} columns"
                yield Problem(str(path), reader.line_num, "", what, "this is not a file immunomon reads")
                return
            rows.append(CsvRow(reader.line_num, cells))
    except csv.Error as error:
        yield Problem(str(path), reader.line_num, "", f"not CSV: {error}", "check the quotes on this line")


def _trimmed(rows: Sequence[CsvRow]) -> tuple[CsvRow, ...]:
    """Return the rows without the columns that are blank from the first row to the last, as Excel leaves them."""
    if not rows:
        return ()
    width = len(rows[0].cells)
    named = max(place for place, cell in enumerate(rows[0].cells, start=1) if cell)
    return tuple(
        CsvRow(row.line, row.cells[:named]) if len(row.cells) == width and not any(row.cells[named:]) else row
        for row in rows
    )


def _header_problems(file: str, head: CsvRow, columns: Sequence[str]) -> Iterator[Problem]:
    for place, column in enumerate(columns):
        if not column:
            yield Problem(file, head.line, "header", f"column {place + 1} has no name", "name it, or remove it")
        elif column in columns[:place]:
            yield Problem(file, head.line, "header", f"column {shown(column)} is given twice", "keep one of them")
