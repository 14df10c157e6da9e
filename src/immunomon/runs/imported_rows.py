"""Counts that were gated elsewhere, row by row: read from tidy CSV, held against the study and each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from immunomon.csvfile import BadCell, CsvFile, read_csv_table, text_of_cell
from immunomon.errors import BadSpec, Problem, UnknownName, listed, nearest
from immunomon.findings import Findings, most_of, shown
from immunomon.runs.imported_numbers import doubts_of_percents, events_of, number_of, rounding_of
from immunomon.study.model.strategy import ROOT
from immunomon.study.model.study import Role, RoleKind, Study
from immunomon.study.model.uses import panels_meant

__all__ = ["ImportedRow", "bare_percents", "check_rows", "read_tidy", "with_counts_of_percents"]

_MAX_BYTES = 200_000_000
_NEEDED = ("subject", "visit", "population")
_OPTIONAL = (
    *("count", "parent", "parent_count", "percent_of_parent", "panel", "sample", "sample_id", "role"),
    *("reportable", "reason"),
)
_YES, _NO = {"true", "1", "yes"}, {"false", "0", "no"}
# Limits of counts are the study's own: what they withhold is judged anew.
_JUDGED_ANEW = ("below LOD", "below LLOQ", "too few parent events")


@dataclass(frozen=True)
class ImportedRow:
    """A population of a sample as a table has it; count: None if the table leaves it blank.

    sample: whose row it is, by which rows are put together. withheld: why it was not to be reported where it was gated,
    '' if it was. medians: marker -> median intensity. file, line: where it stands. source: of a count that a person put
    in the place of the table's, who and why. percent: of the parent, where no count can be had of it.
    """

    sample: str
    subject: str
    visit: str
    panel: str
    role: Role
    population: str
    parent: str
    count: int | None
    parent_count: int | None
    file: str
    line: int
    medians: Mapping[str, float] = field(default_factory=dict)
    withheld: str = ""
    source: str = ""
    percent: float | None = None


def read_tidy(path: Path, study: Study, panel: str | None = None) -> tuple[list[ImportedRow], list[str], str]:
    """Return the rows of a tidy CSV, notes on columns that are passed over, and the digest of its bytes.

    Columns: subject, visit, population, and count or percent_of_parent with parent_count; as wanted parent, panel,
    sample, role, median_MARKER, and reportable with its reason. panel: of rows that name none; default: the study's
    only one. Raises BadSpec with every problem found, each with its line.
    """
    table = read_csv_table(path, _MAX_BYTES)
    findings = Findings(str(path), lambda _: table.header_line)
    medians = {name: name.removeprefix("median_") for name in table.columns if name.startswith("median_")}
    for column in _NEEDED:
        if column not in table.columns:
            findings.add(("header",), f"column {shown(column)} is missing", "add it; see docs/import.md")
    if not {"count", "percent_of_parent"} & set(table.columns):
        findings.add(("header",), "there is neither 'count' nor 'percent_of_parent'", "add the counts")
    for problem in table.problems:
        findings.add_problem(problem)
    findings.raise_any()
    rows = [_Row(path, line, cells, table.source, findings) for line, cells in table.rows]
    read = with_counts_of_percents([row.read(study, panel, medians) for row in rows])
    findings.raise_any()
    known = {*_NEEDED, *_OPTIONAL, *medians}
    others = [name for name in table.columns if name not in known]
    notes = [f"{path}: columns that are not read: {listed([*map(shown, others)], 20)}"] if others else []
    notes += bare_percents(path, read)
    percents = [percent for row in rows if (percent := row.number("percent_of_parent")) is not None]
    notes += [f"{path}: {doubt}" for doubt in doubts_of_percents(percents)]
    return read, notes, table.source.digest


@dataclass(frozen=True, eq=False)
class _Row:
    path: Path
    line: int
    cells: Mapping[str, str]
    source: CsvFile
    findings: Findings

    def text(self, column: str) -> str:
        return text_of_cell(self.cells.get(column, ""))

    def complain(self, column: str, what: str, remedy: str) -> None:
        self.findings.add_problem(Problem(str(self.path), self.line, column, what, remedy))

    def read(self, study: Study, panel: str | None, medians: Mapping[str, str]) -> ImportedRow | None:
        role = self._role()
        used = self._panel(study, panel)
        self._check_names(study, role)
        count, parent_count = self._whole("count"), self._whole("parent_count")
        count = self._with_percent(count, parent_count)
        if not self.text("population"):
            self.complain("population", "is blank", "name the population")
        if count is not None and parent_count is not None and count > parent_count:
            self.complain("count", f"{count} events in a parent of {parent_count}", "correct one of them")
        subject, visit = self.text("subject"), self.text("visit")
        sample = self.text("sample") or self.text("sample_id") or "_".join(filter(None, (used, subject, visit)))
        parent = self.text("parent") or ROOT
        values = {marker: value for column, marker in medians.items() if (value := self.number(column)) is not None}
        population = self.text("population")
        of_row = (sample, subject, visit, used, role, population, parent, count, parent_count)
        percent = self.number("percent_of_parent") if count is None else None
        return ImportedRow(*of_row, str(self.path), self.line, values, self._withheld(), percent=percent)

    def _withheld(self) -> str:
        text, reason = self.text("reportable").casefold(), self.text("reason")
        if text not in {"", *_YES, *_NO}:
            self.complain("reportable", f"{shown(text)} is neither true nor false", "write one of these")
        return (reason or "no reason given") if text in _NO and not reason.startswith(_JUDGED_ANEW) else ""

    def _role(self) -> Role:
        try:
            return Role.parse(self.text("role")[:80] or RoleKind.SAMPLE.value)
        except UnknownName as error:
            what, _, remedy = str(error).partition("; ")
            self.complain("role", what, remedy)
            return Role(RoleKind.SAMPLE)

    def _panel(self, study: Study, panel: str | None) -> str:
        """Return the panel in use that a row is of: the one it names, else the one given, else the study's only one."""
        uses = [use.panel for use in study.panels]
        named = self.text("panel") or panel or (uses[0] if len(uses) == 1 else "")
        meant = (named,) if named in uses else panels_meant(named, study.panels)
        tubes = [use.panel for use in study.panels if use.tube == named]
        found = meant or tuple(tubes)
        if len(found) == 1:
            return found[0]
        what = "is blank, and the study has several" if not named else f"no panel in use named {shown(named)}"
        what = f"{shown(named)} may be {' or '.join(found)}" if len(found) > 1 else what
        self.complain(
            "panel", what, f"name one of {', '.join(uses)}" if not named or found else nearest(named[:80], uses)
        )
        return ""

    def _check_names(self, study: Study, role: Role) -> None:
        is_sample = role.kind is RoleKind.SAMPLE
        known = {
            "subject": [subject.id for subject in study.subjects],
            "visit": [visit.label for visit in study.visits],
        }
        if role.kind is RoleKind.BRIDGE:
            known["subject"] += [donor.id for donor in study.donors]
        for column, names in known.items():
            name = self.text(column)
            if name and name not in names:
                remedy = "" if self.findings.is_full else nearest(name[:80], names, in_order=column == "visit")
                self.complain(column, f"no {column} named {shown(name)}", remedy)
            elif not name and is_sample:
                self.complain(column, f"is blank, but a sample belongs to a {column}", f"write the {column}")

    def number(self, column: str) -> float | None:
        try:
            return number_of(self.source, self.cells[column]) if self.cells.get(column) else None
        except BadCell as error:
            self.complain(column, error.what, error.remedy)
            return None

    def _whole(self, column: str) -> int | None:
        try:
            return events_of(self.source, self.cells[column]) if self.cells.get(column) else None
        except BadCell as error:
            self.complain(column, error.what, error.remedy)
            return None

    def _with_percent(self, count: int | None, parent_count: int | None) -> int | None:
        """Return the count, from the percent where there is none; a percent that contradicts it is a problem."""
        percent = self.number("percent_of_parent")
        if percent is None:
            return count
        column = "percent_of_parent"
        if not 0 <= percent <= 100:
            self.complain(column, f"{percent:g} is no percent of a parent", "correct it")
            return count
        if parent_count is None:
            return count
        if count is None:
            return round(percent * parent_count / 100)
        own = 100 * count / parent_count if parent_count else 0.0
        if parent_count and abs(own - percent) > rounding_of(self.cells[column], percent):
            what = f"{percent:g} %, but {count} of {parent_count} are {own:.4g} %"
            self.complain(column, what, "correct the percent or the counts")
        return count


