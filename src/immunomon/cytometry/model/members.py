"""Which of the parent's events a placed gate holds: by fast coordinates where they decide, else exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Mask, Rows
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import Boolean, Ellipse, Ellipsoid, Gate, Interval, Polygon, Rectangle
from immunomon.cytometry.model.lazy import DisplayTable

__all__ = ["members"]

Shape = Interval | Rectangle | Polygon | Ellipse | Ellipsoid
Columns = Mapping[str, tuple[NDArray[np.floating], float]]


_PART = 80_000  # events; fewer are not worth another thread
_FEW = 4  # a population of less than this part of all events is looked at by its rows


def members(
    gate: Gate,
    events: EventTable,
    parent: Mask,
    *,
    pool: Executor | None = None,
    soon: Sequence[str] = (),
    taken: EventTable | None = None,
) -> Mask:
    """Return which of the parent's events are inside a gate, (events,), event for event as ``gate.contains`` says.

    gate: not boolean; events: with the gate's axes; parent: (events,). An event whose fast coordinate lies nearer to an
    edge than the bound on its error is asked again with its exact coordinates. pool: workers that share a large file;
    soon: axes that other gates on these events have, to be computed in the same pass; taken: the parent's events, where
    they have been taken already, with what has been computed of them.

    >>> from immunomon.study.model.channels import Channel
    >>> events = EventTable(np.array([[0.2], [0.8], [0.9]]), (Channel("CD3"),))
    >>> members(Interval("CD3", low=0.5), events, np.array([True, True, False]))
    array([False,  True, False])
    """
    if isinstance(gate, Boolean):
        raise TypeError("a boolean gate is made of other populations, not of events")
    # By their very type: a kind of polygon with other rules is asked exactly.
    if not isinstance(events, DisplayTable) or type(gate) not in (Interval, Rectangle, Polygon, Ellipse):
        return _exactly(gate, events, parent, taken)
    if _FEW * np.count_nonzero(parent) >= parent.size:
        columns = events.rough_columns(gate.axes, pool=pool, soon=soon)
        return _looked(gate, dict(zip(gate.axes, columns, strict=True)), parent, events.take, pool)
    rows = np.flatnonzero(parent)
    columns = events.rough_rows(gate.axes, rows)
    all_of_them = np.ones(rows.size, dtype=np.bool_)
    within = _looked(gate, dict(zip(gate.axes, columns, strict=True)), all_of_them, lambda of: events.take(rows[of]))
    inside = np.zeros(parent.size, dtype=np.bool_)
    inside[rows] = within
    return inside


def _exactly(gate: Shape, events: EventTable, parent: Mask, taken: EventTable | None) -> Mask:
    inside = np.zeros(parent.size, dtype=np.bool_)
    inside[parent] = gate.contains(events.take(parent) if taken is None else taken)
    return inside


def _looked(
    gate: Shape, rough: Columns, parent: Mask, take: Callable[[Rows], EventTable], pool: Executor | None = None
) -> Mask:
    """Return what lies inside by fast coordinates; take: exact events for what these do not decide."""
    if isinstance(gate, Rectangle):
        for side in gate.sides:
            parent = _looked(side, rough, parent, take, pool)
        return parent
    inside, doubtful = _first_look(gate, rough, parent, pool)
    if doubtful.size:
        inside[doubtful] = gate.contains(take(doubtful))
    return inside


def _first_look(gate: Shape, rough: Columns, parent: Mask, pool: Executor | None) -> tuple[Mask, Rows]:
    columns = [(np.ascontiguousarray(values), bound) for values, bound in (rough[axis] for axis in gate.axes)]
    if pool is None or parent.size < 2 * _PART:
        return _decided(gate, parent, columns)
    edges = np.linspace(0, parent.size, 1 + min(16, parent.size // _PART)).astype(int).tolist()

    def part(begin: int, end: int) -> tuple[Mask, Rows]:
        inside, doubtful = _decided(gate, parent[begin:end], [(values[begin:end], bound) for values, bound in columns])
        return inside, doubtful + begin

    parts = list(pool.map(part, edges[:-1], edges[1:]))
    return np.concatenate([inside for inside, _ in parts]), np.concatenate([doubtful for _, doubtful in parts])


def _decided(gate: Shape, parent: Mask, columns: Sequence[tuple[NDArray[np.floating], float]]) -> tuple[Mask, Rows]:
    from immunomon.cytometry.kernels.decide import decide_ellipse, decide_interval  # compiled
    from immunomon.cytometry.kernels.decide_polygon import decide_polygon

    if isinstance(gate, Interval):
        return decide_interval(parent, columns[0], gate.low, gate.high)
    if isinstance(gate, Polygon):
        return decide_polygon(parent, columns[0], columns[1], np.array(gate.vertices, dtype=np.float64))
    assert isinstance(gate, Ellipse)
    (xx, xy), (_, yy) = np.linalg.inv(np.array(gate.covariance)).tolist()
    return decide_ellipse(parent, columns[0], columns[1], np.array([*gate.center, xx, xy, yy, gate.distance_square]))
