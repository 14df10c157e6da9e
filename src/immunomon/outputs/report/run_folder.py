"""What a report is made of: a run with its result tables, as far as it has them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.csvfile import text_of_cell
from immunomon.cytometry.model.populations import DOUBTS, TABLES, Table
from immunomon.errors import BadSpec, ImmunomonError, Problem
from immunomon.runs.audit import AuditTrail
from immunomon.runs.folder import RunFolder, read_held
from immunomon.runs.opened import Run, open_run
from immunomon.runs.verdicts import SampleReview, reviews_of_run

__all__ = ["ReportedRun", "held_table", "read_run"]

# The folders of other commands' tables: their record, and the command.
_RECORDS = {
    "statistics": ("analysis.json", "compare"),
    "assessments": ("assessments.json", "assess"),
    "mechanism": ("mechanism.json", "mechanism"),
}


@dataclass(frozen=True, eq=False, repr=False)
class ReportedRun(Run):
    """A run as read for its report: what its record lacks is left out, and a table that it lacks is empty."""

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def study(self) -> Mapping[str, Any]:
        """The study section of the record; empty if there is none."""
        study = self.record.get("study")
        return study if isinstance(study, dict) else {}

    @cached_property
    def gated_samples(self) -> tuple[str, ...]:
        """The samples that were gated, as the table has them."""
        samples = self.tables["samples"]
        return tuple(map(str, samples.loc[(samples["status"] == "gated").fillna(False), "sample_id"]))

    @cached_property
    def reviews(self) -> Mapping[str, SampleReview]:
        """The last word on each gated sample that anybody gave one on; raises ImmunomonError for a broken trail."""
        if problems := AuditTrail(self.folder).broken_links():
            raise ImmunomonError(problems[0])
        gated = frozenset(self.gated_samples)
        return {name: review for name, review in reviews_of_run(self.folder).items() if name in gated}

    @cached_property
    def _held(self) -> dict[tuple[str, str], pd.DataFrame]:
        return {}

    @cached_property
    def trail(self) -> Sequence[Mapping[str, Any]] | None:
        """The entries of the audit trail; None if there is none, or it is broken."""
        trail = AuditTrail(self.folder)
        try:
            return None if trail.broken_links() else trail.entries() or None
        except (ImmunomonError, OSError):
            return None

    def held(self, table: Table, folder: str) -> pd.DataFrame:
        """Return a table that another command wrote, as ``held_table`` does; read once, and not to be changed."""
        key = (folder, table.name)
        if key not in self._held:
            self._held[key] = held_table(self.folder, table, folder)
        return self._held[key]

    def held_if_there(self, table: Table, folder: str) -> pd.DataFrame | None:
        """Return a table that another command wrote, None if it wrote none; else as ``held``."""
        return self.held(table, folder) if (self.folder / folder / f"{table.name}.parquet").is_file() else None


def held_table(run: Path, table: Table, folder: str) -> pd.DataFrame:
    """Return a table that another command wrote into a folder of a run, held against its record.

    Raises BadRun if it is missing or was changed since, BadSpec if it cannot be read.
    """
    path = run / folder / f"{table.name}.parquet"
    record, command = _RECORDS[folder]
    remedy = f"make it again: immunomon {command} {run}"
    written = (RunFolder(run).read_json(path.parent / record) or {}).get("files") or {}
    data = read_held(path, written.get(path.name), record=record, remedy=remedy)
    try:
        return table.shaped(pd.read_parquet(io.BytesIO(data)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSpec([Problem(str(path), None, "", f"cannot be read ({error})", remedy)]) from error


def read_run(path: Path) -> ReportedRun:
    """Read the record and the tables of a run folder; a table that is not there is empty.

    Raises BadRun if the folder has no readable ``run.json`` or a table was changed since that was written, BadSpec if a
    table lacks a column that identifies its rows.
    """
    run = open_run(path, needs=())
    tables = {name: _read_table(run, table) for name, table in {**TABLES, DOUBTS.name: DOUBTS}.items()}
    return ReportedRun(run.folder, run.record, run.study_folder, run.record_sha256, tables)


def _read_table(run: Run, table: Table) -> pd.DataFrame:
    plain = RunFolder(run.folder).table_file(table.name, ".csv")
    if run.has_table(table.name):
        source, frame = plain.with_suffix(".parquet"), pd.read_parquet(io.BytesIO(run.table_bytes(table.name)))
    elif plain.exists():
        source, frame = plain, pd.read_csv(plain, dtype="string", keep_default_na=False, na_values=[""])
        frame = frame.apply(lambda column: column.map(text_of_cell, na_action="ignore"))
    else:
        source, frame = plain, pd.DataFrame(columns=list(table.names))
    missing = [name for name in table.key if name not in frame.columns]
    if missing:
        raise BadSpec([Problem(str(source), None, "", f"has no column {', '.join(missing)}", "make the run again")])
    frame = frame.reindex(columns=list(table.names))
    return pd.DataFrame({name: _typed(frame[name], dtype) for name, dtype in table.dtypes.items()})


def _typed(column: Any, dtype: str) -> Any:  # noqa: ANN401 - pandas-stubs know no astype of a variable dtype
    if dtype == "boolean" and not pd.api.types.is_bool_dtype(column.dtype):  # a CSV file spells it
        words = column.astype("string").str.casefold()
        return words.map({"true": True, "1": True, "false": False, "0": False}).astype("boolean")
    return column.astype(dtype)
