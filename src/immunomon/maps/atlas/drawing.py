"""Which cells lay out an atlas: as many of every subject and visit, drawn so that rare ones are kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from immunomon.arrays import Floats, Floats32, Ints
from immunomon.errors import UnknownName, nearest
from immunomon.maps.atlas.cells import Reader, own_rng, pick
from immunomon.maps.atlas.layout import scale_of
from immunomon.maps.clusters.cells import Job
from immunomon.maps.clusters.samples import Source
from immunomon.maps.kernels.neighbours import count_within, index_of
from immunomon.maps.kernels.neighbours import nearest as nearest_cells
from immunomon.runs.opened import Run
from immunomon.study.model.strategy import ROOT
from immunomon.study.model.study import RoleKind

__all__ = [
    "Scales",
    "Wanted",
    "chances",
    "draw",
    "patients_jobs",
    "rates_by_density",
    "rates_by_group",
    "shares",
    "thin",
    "wanted_of",
]

# Balance: how many cells each sample gives, so that no patient and no visit speaks louder than the others.

Key = TypeVar("Key", bound=Hashable)


def shares(available: Mapping[Key, int], total: int) -> dict[Key, int]:
    """Return how many to take of each so that all give the same, and those that have too few give all they have.

    What the poor lack is taken from the others, evenly; a remainder goes to the first ones. Together: ``wanted``, or
    all there is.

    >>> shares({"S01": 10, "S02": 1000, "S03": 1000}, 300)
    {'S01': 10, 'S02': 145, 'S03': 145}
    """
    taken = dict.fromkeys(available, 0)
    left = max(0, min(total, sum(available.values())))
    while left:
        open_ones = [key for key, count in available.items() if taken[key] < count]
        each = max(1, left // len(open_ones))
        for key in open_ones:
            step = min(each, available[key] - taken[key], left)
            taken[key] += step
            left -= step
    return taken


# Thinning: fewer cells of those that are many, so that rare ones are kept, and a weight that makes up for it.


_POOL = 20_000  # cells among which densities are counted
_USUAL = 50  # cells of the pool that lie within the radius of a cell of median density
_PROBES = 2_000


def rates_by_group(groups: Ints) -> Floats:
    """Return a rate for each cell: one over the square root of its group's size (power allocation, Bankier 1988).

    A group of 1 % then gives about a tenth as many cells as the whole would, not a hundredth.

    >>> rates_by_group(np.array([1, 1, 1, 1, 2]))
    array([0.5, 0.5, 0.5, 0.5, 1. ])
    """
    _, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(1 / np.sqrt(sizes[index]), dtype=np.float64)


def rates_by_density(values: Floats32, *, seed: int, threads: int = 1) -> Floats:
    """Return a rate for each cell: one over the square root of how many cells lie around it.

    values: (cells, markers), scaled. Counted among 20,000 cells at most, in a ball that holds 50 of them around a cell
    of median density. Where a group of cells is rare, so are its members: they are kept as rare groups are.
    """
    rng = np.random.default_rng(seed)
    pool = values[np.sort(rng.choice(len(values), min(_POOL, len(values)), replace=False))]
    index = index_of(pool)
    probes = pool[np.sort(rng.choice(len(pool), min(_PROBES, len(pool)), replace=False))]
    apart = nearest_cells(index, probes, min(_USUAL, len(pool)), threads=threads)[1]
    around = count_within(index, values, float(np.median(apart[:, -1])), threads=threads)
    return np.asarray(1 / np.sqrt(np.maximum(around, 1)), dtype=np.float64)


def chances(rates: Floats, count: int) -> Floats:
    """Return each cell's chance to be taken: in proportion to its rate, at most 1, together as many as wanted.

    >>> chances(np.array([1.0, 1.0, 8.0]), 2)
    array([0.5, 0.5, 1. ])
    """
    if count >= rates.size:
        return np.ones(rates.size)
    sure = np.zeros(rates.size, dtype=np.bool_)
    while True:
        share = (count - np.count_nonzero(sure)) * rates / rates[~sure].sum()
        more = ~sure & (share >= 1)
        if not more.any():
            return np.where(sure, 1.0, share)
        sure |= more


def thin(rates: Floats, count: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Return which cells are taken, ascending, and how many cells each stands for; the weights add up to all cells.

    rates: (cells,), positive. Systematic sampling from a random start: exactly as many as wanted, spread evenly over
    the cells in their order, each with its chance (Madow 1949).

    >>> taken, weights = thin(np.ones(10), 5, np.random.default_rng(1))
    >>> taken.size, weights.tolist()
    (5, [2.0, 2.0, 2.0, 2.0, 2.0])
    """
    chance = chances(rates, count)
    if count >= rates.size:
        return np.arange(rates.size, dtype=np.int64), chance
    if count <= 0:
        return np.empty(0, dtype=np.int64), np.empty(0)
    ends = np.cumsum(chance) * (count / chance.sum())
    ends[-1] = count  # rounding must not lose the last one
    taken = np.searchsorted(ends, rng.random() + np.arange(count), side="right")
    weights = 1 / chance[taken]
    return taken.astype(np.int64), weights * (rates.size / weights.sum())


