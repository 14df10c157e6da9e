"""Which of the parent's events a placed gate holds: by fast coordinates where they decide, else exactly."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from immunomon.kernels.decide import decide_ellipse, decide_interval, decide_polygon
from immunomon.model.events import EventTable
from immunomon.model.geometry import Boolean, Ellipse, Gate, Interval, Polygon, Rectangle

__all__ = ["members"]

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]


_PART = 50_000  # events; fewer are not worth another thread


def members(gate: Gate, events: EventTable, parent: Mask, *, pool: Executor | None = None) -> Mask:
    """Return which of the parent's events are inside a gate, (events,), event for event as ``gate.contains`` says.

    gate: not boolean; events: with the gate's axes; parent: (events,). An event whose fast coordinate lies nearer to an
    edge than the bound on its error is asked again with its exact coordinates. pool: workers that share a large file.

    >>> from immunomon.model.events import Channel
    >>> events = EventTable(np.array([[0.2], [0.8], [0.9]]), (Channel("CD3"),))
    >>> members(Interval("CD3", low=0.5), events, np.array([True, True, False]))
    array([False,  True, False])
    """
    if isinstance(gate, Boolean):
        raise TypeError("a boolean gate is made of other populations, not of events")
    if type(gate) is Rectangle:
        for side in gate.sides:
            parent = members(side, events, parent, pool=pool)
        return parent
    inside, doubtful = _first_look(gate, events, parent, pool)
    if doubtful.size:
        inside[doubtful] = gate.contains(events.take(doubtful))
    return inside


def _first_look(gate: Gate, events: EventTable, parent: Mask, pool: Executor | None) -> tuple[Mask, Rows]:
    # By their very type: a kind of polygon with other rules is asked exactly.
    if type(gate) not in (Interval, Polygon, Ellipse):
        return np.zeros(parent.size, dtype=np.bool_), np.flatnonzero(parent)
    rough = [(np.ascontiguousarray(values), bound) for values, bound in map(events.rough, gate.axes)]
    if pool is None or parent.size < 2 * _PART:
        return _decided(gate, parent, rough)
    edges = np.linspace(0, parent.size, 1 + min(16, parent.size // _PART)).astype(int).tolist()

    def part(begin: int, end: int) -> tuple[Mask, Rows]:
        inside, doubtful = _decided(gate, parent[begin:end], [(values[begin:end], bound) for values, bound in rough])
        return inside, doubtful + begin

    parts = list(pool.map(part, edges[:-1], edges[1:]))
    return np.concatenate([inside for inside, _ in parts]), np.concatenate([doubtful for _, doubtful in parts])


def _decided(gate: Gate, parent: Mask, rough: Sequence[tuple[NDArray[np.floating], float]]) -> tuple[Mask, Rows]:
    if isinstance(gate, Interval):
        return decide_interval(parent, rough[0], gate.low, gate.high)
    if isinstance(gate, Polygon):
        return decide_polygon(parent, rough[0], rough[1], np.array(gate.vertices, dtype=np.float64))
    assert isinstance(gate, Ellipse)
    (xx, xy), (_, yy) = np.linalg.inv(np.array(gate.covariance)).tolist()
    return decide_ellipse(parent, rough[0], rough[1], np.array([*gate.center, xx, xy, yy, gate.distance_square]))
