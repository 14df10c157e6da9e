"""Found: a clustering that ``immunomon cluster`` left in a run folder, looked up cell by cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immunomon.errors import ImmunomonError
from immunomon.files import read_input
from immunomon.runs.named import find_run
from immunomon.runs.opened import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Metaclusters", "metaclusters_of", "read_metaclusters"]


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

    def centres(self) -> pd.DataFrame:
        """Return each metacluster's mean of every type marker, on the display scale, from the nodes of the map."""
        import pandas as pd

        with np.load(self.run.folder / "clusters" / self.panel / "map.npz", allow_pickle=False) as stored:
            codes, of, cells = stored["codes"].astype(float), stored["metacluster"], stored["counts"].astype(float)
        markers = [str(marker) for marker in self.record["markers"]]
        ranges = np.array([float(self.record["ranges"][marker]) for marker in markers])
        rows = [
            np.average(codes[of == number], axis=0, weights=np.maximum(cells[of == number], 1e-9))
            for number in range(1, len(self.names) + 1)
        ]
        return pd.DataFrame(np.array(rows) * ranges, index=list(self.names), columns=markers)

    def codes(self, sample_id: str, events: int) -> NDArray[np.int16]:
        """Return the place of each event's metacluster in ``names``, (events,); -1 for events in none."""
        codes = np.full(events, -1, dtype=np.int16)
        path = self.run.folder / "clusters" / self.panel / f"{sample_id}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as stored:
                codes[stored["event"]] = stored["metacluster"].astype(np.int16) - 1
        return codes


def metaclusters_of(run: Run, panel: str) -> tuple[Metaclusters | None, str]:
    """Return a panel's clustering, or None and why there is none; nothing is said where none was asked for yet."""
    import pandas as pd

    folder = run.folder / "clusters" / panel
    try:
        record = json.loads(read_input(folder / "clusters.json"))
        table = pd.read_parquet(folder / "tables" / "metaclusters.parquet")
    except (OSError, ValueError):
        return None, ""
    if record.get("run_digest") != run.record["digest"]:
        return None, f"metaclusters, which are of an earlier run (immunomon cluster {run.folder} --panel {panel})"
    return Metaclusters(run, panel, record, table), ""


def read_metaclusters(run: str | Path | Run, panel: str | None = None) -> Metaclusters:
    """Return the clustering of a panel, default of the first.

    Raises UnknownName for a panel that is not there, ImmunomonError if this run has no clustering of it.
    """
    opened = find_run(run)
    name = opened.known_panel(panel)
    metaclusters, why = metaclusters_of(opened, name)
    if metaclusters is None:
        earlier = " but of an earlier run" if why else ""
        raise ImmunomonError(
            f"{opened.folder}: there are no metaclusters of '{name}'{earlier}; make them "
            f"with: immunomon cluster {opened.folder} --panel {name}"
        )
    return metaclusters
