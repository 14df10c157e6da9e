"""The straight borders of placed gates: the best they could do in a file, and where the true cells would have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import Interval, Polygon, Rectangle
from immunomon.runs.gated import Gated
from immunomon.study.model.strategy import ROOT

__all__ = ["Placed", "best_corner_f1", "best_f1", "best_threshold_f1", "places"]

_FEWEST = 20  # true cells on either side, without which their middles say nothing


@dataclass(frozen=True, eq=False)
class _Border:
    """One straight border: on what axis, where, on which side the population lies, and every event's coordinate."""

    axis: str
    at: float
    is_above: bool
    values: Floats


@dataclass(frozen=True)
class Placed:
    """Where a border was placed, and the point midway between the medians of the true cells on its two sides."""

    population: str
    axis: str
    placed: float
    true: float


def best_f1(population: PlacedPopulation, gated: Gated, truth: Mask) -> float:
    """Return the highest F1 that a gate of this form reaches among the events of the gated parent.

    truth: (events,), the population's true members in the whole file; those that the parent has lost stay lost. The
    form: one threshold, two at right angles (each population with its own two), or one border of the placed tilt. Not
    a number for other gates: clouds and combinations have no straight border.
    """
    parent = _gated_parent(population, gated)
    members, missed = truth[parent], int((truth & ~parent).sum())
    oriented = [
        (border.values if border.is_above else -border.values)[parent] for border in _borders(population, gated)
    ]
    if len(oriented) == 1:
        return best_threshold_f1(oriented[0], members, missed=missed)
    return best_corner_f1(oriented[0], oriented[1], members, missed=missed) if len(oriented) == 2 else float("nan")


def places(gated: Gated, truth: Mapping[str, Mask]) -> Iterator[Placed]:
    """Yield each straight border that the run placed in the data beside the one that the true cells would have.

    truth: population id -> (events,). Populations that share a border say together which cells lie on its two sides;
    of a border with one known side the parent's other cells lie on the other.
    """
    shared: dict[tuple[str, str, float], list[tuple[PlacedPopulation, _Border]]] = {}
    for population in gated.tree.populations:
        if population.id in truth and population.errors:
            for border in _borders(population, gated):
                shared.setdefault((population.parent, border.axis, border.at), []).append((population, border))
    for (parent, axis, threshold), users in shared.items():
        first, border = users[0]
        whole = truth[parent] if parent in truth else _gated_parent(first, gated)
        above, below = _two_sides(whole, *(_united(truth, users, is_above=side) for side in (True, False)))
        if min(above.sum(), below.sum()) >= _FEWEST:
            middle = (np.median(border.values[above]) + np.median(border.values[below])) / 2
            yield Placed(first.id, axis, threshold, float(middle))


def _united(truth: Mapping[str, Mask], users: list[tuple[PlacedPopulation, _Border]], *, is_above: bool) -> Mask | None:
    masks = [truth[population.id] for population, border in users if border.is_above == is_above]
    return np.logical_or.reduce(masks) if masks else None


def _two_sides(whole: Mask, above: Mask | None, below: Mask | None) -> tuple[Mask, Mask]:
    if above is None:
        above = np.zeros_like(whole) if below is None else whole & ~below
    return above, whole & ~above if below is None else below


def _gated_parent(population: PlacedPopulation, gated: Gated) -> Mask:
    mask = None if population.parent == ROOT else gated.tree.mask(population.parent)
    return np.ones(gated.tree.count, dtype=np.bool_) if mask is None else mask


def _borders(population: PlacedPopulation, gated: Gated) -> tuple[_Border, ...]:
    """Return the half-planes that a gate is made of; none, if it is made of anything else."""
    gate, facts = population.gate, population.facts
    if isinstance(gate, Polygon) and "offset" in facts:
        # The corners of a half-plane reach far beyond its border one way only: the way in which it lies.
        offsets = [y - facts["slope"] * x for x, y in gate.vertices]
        is_above = max(offsets) - facts["offset"] > facts["offset"] - min(offsets)
        across = _shown(gate.y, gated) - facts["slope"] * _shown(gate.x, gated)
        return (_Border(f"{gate.y} against {gate.x}", facts["offset"], is_above, across),)
    sides = gate.sides if isinstance(gate, Rectangle) else (gate,) if isinstance(gate, Interval) else ()
    if any(np.isfinite(side.low) == np.isfinite(side.high) for side in sides):
        return ()
    return tuple(
        _Border(side.axis, float(side.low if is_above else side.high), is_above, _shown(side.axis, gated))
        for side in sides
        for is_above in (bool(np.isfinite(side.low)),)
    )


def _shown(axis: str, gated: Gated) -> Floats:
    return gated.tree.axes[axis].scale.apply(np.asarray(gated.compensated.column(axis), dtype=np.float64))


# How well straight borders could part members from others, if one knew who the members are.

_STEPS = 400  # of each axis, between its outermost members and others


def best_threshold_f1(values: Floats, members: Mask, *, missed: int = 0) -> float:
    """Return the highest F1 that any threshold reaches, if what lies at or above it is taken for members.

    values, members: (events,); missed: members that are not among the events, whatever the threshold. Not-a-number
    without members. F1 = 2 TP / (2 TP + FP + FN), van Rijsbergen 1979.

    >>> best_threshold_f1(np.array([0.1, 0.4, 0.5, 0.9]), np.array([False, True, False, True]))
    0.8
    """
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(members[order])
    # Equal values fall on one side together: only after the last of them lies a threshold.
    ends = np.append(np.flatnonzero(np.diff(values[order])), values.size - 1) if values.size else np.zeros(0, int)
    return _highest(hits[ends], ends + 1, int(members.sum()) + missed)


def best_corner_f1(x: Floats, y: Floats, members: Mask, *, missed: int = 0) -> float:
    """Return the highest F1 of any two thresholds, if what lies at or above both is taken for members.

    x, y, members: (events,); missed: members that are not among the events. The thresholds are tried on a grid of
    400 x 400 between the events' extremes. Not-a-number without members.

    >>> x, y = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])
    >>> best_corner_f1(x, y, np.array([False, False, False, True]))
    1.0
    """
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.any():
        return float("nan")
    edges = [np.linspace(values[finite].min(), np.nextafter(values[finite].max(), np.inf), _STEPS) for values in (x, y)]
    taken, hits = (
        np.histogram2d(x[kept], y[kept], bins=edges)[0][::-1, ::-1].cumsum(axis=0).cumsum(axis=1)
        for kept in (finite, finite & members)
    )
    return _highest(hits.ravel(), taken.ravel(), int(members.sum()) + missed)


def _highest(hits: NDArray[np.number], taken: NDArray[np.number], true: int) -> float:
    if not true or not hits.size:
        return float("nan")
    return float((2 * hits / (taken + true)).max())
