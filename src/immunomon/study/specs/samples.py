"""The sample list: one row of ``samples.csv`` for each FCS file of the study."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeVar, cast, get_args

from immunomon.csvfile import BadCell, CsvFile, CsvTable, date_in, read_csv, read_csv_table
from immunomon.errors import BadSpec, Problem, UnknownName, nearest
from immunomon.findings import Findings, shown
from immunomon.remote import PROTOCOLS, as_path, is_address
from immunomon.shape import BLANK
from immunomon.study.model.fcs import DataOffset
from immunomon.study.model.study import Role, RoleKind, Sample, Study, seen_by_strategies
from immunomon.study.specs.data_folders import DataFolders, data_folders

__all__ = [
    "COLUMNS",
    "OPTIONAL_COLUMNS",
    "load_samples",
    "read_samples",
    "rows_in_doubt",
    "sample_id_of",
]

T = TypeVar("T")
COLUMNS: Mapping[str, str] = {
    "file": "FCS file, relative to the sample list",
    "subject": "subject id as in study.yaml, of a bridge sample its donor's; blank for controls that belong to nobody",
    "visit": "visit label as in study.yaml; blank for controls that belong to no visit",
    "panel": "panel name",
    "role": "sample, fmo:MARKER, unstimulated, isotype, single-stain:FLUOROCHROME, unstained or bridge",
    "batch": "batch the tube was stained and run in; may be blank",
    "collection_date": "date the blood was taken, year-month-day; may be blank",
    "lymphocytes_per_ul": "haematology lymphocytes per microlitre of blood; may be blank",
    "beads_counted": "counting beads seen in this file; blank where the strategy gates them",
    "beads_added": "counting beads added to the tube; may be blank",
    "sample_volume_ul": "volume of blood in the tube in microlitres; may be blank",
    "data_set": "which data set of a file with several, counted from 1; blank or auto: the one usually meant",
    "data_offset": "header or text: whose word on where DATA begins, if they disagree; may be blank",
}
OPTIONAL_COLUMNS = tuple(COLUMNS)[6:]
_NUMBERS = OPTIONAL_COLUMNS[1:5]
_BEADS = OPTIONAL_COLUMNS[2:5]
_BY_GATE = ["beads_counted"]  # may be left to a strategy that gates them
_LARGEST = 1e12
_MAX_BYTES = 20_000_000
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_NOT_IN_FILE_NAMES = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')


def load_samples(path: Path, study: Study | None = None) -> tuple[Sample, ...]:
    """Read a sample list (CSV as ``csvfile`` reads it); rows that are blank or start with ``#`` are passed over.

    ``Sample.file`` is as listed: relative to the sample list's folder. With a study, subjects, visits and panels must
    be the study's, and no folder leads out of those that it allows; a file that several strategies look at is a sample
    for each. Whether the files are there, and where links lead that are files themselves, is left to the check and the
    run. Raises BadSpec with every problem found.

    >>> load_samples(Path("none/samples.csv"))
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none/samples.csv: no such file; check the path
    """
    samples, problems = read_samples(path, study)
    if problems:
        raise BadSpec(problems)
    return samples if study is None else seen_by_strategies(samples, study)


def read_samples(path: Path, study: Study | None = None) -> tuple[tuple[Sample, ...], tuple[Problem, ...]]:
    """Return the rows of a sample list that can be understood, each file once, and what is wrong with the others.

    Raises BadSpec where there is no list to read: no such file, not CSV, a header that does not fit.
    """
    findings = Findings(str(path))
    samples: list[Sample] = []
    first_rows: dict[str, _Row] = {}
    folders = None if study is None else data_folders(study)
    for row in _rows(path, findings):
        sample = _sample(row)
        if study is not None:
            _check_names(row, study)
        if sample is None or _leaves(row, path.parent / sample.file.parent, folders):
            continue
        # Windows keeps no two files apart by the case of their letters.
        first = first_rows.setdefault(sample.id.casefold(), row)
        if first is row:
            samples.append(sample)
        else:
            _complain_of_double(row, first, sample)
    _check_ids_of_strategies(samples if study is None else seen_by_strategies(samples, study), findings)
    return tuple(samples), findings.problems


def _check_ids_of_strategies(samples: Iterable[Sample], findings: Findings) -> None:
    """Note where a file has the id that another one has as one of its strategies looks at it."""
    first: dict[str, Sample] = {}
    for sample in samples:
        other = first.setdefault(sample.id.casefold(), sample)
        if other is not sample:
            message = f"{shown(sample.file.as_posix())} and {shown(other.file.as_posix())} would share an id"
            findings.add_problem(Problem(findings.file, sample.line, "file", message, "rename one of the files"))


def rows_in_doubt(path: Path, problems: Iterable[Problem]) -> tuple[frozenset[str], ...]:
    """Return the cells of each row of a sample list that a problem is about: what it says may be something else.

    >>> rows_in_doubt(Path("none/samples.csv"), [])
    ()
    """
    lines = {problem.line for problem in problems} - {None}
    rows = read_csv(path, _MAX_BYTES, comments=True).rows[1:] if lines else ()
    return tuple(frozenset(row.cells) for row in rows if row.line in lines)


def sample_id_of(file: str) -> str:
    """Return the sample id of an FCS file: its path relative to the sample list, without suffix, folders joined.

    >>> sample_id_of("S01/W2/treg.fcs"), sample_id_of("s3://lab/S01/treg.fcs")
    ('S01__W2__treg', 'lab__S01__treg')
    """
    path = file.partition("://")[2] if is_address(file) else file.replace("\\", "/")
    return "__".join(PurePosixPath(path).with_suffix("").parts).replace(":", "_")


@dataclass(frozen=True, eq=False)
class _Row:
    """One row: its cells by column, and where to complain."""

    line: int
    cells: Mapping[str, str]
    source: CsvFile
    findings: Findings

    def complain(self, column: str, message: str, remedy: str) -> None:
        self.findings.add_problem(Problem(self.findings.file, self.line, column, message, remedy))

    def read(self, column: str, reader: Callable[[str], T], default: T) -> T:
        """Return what a cell says; the default if it is blank or cannot be read, which is noted."""
        try:
            return reader(self.cells[column]) if self.cells[column] and not self.is_left_blank(column) else default
        except BadCell as error:
            self.complain(column, error.what, error.remedy)
            return default

    def is_left_blank(self, column: str) -> bool:
        """Say whether a cell is, or is about, something that was left to a person to fill in."""
        return self.cells[column].rpartition(":")[2].strip() == BLANK

    def unknown(self, column: str, noun: str, known: Sequence[str], *, in_order: bool = False) -> None:
        name = self.cells[column]
        if name and name not in known and not self.is_left_blank(column):
            remedy = "" if self.findings.is_full else nearest(name[:80], known, in_order=in_order)
            self.complain(column, f"no {noun} named {shown(name)}", remedy)


def _rows(path: Path, findings: Findings) -> Iterator[_Row]:
    table = read_csv_table(path, _MAX_BYTES, comments=True)
    _check_header(table, findings)
    for problem in table.problems:
        findings.add_problem(problem)
    for line, cells in table.rows:
        yield _Row(line, dict.fromkeys(COLUMNS, "") | dict(cells), table.source, findings)


def _check_header(table: CsvTable, findings: Findings) -> None:
    """Raise BadSpec where no row could be understood with this header."""
    at_line = Findings(findings.file, lambda _: table.header_line)
    for column in filter(None, dict.fromkeys(table.columns)):
        if column not in COLUMNS:
            at_line.unknown(("header",), "column", name=column, known=tuple(COLUMNS))
    for column in COLUMNS:
        if column not in table.columns and column not in OPTIONAL_COLUMNS:
            at_line.add(("header",), f"column {shown(column)} is missing", f"add it ({COLUMNS[column]})")
    of_header = [problem for problem in table.problems if problem.path == "header"]
    if at_line.problems or of_header:
        raise BadSpec((*of_header, *at_line.problems))


def _sample(row: _Row) -> Sample | None:
    for column in filter(row.is_left_blank, COLUMNS):
        row.complain(column, f"is left blank ('{row.cells[column]}')", f"fill it in: {COLUMNS[column]}")
    for column in (name for name in ("file", "panel", "role") if not row.cells[name]):
        row.complain(column, "is blank", f"write the {COLUMNS[column]}")
    file = row.read("file", _file, "")
    role = row.read("role", _role, None)
    numbers = {column: row.read(column, partial(_number, row=row, column=column), None) for column in _NUMBERS}
    date = row.read("collection_date", date_in, None)
    _check_beads(row)
    for column in ("subject", "visit") if role and role.kind is RoleKind.SAMPLE else ():
        if not row.cells[column]:
            row.complain(column, f"is blank, but a sample belongs to a {column}", f"write the {column}")
    if not file or role is None:
        return None
    return Sample(
        file=as_path(file),
        id=sample_id_of(file),
        panel=row.cells["panel"],
        role=role,
        subject=row.cells["subject"],
        visit=row.cells["visit"],
        batch=row.cells["batch"],
        collection_date=date,
        **numbers,
        data_set=row.read("data_set", _data_set, None),
        data_offset=row.read("data_offset", _data_offset, None),
        line=row.line,
    )


def _file(text: str) -> str:
    path = text.replace("\\", "/")
    if is_address(text):
        return text
    if _URL.match(path):
        known = ", ".join(f"{protocol}://" for protocol in PROTOCOLS)
        remedy = f"write {known} without user, password and query, or fetch the file into the study's folder"
        raise BadCell(f"{shown(text)} is no address that can be read", remedy)
    if PureWindowsPath(path).drive or path.startswith("/"):
        remedy = "write it relative to the sample list, so that the study can be moved"
        raise BadCell(f"{shown(text)} is a path of one computer", remedy)
    if _NOT_IN_FILE_NAMES.search(path) or len(path) > 200 or path.rpartition("/")[2].strip(".") == "":
        remedy = 'avoid < > : " | ? * and paths of more than 200 letters'
        raise BadCell(f"{shown(text)} is no file name that works everywhere", remedy)
    return path


def _role(text: str) -> Role | None:
    try:
        return Role.parse(text[:80])
    except UnknownName as error:
        message, _, remedy = str(error).partition("; ")
        raise BadCell(message, remedy) from None


def _data_set(text: str) -> int | None:
    if text.casefold() == "auto":
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise BadCell(f"{shown(text)} is no data set", "count them from 1, or leave it blank")
    return int(text)


def _data_offset(text: str) -> DataOffset | None:
    if text.casefold() not in get_args(DataOffset):
        raise BadCell(f"{shown(text)} is neither header nor text", "write one of these, or leave it blank")
    return cast(DataOffset, text.casefold())


def _number(text: str, *, row: _Row, column: str) -> float | None:
    number = row.source.number(text)
    if number > _LARGEST:
        raise BadCell(f"{shown(text)} is not a number", "write digits with a decimal point, without a unit")
    if number < 0:
        raise BadCell(f"{shown(text)} is negative", "correct it or leave it blank")
    if number == 0 and column in _BEADS:
        raise BadCell("is zero, and nothing can be counted with that", "correct it or leave it blank")
    return number


def _check_beads(row: _Row) -> None:
    filled, blank = ([c for c in _BEADS if bool(row.cells[c]) is given] for given in (True, False))
    if filled and blank not in ([], _BY_GATE):
        remedy = "fill all three or leave all three blank"
        row.complain(filled[0], f"counting by beads needs {', '.join(blank)} as well", remedy)


def _check_names(row: _Row, study: Study) -> None:
    subjects, is_bridge = [subject.id for subject in study.subjects], row.cells["role"].strip() == RoleKind.BRIDGE.value
    if study.donors and is_bridge:
        row.unknown("subject", "donor", [donor.id for donor in study.donors])
    elif is_bridge and row.cells["subject"] not in ("", BLANK) and row.cells["subject"] not in subjects:
        remedy = "list the donor under 'donors' in study.yaml (schema: immunomon.study/2), or leave it blank"
        row.complain("subject", f"no subject named {shown(row.cells['subject'])}", remedy)
    else:
        row.unknown("subject", "subject", subjects)
    row.unknown("visit", "visit", [visit.label for visit in study.visits], in_order=True)
    row.unknown("panel", "panel in use", [use.tube for use in study.panels])


def _leaves(row: _Row, folder: Path, folders: DataFolders | None) -> bool:
    if fault := folders.fault(folder, row.cells["file"], is_folder=True) if folders else None:
        row.complain("file", *fault)
    return fault is not None


def _complain_of_double(row: _Row, first: _Row, sample: Sample) -> None:
    file, first_file = (cells["file"].replace("\\", "/") for cells in (row.cells, first.cells))
    if PurePosixPath(file) == PurePosixPath(first_file):
        row.complain("file", f"{shown(file)} is listed already, on line {first.line}", "remove one of the lines")
    else:
        files = f"{shown(file)} and {shown(first_file)} (line {first.line})"
        row.complain("file", f"{files} would share the sample id {shown(sample.id)}", "rename one of the files")
