"""Scales that a strategy declares, held against the files: their range, and the noise of their negatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from immunomon.cytometry.kernels.scales import logicle_width, widest_peak
from immunomon.cytometry.kernels.selection import evenly
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.noise import MarkerNoise, NoiseBook
from immunomon.cytometry.model.scales import AnyScale, Logicle
from immunomon.cytometry.steps.gate import axes_of
from immunomon.cytometry.steps.measure_noise import pool_noise
from immunomon.cytometry.steps.transform import resolve_scales, undeclared
from immunomon.runs.plan import Plan, make_plan
from immunomon.runs.scaling import noise_of_task
from immunomon.study.model.channels import Channel
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy

__all__ = ["scale_warnings", "scale_warnings_of_study"]

_A_FEW = 6  # files of a panel, for a check
_AS_GOOD = 0.99  # of the range: 262143 is as good as 262144
# A scale that bears less than this beyond the noise of the negatives may show them as two peaks.
_LEAST_MARGIN = 1.25


def scale_warnings(plan: Plan) -> list[str]:
    """Return where declared scales do not fit the files of their panel, and which panels have files of two ranges."""
    lines: dict[tuple[str, str], list[str]] = {}
    for panel, book in plan.books.items():
        strategy = plan.strategies[panel]
        for marker, text in _warnings(strategy, plan.panels[panel], book):
            lines.setdefault((panel, text), []).append(marker)
    return [f"panel '{panel}', {', '.join(dict.fromkeys(markers))}: {text}" for (panel, text), markers in lines.items()]


def scale_warnings_of_study(path: Path) -> list[str]:
    """Return what ``scale_warnings`` says of a study before it is run, from a few files of each panel.

    path: its folder or its ``study.yaml``. Files are looked at only where a strategy declares a scale. Raises BadSpec.
    """
    plan = make_plan(path)
    books = {}
    for panel in plan.panels:
        strategy = plan.strategies[panel]
        tasks = [task for task in plan.tasks if task.sample.panel == panel and task.strategy and not task.problem]
        if tasks and any(scale.parameters for scale in strategy.scales.values()):
            sampled = [tasks[index] for index in evenly(len(tasks), at_most=_A_FEW)]
            books[panel] = pool_noise(noise_of_task(plan, task) or () for task in sampled)
    return scale_warnings(replace(plan, books=books))


def _warnings(strategy: GatingStrategy, panel: Panel, book: NoiseBook) -> Iterator[tuple[str, str]]:
    """Yield a marker and what is to be said of it."""
    for marker in (marker for marker in panel.markers if marker.name in axes_of(strategy)):
        ranges = sorted(range_ for name, range_ in book if name == marker.name)
        if len(ranges) > 1:
            listed = " and ".join(f"{range_:g}" for range_ in ranges)
            yield marker.name, f"the files have the ranges {listed}; only files of one scale agree on a gate"
        for range_ in ranges:
            channel = Channel(marker.detector, marker.name, range_)
            nothing = EventTable(np.empty((0, 1)), (channel,), Scale.COMPENSATED)
            scale = resolve_scales(strategy, [marker.name], nothing, book)[marker.name]
            free = undeclared(strategy, marker.name, channel)
            for line in _unfit(scale, free, range_, book[marker.name, range_]):
                yield marker.name, line


def _unfit(scale: AnyScale, free: tuple[str, ...], range_: float, noise: MarkerNoise) -> Iterator[str]:
    if not isinstance(scale, Logicle):
        return
    if "t" not in free and scale.t < _AS_GOOD * range_:
        yield f"the declared t: {scale.t:g} lies below the range of the files, {range_:g}; leave t out"
    known = noise.spread if noise.files else None
    if "w" not in free and known and widest_peak(scale.t, scale.w, scale.m) < _LEAST_MARGIN * known:
        width = logicle_width(known, t=scale.t, m=scale.m)
        yield (
            f"the declared w: {scale.w:g} is too narrow for the negatives, whose noise has a spread of {known:g}: it "
            f"would show them as two peaks; leave w out, or write w: {width:g}"
        )
