"""Clusters against the truth: cells that no strategy knows come first, and nothing is listed where nothing happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from immunomon.assurance.simulate.biology import NOVEL
from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.validation.sections import Section, Settings, verdict_of_line
from immunomon.assurance.validation.trials import Design, Trial, make_trial
from immunomon.maps.clusters.mapping import MapSettings
from immunomon.maps.clusters.run import Clustering, cluster_run

__all__ = ["Found", "found_of", "section"]

_PANEL = "treg"
_F1 = 0.9
_NULLS = 5
_METHODS: tuple[Literal["som", "leiden"], ...] = ("som", "leiden")

_COLUMNS = (
    *("seed", "method", "metaclusters", "novel cells", "cells of the metacluster", "F1", "place", "listed at"),
    *("other rows listed", "phenotype", "gates", "verdict"),
)


@dataclass(frozen=True)
class Found:
    """What clustering made of the novel cells: the metacluster that holds them best, its F1, and its place in the list.

    truth, cells: the novel cells, and the metacluster's; place: its first place in the list of changes, from 1; listed:
    visits at which it is listed; others: rows of other metaclusters that are listed.
    """

    seed: int
    method: str
    metacluster: str
    phenotype: str
    note: str
    truth: int
    cells: int
    f1: float
    place: int
    listed: tuple[str, ...]
    others: int
    metaclusters: int

    @property
    def met(self) -> bool:
        """Whether F1 is at least 0.9, and it comes first and is listed."""
        return self.f1 >= _F1 and self.place == 1 and bool(self.listed)


def section(settings: Settings) -> Section:
    """Simulate, run and cluster trials with and without novel cells; return what was found."""
    seeds = (settings.seed, settings.seed + 1, settings.seed + 2)
    novel = [row for seed in seeds for row in _novel(settings, seed)]
    nulls = [(settings.seed + k, _null(settings, settings.seed + k)) for k in range(_NULLS)]
    met = all(row.met for row in novel) and not any(listed for _, (listed, _) in nulls)
    lines = [
        f"{verdict_of_line(row.met)}  novel cells, seed {row.seed}, {row.method}: F1 {row.f1:.3f}, place {row.place}"
        for row in novel
    ] + [
        f"{verdict_of_line(not listed)}  null scenario, seed {seed}: {listed} of {rows} rows listed"
        for seed, (listed, rows) in nulls
    ]
    return Section(_text(settings, novel, nulls), tuple(lines), met)


def _novel(settings: Settings, seed: int) -> list[Found]:
    trial = _trial(settings, Scenario.NOVEL, seed)
    out = []
    for method in _METHODS:
        chosen = MapSettings(method=method, seed=seed, jobs=settings.jobs)
        clustering = cluster_run(trial.run, _PANEL, settings=chosen, out=trial.run / "clusters" / method)
        out.append(found_of(trial.folder, clustering, seed=seed, method=method))
    return out


def _null(settings: Settings, seed: int) -> tuple[int, int]:
    trial = _trial(settings, Scenario.NULL, seed)
    ranked = cluster_run(trial.run, _PANEL, settings=MapSettings(seed=seed, jobs=settings.jobs)).tables["exploratory"]
    return int(ranked["listed"].sum()), len(ranked)


def _trial(settings: Settings, scenario: Scenario, seed: int) -> Trial:
    design = Design(events=settings.events, seed=seed, panels=(_PANEL,))
    folder = settings.folder / f"clusters-{scenario.value}-{seed}"
    return make_trial(scenario, folder, design=design, jobs=settings.jobs, progress=lambda *_: None)


def found_of(trial: Path, clustering: Clustering, *, seed: int, method: str) -> Found:
    """Return how well one metacluster holds the novel cells of a trial, cell by cell, and where it is in the list.

    The true novel cells count wherever they are: those that the gates above the clustered population lost are misses.
    """
    names = clustering.tables["metaclusters"]["metacluster"].astype(str).tolist()
    patients = clustering.tables["frequencies"].query("role == 'sample'")["sample_id"].unique()
    total, shared, cells = 0, np.zeros(len(names)), np.zeros(len(names))
    for sample_id in patients:
        truth = _truth(trial, str(sample_id))
        with np.load(clustering.folder / f"{sample_id}.npz") as data:
            event, number = data["event"], data["metacluster"].astype(np.int64) - 1
        total += int(truth.sum())
        shared += np.bincount(number[truth[event]], minlength=len(names))
        cells += np.bincount(number, minlength=len(names))
    f1 = 2 * shared / np.maximum(total + cells, 1)
    best = int(f1.argmax())
    ranked = clustering.tables["exploratory"]
    own = ranked["metacluster"] == names[best]
    row = clustering.tables["metaclusters"].iloc[best]
    return Found(
        seed,
        method,
        names[best],
        str(row["phenotype"]),
        "covered" if row["covered"] else str(row["note"]),
        total,
        int(cells[best]),
        float(f1[best]),
        int(ranked.loc[own, "rank"].min()),
        tuple(sorted(ranked.loc[own & ranked["listed"], "visit"].astype(str))),
        int((ranked["listed"] & ~own).sum()),
        len(names),
    )


def _truth(trial: Path, sample_id: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which events of a sample's file are novel cells."""
    with np.load(trial / "truth" / f"{sample_id.split('__')[-1]}.npz") as data:
        count = int(data["n"])
        masks = np.unpackbits(data["masks"], axis=1)[:, :count].astype(np.bool_)
        return np.asarray(masks[data["names"].tolist().index(NOVEL)])


