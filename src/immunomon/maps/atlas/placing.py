"""Placing: cells put onto an atlas between the fitted cells that are most like them, and how unusual they are there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Floats32, Ints, Mask
from immunomon.maps.atlas.layout import NEIGHBOURS
from immunomon.maps.atlas.reference import Reference
from immunomon.maps.kernels.neighbours import NeighbourIndex, index_of, nearest
from immunomon.maps.kernels.projection import place_among

__all__ = [
    "PERCENTILE",
    "Placed",
    "Placer",
    "Yardstick",
    "placer_of",
    "weighted_percentile",
    "yardstick_from",
    "yardstick_of",
]

# Novelty: how far a cell lies from the cells that an atlas was fitted on, in units of their own distances.

PERCENTILE = 99.0
_LEAST = np.float32(1e-4)  # cells that are all alike have no distance to measure by


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What a cell is measured by: the references, and how far each is from its 15th neighbour.

    by_sample: whether cells of a point's own sample are left out, so that a sample that is in the atlas is measured as
    one that is not. spacing: (references,).
    """

    index: NeighbourIndex
    by_sample: bool
    spacing: Floats32

    def scores(self, points: Floats32, groups: NDArray[np.int32] | None = None, *, threads: int = 1) -> Floats32:
        """Return each point's out-of-reference score, (points,): its distance to the 15th neighbour over theirs.

        points: (points, markers), scaled; groups: (points,), the sample of each, -1 for those not in the atlas. The
        distance is divided by the median of its neighbours' own: about 1 where cells are as usual, however dense or
        sparse (the idea of Breunig et al. 2000 in its simplest form).
        """
        left_out = groups if self.by_sample else None
        return self.scores_of(*nearest(self.index, points, NEIGHBOURS, groups=left_out, threads=threads))

    def scores_of(self, rows: NDArray[np.int32], apart: Floats32) -> Floats32:
        """Return the scores of points whose nearest references are known, (points, 15), and how far they are."""
        return _over(np.maximum(apart[:, -1], _LEAST), self.spacing[rows])


def yardstick_of(references: Floats32, groups: NDArray[np.int32], *, threads: int = 1) -> tuple[Yardstick, Floats32]:
    """Return what to measure by, and the references' own scores, (references,).

    references: (references, markers), scaled, more than 15; groups: (references,), from 0. Where one sample has nearly
    all cells, cells are measured by all others, their own sample's too.
    """
    by_sample = _by_sample(groups)
    apart_by = groups if by_sample else np.arange(len(groups), dtype=np.int32)
    index = index_of(references, apart_by)
    rows, far = nearest(index, references, NEIGHBOURS, groups=apart_by, threads=threads)
    spacing = np.maximum(far[:, -1], _LEAST)
    return Yardstick(index, by_sample, spacing), _over(spacing, spacing[rows])


def yardstick_from(references: Floats32, groups: NDArray[np.int32], spacing: Floats32) -> Yardstick:
    """Return the yardstick of an atlas whose spacing is known."""
    return Yardstick(index_of(references, groups), _by_sample(groups), spacing)


def _by_sample(groups: NDArray[np.int32]) -> bool:
    return bool(len(groups) - np.bincount(groups).max() >= NEIGHBOURS)


def _over(far: Floats32, spacing: Floats32) -> Floats32:
    return np.asarray(far / np.median(spacing, axis=1), dtype=np.float32)


def weighted_percentile(values: Floats32, weights: Floats, percentile: float) -> float:
    """Return the value below which so many percent of the weight lie.

    >>> weighted_percentile(np.array([1, 2, 3], np.float32), np.array([1.0, 1.0, 98.0]), 50.0)
    3.0
    """
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order])
    index = int(np.searchsorted(share, percentile / 100 * share[-1]))
    return float(values[order[min(index, order.size - 1)]])


_PIECE = 65_536


@dataclass(frozen=True, eq=False)
class Placed:
    """Cells on an atlas: positions (cells, 2), out-of-reference scores (cells,), k-means clusters (cells,).

    fitted: (cells,), whether the atlas was fitted on the cell, which then is where it was.
    """

    positions: Floats32
    score: Floats32
    cluster: Ints
    fitted: Mask


@dataclass(frozen=True, eq=False)
class Placer:
    """An atlas made ready to take cells: with what a cell is measured by."""

    reference: Reference
    centre: Floats
    scale: Floats
    yardstick: Yardstick

    def place(
        self,
        values: NDArray[np.floating],
        *,
        sample: int = -1,
        events: Ints | None = None,
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
    ) -> tuple[Floats32, Floats32, NDArray[np.int32]]:
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
