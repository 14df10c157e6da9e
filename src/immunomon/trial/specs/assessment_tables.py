"""The study's CSV files of other assessments: read as their contract says, every problem of all of them at once."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from immunomon.csvfile import BadCell, CsvFile, CsvTable, date_in, read_csv_table
from immunomon.errors import BadSpec, Problem, nearest
from immunomon.files import is_there
from immunomon.findings import Findings, shown
from immunomon.study.model.endpoints import Analyte
from immunomon.study.model.visits import study_day
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS, InputColumn, InputTable
from immunomon.trial.specs.assessment_contradictions import contradictions, undeclared

__all__ = ["AssessmentFiles", "assessment_file", "load_assessments", "read_assessment_files"]

Row = Mapping[str, Any]
_MOST_BYTES = 20_000_000
_MOST_ROWS = 100_000  # of 18 patients there are hundreds
_MOST_LETTERS = 1000
_WANTED = {"whole": "a whole number", "day": "a study day"}
_BEYOND = {"<LLOQ": "<LLOQ", "<LOQ": "<LLOQ", "BLQ": "<LLOQ", "BLOQ": "<LLOQ", ">ULOQ": ">ULOQ", "ALQ": ">ULOQ"}
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(:[0-5]\d)?")


@dataclass(frozen=True)
class AssessmentFiles:
    """The rows of each file that the study has, the paths, each file's SHA-256, what is wrong, and what was declared.

    A row has its columns' values, None where blank, and ``line``: where it stands. ``study_day`` is worked out from the
    date where it is blank and the first infusion is known.
    """

    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    analytes: Sequence[Analyte] = ()

    def rows(self, name: str) -> Sequence[Row]:
        """Return a table's rows, none if the study does not have it."""
        return self.tables.get(name, ())


def assessment_file(folder: Path, name: str) -> Path | None:
    """Return the file of a table, in the study's folder or in its folder ``assessments``; None if there is none."""
    places = (folder / f"{name}.csv", folder / "assessments" / f"{name}.csv")
    return next((path for path in places if is_there(path)), None)


def load_assessments(
    folder: Path,
    first_infusions: Mapping[str, str | None],
    analytes: Sequence[Analyte] | None = None,
    *,
    only: Collection[str] = tuple(ASSESSMENT_INPUTS),
) -> AssessmentFiles:
    """Read a study's files of other assessments; raises BadSpec with every problem of all of them.

    first_infusions, analytes, only: as of ``read_assessment_files``.
    """
    files = read_assessment_files(folder, first_infusions, analytes, only=only)
    if files.problems:
        raise BadSpec(files.problems)
    return files


def read_assessment_files(
    folder: Path,
    first_infusions: Mapping[str, str | None],
    analytes: Sequence[Analyte] | None = None,
    *,
    only: Collection[str] = tuple(ASSESSMENT_INPUTS),
) -> AssessmentFiles:
    """Return what can be read of a study's files of other assessments, and what is wrong with the rest.

    first_infusions: every subject of the study, with the ISO date of the first infusion or None; analytes: the
    laboratory values that it declares, None where that is not known; only: the names of the tables that are read.

    >>> read_assessment_files(Path("none"), {}).tables
    {}
    """
    tables: dict[str, Sequence[Row]] = {}
    paths, digests = {}, {}
    problems: list[Problem] = []
    for name, table in ASSESSMENT_INPUTS.items():
        path = assessment_file(folder, name) if name in only else None
        if path is None:
            continue
        try:
            written = read_csv_table(path, _MOST_BYTES)
        except BadSpec as error:
            problems += error.problems
            continue
        reading = _Reading(table, written.source, Findings(str(path)), first_infusions)
        tables[name], paths[name] = reading.rows(written), path
        digests[name] = written.source.digest
        problems += reading.findings.problems
    if analytes is not None and "laboratory" in tables:
        against = undeclared(tables["laboratory"], analytes)
        problems += [Problem(str(paths["laboratory"]), *contradiction) for contradiction in against]
    return AssessmentFiles(tables, paths, digests, tuple(problems), analytes or ())


