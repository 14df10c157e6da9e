"""A run folder as a source of traces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd

from immunomon.errors import BadSpec, ImmunomonError
from immunomon.outputs.trace.trace import Record
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder
from immunomon.runs.provenance import file_digest
from immunomon.study.specs.study import load_study

__all__ = ["RunRecords", "plain_rows"]


def plain_rows(table: pd.DataFrame) -> list[Record]:
    """Return a table's rows as plain data, missing values as None."""
    columns = {name: [None if value is pd.NA else value for value in table[name].tolist()] for name in table.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


class RunRecords:
    """What a finished run's folder says; study: the study's folder, to look at its files again (None: it is not there).

    Raises ImmunomonError if the folder holds no finished run.
    """

    def __init__(self, root: Path, study: Path | None = None) -> None:
        self._folder, self._trail = RunFolder(root), AuditTrail(root)
        self._study = study if study is not None else root.resolve().parent
        record = self._folder.read_json(self._folder.manifest)
        if record is None:
            inside = (root / "run" / "run.json").is_file()
            remedy = f"did you mean {root / 'run'}?" if inside else "make one with: immunomon run"
            raise ImmunomonError(f"{root}: there is no finished run; {remedy}")
        self._record = record
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
    def _files(self) -> Path | None:
        try:
            study = load_study(self._study / "study.yaml" if self._study.is_dir() else self._study)
        except (BadSpec, OSError):
            return None
        return (study.folder / study.samples_file).parent

    def file(self, sample: Record) -> str:
        """Return whether the FCS file still has the bytes that were gated."""
        if self._files is None:
            return "not looked at: the study is not here (--study)"
        try:
            same = file_digest(self._files / str(sample["file"])) == sample["sha256"]
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
