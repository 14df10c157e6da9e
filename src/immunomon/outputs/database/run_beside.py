"""What lies beside a run's tables: statistics, other assessments as they stand, and the audit trail."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.csvfile import BadCell, CsvFile, read_csv_table
from immunomon.cytometry.model.populations import Table
from immunomon.errors import BadSpec, ExportFailed
from immunomon.files import is_there, read_input
from immunomon.outputs.database.secrets import without_passwords
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import read_held
from immunomon.runs.laboratory import laboratory_of
from immunomon.runs.opened import Run
from immunomon.runs.verdicts import reviews_of_run
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS
from immunomon.trial.model.tables import ASSESSMENT_TABLES, LABORATORY_VALUES, MECHANISM_TABLES, STATISTICS_TABLES

__all__ = ["Records", "as_json", "read_assessments", "read_laboratory", "read_reviews", "read_statistics", "read_trail"]

Row = Mapping[str, Any]
_MOST_BYTES = 50_000_000
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,17})?(?:[eE][-+]?[0-9]{1,2})?")
# The study's tables of other assessments, and the columns that say what a row of each is about.
_RAW: Mapping[str, tuple[str, ...]] = {
    **{name: table.about for name, table in ASSESSMENT_INPUTS.items()},
    "platelets": ("subject", "visit", "study_day"),
}
_RESULT = ("analyte", "subject", "visit", "date", "study_day")
_COLUMNS = ("record", "subject", "visit", "content")


@dataclass(frozen=True, eq=False)
class Records:
    """Rows for one table of the database, the digests of the files they are from, and what was left out and why."""

    frame: pd.DataFrame
    digests: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def as_json(value: object) -> str:
    """Return the JSON text of a value: the same value always gives the same text.

    Raises ValueError for a number that JSON does not have.

    >>> as_json({"b": 1, "a": None})
    '{"a": null, "b": 1}'
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, default=lambda number: number.item())


def read_statistics(run: Run) -> Records:
    """Return the tables that ``immunomon compare`` and ``immunomon mechanism`` wrote for this state of the run.

    Those of an earlier state are left out, with a note. Tables of mechanism are named ``mechanism_TABLE``. Raises
    BadRun for a table that was changed since it was written.
    """
    records = (
        _beside(run, "statistics", STATISTICS_TABLES, record="analysis", command="compare", prefix=""),
        _beside(run, "mechanism", MECHANISM_TABLES, record="mechanism", command="mechanism", prefix="mechanism_"),
    )
    digests = {name: digest for part in records for name, digest in part.digests.items()}
    frame = pd.concat([part.frame for part in records], ignore_index=True)
    return Records(frame, digests, tuple(note for part in records for note in part.notes))


def _beside(run: Run, name: str, contracts: Mapping[str, Table], *, record: str, command: str, prefix: str) -> Records:
    folder = run.folder / name
    present = {table: folder / f"{table}.parquet" for table in contracts}
    present = {table: path for table, path in present.items() if path.is_file()}
    if not present:
        return Records(_frame("statistic", []))
    remedy = f"write it anew with: immunomon {command} {run.folder}"
    try:
        written = json.loads(read_input(folder / f"{record}.json"))
        is_of_now, files = written["run_digest"] == run.record_sha256, dict(written.get("files") or {})
    except (OSError, ValueError, KeyError, TypeError):
        is_of_now, files = False, {}
    if not is_of_now:
        problem = f"{folder} was made from an earlier state of the run; {remedy}"
        return Records(_frame("statistic", []), notes=(problem,))
    rows: list[dict[str, Any]] = []
    digests = {}
    for table, path in sorted(present.items()):
        data = read_held(path, files.get(path.name), record=f"{record}.json", remedy=remedy)
        digests[f"{name}/{table}"] = hashlib.sha256(data).hexdigest()
        rows += _records("statistic", f"{prefix}{table}", _parquet(path, data), contracts[table].key)
    return Records(_frame("statistic", rows), digests)


