"""Placed gates: plain, hashable geometry on the display scale, that can be compared, written, drawn and overridden.

Borders follow Gating-ML 2.0: an interval holds its lower bound and not its upper one, so that neighbours share no
event; polygons and ellipses hold their edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar

import numpy as np

from immunomon.arrays import Mask
from immunomon.cytometry.kernels import membership
from immunomon.cytometry.model.events import EventTable
from immunomon.errors import UnknownName, nearest

__all__ = [
    "GEOMETRIES",
    "BinnedPolygon",
    "Boolean",
    "Ellipse",
    "Ellipsoid",
    "Gate",
    "Interval",
    "Polygon",
    "Rectangle",
    "gate_from_dict",
    "gate_to_dict",
    "span_along",
]

INF = float("inf")


@dataclass(frozen=True)
class Interval:
    """All events with ``low <= axis < high``."""

    axis: str
    low: float = -INF
    high: float = INF
    kind: ClassVar[str] = "interval"

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes the gate lies on."""
        return (self.axis,)

    def contains(self, events: EventTable) -> Mask:
        """Return which events are inside, (events,)."""
        return membership.in_interval(events.column(self.axis), self.low, self.high)


@dataclass(frozen=True)
class Rectangle:
    """All events inside an interval on each of several axes."""

    sides: tuple[Interval, ...]
    kind: ClassVar[str] = "rectangle"

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes the gate lies on."""
        return tuple(side.axis for side in self.sides)

    def contains(self, events: EventTable) -> Mask:
        """Return which events are inside, (events,)."""
        return np.asarray(np.logical_and.reduce([side.contains(events) for side in self.sides]), dtype=np.bool_)


@dataclass(frozen=True)
class Polygon:
    """All events inside or on a closed polygon."""

    x: str
    y: str
    vertices: tuple[tuple[float, float], ...]
    kind: ClassVar[str] = "polygon"

    def __post_init__(self) -> None:
        if len(self.vertices) < 3:
            raise ValueError(f"a polygon needs at least 3 vertices, got {len(self.vertices)}")

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes the gate lies on."""
        return (self.x, self.y)

    def contains(self, events: EventTable) -> Mask:
        """Return which events are inside, (events,)."""
        return membership.in_polygon(events.column(self.x), events.column(self.y), np.array(self.vertices))


@dataclass(frozen=True)
class BinnedPolygon(Polygon):
    """A polygon as FlowJo decides it: corners and events are put into bins, and the bins are compared.

    A coordinate ``c`` falls into bin ``floor(c * resolution + shift)``; the shift, one an axis, is 0.5 where FlowJo
    rounds (linear and log axes) and 0 where it cuts (biex). Events beyond an axis' ends sit in its outer bins, which
    are 0 and ``resolution - 1`` (``resolution`` itself where it cuts).
    """

    resolution: int = 256
    shifts: tuple[float, float] = (0.5, 0.5)
    kind: ClassVar[str] = "binned_polygon"

    def contains(self, events: EventTable) -> Mask:
        """Return which events are inside, (events,)."""
        binned = []
        for axis, shift in zip(self.axes, self.shifts, strict=True):
            bins = np.floor(events.column(axis) * self.resolution + shift)
            binned.append(np.clip(bins, 0, self.resolution - (1 if shift else 0)))
        corners = np.floor(np.array(self.vertices) * self.resolution + np.array(self.shifts))
        return membership.in_polygon(binned[0], binned[1], corners)


