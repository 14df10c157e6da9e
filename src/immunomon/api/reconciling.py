"""Reconcile: the study's samples against a sponsor's list, and the queries that come of it."""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immunomon.csvfile import cell_of_text
from immunomon.errors import BadSpec, ImmunomonError, counted
from immunomon.files import read_input, write_whole
from immunomon.runs.checks.reconcile import Difference, read_subject_visits, reconciled
from immunomon.study.model.study import RoleKind, Sample, Study
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS
from immunomon.trial.specs.assessment_tables import assessment_file, read_assessment_files

__all__ = ["Reconciled", "open_queries", "reconcile"]

_KINDS = ("missing", "panel", "date", "extra")


@dataclass(frozen=True)
class Reconciled:
    """How the samples and a sponsor's list of subjects and visits differ.

    visits: on the list; undated: those whose date the list does not say. without_file: tubes that count as measured,
    though they have no file here. opened: queries opened just now, None if that was not asked for; answered:
    differences that somebody answered a query about, and that are there all the same.
    """

    differences: tuple[Difference, ...]
    visits: int
    undated: int = 0
    without_file: int = 0
    opened: int | None = None
    answered: tuple[Difference, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """A line a difference, as ``immunomon reconcile`` prints it."""
        return tuple(f"{each.kind:<8} {each.subject} {each.visit}: {each.what}" for each in self.differences)

    @property
    def remarks(self) -> tuple[str, ...]:
        """How many there are of each kind, what was not compared, and what became of queries, in sentences."""
        counts = ", ".join(f"{sum(each.kind == kind for each in self.differences)} {kind}" for kind in _KINDS)
        said = [f"{counted(self.visits, 'visit')} on the list; {counts}."]
        if self.without_file:
            what = counted(self.without_file, "tube has", "tubes have")
            said.append(f"Counted as measured, though {what} no file where samples.csv says.")
        if self.undated:
            said.append(f"Not compared: the date of {counted(self.undated, 'visit')}, which the list does not say.")
        if self.opened is not None:
            still_open = len(self.differences) - self.opened - len(self.answered)
            said.append(f"queries.csv: {counted(self.opened, 'query', 'queries')} opened; {still_open} were open.")
            said += [f"  answered, and still there: {difference.question}" for difference in self.answered]
        return tuple(said)

    def __repr__(self) -> str:
        return "\n".join([*self.lines, *self.remarks])


def reconcile(study: str | Path, listed: str | Path, *, open_by: str = "") -> Reconciled:
    """Compare a study's samples with a sponsor's list of subjects and visits (CSV with subject, visit, date, panels).

    open_by: open a query for each difference in ``queries.csv``, in this name. Raises BadSpec with every problem.
    """
    declared = load_study(Path(study))
    samples = load_samples(declared.folder / declared.samples_file, declared)
    visits = read_subject_visits(Path(listed))
    differences = tuple(reconciled(declared, samples, visits))
    opened: int | None = None
    answered: tuple[Difference, ...] = ()
    if open_by and differences:
        today = datetime.datetime.now(datetime.UTC).date()
        opened = open_queries(declared.folder, differences, by=open_by, on=today)
        answered = tuple(_answered(declared.folder, differences))
    undated = sum(visit.date is None for visit in visits)
    return Reconciled(differences, len(visits), undated, _without_file(declared, samples), opened, answered)


def _without_file(study: Study, samples: Sequence[Sample]) -> int:
    """Return how many of the subjects' tubes have no file on this machine; those in object stores are not asked for."""
    folder = (study.folder / study.samples_file).parent
    tubes = {sample.tube_id: str(sample.file) for sample in samples if sample.role.kind is RoleKind.SAMPLE}
    return sum(":/" not in file and not (folder / file).is_file() for file in tubes.values())


def open_queries(folder: Path, differences: Sequence[Difference], *, by: str, on: datetime.date) -> int:
    """Add a query for each difference that none asks about yet to a study's ``queries.csv``; return how many.

    What stands in the file stays as it is. Raises BadSpec if it has a problem, ImmunomonError if nobody is named.
    """
    if not by.strip():
        raise ImmunomonError("a query needs the name of who opens it")
    subjects = load_study(folder).first_infusions
    files = read_assessment_files(folder, subjects)
    rows = files.rows("queries")
    problems = [problem for problem in files.problems if Path(problem.file).name == "queries.csv"]
    if problems:
        raise BadSpec(problems)
    questions = {row["question"] for row in rows}
    new = [difference for difference in differences if difference.question not in questions]
    if new:
        numbers = [int(row["query"][1:]) for row in rows if re.fullmatch(r"Q[0-9]{1,9}", row["query"])]
        queries = [
            _query(difference, number, by, on) for number, difference in enumerate(new, max(numbers, default=0) + 1)
        ]
        # A subject that the study does not know is named in the question alone.
        _append(folder, [query if query["subject"] in subjects else {**query, "subject": ""} for query in queries])
    return len(new)


def _answered(folder: Path, differences: Sequence[Difference]) -> list[Difference]:
    """Return the differences that a query asked about and somebody answered, and that are there all the same."""
    rows = read_assessment_files(folder, load_study(folder).first_infusions).rows("queries")
    questions = {row["question"] for row in rows if row["answer"] is not None}
    return [difference for difference in differences if difference.question in questions]


def _query(difference: Difference, number: int, by: str, on: datetime.date) -> Mapping[str, Any]:
    return {
        "query": f"Q{number:03d}",
        "subject": difference.subject,
        "visit": difference.visit,
        "about": "samples.csv",
        "question": difference.question,
        "opened": on.isoformat(),
        "opened_by": by.strip(),
    }


def _append(folder: Path, queries: Sequence[Mapping[str, Any]]) -> None:
    path = assessment_file(folder, "queries") or folder / "queries.csv"
    before = read_input(path).decode("utf-8-sig") if path.is_file() else ""
    head = before.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    names = next(csv.reader(io.StringIO(head), delimiter=separator), None) or list(ASSESSMENT_INPUTS["queries"].names)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    if not before:
        writer.writerow(names)
    writer.writerows([cell_of_text(str(query.get(name, ""))) for name in names] for query in queries)
    write_whole(path, before + ("" if before.endswith("\n") or not before else "\n") + text.getvalue())
