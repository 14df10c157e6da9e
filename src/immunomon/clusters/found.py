"""Found: a clustering that ``immunomon cluster`` left in a run folder, looked up cell by cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immunomon.pipeline.opened import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Metaclusters", "metaclusters_of"]


@dataclass(frozen=True, eq=False)
class Metaclusters:
    """A clustering of this run: its record and its metaclusters, of which every sample's cells are read when asked."""

    run: Run
    panel: str
    record: Mapping[str, Any]
    table: pd.DataFrame

    @property
    def names(self) -> tuple[str, ...]:
        """The metaclusters' ids, mc01 first."""
        return tuple(str(name) for name in self.table["metacluster"])

    def codes(self, sample_id: str, events: int) -> NDArray[np.int16]:
        """Return the place of each event's metacluster in ``names``, (events,); -1 for events in none."""
        found = np.full(events, -1, dtype=np.int16)
        path = self.run.folder / "clusters" / self.panel / f"{sample_id}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as stored:
                found[stored["event"]] = stored["metacluster"].astype(np.int16) - 1
        return found


def metaclusters_of(run: Run, panel: str) -> tuple[Metaclusters | None, str]:
    """Return a panel's clustering, or None and why there is none; nothing is said where none was asked for yet."""
    import pandas as pd

    folder = run.folder / "clusters" / panel
    try:
        record = json.loads((folder / "clusters.json").read_text(encoding="utf-8"))
        table = pd.read_parquet(folder / "tables" / "metaclusters.parquet")
    except (OSError, ValueError):
        return None, ""
    if record.get("run_digest") != run.record["digest"]:
        return None, f"metaclusters, which are of an earlier run (immunomon cluster {run.folder} --panel {panel})"
    return Metaclusters(run, panel, record, table), ""