# Without metaclusters, so many times as many are drawn by chance first, and thinned by their density then.
_CANDIDATES = 4

Wanted = Sequence[tuple[Job, int]]
Scales = dict[str, dict[str, Any]]


def patients_jobs(source: Source, visits: Sequence[str] = ()) -> list[Job]:
    """Return the patients' samples at some visits, or at all; raises UnknownName for a visit that is not there."""
    jobs = [
        job
        for job in source.jobs
        if job.sample.role.kind is RoleKind.SAMPLE and job.sample.subject and job.sample.visit
    ]
    known = list(dict.fromkeys(str(job.sample.visit) for job in jobs))
    for visit in visits:
        if visit not in known:
            raise UnknownName(f"no sample of the visit '{visit}' was gated; {nearest(visit, known)}")
    return [job for job in jobs if not visits or job.sample.visit in visits]


def wanted_of(run: Run, jobs: Sequence[Job], within: str, *, cells: int) -> Wanted:
    """Return the samples with how many cells each gives: even over subject and visit, then over a visit's tubes."""
    if within == ROOT:
        known = run.table("samples").set_index("sample_id")["events"]
    else:
        rows = run.table("populations")
        known = rows[rows["population"] == within].set_index("sample_id")["count"]
    counts = {str(sample): int(count) for sample, count in known.dropna().items()}
    visits: dict[tuple[str, str], dict[str, int]] = {}
    for job in jobs:
        of_visit = visits.setdefault((str(job.sample.subject), str(job.sample.visit)), {})
        of_visit[job.sample.id] = counts.get(job.sample.id, 0)
    share = shares({visit: sum(tubes.values()) for visit, tubes in visits.items()}, cells)
    of_tube = {tube: n for visit, tubes in visits.items() for tube, n in shares(tubes, share[visit]).items()}
    return [(job, of_tube[job.sample.id]) for job in jobs if of_tube[job.sample.id]]


def draw(
    reader: Reader,
    requests: Wanted,
    used: Sequence[str],
    *,
    seed: int,
    workers: int,
    progress: Callable[[int, int], None],
) -> tuple[pd.DataFrame, Scales]:
    """Return the cells that lay out the atlas, and the display scales of their markers.

    used: markers that lay out. Within a sample a cell's chance goes with one over the square root of the size of its
    metacluster or, where the panel was not clustered, of the number of cells around it.
    """
    draws = _by_metacluster if reader.clusters else _candidates
    with ThreadPoolExecutor(max_workers=workers) as pool:
        tables, scales = [], Scales()
        drawn = pool.map(lambda request: reader.read(request[0], partial(draws, request[1], seed)), requests)
        for done, (table, own) in enumerate(drawn, start=1):
            tables.append(table)
            scales |= own
            progress(done, len(requests))
    cells = pd.concat(tables, ignore_index=True)
    return (cells if reader.clusters else _thinned(cells, requests, used, seed=seed, threads=workers)), scales


def _by_metacluster(count: int, seed: int, sample: str, rows: Ints, numbers: Ints) -> tuple[Ints, Floats]:
    return thin(rates_by_group(numbers), min(count, rows.size), own_rng(seed, sample))


def _candidates(count: int, seed: int, sample: str, rows: Ints, _numbers: Ints) -> tuple[Ints, Floats]:
    taken = pick(rows.size, _CANDIDATES * count, own_rng(seed, sample))
    return taken, np.full(taken.size, rows.size / max(taken.size, 1))


def _thinned(cells: pd.DataFrame, requests: Wanted, used: Sequence[str], *, seed: int, threads: int) -> pd.DataFrame:
    values = cells[list(used)].to_numpy()
    centre, scale = scale_of(values)
    rates = rates_by_density(((values - centre) / scale).astype(np.float32), seed=seed, threads=threads)
    owner, parts = cells["sample_id"].to_numpy(), []
    for job, count in requests:
        own = np.flatnonzero(owner == job.sample.id)
        taken, weights = thin(rates[own], min(count, own.size), own_rng(seed, f"{job.sample.id} thinned"))
        part = cells.iloc[own[taken]]
        parts.append(part.assign(weight=part["weight"] * weights))
    return pd.concat(parts, ignore_index=True)
