"""Where traces come from: a run folder, or a database that a run was exported to."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Column, MetaData, Row, Table, inspect, select
from sqlalchemy.engine import Connection

from immunomon.errors import BadSpec, ExportFailed, ImmunomonError, LeavesStudy, counted, nearest
from immunomon.files import file_digest
from immunomon.outputs.database.verifying import Verified, verify
from immunomon.outputs.trace.trace import Record
from immunomon.remote import as_path
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder
from immunomon.runs.opened import open_run
from immunomon.study.model.study import Study
from immunomon.study.specs.data_folders import path_of_sample
from immunomon.study.specs.study import load_study

__all__ = ["DatabaseRecords", "RunRecords", "plain_rows"]


def plain_rows(table: pd.DataFrame) -> list[Record]:
    """Return a table's rows as plain data, missing values as None."""
    columns = {name: [None if value is pd.NA else value for value in table[name].tolist()] for name in table.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


class RunRecords:
    """What a finished run's folder says; study: the study's folder, to look at its files again (None: it is not there).

    Raises BadRun if the folder holds no finished run.
    """

    def __init__(self, root: Path, study: Path | None = None) -> None:
        self._record = open_run(root).record
        self._folder, self._trail = RunFolder(root), AuditTrail(root)
        self._study = study if study is not None else root.resolve().parent
        self._tables: dict[str, pd.DataFrame] = {}

    def about(self) -> Record:
        """Return what made the run."""
        names = ("digest", "version", "started_utc", "finished_utc", "software", "parameters", "inputs")
        return {"where": str(self._folder.root), **{name: self._record.get(name) for name in names}}

    def rows(self, table: str, **equal: str) -> list[Record]:
        """Return the rows of a table whose columns have these values."""
        if table not in self._tables:
            self._tables[table] = self._folder.read_table(table)
        rows = self._tables[table]
        for name, value in equal.items():
            rows = rows[(rows[name] == value).fillna(False).astype(bool)]
        return plain_rows(rows)

    def _sample(self, sample_id: str) -> Record:
        return self._folder.read_sample(sample_id) or {}

    def gates(self, sample_id: str) -> Record | None:
        """Return the axes and placed gates of a sample."""
        return self._sample(sample_id).get("gates")

    def matrix(self, sample_id: str) -> Record | None:
        """Return the spillover matrix that was used, and where it came from."""
        matrix = self._sample(sample_id).get("spillover")
        return matrix and {**matrix, "source": (self._record.get("parameters") or {}).get("compensation")}

    def panel(self, name: str) -> Sequence[Record]:
        """Return the markers of a panel."""
        markers: Sequence[Record] = (self._record.get("panels") or {}).get(name, ())
        return markers

    @cached_property
    def _listed(self) -> Study | None:
        try:
            study = load_study(self._study / "study.yaml" if self._study.is_dir() else self._study)
        except (BadSpec, OSError):
            return None
        return study

    def file(self, sample: Record) -> str:
        """Return whether the FCS file still has the bytes that were gated."""
        if self._listed is None:
            return "not looked at: the study is not here (--study)"
        try:
            same = file_digest(path_of_sample(self._listed, as_path(str(sample["file"])))) == sample["sha256"]
        except LeavesStudy:
            return "not looked at: it lies outside of the folders that the study allows"
        except OSError:
            return "not there any more"
        return "has these bytes still" if same else "HAS OTHER BYTES NOW"

    def entries(self) -> Sequence[Record]:
        """Return the entries of the audit trail."""
        return self._trail.entries()

    @cached_property
    def _problems(self) -> list[str]:
        return self._trail.problems()

    def seal(self, sample_id: str) -> Sequence[str]:
        """Return what does not fit of the trail, and of the files that a sample's numbers stand in."""
        own = (f"{sample_id}.json", "run.json", f"{self._folder.root / 'tables'}", str(self._trail.path))
        lists = (str(self._trail.contents), str(self._trail.head_file))
        problems = [problem for problem in self._problems if any(name in problem for name in (*own, *lists))]
        placed = self._folder.read_json(self._folder.gates_file(sample_id))
        if json.dumps(placed) != json.dumps(self.gates(sample_id)):
            problems.append(f"{self._folder.gates_file(sample_id)}: other gates than in the sample's result")
        return problems


# A database that a run was exported to as a source of traces: the values that stand there now.

# What every number of a database stands on.
_OF_ALL = ("table seals:", "table sealed_rows:", "table runs:", "table studies:", "table audit:")
_SAMPLE_ONLY = "the database does not hold it; it is in the run folder, samples/"


class DatabaseRecords:
    """What a database says of a study; study: its name, needed if the database holds several.

    Raises ImmunomonError if it holds no such study, or is no database of a run.
    """

    def __init__(self, connection: Connection, where: str, study: str | None = None) -> None:
        self._connection, self._where = connection, where
        self._metadata = MetaData()
        studies = [str(row["study"]) for row in self._read("studies")]
        if not studies or (study is not None and study not in studies) or (study is None and len(studies) > 1):
            problem = f"no study '{study}'; {nearest(study, studies)}" if study else f"{len(studies)} studies"
            raise ImmunomonError(
                f"{where}: it holds {problem}; name one with --study: {', '.join(studies) or 'none there'}"
            )
        self._study = study or studies[0]

    def _table(self, name: str) -> Table:
        known = self._metadata.tables.get(name)
        if known is not None:
            return known
        inspector = inspect(self._connection)
        if not inspector.has_table(name):
            raise ImmunomonError(
                f"{self._where}: it has no table '{name}'; export a run to it: immunomon export RUN --to"
            )
        # Columns only: indexes on expressions cannot be read back, and nothing here needs them.
        return Table(
            name, self._metadata, *(Column(column["name"], column["type"]) for column in inspector.get_columns(name))
        )

    def _read(self, name: str, **equal: object) -> list[Record]:
        table = self._table(name)
        query = select(table).where(*(table.c[column] == value for column, value in equal.items()))
        rows = [_plain(row) for row in self._connection.execute(query)]
        return sorted(rows, key=lambda row: json.dumps(row, default=str))

    def rows(self, table: str, **equal: str) -> list[Record]:
        """Return the current rows of a table whose columns have these values."""
        return self._read(table, study=self._study, **equal)

    @cached_property
    def _run(self) -> Record:
        return next((row for row in self._read("runs", study=self._study) if row["is_current"]), {})

    def about(self) -> Record:
        """Return what made the run, and which export brought it."""
        run = self._run
        names = ("run_id", "exported_at_utc", "exported_by", "why", "parameters", "inputs")
        return {
            "where": self._where,
            "digest": run.get("run_digest"),
            "version": run.get("software_version"),
            "finished_utc": run.get("finished_at_utc"),
            "software": {"code_digest": run.get("code_digest")},
            "sealed": self._sealed,
            **{name: run.get(name) for name in names},
        }

    def gates(self, sample_id: str) -> Record | None:
        """Return the axes and placed gates of a sample."""
        gates = self.rows("placed_gates", sample_id=sample_id)
        if not gates:
            return None
        axes = {name: how for row in gates for name, how in _json(row["axes"]).items()}
        populations = [
            {
                **{name: row[name] for name in ("population", "parent", "path", "method", "source", "note")},
                **{name: row[name] for name in ("own_weight", "outlier", "geometry_sha256")},
                "gate": _json(row["geometry"]),
                "facts": _json(row["facts"]),
                "errors": _json(row["errors"]),
                "failure": row["reason"] or "",
            }
            for row in sorted(gates, key=lambda row: (str(row["path"]).count("/"), str(row["path"])))
        ]
        return {"axes": axes, "populations": populations}

    def matrix(self, sample_id: str) -> Record | None:
        """Return what the database knows of the matrix: where it came from."""
        source = (_json(self._run.get("parameters")) or {}).get("compensation")
        return {"source": source, "note": f"{sample_id}: {_SAMPLE_ONLY}{sample_id}.json"}

    def panel(self, name: str) -> Sequence[Record]:
        """Return the markers that medians were taken of, with their detectors."""
        table = self._table("medians")
        query = select(table.c.marker, table.c.detector).where(table.c.study == self._study, table.c.panel == name)
        pairs = sorted((str(row.marker), str(row.detector)) for row in self._connection.execute(query.distinct()))
        return [{"name": marker, "detector": detector} for marker, detector in pairs]

    def file(self, sample: Record) -> str:
        """Return that a database does not hold the file."""
        return f"not looked at: name the run folder instead of the database to compare {sample['file']}"

    @cached_property
    def _audit(self) -> list[Record]:
        rows = self._read("audit", study=self._study)
        last = max(rows, key=lambda row: str(row["entered_at_utc"]), default={"trail": None})
        return sorted((row for row in rows if row["trail"] == last["trail"]), key=lambda row: int(row["number"]))

    def entries(self) -> Sequence[Record]:
        """Return the entries of the trail of the run folder that was exported last."""
        return [_json(row["entry"]) for row in self._audit]

    @cached_property
    def _verified(self) -> Verified | None:
        """What does not fit of the whole database; None if it was made before there were seals."""
        try:
            return verify(self._connection, self._where)
        except ExportFailed:
            return None

    @property
    def _sealed(self) -> str:
        if self._verified is None:
            return "no: the database is of an earlier version; the next export seals it"
        problems = self._verified
        wrong = f"{counted(len(problems.problems), 'problem')}; see them all with: immunomon audit {self._where}"
        held = f"{counted(problems.rows, 'row')} held against {counted(problems.seals, 'seal')}, head {problems.head}"
        return f"{held}; {wrong if problems.problems else 'every row is as it was sealed'}"

    def seal(self, sample_id: str) -> Sequence[str]:
        """Return what does not fit of the seals, of the trail, and of the rows of a sample, its subject and visit."""
        rows, problems = self._audit, [] if self._verified is None else self._verified.problems
        whose = (
            f"subject={sample['subject']}, visit={sample['visit']},"
            for sample in self.rows("samples", sample_id=sample_id)
        )
        names = (f"sample_id={sample_id},", f"sample_id={sample_id} ", *whose, *_OF_ALL)
        return [
            *(problem for problem in problems if any(name in f"{problem} " for name in names)),
            *(
                f"table audit, entry {row['number']}: the entry before it is not the one that it was written after"
                for before, row in itertools.pairwise(rows)
                if row["previous_hash"] != before["hash"]
            ),
        ]


def _plain(row: Row[Any]) -> Record:
    times = (datetime.datetime, datetime.date)
    return {name: value.isoformat() if isinstance(value, times) else value for name, value in row._mapping.items()}


def _json(value: Any) -> Any:  # noqa: ANN401
    """Return plain data: a reflected SQLite column may give JSON as text."""
    return json.loads(value) if isinstance(value, str) else value
