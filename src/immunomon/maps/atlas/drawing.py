"""Drawing: which cells an atlas takes, the same number from every subject and visit, rare ones kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunomon.errors import UnknownName, nearest
from immunomon.maps.atlas.balance import shares
from immunomon.maps.atlas.cells import Reader, own_rng, pick
from immunomon.maps.atlas.layout import scale_of
from immunomon.maps.atlas.thinning import rates_by_density, rates_by_group, thin
from immunomon.maps.clusters.cells import Job
from immunomon.maps.clusters.samples import Source
from immunomon.runs.opened import Run
from immunomon.study.model.strategy import ROOT
from immunomon.study.model.study import RoleKind

__all__ = ["Scales", "Wanted", "draw", "patients_jobs", "wanted_of"]

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


def _by_metacluster(
    count: int, seed: int, sample: str, rows: NDArray[np.int64], numbers: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return thin(rates_by_group(numbers), min(count, rows.size), own_rng(seed, sample))


def _candidates(
    count: int, seed: int, sample: str, rows: NDArray[np.int64], _numbers: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
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