@dataclass(frozen=True)
class Ellipse:
    """All events within a Mahalanobis distance of a centre: ``(p - c)' inv(covariance) (p - c) <= distance_square``."""

    x: str
    y: str
    center: tuple[float, float]
    covariance: tuple[tuple[float, float], tuple[float, float]]
    distance_square: float = 1.0
    kind: ClassVar[str] = "ellipse"

    def __post_init__(self) -> None:
        (a, b), (c, d) = self.covariance
        if b != c or a <= 0 or a * d - b * c <= 0:
            raise ValueError(f"an ellipse needs a symmetric, positive definite covariance, got {self.covariance}")

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes the gate lies on."""
        return (self.x, self.y)

    def contains(self, events: EventTable) -> Mask:
        """Return which events are inside, (events,)."""
        points = np.column_stack([events.column(self.x), events.column(self.y)])
        return membership.in_ellipsoid(points, np.array(self.center), np.array(self.covariance), self.distance_square)


@dataclass(frozen=True)
class Ellipsoid:
    """All events with ``(p - c)' inv(covariance) (p - c) <= distance_square``, on any number of axes.

    The matrix need only have an inverse: Gating-ML's own compliance suite has one that is no covariance.
    """

    axes: tuple[str, ...]
    center: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    distance_square: float = 1.0
    kind: ClassVar[str] = "ellipsoid"

    def __post_init__(self) -> None:
        size = len(self.axes)
        if len(self.center) != size or len(self.covariance) != size or any(len(row) != size for row in self.covariance):
            raise ValueError(f"an ellipsoid on {size} axes needs {size} coordinates and a {size} x {size} covariance")
        matrix = np.array(self.covariance, dtype=np.float64)
        if not np.isfinite(matrix).all() or np.linalg.matrix_rank(matrix) < size:
            raise ValueError("an ellipsoid needs a covariance that has an inverse")

    def contains(self, events: EventTable) -> Mask:
        """Return which events are inside, (events,)."""
        points = np.column_stack([events.column(axis) for axis in self.axes])
        return membership.in_ellipsoid(points, np.array(self.center), np.array(self.covariance), self.distance_square)


@dataclass(frozen=True)
class Boolean:
    """A combination of other populations: ``and``, ``or``, ``not``; what it holds is decided by their memberships.

    complements: for each operand whether all that is not in it is meant; empty if none is.
    """

    operator: str
    of: tuple[str, ...]
    complements: tuple[bool, ...] = ()
    kind: ClassVar[str] = "boolean"

    def __post_init__(self) -> None:
        if self.complements and len(self.complements) != len(self.of):
            raise ValueError(f"{len(self.of)} operands but {len(self.complements)} words on their complements")

    @property
    def axes(self) -> tuple[str, ...]:
        """No axes: the operands have them."""
        return ()

    def combine(self, operands: list[Mask]) -> Mask:
        """Return the combination of the operands' masks, each (events,).

        >>> Boolean("not", ("a",)).combine([np.array([True, False])])
        array([False,  True])
        """
        if self.complements:
            operands = [~mask if turned else mask for mask, turned in zip(operands, self.complements, strict=True)]
        if self.operator == "and":
            return np.asarray(np.logical_and.reduce(operands), dtype=np.bool_)
        united = np.asarray(np.logical_or.reduce(operands), dtype=np.bool_)
        return united if self.operator == "or" else ~united


Gate = Interval | Rectangle | Polygon | Ellipse | Ellipsoid | Boolean
GEOMETRIES: dict[str, type[Gate]] = {
    cls.kind: cls for cls in (Interval, Rectangle, Polygon, BinnedPolygon, Ellipse, Ellipsoid, Boolean)
}


def span_along(gate: Gate, axis: str) -> tuple[float, float] | None:
    """Return from where to where a gate reaches along an axis, None if it does not lie on it.

    >>> span_along(Polygon("A", "B", ((0.0, 1.0), (2.0, 1.0), (0.0, 5.0))), "B")
    (1.0, 5.0)
    """
    if axis not in gate.axes:
        return None
    dimension = gate.axes.index(axis)
    match gate:
        case Interval():
            return gate.low, gate.high
        case Rectangle():
            return gate.sides[dimension].low, gate.sides[dimension].high
        case Polygon():
            values = [vertex[dimension] for vertex in gate.vertices]
            return min(values), max(values)
        case Ellipse() | Ellipsoid():
            half = math.sqrt(gate.covariance[dimension][dimension] * gate.distance_square)
            return gate.center[dimension] - half, gate.center[dimension] + half
    return None


def gate_to_dict(gate: Gate) -> dict[str, Any]:
    """Return a placed gate as plain data; open ends are None.

    >>> gate_to_dict(Interval("CD3", low=0.5))
    {'kind': 'interval', 'axis': 'CD3', 'low': 0.5, 'high': None}
    """
    return {"kind": gate.kind, **_plain(gate)}


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float):
        return None if math.isinf(value) else value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def gate_from_dict(data: dict[str, Any]) -> Gate:
    """Return the gate that ``gate_to_dict`` wrote; raises UnknownName for a kind that does not exist.

    >>> gate_from_dict({"kind": "interval", "axis": "CD3", "low": 0.5, "high": None})
    Interval(axis='CD3', low=0.5, high=inf)
    """
    rest = {key: value for key, value in data.items() if key != "kind"}
    match data["kind"]:
        case "interval":
            low, high = rest.pop("low", None), rest.pop("high", None)
            return Interval(rest["axis"], -INF if low is None else low, INF if high is None else high)
        case "rectangle":
            sides = (gate_from_dict({"kind": "interval", **side}) for side in rest["sides"])
            return Rectangle(tuple(side for side in sides if isinstance(side, Interval)))
        case "polygon":
            return Polygon(rest["x"], rest["y"], tuple((float(x), float(y)) for x, y in rest["vertices"]))
        case "binned_polygon":
            corners = tuple((float(x), float(y)) for x, y in rest["vertices"])
            shifts = (float(rest["shifts"][0]), float(rest["shifts"][1]))
            return BinnedPolygon(rest["x"], rest["y"], corners, int(rest["resolution"]), shifts)
        case "ellipse":
            (a, b), (c, d) = rest["covariance"]
            return Ellipse(
                rest["x"], rest["y"], (rest["center"][0], rest["center"][1]), ((a, b), (c, d)), rest["distance_square"]
            )
        case "ellipsoid":
            rows = tuple(tuple(row) for row in rest["covariance"])
            return Ellipsoid(tuple(rest["axes"]), tuple(rest["center"]), rows, rest["distance_square"])
        case "boolean":
            return Boolean(rest["operator"], tuple(rest["of"]), tuple(rest.get("complements", ())))
    raise UnknownName(f"no geometry named '{data['kind']}'; {nearest(data['kind'], GEOMETRIES)}")
