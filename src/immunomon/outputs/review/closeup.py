"""One gate seen closely: zoomed, as dots, with its control tube, back-gated, and with where it lay otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.kernels.histogram import Range, histogram2d, levels_u8
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import Boolean, gate_from_dict, gate_to_dict
from immunomon.cytometry.model.placement import Movable, Nearness
from immunomon.errors import ImmunomonError, UnknownName, nearest
from immunomon.outputs.review.at_run import AtRun, scales_of
from immunomon.outputs.review.recount import OpenSample
from immunomon.plots.gating import frame_of, pack_density
from immunomon.plots.outline import Frame, outline
from immunomon.runs.audit import AuditTrail
from immunomon.study.model.strategy import ROOT

__all__ = ["CloseUp", "close_up", "ghosts_of"]

_BINS = 144  # along each axis: twice those of a stored plot
_MOST_DOTS = 20_000  # of the parent; more would not be told apart
_MOST_OVER = 4_000  # laid over it
_NEAR: tuple[Nearness, ...] = ("run", "batch", "study")


@dataclass(frozen=True)
class CloseUp:
    """How a gate is looked at: the ranges of the plot (None: whole), and what is laid over it.

    over: id of a population whose events are shown where they lie on this plot; control: whether its FMO tube is.
    """

    ranges: Mapping[str, Sequence[float]] | None = None
    dots: bool = False
    over: str = ""
    control: bool = False


def close_up(at: AtRun, sample: str, population: str, *, view: CloseUp) -> dict[str, Any]:
    """Return the plot of a gate as it is looked at: its frame, density or dots, and what is laid over it.

    Dots are in fractions of the plot, (0, 0) bottom left. Raises UnknownName for a gate that has no plot.
    """
    stored, opened = at.stored(sample), at.opened(sample)
    plot = next((plot for plot in stored["plots"] if population in plot["populations"]), None)
    if plot is None:
        raise UnknownName(f"{sample}: '{population}' has no plot of its own")
    axes, ranges = (str(plot["x"]["axis"]), str(plot["y"]["axis"])), _ranges(plot, view)
    parent = opened.tree.mask(str(plot["parent"]))
    inside = _all(opened) if parent is None else parent
    x, y = (opened.columns[axis][inside] for axis in axes)
    shown = {**plot, **{name: {**plot[name], "range": list(ends)} for name, ends in zip("xy", ranges, strict=True)}}
    shown |= pack_density(levels_u8(histogram2d(x, y, *ranges, bins=_BINS)))
    answer: dict[str, Any] = {"plot": shown, "dots": _dots((x, y), ranges, _MOST_DOTS) if view.dots else []}
    if view.over:
        answer["over"] = _over(opened, view.over, axes, ranges)
    if view.control:
        answer["control"] = _control(at, sample, (str(plot["parent"]), *axes), opened, ranges)
    return answer


def _ranges(plot: Mapping[str, Any], view: CloseUp) -> tuple[Range, Range]:
    return _range(plot, view, "x"), _range(plot, view, "y")


def _range(plot: Mapping[str, Any], view: CloseUp, name: str) -> Range:
    low, high = map(float, (view.ranges or {}).get(name) or plot[name]["range"])
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ImmunomonError(f"{name}: a range from {low} to {high} cannot be shown")
    return low, high


def _all(opened: OpenSample) -> Mask:
    return np.ones(next(iter(opened.columns.values())).size, dtype=np.bool_)


def _dots(columns: tuple[Floats, Floats], ranges: tuple[Range, Range], most: int) -> list[list[float]]:
    """Return where events lie in fractions of the plot; of more than can be told apart, every so many."""
    parts = [(values - low) / (high - low) for values, (low, high) in zip(columns, ranges, strict=True)]
    inside = np.flatnonzero(np.all([(part >= 0) & (part <= 1) for part in parts], axis=0))
    kept = inside[:: max(1, -(-inside.size // most))]
    dots: list[list[float]] = np.round(np.column_stack([part[kept] for part in parts]), 4).tolist()
    return dots


def _over(opened: OpenSample, population: str, axes: tuple[str, str], ranges: tuple[Range, Range]) -> dict[str, Any]:
    known = [placed.id for placed in opened.tree.populations]
    if population not in known:
        raise UnknownName(f"no population '{population}'; {nearest(population, known)}")
    mask = opened.tree.mask(population)
    if mask is None:
        return {"dots": [], "events": None}
    columns = (opened.columns[axes[0]][mask], opened.columns[axes[1]][mask])
    return {"dots": _dots(columns, ranges, _MOST_OVER), "events": int(np.count_nonzero(mask))}


def _control(
    at: AtRun, sample: str, shown: tuple[str, str, str], opened: OpenSample, ranges: tuple[Range, Range]
) -> dict[str, Any]:
    """Return the events of the nearest FMO tube of one of the axes, gated as the sample is; empty if there is none."""
    parent, *axes = shown
    task = at.task(sample)
    tubes = at.previewed().bench.shelf.of(task.sample)(opened.scales)
    for marker in reversed(axes):
        for near in _NEAR:
            for tube in tubes.tubes(f"fmo:{marker}", near):
                inside = _gated_alike(tube.events, opened, parent)
                columns = (tube.events.column(axes[0])[inside], tube.events.column(axes[1])[inside])
                dots = _dots((np.asarray(columns[0]), np.asarray(columns[1])), ranges, _MOST_OVER)
                return {"tube": tube.name, "marker": marker, "near": near, "dots": dots}
    return {"tube": "", "marker": "", "near": "", "dots": []}


def _gated_alike(events: EventTable, opened: OpenSample, parent: str) -> Mask:
    """Return the events of a tube that the sample's gates down to a population hold; Boolean gates are passed over."""
    gates = {placed.id: placed for placed in opened.tree.populations}
    inside, name = np.ones(events.count, dtype=np.bool_), parent
    while name != ROOT:
        gate = gates[name].gate
        if gate is not None and not isinstance(gate, Boolean):
            inside &= gate.contains(events)
        name = gates[name].parent
    return inside


