"""Export a run into the trial database: all of it or nothing, and the same run again changes nothing."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Row, Table, func, insert, select, update

from immunomon.outputs.database.bulk import arrow_of, keys_made_late, load
from immunomon.outputs.database.connection import database_url, shown, sqlite_url, transaction
from immunomon.outputs.database.guards import refuse_foreign
from immunomon.outputs.database.migrating import migrate, prepare
from immunomon.outputs.database.read_back import confirm, read_back
from immunomon.outputs.database.run_tables import RunTables, read_run
from immunomon.outputs.database.schema import VERSIONED, runs, studies
from immunomon.outputs.database.sealing import Draft, head_of, views_changed
from immunomon.outputs.database.secrets import without_passwords
from immunomon.outputs.database.study_rows import frame_of
from immunomon.outputs.database.trail import append_trail, new_entries, why
from immunomon.outputs.database.versions import Counted, Entry, drop_staged, is_empty, merge, withdraw
from immunomon.outputs.database.views import refresh_views
from immunomon.runs.opened import note_in_trail

__all__ = ["ExportStatement", "ExportSummary", "export_run"]

# From so many rows on, making keys after the rows is worth the statements it takes.
_LATE = 50_000
Written = Mapping[str, pa.Table]
_MANY = tuple(table for table in VERSIONED if table.info["many"])


@dataclass(frozen=True)
class ExportStatement:
    """Who exports, and why, in their words; and the study's folder if it is not the one above the run."""

    by: str = ""
    reason: str = ""
    study: Path | None = None


@dataclass(frozen=True)
class ExportSummary:
    """What an export did: where, for which study and run, the outcome, and by table rows and what changed.

    outcome: ``written``, ``replaced``, ``unchanged``, or ``noted`` if only the audit trail had new entries.
    notes: what was not exported, and why; migrated_from: the revision that the database had, if it was migrated.
    head: the end of the database's chain of seals, ``number:hash``, to be written down elsewhere.
    unnoted: why the export is not in the run's audit trail, if it could not be entered there.
    """

    database: str
    study: str
    run_digest: str
    outcome: str
    rows: Mapping[str, int] = field(default_factory=dict)
    changes: Mapping[str, Counted] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    migrated_from: str | None = None
    head: str | None = None
    unnoted: str = ""


def export_run(run_folder: Path, url: str | None = None, statement: ExportStatement | None = None) -> ExportSummary:
    """Put a run's study, samples and results into a database, in one transaction.

    url: ``sqlite:///file`` or ``postgresql://...``; by default ``immunomon.sqlite`` in the run folder. The tables are
    made if they are not there, and migrated if they are of an earlier version. A run of a study that is already there
    replaces the values that differ, and keeps them as earlier versions; the same run again changes nothing. Other
    studies in the database are left alone. A missing value becomes NULL, never 0.
    The export is entered into the run's audit trail. Raises BadRun or ExportFailed, and then the database is as it was.
    """
    target = sqlite_url(run_folder / "immunomon.sqlite") if url is None else database_url(url)
    words = statement or ExportStatement()
    run = read_run(run_folder, words.study)
    migrated = migrate(target)
    with transaction(target) as connection:
        late = prepare(connection, shown(target)) and connection.dialect.name == "postgresql"
        refuse_foreign(connection, shown(target))
        with keys_made_late(connection, _MANY if late and _size(run) > _LATE else ()):
            is_as_left = migrated is None or not views_changed(connection)
            outcome, changes, written = _export(connection, run, words, is_as_left=is_as_left)
        if written:
            read_back(connection, shown(target), run.name, written=written)
            refuse_foreign(connection, shown(target))
        rows, head = _counted(connection, run), head_of(connection)
    summary = ExportSummary(shown(target), run.name, run.digest, outcome, rows, changes, run.notes, migrated, head)
    # Whatever was sealed is noted; the next export passes over entries of exports, and seals nothing for them.
    return summary if outcome == "unchanged" else replace(summary, unnoted=_note(run_folder, summary, words))


def _note(run: Path, summary: ExportSummary, words: ExportStatement) -> str:
    target, reason = summary.database, without_passwords(words.reason)
    digests = {"run_digest": summary.run_digest, "seal": summary.head}
    return note_in_trail(run, "export", by=words.by, reason=reason, target=target, **digests)