def _text(settings: Settings, novel: Sequence[Found], nulls: Sequence[tuple[int, tuple[int, int]]]) -> str:
    head = f"| {' | '.join(_COLUMNS)} |\n|{' --- |' * len(_COLUMNS)}"
    rows = "\n".join(
        f"| {row.seed} | {row.method} | {row.metaclusters} | {row.truth} | {row.cells} | {row.f1:.3f} | {row.place} | "
        f"{', '.join(row.listed)} | {row.others} | {row.phenotype} | {row.note} | {verdict_of_line(row.met).strip()} |"
        for row in novel
    )
    empty = "\n".join(
        f"| {seed} | {listed} of {of} | {verdict_of_line(not listed).strip()} |" for seed, (listed, of) in nulls
    )
    return f"""## Clusters: cells that no strategy knows

Written by `immunomon validate --clusters --events {settings.events} --seed {settings.seed}`. Panel {_PANEL}, 9
patients, 7 visits, {settings.events} events a file. In the scenario `novel` platelet responders
have, from week 4 on, 0.5 % of lymphocytes of a kind that no gate asks for (no lineage marker, CD127hi CD25+ CCR4+
CD45RO+), beside the effects of the scenario `mechanism`. `immunomon cluster` is told nothing of it or of responses.

Targets: the metacluster that holds these cells best has F1 >= {_F1} (cell by cell, all samples together, cells that the
gates above lost are misses) and comes first in the list of exploratory changes; in the null scenario nothing is listed.

{head}
{rows}

Null scenario, method som, all metaclusters x visits x (percent and state markers) as one family:

| seed | rows listed | verdict |
| --- | --- | --- |
{empty}

What this does not show: the novel cells are well apart from all others in five markers; cells that differ by a shade
from known ones stay in their metacluster. The list is for large changes, be it in few subjects, and no tool for small
ones in all (the effects of the scenario `mechanism`, log-odds 0.15 to 0.8, are hardly ever listed: gates and the
planned comparison are for those). Five null trials with nothing listed bound the rate of false lists at 45 % (with
95 % confidence), no lower. The method was developed on seeds 1 to 3 (that
divided state medians are left out, because of what seeds 2 and 3 listed): for seeds it has not seen, give another
`--seed`; 11 to 15 were first looked at when it was finished.
"""