def ghosts_of(at: AtRun, sample: str, population: str) -> list[dict[str, Any]]:
    """Return where a gate lay otherwise: before a person moved it, and where the sample's own events put it.

    Each is named and has its lines in fractions of the plot.
    """
    stored = at.stored(sample)
    plot = next((plot for plot in stored["plots"] if population in plot["populations"]), None)
    if plot is None:
        return []
    frame = frame_of(plot)
    named = [*_earlier(at, sample, population), *_own(at, stored, sample, population)]
    return [
        {"name": name, "lines": _fractions(drawn.lines, frame)}
        for name, gate in named
        if (drawn := outline(gate, frame)) is not None
    ]


def _fractions(lines: Sequence[Sequence[tuple[float, float]]], frame: Frame) -> list[list[list[float]]]:
    (left, right), (bottom, top) = frame.x_range, frame.y_range
    return [[[(x - left) / (right - left), (y - bottom) / (top - bottom)] for x, y in line] for line in lines]


def _earlier(at: AtRun, sample: str, population: str) -> Iterator[tuple[str, Any]]:
    target = f"move-gate {sample} {population}"
    entries = [e for e in AuditTrail(at.root).entries() if e.get("action") == "override" and e.get("target") == target]
    before = (entries[-1].get("before") or {}).get("gate") if entries else None
    if before:
        yield f"before {entries[-1]['by']} moved it", before


def _own(at: AtRun, stored: Mapping[str, Any], sample: str, population: str) -> Iterator[tuple[str, Any]]:
    """Yield where the sample's own events put a gate that samples agreed on, if that is elsewhere."""
    strategy = at.planned().strategies[at.task(sample).sample.panel]
    declared = strategy.population(population)
    estimate = next((e for e in at.estimates(sample) if e.get("gate") == strategy.gate_id(population)), None)
    method: object = gate_method(declared.gate)
    if not declared.gate.consensus or estimate is None or not estimate["facts"] or not isinstance(method, Movable):
        return
    regions = method.at(estimate["facts"], scales_of(stored))
    now = next(gate["gate"] for gate in stored["gates"]["populations"] if gate["population"] == population)
    own = regions.get(declared.keep)
    if own is not None and (now is None or gate_from_dict(dict(now)) != own):
        yield "its own events alone", gate_to_dict(own)
