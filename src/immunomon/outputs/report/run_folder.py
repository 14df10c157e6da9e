"""What a report is made of: the record, the tables and the stored plots of a run folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.csvfile import text_of_cell
from immunomon.cytometry.model.populations import DOUBTS, TABLES, Table
from immunomon.errors import BadSpec, Problem

__all__ = ["RunFolder", "read_run", "read_sample"]


@dataclass(frozen=True, eq=False)
class RunFolder:
    """A run folder as read: its record, the digest of that record, and the result tables by name."""

    path: Path
    record: Mapping[str, Any]
    digest: str
    tables: Mapping[str, pd.DataFrame]

    @property
    def study(self) -> Mapping[str, Any]:
        """The study section of the record; empty if there is none."""
        study = self.record.get("study")
        return study if isinstance(study, dict) else {}


def read_run(path: Path) -> RunFolder:
    """Read the record and the tables of a run folder; a table that is not there is empty.

    Raises BadSpec if the folder has no readable ``run.json`` or a table lacks a column that identifies its rows.
    """
    record_file = path / "run.json"
    try:
        content = record_file.read_bytes()
        record = json.loads(content.decode("utf-8"))
    except (OSError, ValueError) as error:
        remedy = "name the folder that 'immunomon run' wrote"
        raise BadSpec([Problem(str(record_file), None, "", f"cannot be read ({error})", remedy)]) from error
    tables = {name: _read_table(path / "tables", table) for name, table in {**TABLES, DOUBTS.name: DOUBTS}.items()}
    return RunFolder(path, record if isinstance(record, dict) else {}, hashlib.sha256(content).hexdigest(), tables)


def _read_table(folder: Path, table: Table) -> pd.DataFrame:
    packed, plain = folder / f"{table.name}.parquet", folder / f"{table.name}.csv"
    if packed.exists():
        frame = pd.read_parquet(packed)
    elif plain.exists():
        frame = pd.read_csv(plain, dtype="string", keep_default_na=False, na_values=[""])
        frame = frame.apply(lambda column: column.map(text_of_cell, na_action="ignore"))
    else:
        frame = pd.DataFrame(columns=list(table.names))
    missing = [name for name in table.key if name not in frame.columns]
    if missing:
        problem = f"has no column {', '.join(missing)}"
        raise BadSpec([Problem(str(packed if packed.exists() else plain), None, "", problem, "make the run again")])
    frame = frame.reindex(columns=list(table.names))
    return pd.DataFrame({name: _typed(frame[name], dtype) for name, dtype in table.dtypes.items()})


def _typed(column: Any, dtype: str) -> Any:  # noqa: ANN401 - pandas-stubs know no astype of a variable dtype
    if dtype == "boolean" and not pd.api.types.is_bool_dtype(column.dtype):  # a CSV file spells it
        words = column.astype("string").str.casefold()
        return words.map({"true": True, "1": True, "false": False, "0": False}).astype("boolean")
    return column.astype(dtype)


def read_sample(run: RunFolder, sample_id: str) -> Mapping[str, Any]:
    """Return what the run stored about one sample; empty if it stored nothing that can be read."""
    try:
        stored = json.loads((run.path / "samples" / f"{sample_id}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}