def with_counts_of_percents(read: Iterable[ImportedRow | None]) -> list[ImportedRow]:
    """Return the rows; a percent without counts has them from the parent's own row, from the top down."""
    rows = [row for row in read if row is not None]
    counts = {(row.panel, row.sample, row.population): row.count for row in rows if row.count is not None}
    for _ in range(50):  # no tree is deeper
        for index, row in enumerate(rows):
            above = counts.get((row.panel, row.sample, row.parent))
            if row.percent is not None and above is not None:
                count = counts[row.panel, row.sample, row.population] = round(row.percent * above / 100)
                rows[index] = replace(row, count=count, parent_count=above, percent=None)
    return rows


def bare_percents(path: Path, rows: Sequence[ImportedRow]) -> list[str]:
    """Return a note on percents without counts: they have values and changes, and no interval of counting."""
    bare = sum(row.percent is not None for row in rows)
    what = "without a count and without the parent's: they have no interval, and no limit of counts is judged"
    return [f"{path}: {bare} percents {what}"] if bare else []


def check_rows(rows: Sequence[ImportedRow]) -> None:
    """Hold the rows against each other; raises BadSpec for doubled, missing and contradicting ones, with their lines.

    >>> of_row = ("a", "S1", "V1", "p", Role(RoleKind.SAMPLE), "cd4", "root", 5, 9, "t.csv")
    >>> check_rows([ImportedRow(*of_row, line=2), ImportedRow(*of_row, line=3)])
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: t.csv line 3: population: 'cd4' of sample 'a' is given twice, first on line 2 ...
    """
    if not rows:
        raise BadSpec([Problem("the table", None, "", "there are no rows", "write one for each sample and population")])
    problems = [*_doubled(rows), *_of_two(rows), *_missing(rows), *_parents(rows)]
    if problems:
        raise BadSpec(most_of(problems))


