"""The line of a placed gate on a plot: open ends run to the border and are not drawn there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Frame", "Outline", "outline"]

Point = tuple[float, float]
_ELLIPSE_POINTS = 48


@dataclass(frozen=True)
class Frame:
    """A plot's axes and how far they go, on the display scale; a histogram of one axis has no ``y``."""

    x: str
    y: str | None
    x_range: Point
    y_range: Point = (0.0, 1.0)

    def has(self, *axes: str) -> bool:
        """Say whether every axis is one of the plot's, whatever its case."""
        known = {self.x.casefold(), (self.y or "").casefold()}
        return all(axis.casefold() in known for axis in axes)

    def is_x(self, axis: str) -> bool:
        """Say whether an axis is the horizontal one."""
        return axis.casefold() == self.x.casefold()


@dataclass(frozen=True)
class Outline:
    """The area a gate covers, as a closed ring, and the lines that bound it."""

    ring: tuple[Point, ...]
    lines: tuple[tuple[Point, ...], ...]


def outline(gate: Mapping[str, Any], frame: Frame) -> Outline | None:
    """Return a gate's outline, or None if it does not lie on this plot's axes (boolean gates lie on none).

    gate: as ``model.geometry.gate_to_dict`` writes it.

    >>> line = outline({"kind": "interval", "axis": "CD3", "low": 0.4, "high": None}, Frame("CD3", None, (0.0, 1.0)))
    >>> line.lines
    (((0.4, 1.0), (0.4, 0.0)),)
    """
    match gate["kind"]:
        case "interval":
            return _box([gate], frame)
        case "rectangle":
            return _box(gate["sides"], frame)
        case "polygon" if frame.has(gate["x"], gate["y"]):
            return _closed(_turned(gate, [(float(x), float(y)) for x, y in gate["vertices"]], frame))
        case "ellipse" if frame.has(gate["x"], gate["y"]):
            return _closed(_turned(gate, _ellipse(gate), frame))
    return None


def _turned(gate: Mapping[str, Any], points: list[Point], frame: Frame) -> list[Point]:
    return points if frame.is_x(gate["x"]) else [(y, x) for x, y in points]


def _closed(points: list[Point]) -> Outline:
    ring = tuple(points)
    return Outline(ring, ((*ring, ring[0]),))


def _ellipse(gate: Mapping[str, Any]) -> list[Point]:
    root = np.linalg.cholesky(np.array(gate["covariance"])) * math.sqrt(gate["distance_square"])
    angle = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS, endpoint=False)
    points = np.array(gate["center"]) + np.column_stack([np.cos(angle), np.sin(angle)]) @ root.T
    return [(float(x), float(y)) for x, y in points]


def _box(sides: list[Mapping[str, Any]], frame: Frame) -> Outline | None:
    ends: dict[bool, tuple[float | None, float | None]] = {True: (None, None), False: (None, None)}
    if not any(frame.has(side["axis"]) for side in sides):
        return None
    for side in sides:
        if frame.has(side["axis"]):
            ends[frame.is_x(side["axis"])] = (side.get("low"), side.get("high"))
    left, right = _clamped(ends[True], frame.x_range)
    bottom, top = _clamped(ends[False], frame.y_range)
    ring = ((left, bottom), (right, bottom), (right, top), (left, top))
    drawn = (ends[False][0], ends[True][1], ends[False][1], ends[True][0])
    lines = tuple((ring[i], ring[(i + 1) % 4]) for i in range(4) if drawn[i] is not None)
    return Outline(ring, lines)


def _clamped(ends: tuple[float | None, float | None], limits: Point) -> Point:
    low = limits[0] if ends[0] is None else min(max(ends[0], limits[0]), limits[1])
    high = limits[1] if ends[1] is None else min(max(ends[1], limits[0]), limits[1])
    return low, high
