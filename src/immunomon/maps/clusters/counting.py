"""Counting: which cell is in which metacluster, how many each sample has, how bright, and which gates know them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Floats32, Ints
from immunomon.files import write_whole
from immunomon.maps.clusters.cells import HIGHEST, LOWEST, Gathered
from immunomon.maps.clusters.mapping import TrainedMap
from immunomon.maps.kernels.som import sum_by_node

__all__ = ["BINS", "Tally", "tally_all"]

BINS = 512
_QUARTILES = (25, 50, 75)


@dataclass(frozen=True, eq=False)
class Tally:
    """One sample by metacluster.

    counts: (metaclusters,); quartiles: (metaclusters, state markers, 3) of the compensated intensity, not-a-number
    without cells; histograms: (metaclusters, markers, BINS); shared: population -> (metaclusters,); gated:
    (metaclusters,), cells in any of the populations below the clustered one; sizes: population -> its cells.
    """

    gathered: Gathered
    counts: Ints
    quartiles: Floats
    histograms: Ints
    shared: Mapping[str, Ints]
    gated: Ints
    sizes: Mapping[str, int]


def tally_all(
    gathered: Sequence[Gathered],
    trained: TrainedMap,
    ranges: Floats,
    *,
    below: Sequence[str],
    folder: Path,
    pool: Executor,
) -> list[Tally]:
    """Return every sample by metacluster, and write ``<sample>.npz`` into a folder: the metacluster of each cell.

    below: the populations below the one that was clustered. The file holds event (place in the FCS file, from 0),
    metacluster (from 1, as in mc01), node (from 0) and n (events in the FCS file).
    """
    return list(pool.map(lambda sample_cells: _tally(sample_cells, trained, ranges, below, folder), gathered))


def _tally(gathered: Gathered, trained: TrainedMap, ranges: Floats, below: Sequence[str], folder: Path) -> Tally:
    display = gathered.display()
    node = sum_by_node((display / ranges).astype(np.float32), trained.codes)[1]
    cluster = trained.metaclusters[node]
    _write(folder / f"{gathered.sample.id}.npz", gathered, cluster=cluster, node=node)
    count = trained.count
    order = np.argsort(cluster, kind="stable")
    ends = np.searchsorted(cluster[order], np.arange(count + 1))
    intensity = gathered.intensity()[order]
    quartiles = np.full((count, intensity.shape[1], 3), np.nan)
    for k in range(count):
        if ends[k + 1] > ends[k]:
            part = intensity[ends[k] : ends[k + 1]].astype(np.float64)
            quartiles[k] = np.percentile(part, _QUARTILES, axis=0).T
    shared, sizes, known = {}, {}, np.zeros(gathered.cells, dtype=np.bool_)
    for name, mask in zip(gathered.populations, gathered.memberships(), strict=True):
        if name in below:
            shared[name] = np.bincount(cluster[mask], minlength=count)
            sizes[name] = int(np.count_nonzero(mask))
            known |= mask
    return Tally(
        gathered,
        np.bincount(cluster, minlength=count),
        quartiles,
        _histograms(display, cluster, count),
        shared,
        np.bincount(cluster[known], minlength=count),
        sizes,
    )


def _histograms(display: Floats32, cluster: Ints, count: int) -> Ints:
    bins = ((display - LOWEST) * (BINS / (HIGHEST - LOWEST))).astype(np.int64).clip(0, BINS - 1)
    histograms = [
        np.bincount(cluster * BINS + column, minlength=count * BINS).reshape(count, BINS) for column in bins.T
    ]
    return np.stack(histograms, axis=1)


def _write(path: Path, gathered: Gathered, *, cluster: Ints, node: NDArray[np.int16]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        event=gathered.rows().astype(np.uint32),
        metacluster=(cluster + 1).astype(np.uint8),
        node=node.astype(np.uint16),
        n=np.int64(gathered.events),
    )
    write_whole(path, buffer.getvalue())