@dataclass(frozen=True, eq=False)
class _Reading:
    """One file being read."""

    table: InputTable
    source: CsvFile
    findings: Findings
    first_infusions: Mapping[str, str | None]
    line_of_key: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def complain(self, line: int, column: str, message: str, remedy: str) -> None:
        self.findings.add_problem(Problem(self.findings.file, line, column, message, remedy))

    def rows(self, written: CsvTable) -> list[Row]:
        for problem in written.problems:
            self.findings.add_problem(problem)
        for name in filter(None, dict.fromkeys(written.columns)):
            if name not in self.table.names:
                line, known = written.header_line, self.table.names
                self.complain(line, "header", f"no column named {shown(name)}", nearest(name[:80], known))
        missing = [name for name in self.table.needed_names if name not in written.columns]
        if missing:
            self.complain(written.header_line, "", f"has no column {', '.join(missing)}", "add it")
            return []
        if len(written.rows) > _MOST_ROWS:
            line = written.rows[_MOST_ROWS][0]
            self.complain(line, "", f"more than {_MOST_ROWS} rows", "this is no file of one trial")
        rows = [row for line, cells in written.rows[:_MOST_ROWS] for row in self.row(cells, line)]
        for contradiction in contradictions(self.table.name, rows):
            self.complain(*contradiction)
        return rows

    def row(self, cells: Mapping[str, str], line: int) -> list[Row]:
        row: dict[str, Any] = {"line": line}
        for column in self.table.columns:
            text = cells.get(column.name, "")
            try:
                row[column.name] = _value(column, text, self.source) if text else None
            except BadCell as error:
                self.complain(line, column.name, error.what, error.remedy)
                return []
            except ValueError as error:
                self.complain(line, column.name, f"{shown(text, 40)} does not fit: {error}", "correct it")
                return []
            if column.needed and not text:
                self.complain(line, column.name, "is blank", "fill it in, or take the row out")
                return []
        self.meaning(row, line)
        return [row]

    def meaning(self, row: dict[str, Any], line: int) -> None:
        """Note what a row says that cannot be: an unknown subject, days out of line, a row given twice."""
        subject = row["subject"]
        if subject is not None and subject not in self.first_infusions:
            remedy = nearest(subject[:80], self.first_infusions)
            self.complain(line, "subject", f"the study has no subject {shown(subject)}", remedy)
        self.days(row, line)
        key = tuple(row[name] for name in self.table.key)
        if key and self.line_of_key.setdefault(key, line) != line:
            message = f"the same {', '.join(self.table.key)} as on line {self.line_of_key[key]}"
            self.complain(line, self.table.key[-1], message, "keep one of the rows, or tell them apart")

    def days(self, row: dict[str, Any], line: int) -> None:
        start, end = row.get("start_day"), row.get("end_day")
        if start is not None and end is not None and end < start:
            self.complain(line, "end_day", f"the event ends on day {end}, before day {start}", "correct one of them")
        first = self.first_infusions.get(row["subject"])
        if "date" not in row or row["date"] is None or not first:
            return
        day = study_day(datetime.date.fromisoformat(row["date"]), datetime.date.fromisoformat(first))
        if "study_day" not in row:
            return
        if row["study_day"] is None:
            row["study_day"] = day
        elif row["study_day"] != day:
            message = f"{row['study_day']}, but {row['date']} is day {day} after the first infusion on {first}"
            self.complain(line, "study_day", message, "correct the day or the date")


def _value(column: InputColumn, text: str, source: CsvFile) -> object:
    """Return what a cell says; raises BadCell, or ValueError with what is wanted."""
    if isinstance(column.kind, tuple):
        word = text.casefold()
        if word not in column.kind:
            raise ValueError(f"one of {', '.join(column.kind)} is wanted")
        return word
    if column.kind == "text":
        if len(text) > _MOST_LETTERS or not text.isprintable():
            raise ValueError("text on one line is wanted, without control characters")
        return text
    if column.kind == "truth":
        return _truth(text)
    if column.kind == "measured":
        return _measured(column, text, source)
    if column.kind == "date":
        return date_in(text).isoformat()
    if column.kind == "time":
        if (clock := _TIME.fullmatch(text)) is None:
            raise ValueError("hours and minutes are wanted, such as 09:30")
        return f"{int(clock[1]):02}:{clock[2]}"
    return _number(column, text, source)


def _truth(text: str) -> bool:
    known = {"true": True, "false": False}
    if text.casefold() not in known:
        raise ValueError("true or false is wanted")
    return known[text.casefold()]


def _measured(column: InputColumn, text: str, source: CsvFile) -> str:
    """Return a result as every reader of it takes it: ``12.5``, ``<15.6``, ``>1000``, ``<LLOQ`` or ``>ULOQ``."""
    word = re.sub(r"\s", "", text).upper()
    if word in _BEYOND:
        return _BEYOND[word]
    sign = text[0] if text[0] in "<>" else ""
    limit = text.removeprefix(sign).strip()
    number = _number(column, limit, source)
    if sign and not number:
        raise ValueError("a limit above 0 is wanted")
    return f"{sign}{limit.replace(',', '.')}"


def _number(column: InputColumn, text: str, source: CsvFile) -> float | int:
    number = source.number(text)
    whole = column.kind in {"whole", "day"}
    if number - number != 0 or (whole and number != int(number)):
        raise ValueError(f"{_WANTED.get(str(column.kind), 'a number')} is wanted")
    if column.kind == "day" and number == 0:
        raise ValueError("there is no Day 0: the first infusion is Day 1, the day before it Day -1")
    if (column.low is not None and number < column.low) or (column.high is not None and number > column.high):
        ends = [f"at least {column.low:g}"] if column.low is not None else []
        ends += [f"at most {column.high:g}"] if column.high is not None else []
        raise ValueError(f"{' and '.join(ends)} is wanted")
    return int(number) if whole else number