def _size(run: RunTables) -> int:
    return sum(len(table) for table in run.tables.values())


def _export(
    connection: Connection, run: RunTables, statement: ExportStatement, *, is_as_left: bool
) -> tuple[str, dict[str, Counted], Written]:
    """Write what the database does not hold yet; returns the outcome, what changed in each table, and its rows.

    is_as_left: whether its views are those of the last export; where a migration made others, even the same run is
    entered again, so that its seal is over what is there now.
    """
    before = connection.execute(select(runs).where(runs.c.study == run.name, runs.c.is_current)).first()
    is_known = before and (before.run_digest, before.tables_digest) == (run.digest, run.tables_digest)
    if is_known and is_as_left:
        # That this run was exported is known here already; anything else that happened to it since is not.
        news = any(entry["action"] != "export" for entry in new_entries(connection, run))
        if news:
            draft = Draft(connection, run.name)
            draft.entries(append_trail(connection, run))
            draft.write()
        return "noted" if news else "unchanged", {}, {}
    entry = _begin_run(connection, run, before, statement)
    draft = Draft(connection, run.name, entry.run_id)
    draft.entries(append_trail(connection, run))
    changes, written = _replace(connection, run, entry, draft)
    refresh_views(connection, views_changed(connection))
    draft.write()
    return "replaced" if before else "written", changes, written


def _begin_run(connection: Connection, run: RunTables, before: Row[Any] | None, statement: ExportStatement) -> Entry:
    """Enter the new run."""
    now = datetime.datetime.now(datetime.UTC)
    reason = without_passwords(why(before, run, statement.reason))
    connection.execute(update(runs).where(runs.c.study == run.name).values(is_current=False))
    title = str(run.study.get("title") or "")
    if connection.execute(update(studies).where(studies.c.study == run.name).values(title=title)).rowcount == 0:
        connection.execute(insert(studies).values(study=run.name, title=title))
    finished = run.record.get("finished_utc")
    row = {
        "study": run.name,
        "run_digest": run.digest,
        "tables_digest": run.tables_digest,
        "software_version": run.version,
        "exported_at_utc": now,
        "is_current": True,
        "code_digest": (run.record.get("software") or {}).get("code_digest"),
        "finished_at_utc": datetime.datetime.fromisoformat(finished) if finished else None,
        "inputs": run.record.get("inputs"),
        "parameters": run.record.get("parameters"),
        "exported_by": statement.by or None,
        "why": reason if before else without_passwords(statement.reason) or None,
    }
    run_id = int(connection.scalars(insert(runs).values(row).returning(runs.c.run_id)).one())
    confirm(connection, runs, [{**row, "run_id": run_id}])
    confirm(connection, studies, [{"study": run.name, "title": title}])
    return Entry(run.name, run_id, now, reason, f"not in the run any more; {reason}")


def _replace(
    connection: Connection, run: RunTables, entry: Entry, draft: Draft
) -> tuple[dict[str, Counted], dict[str, pa.Table]]:
    """Bring every table of the study to what the run holds; returns what changed in each, and its rows."""
    written = {table.name: arrow_of(frame_of(run, table), table) for table in VERSIONED}
    staged = [table for table in VERSIONED if not is_empty(connection, table, run.name)]
    # The driver and Arrow work without Python's lock: digests are made while rows are written.
    with ThreadPoolExecutor(max_workers=1) as beside:
        changes = {
            table.name: _fill(connection, table, written[table.name], (entry, draft, beside)) for table in VERSIONED
        }
    for table in reversed(staged):
        withdraw(connection, table, entry)
    drop_staged(connection, staged)
    return changes, written


def _fill(connection: Connection, table: Table, rows: pa.Table, now: tuple[Entry, Draft, Executor]) -> Counted:
    """Bring new and changed rows into a table."""
    entry, draft, beside = now
    if not is_empty(connection, table, entry.study):
        return merge(connection, table, rows, entry=entry)
    draft.loading(table, rows, beside)
    return Counted(new=load(connection, table.name, rows, {"study": entry.study, "run_id": entry.run_id}))


def _counted(connection: Connection, run: RunTables) -> dict[str, int]:
    count = {t.name: select(func.count()).select_from(t).where(t.c.study == run.name) for t in VERSIONED}
    return {name: int(connection.scalar(query) or 0) for name, query in count.items()}
