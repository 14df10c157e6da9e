"""Which of the parent's events a placed gate holds: by fast coordinates where they decide, else exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immunomon.kernels.decide import decide_ellipse, decide_interval, decide_polygon
from immunomon.model.events import EventTable
from immunomon.model.geometry import Boolean, Ellipse, Gate, Interval, Polygon, Rectangle

__all__ = ["members"]

Mask = NDArray[np.bool_]


def members(gate: Gate, events: EventTable, parent: Mask) -> Mask:
    """Return which of the parent's events are inside a gate, (events,), event for event as ``gate.contains`` says.

    gate: not boolean; events: with the gate's axes; parent: (events,). An event whose fast coordinate lies nearer to an
    edge than the bound on its error is asked again with its exact coordinates.

    >>> from immunomon.model.events import Channel
    >>> events = EventTable(np.array([[0.2], [0.8], [0.9]]), (Channel("CD3"),))
    >>> members(Interval("CD3", low=0.5), events, np.array([True, True, False]))
    array([False,  True, False])
    """
    if isinstance(gate, Boolean):
        raise TypeError("a boolean gate is made of other populations, not of events")
    if type(gate) is Rectangle:
        for side in gate.sides:
            parent = members(side, events, parent)
        return parent
    inside, doubtful = _first_look(gate, events, parent)
    if doubtful.size:
        inside[doubtful] = gate.contains(events.take(doubtful))
    return inside


def _first_look(gate: Gate, events: EventTable, parent: Mask) -> tuple[Mask, NDArray[np.int64]]:
    def rough(axis: str) -> tuple[NDArray[np.floating], float]:
        values, bound = events.rough(axis)
        return np.ascontiguousarray(values), bound

    # By their very type: a kind of polygon with other rules is asked exactly.
    if type(gate) is Interval:
        return decide_interval(parent, rough(gate.axis), gate.low, gate.high)
    if type(gate) is Polygon:
        return decide_polygon(parent, rough(gate.x), rough(gate.y), np.array(gate.vertices, dtype=np.float64))
    if type(gate) is Ellipse:
        (xx, xy), (_, yy) = np.linalg.inv(np.array(gate.covariance)).tolist()
        shape = np.array([*gate.center, xx, xy, yy, gate.distance_square])
        return decide_ellipse(parent, rough(gate.x), rough(gate.y), shape)
    return np.zeros(parent.size, dtype=np.bool_), np.flatnonzero(parent)
