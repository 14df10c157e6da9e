"""Cells: the same number from every subject and visit, with their markers on one display scale."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunomon.model.gatetree import GateTree
from immunomon.model.strategy import ROOT, GatingStrategy
from immunomon.pipeline.plan import Plan, Task
from immunomon.pipeline.single import analyse
from immunomon.steps.transform import resolve_scales, transform

__all__ = [
    "CELL_COLUMNS",
    "deepest_population",
    "labels_in_order",
    "labels_of",
    "one_scale_for_all",
    "pick",
    "read_cells",
]

CELL_COLUMNS = ("sample_id", "subject", "visit", "dose_group", "event", "population", "label")


def read_cells(
    plan: Plan,
    wanted: Sequence[tuple[Task, int]],
    *,
    within: str,
    markers: Sequence[str],
    seed: int,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return cells of samples that are read and gated again: CELL_COLUMNS, then the markers, float32 display values.

    wanted: samples, and how many cells of each. Rows are in the order of the samples, then of the events in the file.
    Raises what ``analyse`` raises.
    """
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        tables = []
        found = pool.map(lambda one: _cells(plan, *one, within=within, markers=markers, seed=seed), wanted)
        for done, table in enumerate(found, start=1):
            tables.append(table)
            if progress:
                progress(done, len(wanted))
    return pd.concat(tables, ignore_index=True)


def _cells(plan: Plan, task: Task, count: int, *, within: str, markers: Sequence[str], seed: int) -> pd.DataFrame:
    sample = task.sample
    strategy = plan.strategies[plan.study.strategy_of(sample.panel)]
    analysis = analyse(
        task.path,
        strategy,
        panel=plan.panels[sample.panel],
        compensation=plan.compensation,
        quality=plan.study.quality if plan.study.quality.exclude_flagged else None,
        with_plots=False,
    )
    mask = analysis.tree.mask(within)
    events = pick(np.zeros(0, dtype=np.bool_) if mask is None else mask, count, seed=seed, name=sample.id)
    scales = resolve_scales(one_scale_for_all(strategy), markers, analysis.compensated)
    display = transform(analysis.compensated, scales)
    population = deepest_population(analysis.tree, events)
    labels = labels_of(analysis.tree)
    whose = {"sample_id": sample.id, "subject": sample.subject, "visit": sample.visit}
    group = plan.study.subject(sample.subject).dose_group if sample.subject else None
    table = pd.DataFrame(
        {"event": events, "population": population, "label": [labels[name] for name in population]}
    ).assign(**whose, dose_group=group)
    values = {name: display.column(name)[events].astype(np.float32) for name in markers}
    return pd.concat([table[list(CELL_COLUMNS)], pd.DataFrame(values)], axis=1)


def pick(mask: NDArray[np.bool_], count: int, *, seed: int, name: str) -> NDArray[np.int64]:
    """Return up to ``count`` of a mask's events, ascending, by chance; a sample's choice depends on no other sample.

    >>> pick(np.array([True, False, True]), 5, seed=1, name="S01_W4")
    array([0, 2])
    """
    inside = np.flatnonzero(mask)
    own = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    chosen = np.random.default_rng([seed, own]).choice(inside, min(count, inside.size), replace=False)
    return np.sort(chosen).astype(np.int64)


def deepest_population(tree: GateTree, events: NDArray[np.int64]) -> list[str]:
    """Return for each event the population farthest down the tree that holds it; of equals, the one declared first."""
    names = np.full(events.size, ROOT, dtype=object)
    depth = np.zeros(events.size, dtype=np.int64)
    for population in tree.populations:
        mask = tree.memberships.get(population.id)
        if mask is None:
            continue
        level = population.path.count("/")
        deeper = mask[events] & (level > depth)
        names[deeper], depth[deeper] = population.id, level
    return [str(name) for name in names]


def labels_of(tree: GateTree) -> dict[str, str]:
    """Return what to call cells whose deepest population this is: those of a divided population are its other cells."""
    divided = {p.parent for p in tree.populations if p.id in tree.memberships}
    labels = {ROOT: "All events"} | {p.id: p.label for p in tree.populations}
    return {name: f"{label}, other" if name in divided else label for name, label in labels.items()}


def labels_in_order(cells: pd.DataFrame, strategy: GatingStrategy) -> list[str]:
    """Return the labels of cells in the order of the strategy, parents before children."""
    place = {name: number for number, name in enumerate((ROOT, *strategy.ids))}
    found = cells[["population", "label"]].drop_duplicates()
    pairs = zip(found["population"].astype(str), found["label"].astype(str), strict=True)
    return [label for _, label in sorted(pairs, key=lambda pair: (place[pair[0]], pair[1]))]


def one_scale_for_all(strategy: GatingStrategy) -> GatingStrategy:
    """Return the strategy without widths that every file has for itself: cells of several files share one scale."""
    fixed = {
        name: replace(scale, parameters=tuple(pair for pair in scale.parameters if pair != ("w", None)))
        for name, scale in strategy.scales.items()
    }
    return replace(strategy, scales=fixed)
