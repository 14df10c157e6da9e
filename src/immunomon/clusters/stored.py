"""Stored: the metacluster of each cell, as ``immunomon cluster`` left it in a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immunomon.errors import ImmunomonError
from immunomon.pipeline.opened import Run

__all__ = ["StoredClusters", "stored_clusters"]


@dataclass(frozen=True, eq=False)
class StoredClusters:
    """A panel's clustering in a run: its folder and its record."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """The digest of the map and its metaclusters."""
        return str(self.record["map_sha256"])

    def numbers(self, sample_id: str, events: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the metacluster of events of a sample, (events,): 1 for mc01, 0 for what was not clustered.

        events: places in the FCS file. Raises ImmunomonError if the sample's file is broken.
        """
        path = self.folder / f"{sample_id}.npz"
        if not path.is_file():
            return np.zeros(events.size, dtype=np.int64)
        try:
            with np.load(path, allow_pickle=False) as data:
                known, number = data["event"].astype(np.int64), data["metacluster"].astype(np.int64)
            if known.shape != number.shape or known.ndim != 1 or (np.diff(known) <= 0).any():
                raise ValueError("events do not ascend, or there are not as many metaclusters")
        except (OSError, ValueError, KeyError) as error:
            remedy = "cluster the panel again: immunomon cluster"
            raise ImmunomonError(f"{path}: it cannot be read as metaclusters ({error}); {remedy}") from None
        if known.size == 0:
            return np.zeros(events.size, dtype=np.int64)
        place = np.searchsorted(known, events).clip(0, known.size - 1)
        return np.where(known[place] == events, number[place], 0)


def stored_clusters(run: Run, panel: str) -> StoredClusters | None:
    """Return what ``immunomon cluster`` made of a panel in a run, or None if it did not, or of an earlier run."""
    folder = run.folder / "clusters" / panel
    try:
        record = json.loads((folder / "clusters.json").read_text(encoding="utf-8"))
        is_this_runs = record["run_digest"] == run.record["digest"] and isinstance(record["map_sha256"], str)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return StoredClusters(folder, record) if is_this_runs else None
