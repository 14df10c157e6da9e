"""Cells: samples read once through the gates that the run placed, and put where every epoch finds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Floats32, Ints, Mask
from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree
from immunomon.cytometry.model.geometry import Interval, Rectangle
from immunomon.cytometry.model.noise import NoiseBook
from immunomon.cytometry.model.placed import PlacedStrategy
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.steps.apply import apply_gates
from immunomon.cytometry.steps.compensate import compensate
from immunomon.cytometry.steps.transform import resolve_scales
from immunomon.files import whole_file
from immunomon.study.model.fcs import AS_JUDGED, Reading
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import Sample

__all__ = [
    "BINS",
    "HIGHEST",
    "LOWEST",
    "NARROWEST",
    "PERCENTILES",
    "Gathered",
    "Job",
    "gather",
    "ranges_of",
    "read_gated",
    "rows_within",
]

# Coordinates of a display scale lie near 0 to 1; the histograms hold what lies a little beyond, too.
LOWEST, HIGHEST, BINS = -0.5, 1.5, 4096
PERCENTILES = (1.0, 99.0)
# About two decades of a display scale: a marker that no cell here carries is not stretched into one.
NARROWEST = 0.4


@dataclass(frozen=True, eq=False)
class Job:
    """One sample: its file, the gates that the run placed on it, the matrix that the run used, how it read the file."""

    sample: Sample
    path: Path
    placed: PlacedStrategy
    spillover: SpilloverMatrix | None
    reading: Reading = AS_JUDGED


@dataclass(frozen=True, eq=False)
class Gathered:
    """One sample's cells, kept in files of a working folder, and what is known of them already.

    events, cells: in the file, and within the population; histograms: (markers, BINS), display values; thresholds:
    marker -> where the run's gate on it lies here; lymphocytes: how many there are, None where no gate says so.
    """

    sample: Sample
    stem: Path
    events: int
    cells: int
    histograms: Ints
    thresholds: Mapping[str, float]
    populations: tuple[str, ...]
    lymphocytes: int | None = None

    def rows(self) -> Ints:
        """Return the cells' places in the file, (cells,)."""
        return self._read("rows").astype(np.int64)

    def display(self) -> Floats32:
        """Return the markers on the display scale, (cells, markers)."""
        return np.asarray(self._read("display"), dtype=np.float32)

    def intensity(self) -> Floats32:
        """Return compensated intensities of the state markers, (cells, state markers)."""
        return np.asarray(self._read("state"), dtype=np.float32)

    def memberships(self) -> Mask:
        """Return which cells are in which of the populations, (populations, cells)."""
        packed = self._read("masks")
        return np.unpackbits(packed, axis=1)[:, : self.cells].astype(np.bool_)

    def _read(self, name: str) -> NDArray[Any]:
        return np.asarray(np.load(_file(self.stem, name), allow_pickle=False))


def gather(
    jobs: Sequence[Job],
    folder: Path,
    *,
    panel: Panel,
    strategy: GatingStrategy,
    within: str,
    markers: tuple[Sequence[str], Sequence[str]],
    book: NoiseBook,
    pool: Executor,
    progress: Callable[[int, int], None],
) -> list[Gathered]:
    """Read every sample once and keep its cells in a working folder; at most a file a worker is in memory.

    markers: those that cluster, and those whose state is compared; book: what the run's files show of their noise, from
    which the markers' scales come. A sample without the population has no cells. Raises
    what reading and gating a file raise.
    """
    gathered = []
    for done, sample_cells in enumerate(
        pool.map(lambda job: _gather(job, folder, panel, strategy, within, markers, book), jobs), start=1
    ):
        gathered.append(sample_cells)
        progress(done, len(jobs))
    return gathered