def read_assessments(run: Run) -> Records:
    """Return the study's other assessments as they stand, and the tables derived from them in the run folder.

    Raises ExportFailed, with file and line, for a table that cannot be read or names a subject that the study does not
    have, BadRun for a derived one that was changed since it was written.
    """
    rows: list[dict[str, Any]] = []
    digests = {}
    subjects = {str(subject["id"]) for subject in run.study["subjects"]}
    for name, key in _RAW.items():
        folders = [] if run.study_folder is None else [run.study_folder, run.study_folder / "assessments"]
        path = next((folder / f"{name}.csv" for folder in folders if is_there(folder / f"{name}.csv")), None)
        if path is not None:
            content, digests[f"study/{name}"] = _csv(path, subjects)
            rows += _records("assessment", name, content, key)
    raw = {f"{name.removeprefix('study/')}.csv": digest for name, digest in digests.items()}
    stale, files = _stale(run, raw)
    for path in () if stale else sorted((run.folder / "assessments").glob("*.parquet")):
        remedy = f"write it anew with: immunomon assess {run.folder}"
        data = read_held(path, files.get(path.name), record="assessments.json", remedy=remedy)
        digests[f"assessments/{path.stem}"] = hashlib.sha256(data).hexdigest()
        name = path.stem if path.stem not in _RAW else f"{path.stem}_derived"
        frame = _parquet(path, data)
        unknown = sorted({str(row["subject"]) for row in frame if row.get("subject")} - subjects)
        if unknown:
            raise ExportFailed(f"{path}: the study has no subject '{unknown[0]}'; make the table anew")
        contract = ASSESSMENT_TABLES.get(path.stem)
        rows += _records("assessment", name, frame, ("subject",) if contract is None else contract.key)
    return Records(_frame("assessment", rows), digests, stale)


def _stale(run: Run, raw: Mapping[str, str]) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Return a note if the tables of ``immunomon assess`` are of another run, or of the study's files as they were.

    And the digests of the files that it wrote.
    """
    path = run.folder / "assessments"
    if not (path / "assessments.json").is_file():
        return (), {}
    try:
        record = json.loads(read_input(path / "assessments.json"))
        same = record["run_digest"] in (None, run.digest)
        same &= all(raw.get(name, digest) == digest for name, digest in record["inputs"].items())
        files = dict(record.get("files") or {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExportFailed(f"{path}: cannot be read ({error!r}); write it anew with: immunomon assess RUN") from error
    problem = (
        f"{path} was made from another state of the run or the study's files; write it anew with: immunomon assess"
    )
    return (() if same else (f"{problem} {run.folder}",)), files


def read_laboratory(run: Run) -> Records:
    """Return the laboratory values of the run's study, with what names each; raises BadSpec if they cannot be read.

    Values of subjects that the run does not know are left out, with a note.
    """
    values = laboratory_of(run)
    if values is None:
        return Records(pd.DataFrame())
    known = values["subject"].isin([str(subject["id"]) for subject in run.study["subjects"]])
    plain = values[known].astype(object).where(values[known].notna(), None)
    rows = plain.to_dict(orient="records")
    records = [{"record": " | ".join(str(row[part] or "") for part in _RESULT), **row} for row in rows]
    frame = pd.DataFrame(records, columns=["record", *LABORATORY_VALUES.names], dtype=object)
    unknown = sorted(set(values.loc[~known, "subject"]))
    notes = (f"laboratory.csv: not of the run's study: {', '.join(unknown)}",) if unknown else ()
    return Records(frame, {LABORATORY_VALUES.name: _digest(as_json(records))}, notes)


def read_reviews(run: Run, samples: pd.DataFrame) -> Records:
    """Return the last verdict of a person on each gated sample that there is one on.

    samples: the run's table. Raises ImmunomonError for a broken audit trail.
    """
    panels = dict(zip(samples["sample_id"], samples["panel"], strict=True))
    rows = [
        {
            "sample_id": review.sample,
            "panel": panels[review.sample],
            "state": review.state,
            "by_whom": without_passwords(review.by),
            "given_utc": review.utc,
            "note": without_passwords(review.note),
            "approved_by": as_json(list(review.approved_by)),
            "seen_sha256": review.seen,
        }
        for review in reviews_of_run(run.folder).values()
        if review.sample in panels
    ]
    text = as_json(rows)
    return Records(pd.DataFrame(rows, dtype=object), {"reviews": _digest(text)} if rows else {})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_trail(run: Run) -> tuple[Mapping[str, Any], ...]:
    """Return the entries of a run's audit trail, oldest first; raises ImmunomonError if it is none."""
    trail = AuditTrail(run.folder)
    entries = trail.entries()
    needed = ("number", "utc", "user", "action", "by", "reason", "previous", "hash")
    if lacking := next((name for entry in entries for name in needed if name not in entry), None):
        raise ExportFailed(f"{trail.path}: an entry lacks '{lacking}'; see what: immunomon audit RUN says")
    return tuple(entries)


