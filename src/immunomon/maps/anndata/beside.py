"""Beside the cells: what the atlas left in the run folder, looked up cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immunomon.maps.anndata.writing import Column
from immunomon.runs.opened import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AtlasCells", "atlas_of"]

Rows = NDArray[np.int64]
_KNOWN = {"sample_id", "subject", "visit", "dose_group", "event", "population", "label", "umap1", "umap2"}


@dataclass(frozen=True, eq=False)
class AtlasCells:
    """An atlas of this run: its record, and its cells by sample and event.

    columns: what it says of a cell beside its place, as columns of ``obs`` (``atlas_cluster`` and the like).
    """

    record: Mapping[str, Any]
    cells: Mapping[str, pd.DataFrame]
    columns: tuple[Column, ...] = field(default_factory=tuple)

    def rows(self, sample_id: str) -> Rows:
        """Return which events of a sample are in the atlas, ascending."""
        own = self.cells.get(sample_id)
        return np.empty(0, dtype=np.int64) if own is None else own["event"].to_numpy(dtype=np.int64)

    def of(self, sample_id: str, rows: Rows) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        """Return positions, (events, 2), not-a-number for events that are not in the atlas, and the other columns."""
        positions = np.full((rows.size, 2), np.nan, dtype=np.float32)
        missing = {column.name: -1 if column.words is not None else np.nan for column in self.columns}
        more = {column.name: np.full(rows.size, missing[column.name], dtype=column.stored) for column in self.columns}
        own = self.cells.get(sample_id)
        if own is None:
            return positions, more
        _, in_rows, there = np.intersect1d(rows, self.rows(sample_id), assume_unique=True, return_indices=True)
        positions[in_rows] = own[["umap1", "umap2"]].to_numpy(dtype=np.float32)[there]
        for column in self.columns:
            values = own[column.name].iloc[there]
            if column.words is None:
                more[column.name][in_rows] = values.to_numpy(dtype=column.stored, na_value=np.nan)
            else:
                codes = {word: number for number, word in enumerate(column.words)}
                more[column.name][in_rows] = [codes.get(str(value), -1) for value in values]
        return positions, more


def atlas_of(run: Run, panel: str, markers: tuple[str, ...]) -> tuple[AtlasCells | None, str]:
    """Return a panel's atlas, or None and why there is none; nothing is said where none was asked for yet."""
    if not run.has_atlas(panel):
        return None, ""
    record, table = run.atlas_record(panel), run.atlas(panel)
    if record.get("run_digest") != run.record["digest"]:
        return None, f"the atlas, which is of an earlier run (immunomon embed {run.folder} --panel {panel})"
    more = [name for name in table.columns if name not in _KNOWN and name not in markers]
    table = table.rename(columns={name: f"atlas_{name}" for name in more})
    columns = tuple(_column(table, f"atlas_{name}") for name in more)
    ordered = table.sort_values("event", kind="stable")
    return AtlasCells(
        record, {str(name): own for name, own in ordered.groupby("sample_id", sort=False, observed=True)}, columns
    ), ""


def _column(table: pd.DataFrame, name: str) -> Column:
    import pandas as pd

    values = table[name]
    if pd.api.types.is_float_dtype(values.dtype):
        return Column(name)
    words = sorted({str(value) for value in values.dropna()}, key=lambda word: (len(word), word))
    return Column(name, tuple(words))
