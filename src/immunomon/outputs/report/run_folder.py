"""What a report is made of: a run with its result tables, as far as it has them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.csvfile import text_of_cell
from immunomon.cytometry.model.populations import DOUBTS, TABLES, Table
from immunomon.errors import BadSpec, Problem
from immunomon.runs.folder import RunFolder
from immunomon.runs.opened import Run, open_run

__all__ = ["ReportedRun", "read_run"]


@dataclass(frozen=True, eq=False, repr=False)
class ReportedRun(Run):
    """A run as read for its report: what its record lacks is left out, and a table that it lacks is empty."""

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def study(self) -> Mapping[str, Any]:
        """The study section of the record; empty if there is none."""
        study = self.record.get("study")
        return study if isinstance(study, dict) else {}


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
