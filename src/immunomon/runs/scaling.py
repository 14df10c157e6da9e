"""What a study's files show of their noise, pooled by panel: the scales that they are gated on come from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.noise import ChannelNoise, MarkerNoise, NoiseBook, NoisyScales
from immunomon.cytometry.model.placed import PlacedStrategy
from immunomon.cytometry.model.scales import scale_to_dict
from immunomon.cytometry.steps.measure_noise import pool_noise
from immunomon.cytometry.steps.transform import resolve_scales
from immunomon.errors import BadRun, ChangedFile, ImmunomonError
from immunomon.runs.folder import RunFolder, read_record
from immunomon.runs.jobs import Crew
from immunomon.runs.journal import Outcome
from immunomon.runs.plan import Plan, Task
from immunomon.runs.provenance import digest_of
from immunomon.runs.single import noise_of_file
from immunomon.study.model.channels import Channel
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy, ScaleDeclaration

__all__ = [
    "book_of_run",
    "books_of_record",
    "noise_of_task",
    "panel_scales",
    "scales_record",
    "with_placed_scales",
    "with_scales",
]


def with_scales(plan: Plan, folder: RunFolder, crew: Crew) -> Plan:
    """Return the plan with what the files of each panel show of their noise, and its tasks keyed by that too.

    A file is looked at once; what it showed is kept in the run folder. Where the run is locked, what it was locked with
    holds for its panels' markers and ranges, whatever files have come since. A file that no longer has the bytes that
    were digested has a problem from then on.
    """
    gated = [task for task in plan.tasks if task.strategy and not task.problem and not task.dropped]
    problems = crew.each("measuring", gated, partial(_look, plan, folder))
    frozen = books_of_record(folder.read_json(folder.root / "lock.json") or {})
    shown: dict[str, list[tuple[ChannelNoise, ...]]] = {}
    for task in gated:
        shown.setdefault(task.sample.panel, []).append(_kept(plan, folder, task) or ())
    books = {panel: pool_noise(files) | dict(frozen.get(panel, {})) for panel, files in shown.items()}
    keys = {panel: digest_of(_key(book)) for panel, book in books.items()}
    looked_at = {task.sample.id for task in gated}
    tasks = tuple(
        replace(task, key=digest_of(task.key, keys[task.sample.panel])) if task.sample.id in looked_at else task
        for task in plan.tasks
    )
    look_keys = {task.sample.id: task.key for task in tasks}
    return replace(plan, tasks=tasks, books=books, look_keys=look_keys).with_problems(problems)


def _key(book: NoiseBook) -> list[tuple[object, ...]]:
    # How many files there were is of no consequence, only whether there were any.
    return [(*key, noise.top, noise.spread, noise.middle, noise.files > 0) for key, noise in sorted(book.items())]


def _file(folder: RunFolder, task: Task) -> Path:
    return folder.root / "noise" / f"{task.sample.id}.json"


def _look(plan: Plan, folder: RunFolder, task: Task) -> Outcome:
    """Measure one file, unless it was measured before."""
    if _kept(plan, folder, task) is not None:
        return Outcome()
    try:
        noise = noise_of_task(plan, task)
    except ChangedFile as error:
        return Outcome.spoiled(task.sample.id, str(error))
    except MemoryError:  # were it passed over here, the sample might be gated otherwise than with more memory
        return Outcome.spoiled(task.sample.id, task.memory_problem)
    if noise is None:
        return Outcome(f"{task.path}: it cannot be read")
    data = {"key": plan.own_keys[task.sample.id], "channels": [channel.to_dict() for channel in noise]}
    folder.write_json(_file(folder, task), data)
    return Outcome()


def noise_of_task(plan: Plan, task: Task) -> tuple[ChannelNoise, ...] | None:
    """Return what one file of a study shows of its noise; None if it cannot be read: gating it says why.

    Raises ChangedFile if it no longer has the bytes that were digested.
    """
    strategy, panel = plan.strategies[task.sample.panel], plan.panels[task.sample.panel]
    try:
        path = plan.still_inside(task.path)
        return noise_of_file(
            path,
            strategy,
            panel=panel,
            compensation=plan.compensation,
            reading=task.reading,
            read=plan.at_hand.read,
        )
    except ChangedFile:
        raise
    except (ImmunomonError, OSError):
        return None


def _kept(plan: Plan, folder: RunFolder, task: Task) -> tuple[ChannelNoise, ...] | None:
    data = folder.read_json(_file(folder, task))
    if data is None or data.get("key") != plan.own_keys[task.sample.id]:
        return None
    return tuple(ChannelNoise(**channel) for channel in data["channels"])


def scales_record(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Return for each panel its markers' scales and the noise that they come from, as a run records them."""
    return {panel: _recorded(plan, panel, book) for panel, book in plan.books.items()}


def _recorded(plan: Plan, panel: str, book: NoiseBook) -> list[dict[str, Any]]:
    strategy, markers = plan.strategies[panel], plan.panels[panel].markers
    detectors = {marker.name: marker.detector for marker in markers}
    rows = []
    for (name, range_), noise in book.items():
        channel = Channel(detectors.get(name, name), name if name in detectors else "", range_)
        scale = resolve_scales(strategy, [name], _empty([channel]), book)[name]
        rows.append({"marker": name, "range": range_, "scale": scale_to_dict(scale), "noise": noise.to_dict()})
    return rows


def books_of_record(record: Mapping[str, Any]) -> dict[str, NoiseBook]:
    """Return panel -> what its files show of their noise, as ``run.json`` or a lock has it; empty for older ones."""
    return {
        panel: {(str(row["marker"]), float(row["range"])): MarkerNoise.from_dict(row["noise"]) for row in rows}
        for panel, rows in record.get("scales", {}).items()
    }


def book_of_run(folder: Path, panel: str) -> NoiseBook:
    """Return what the files of a run's panel show of their noise; empty for a run of before it was recorded."""
    try:
        return books_of_record(read_record(folder)[0]).get(panel, {})
    except (BadRun, KeyError, TypeError):
        return {}


def with_placed_scales(strategy: GatingStrategy, placed: PlacedStrategy) -> GatingStrategy:
    """Return a strategy that declares the scales that a run gated on; those of other markers are as their first one's.

    For runs that did not record what their scales came from.
    """
    by_panel = {
        name: ScaleDeclaration(axis.scale.kind, tuple(asdict(axis.scale).items()))
        for name, axis in placed.axes.items()
        if axis.scale.kind in ("logicle", "asinh", "linear")
    }
    unlisted = {"fluorescence": next(iter(by_panel.values()))} if by_panel else {}
    return replace(strategy, scales={**unlisted, **strategy.scales, **by_panel})


def panel_scales(strategy: GatingStrategy, panel: Panel, book: NoiseBook) -> NoisyScales:
    """Return the display scale of each of a panel's markers, without a file; of several ranges, the most files'."""
    channels = []
    for marker in panel.markers:
        ranges = {key[1]: noise.files for key, noise in book.items() if key[0] == marker.name}
        usual = max(ranges, key=lambda range_: (ranges[range_], range_), default=262144.0)
        channels.append(Channel(marker.detector, marker.name, usual))
    return resolve_scales(strategy, [marker.name for marker in panel.markers], _empty(channels), book)


def _empty(channels: list[Channel]) -> EventTable:
    return EventTable(np.empty((0, len(channels))), tuple(channels), Scale.COMPENSATED)
