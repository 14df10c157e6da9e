"""Placing: cells put onto an atlas between the fitted cells that are most like them, and how unusual they are there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.maps.atlas.layout import NEIGHBOURS
from immunomon.maps.atlas.novelty import Yardstick, yardstick_from
from immunomon.maps.atlas.reference import Reference
from immunomon.maps.kernels.neighbours import nearest
from immunomon.maps.kernels.projection import place_among

__all__ = ["Placed", "Placer", "placer_of"]

_PIECE = 65_536


@dataclass(frozen=True, eq=False)
class Placed:
    """Cells on an atlas: positions (cells, 2), out-of-reference scores (cells,), k-means clusters (cells,).

    fitted: (cells,), whether the atlas was fitted on the cell, which then is where it was.
    """

    positions: NDArray[np.float32]
    score: NDArray[np.float32]
    cluster: NDArray[np.int64]
    fitted: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Placer:
    """An atlas made ready to take cells: with what a cell is measured by."""

    reference: Reference
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    yardstick: Yardstick

    def place(
        self,
        values: NDArray[np.floating],
        *,
        sample: int = -1,
        events: NDArray[np.int64] | None = None,
        threads: int = 1,
    ) -> Placed:
        """Return where cells lie; the same cell lies at the same place whatever the others and the threads.

        values: (cells, markers), display scale. sample: the place of the cells' sample in the atlas' record, -1 if it
        is not in it; events: (cells,), their places in its file, by which fitted cells are known.
        """
        pieces = [
            self._place(values[begin : begin + _PIECE], sample, threads)
            for begin in range(0, max(len(values), 1), _PIECE)
        ]
        positions, score, rows = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
        fitted = np.zeros(len(values), dtype=np.bool_)
        if sample >= 0 and events is not None:
            own = np.flatnonzero(self.reference.sample == sample)
            _, in_events, there = np.intersect1d(events, self.reference.event[own], return_indices=True)
            fitted[in_events], rows[in_events] = True, own[there]
            positions[in_events], score[in_events] = (
                self.reference.positions[own[there]],
                self.reference.score[own[there]],
            )
        return Placed(positions, score, self.reference.cluster[rows].astype(np.int64), fitted)

    def _place(
        self, values: NDArray[np.floating], sample: int, threads: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
        scaled = ((values - self.centre) / self.scale).astype(np.float32)
        rows, apart = nearest(self.yardstick.index, scaled, NEIGHBOURS, threads=threads)
        positions = place_among(rows, apart, self.reference.positions)
        if sample < 0 or not self.yardstick.by_sample:  # its neighbours are the same: they need not be sought again
            return positions, self.yardstick.scores_of(rows, apart), rows[:, 0].copy()
        groups = np.full(len(scaled), sample, dtype=np.int32)
        return positions, self.yardstick.scores(scaled, groups, threads=threads), rows[:, 0].copy()


def placer_of(reference: Reference) -> Placer:
    """Return an atlas made ready to take cells."""
    scaler, names = reference.record["scaler"], reference.record["markers"]
    centre, scale = (np.array([float(scaler[part][name]) for name in names]) for part in ("centre", "scale"))
    yardstick = yardstick_from(reference.scaled, reference.sample, reference.spacing)
    return Placer(reference, centre, scale, yardstick)