def _problem(row: ImportedRow, column: str, what: str, remedy: str) -> Problem:
    return Problem(row.file, row.line, column, what, remedy)


def _doubled(rows: Iterable[ImportedRow]) -> Iterator[Problem]:
    first: dict[tuple[str, str, str], ImportedRow] = {}
    for row in rows:
        other = first.setdefault((row.panel, row.sample.casefold(), row.population), row)
        if other is not row:
            place = f"first on line {other.line} of {Path(other.file).name}"
            what = f"{shown(row.population)} of sample {shown(row.sample)} is given twice, {place}"
            yield _problem(row, "population", what, "keep one of the rows")


def _of_two(rows: Iterable[ImportedRow]) -> Iterator[Problem]:
    """Yield rows of one sample that say another subject, visit or role, and parents that differ between samples."""
    first: dict[tuple[str, str], ImportedRow] = {}
    parents: dict[tuple[str, str], ImportedRow] = {}
    for row in rows:
        other = first.setdefault((row.panel, row.sample.casefold()), row)
        if (other.subject, other.visit, other.role) != (row.subject, row.visit, row.role):
            what = (
                f"sample {shown(row.sample)} is of {row.subject} {row.visit} here, and of {other.subject} {other.visit}"
            )
            yield _problem(row, "sample", f"{what} on line {other.line}", "correct one of them")
        of_parent = parents.setdefault((row.panel, row.population), row)
        if of_parent.parent != row.parent:
            what = f"the parent of {shown(row.population)} is {shown(row.parent)}, on line {of_parent.line}"
            yield _problem(row, "parent", f"{what} {shown(of_parent.parent)}", "give each population one parent")


def _missing(rows: Sequence[ImportedRow]) -> Iterator[Problem]:
    """Yield, for each sample, the populations that other samples of its panel have and it has not."""
    populations: dict[str, dict[str, None]] = {}
    samples: dict[tuple[str, str], list[ImportedRow]] = {}
    for row in rows:
        populations.setdefault(row.panel, {})[row.population] = None
        samples.setdefault((row.panel, row.sample), []).append(row)
    for (panel, sample), own in samples.items():
        given = {row.population for row in own}
        lacking = [name for name in populations[panel] if name not in given]
        if lacking:
            what = f"sample {shown(sample)} has no row for {listed(lacking, 10)}, which other samples have"
            remedy = "add it; its count may be blank if it was not measured"
            yield _problem(own[-1], "population", what, remedy)


def _parents(rows: Sequence[ImportedRow]) -> Iterator[Problem]:
    """Yield counts of parents that are not those of the parent's own row, or of the other rows."""
    counts: dict[tuple[str, str, str], ImportedRow] = {(row.panel, row.sample, row.population): row for row in rows}
    stated: dict[tuple[str, str, str], ImportedRow] = {}
    for row in rows:
        if row.parent_count is None:
            continue
        key = (row.panel, row.sample, row.parent)
        own, other = counts.get(key), stated.setdefault(key, row)
        number = own.count if own and own.count is not None else other.parent_count
        if number != row.parent_count:
            line = own.line if own and own.count is not None else other.line
            what = f"{row.parent_count} events in {shown(row.parent)}, but {number} on line {line}"
            yield _problem(row, "parent_count", what, "correct one of them")
    for row in rows:
        parent = counts.get((row.panel, row.sample, row.parent))
        if parent and parent.count is not None and row.count is not None and row.count > parent.count:
            what = f"{row.count} events in a parent of {parent.count} (line {parent.line})"
            yield _problem(row, "count", what, "correct one of them")
