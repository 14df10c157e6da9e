"""Export a run into the trial database: all of it or nothing, and the same run again changes nothing."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Date, Table, delete, func, insert, inspect, select, text, update

from immunomon.errors import ExportFailed
from immunomon.export.connection import database_url, shown, sqlite_url, transaction
from immunomon.export.run_tables import RunTables, read_run
from immunomon.export.schema import RESULTS, SCHEMA_VERSION, STUDY_TABLES, VIEW, metadata, runs, schema_info, studies

__all__ = ["ExportSummary", "export_run"]

_CHUNK = 5000
Row = dict[str, Any]


@dataclass(frozen=True)
class ExportSummary:
    """What an export did: where, for which study and run, ``written``, ``replaced`` or ``unchanged``, rows by table."""

    database: str
    study: str
    run_digest: str
    outcome: str
    rows: Mapping[str, int] = field(default_factory=dict)


def export_run(run_folder: Path, url: str | None = None) -> ExportSummary:
    """Put a run's study, samples and results into a database, in one transaction.

    url: ``sqlite:///file`` or ``postgresql://...``; by default ``immunomon.sqlite`` in the run folder. The tables are
    made if they are not there. A run of a study that is already there replaces the study's values; the same run again
    changes nothing. Other studies in the database are left alone. A missing value becomes NULL, never 0.
    Raises ExportFailed, and then the database is as it was.
    """
    target = sqlite_url(run_folder / "immunomon.sqlite") if url is None else database_url(url)
    run = read_run(run_folder)
    with transaction(target) as connection:
        _prepare(connection, shown(target))
        before = connection.execute(select(runs).where(runs.c.study == run.name, runs.c.is_current)).first()
        if before and (before.run_digest, before.tables_digest) == (run.digest, run.tables_digest):
            return ExportSummary(shown(target), run.name, run.digest, "unchanged", _counted(connection, before.run_id))
        run_id = _begin_run(connection, run)
        written = {table.name: _fill(connection, table, run, run_id) for table in (*STUDY_TABLES, *RESULTS)}
    return ExportSummary(shown(target), run.name, run.digest, "replaced" if before else "written", written)


def _prepare(connection: Connection, database: str) -> None:
    """Make the tables if there are none; refuse tables of another version or of somebody else."""
    present = set(inspect(connection).get_table_names())
    if schema_info.name in present:
        version = connection.scalar(select(func.max(schema_info.c.version)))
        if version != SCHEMA_VERSION:
            raise ExportFailed(
                f"{database}: its tables are of version {version}, this immunomon writes version {SCHEMA_VERSION}; "
                "export to a new database, or use the immunomon that made it; nothing was changed there"
            )
        return
    foreign = sorted(present & set(metadata.tables))
    if foreign:
        raise ExportFailed(
            f"{database}: has tables named {', '.join(foreign)} that are not immunomon's; "
            "export to an empty database or schema; nothing was changed there"
        )
    metadata.create_all(connection, checkfirst=False)
    connection.execute(text(VIEW))
    connection.execute(insert(schema_info).values(version=SCHEMA_VERSION))


def _begin_run(connection: Connection, run: RunTables) -> int:
    """Take out the study's earlier values, and enter the new run; returns its number."""
    for table in reversed((*STUDY_TABLES, *RESULTS)):
        connection.execute(delete(table).where(table.c.study == run.name))
    connection.execute(update(runs).where(runs.c.study == run.name).values(is_current=False))
    title = str(run.study.get("title") or "")
    if connection.execute(update(studies).where(studies.c.study == run.name).values(title=title)).rowcount == 0:
        connection.execute(insert(studies).values(study=run.name, title=title))
    entry = insert(runs).values(
        study=run.name,
        run_digest=run.digest,
        tables_digest=run.tables_digest,
        software_version=run.version,
        exported_at_utc=datetime.datetime.now(datetime.UTC),
        is_current=True,
    )
    return int(connection.scalars(entry.returning(runs.c.run_id)).one())


def _fill(connection: Connection, table: Table, run: RunTables, run_id: int) -> int:
    """Insert a table's rows, a bounded number at a time; returns how many."""
    own = {"study": run.name, "run_id": run_id}
    total = 0
    for rows in _rows_of(table, run):
        if rows:
            connection.execute(insert(table), [row | own for row in rows])
            total += len(rows)
    return total


def _rows_of(table: Table, run: RunTables) -> Iterator[list[Row]]:
    if table.name in run.tables:
        frame = run.tables[table.name]
        for start in range(0, len(frame), _CHUNK):
            yield _plain(frame.iloc[start : start + _CHUNK], table)
    else:
        yield list(_STUDY_ROWS[table.name](run.study))


def _plain(frame: pd.DataFrame, table: Table) -> list[Row]:
    """Return rows of plain Python values: whatever is missing, not-a-number included, is None."""
    columns = {}
    for name in frame.columns:
        values = frame[name]
        missing = values.isna().to_numpy(dtype=bool)
        if values.dtype == "Float64":
            numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
            missing = np.isnan(numbers)
            if np.isinf(numbers).any():
                raise ExportFailed(
                    f"table '{table.name}': column '{name}' holds an infinite value; nothing was changed"
                )
        convert = _converter(table, name)
        columns[name] = [None if none else convert(v) for v, none in zip(values.tolist(), missing, strict=True)]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _converter(table: Table, name: str) -> Any:  # noqa: ANN401
    kind = table.c[name].type
    if isinstance(kind, Date):
        return datetime.date.fromisoformat
    return json.loads if (table.name, name) == ("summary", "subjects") else lambda value: value


def _counted(connection: Connection, run_id: int) -> dict[str, int]:
    tables = (*STUDY_TABLES, *RESULTS)
    count = {t.name: select(func.count()).select_from(t).where(t.c.run_id == run_id) for t in tables}
    return {name: int(connection.scalar(query) or 0) for name, query in count.items()}


def _dose_groups(study: Mapping[str, Any]) -> Iterator[Row]:
    for group in study["dose_groups"]:
        days = list(group.get("infusion_days") or ())
        yield {"dose_group": group["name"], "cells_per_kg": group["cells_per_kg"], "infusion_days": days}


def _cohorts(study: Mapping[str, Any]) -> Iterator[Row]:
    for cohort in study.get("cohorts") or ():
        kept = {name: cohort[name] for name in ("dose_group", "planned_subjects")}
        yield {"cohort": cohort["name"], **kept, "expansion": bool(cohort.get("expansion"))}


def _subjects(study: Mapping[str, Any]) -> Iterator[Row]:
    for subject in study["subjects"]:
        dates = sorted(subject.get("infusion_dates") or ())
        yield {
            "subject": subject["id"],
            "dose_group": subject["dose_group"],
            "cohort": subject.get("cohort") or None,
            "sex": subject.get("sex") or "U",
            "flags": dict(subject.get("flags") or {}),
            "first_infusion_date": datetime.date.fromisoformat(dates[0]) if dates else None,
            "infusion_dates": dates,
        }


def _visits(study: Mapping[str, Any]) -> Iterator[Row]:
    for visit in study["visits"]:
        first, last = visit.get("window_days") or (None, None)
        yield {
            "visit": visit["label"],
            "planned_day": visit["planned_day"],
            "window_first_day": first,
            "window_last_day": last,
            "baseline": bool(visit.get("baseline")),
        }


_STUDY_ROWS = {"dose_groups": _dose_groups, "cohorts": _cohorts, "subjects": _subjects, "visits": _visits}