def _frame(kind: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[kind, *_COLUMNS], dtype=object)


def _records(kind: str, name: str, rows: Iterable[Row], key: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a record a row; rows about the same thing are told apart by their place among these."""
    counts: dict[str, int] = {}
    for row in rows:
        about = " | ".join("" if row.get(part) is None else str(row[part]) for part in key) or "row"
        counts[about] = counts.get(about, 0) + 1
        record = about if counts[about] == 1 else f"{about} #{counts[about]}"
        whose = {part: None if row.get(part) is None else str(row[part]) for part in ("subject", "visit")}
        yield {kind: name, "record": record, **whose, "content": as_json(row)}


def _parquet(path: Path, data: bytes) -> list[Row]:
    try:
        table = pd.read_parquet(io.BytesIO(data), dtype_backend="numpy_nullable")
        plain = table.astype(object).where(table.notna(), None)
        return [{str(key): value for key, value in row.items()} for row in plain.to_dict(orient="records")]
    except (OSError, ValueError) as error:
        raise ExportFailed(f"{path}: cannot be read ({error}); write it anew") from error


def _csv(path: Path, subjects: set[str]) -> tuple[list[Row], str]:
    """Return the rows of a table that a person wrote, and the SHA-256 of the bytes that were read."""
    try:
        table = read_csv_table(path, _MOST_BYTES)
    except BadSpec as error:
        raise ExportFailed(str(error)) from error
    if table.problems:
        raise ExportFailed(str(table.problems[0]))
    if "subject" not in table.columns:
        raise ExportFailed(f"{path} line {table.header_line}: has no column subject; add it")
    for line, cells in table.rows:
        if cells["subject"] not in subjects:
            raise ExportFailed(f"{path} line {line}: the study has no subject '{cells['subject']}'; correct it")
    columns = {name: _values([_plain(cells[name], table.source) for _, cells in table.rows]) for name in table.columns}
    rows: list[Row] = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return rows, table.source.digest


def _plain(text: str, source: CsvFile) -> str:
    """Return a number with a decimal comma with a point, and any other text as it is."""
    if "," not in text:
        return text
    try:
        source.number(text)
    except BadCell:
        return text
    return text.replace(",", ".")


def _values(texts: Sequence[str]) -> list[object]:
    """Return a column's values: numbers or truths if all of them are, texts otherwise; blanks are None."""
    filled = [text for text in texts if text]
    if all(_NUMBER.fullmatch(text) for text in filled):
        return [
            None if not text else int(text) if re.fullmatch(r"[-+]?[0-9]+", text) else float(text) for text in texts
        ]
    if {text.casefold() for text in filled} <= {"true", "false"}:
        return [None if not text else text.casefold() == "true" for text in texts]
    return [text or None for text in texts]