def _gather(
    job: Job,
    folder: Path,
    panel: Panel,
    strategy: GatingStrategy,
    within: str,
    markers: tuple[Sequence[str], Sequence[str]],
    book: NoiseBook,
) -> Gathered:
    typed, state = markers
    tree, compensated = read_gated(job, panel, [*typed, *state])
    rows = rows_within(tree, within)
    scales = resolve_scales(strategy, typed, compensated, book)
    display = np.empty((rows.size, len(typed)), dtype=np.float32)
    for row, marker in enumerate(typed):
        values = scales[marker].apply(compensated.column(marker)[rows].astype(np.float64))
        display[:, row] = np.clip(values, LOWEST, HIGHEST)
    fine = np.isfinite(display).all(axis=1)
    rows, display = rows[fine], display[fine]
    intensity = np.empty((rows.size, len(state)), dtype=np.float32)
    for row, marker in enumerate(state):
        intensity[:, row] = compensated.column(marker)[rows]
    names = tuple(name for name in strategy.ids if name in tree.memberships)
    masks = np.array([tree.memberships[name][rows] for name in names], dtype=np.bool_).reshape(len(names), rows.size)
    stem = folder / job.sample.id
    kept: dict[str, NDArray[Any]] = {"rows": rows.astype(np.uint32), "display": display, "state": intensity}
    for name, kind in (kept | {"masks": np.packbits(masks, axis=1)}).items():
        with whole_file(_file(stem, name)) as unfinished, unfinished.open("wb") as file:
            np.save(file, kind)
    counts = [np.histogram(column, bins=BINS, range=(LOWEST, HIGHEST))[0] for column in display.T]
    histograms = np.array(counts, dtype=np.int64)
    borders = _thresholds(job.placed, typed)
    lymphocytes = tree.size("lymphocytes")
    return Gathered(job.sample, stem, compensated.count, rows.size, histograms, borders, names, lymphocytes)


def _file(stem: Path, name: str) -> Path:
    return stem.with_name(f"{stem.name}.{name}.npy")


def read_gated(job: Job, panel: Panel, markers: Sequence[str]) -> tuple[GateTree, EventTable]:
    """Return a sample through the gates that the run placed on it, and its markers, compensated.

    Raises what reading and gating a file raise.
    """
    reading = job.reading
    _, raw = read_fcs(job.path, data_set=reading.data_set, data_offset=reading.data_offset, sha256=reading.sha256)
    events = raw.labelled(panel.label_channels(raw.channels))
    return apply_gates(events, job.placed, None), compensate(events, job.spillover, names=list(markers))


def rows_within(tree: GateTree, within: str) -> Ints:
    """Return the places of a population's events in the file, ascending; none where it was not placed."""
    mask = tree.mask(within)
    return np.empty(0, dtype=np.int64) if mask is None else np.flatnonzero(mask).astype(np.int64)


def _thresholds(placed: PlacedStrategy, markers: Sequence[str]) -> dict[str, float]:
    """Return where the first gate with one border on each marker alone lies."""
    thresholds: dict[str, float] = {}
    known = {marker.casefold(): marker for marker in markers}
    for population in placed.populations:
        gate = population.gate
        sides = (gate,) if isinstance(gate, Interval) else gate.sides if isinstance(gate, Rectangle) else ()
        for side in sides:
            borders = [value for value in (side.low, side.high) if np.isfinite(value)]
            marker = known.get(side.axis.casefold())
            if marker is not None and len(borders) == 1:
                thresholds.setdefault(marker, float(borders[0]))
    return thresholds


def ranges_of(histograms: Ints) -> Floats:
    """Return each marker's range: its 1st to 99th percentile, (markers,), at least NARROWEST.

    histograms: (markers, BINS), summed over the samples, so that their order does not count.
    """
    edges = np.linspace(LOWEST, HIGHEST, BINS + 1)
    out = []
    for counts in histograms:
        share = np.concatenate([[0.0], np.cumsum(counts) / max(int(counts.sum()), 1)])
        low, high = np.interp(np.array(PERCENTILES) / 100, share, edges)
        out.append(max(float(high - low), NARROWEST))
    return np.array(out)
