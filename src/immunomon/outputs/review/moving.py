"""A gate that a person drags: from the plot to a decision in intensities, and the gates that go with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import Ellipse, Gate, Interval, Polygon, Rectangle
from immunomon.cytometry.model.scales import AnyScale
from immunomon.errors import ImmunomonError
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import GateDeclaration

__all__ = ["declared", "moved_together", "placed"]

Scales = Mapping[str, AnyScale]
_DIGITS = 6  # of an intensity: finer than a pixel, and readable in a file of overrides


def declared(gate: Gate, scales: Scales) -> dict[str, Any]:
    """Return a gate as a decision that an override can hold: its method with borders in intensities.

    gate: on the display scale. An ellipse stays in display coordinates, as its method has it. Raises ImmunomonError for
    a gate that has no borders of its own to move.

    >>> from immunomon.cytometry.model.scales import Linear
    >>> declared(Interval("CD4", low=0.5), {"CD4": Linear(t=100.0)})
    {'method': 'interval', 'axis': 'CD4', 'low': 50.0}
    """
    match gate:
        case Interval():
            return {"method": "interval", **_side(gate, scales)}
        case Rectangle():
            return {"method": "rectangle", "sides": [_side(side, scales) for side in gate.sides]}
        case Polygon():
            corners = [
                [_intensity(x, scales[gate.x]), _intensity(y, scales[gate.y])]
                for x, y in (_bounded(vertex) for vertex in gate.vertices)
            ]
            return {"method": "polygon", "x": gate.x, "y": gate.y, "vertices": corners}
        case Ellipse():
            covariance = [list(map(float, row)) for row in gate.covariance]
            shape = {"center": [float(value) for value in gate.center], "covariance": covariance}
            return {"method": "ellipse", "x": gate.x, "y": gate.y, **shape, "distance_square": gate.distance_square}
    raise ImmunomonError(f"a gate of the kind '{gate.kind}' has no borders to move")


def _side(side: Interval, scales: Scales) -> dict[str, Any]:
    ends = {"low": side.low, "high": side.high}
    return {"axis": side.axis} | {
        name: _intensity(end, scales[side.axis]) for name, end in ends.items() if math.isfinite(end)
    }


def _bounded(vertex: tuple[float, float]) -> tuple[float, float]:
    if not all(map(math.isfinite, vertex)):
        raise ImmunomonError("a polygon with a corner at infinity cannot be moved")
    return vertex


def _intensity(coordinate: float, scale: AnyScale) -> float:
    value = float(scale.inverse(np.array([coordinate]))[0])
    return float(f"{value:.{_DIGITS}g}")


def placed(decision: Mapping[str, Any], scales: Scales) -> Gate:
    """Return the gate on the display scale that a decision will be in a run, placed by the method that it names.

    >>> from immunomon.cytometry.model.scales import Linear
    >>> placed({"method": "interval", "axis": "CD4", "low": 50.0}, {"CD4": Linear(t=100.0)})
    Interval(axis='CD4', low=0.5, high=inf)
    """
    arguments = {name: value for name, value in decision.items() if name != "method"}
    method = gate_method(GateDeclaration(str(decision["method"]), arguments))
    nothing = EventTable(np.empty((0, len(method.axes))), tuple(Channel(axis) for axis in method.axes), Scale.DISPLAY)
    (gate,) = method.fit(nothing, scales).regions.values()
    return gate


def moved_together(population: str, gate: Gate, populations: Sequence[PlacedPopulation]) -> dict[str, Gate]:
    """Return the gates that a moved one takes along: population id -> gate; itself among them.

    Siblings that share a border with it, as the arms of a quadrant or the two sides of one threshold do, keep sharing
    it: no event falls between them or into both.

    >>> one = PlacedPopulation("n", "N", "root", "/n", "valley", Interval("CD4", high=0.4))
    >>> other = PlacedPopulation("p", "P", "root", "/p", "valley", Interval("CD4", low=0.4))
    >>> moved_together("p", Interval("CD4", low=0.5), (one, other))["n"]
    Interval(axis='CD4', low=-inf, high=0.5)
    """
    before = next(placed for placed in populations if placed.id == population)
    shifts = dict(_shifts(before.gate, gate))
    moved = {population: gate}
    for sibling in populations:
        if sibling.id != population and sibling.parent == before.parent and sibling.gate is not None:
            follower = _followed(sibling.gate, shifts)
            if follower != sibling.gate:
                moved[sibling.id] = follower
    return moved


def _sides(gate: Gate | None) -> tuple[Interval, ...]:
    return (gate,) if isinstance(gate, Interval) else gate.sides if isinstance(gate, Rectangle) else ()


def _shifts(before: Gate | None, after: Gate) -> list[tuple[tuple[str, float], float]]:
    return [
        ((old.axis, border), new_border)
        for old, new in zip(_sides(before), _sides(after), strict=False)
        for border, new_border in ((old.low, new.low), (old.high, new.high))
        if math.isfinite(border) and border != new_border
    ]


def _followed(gate: Gate, shifts: Mapping[tuple[str, float], float]) -> Gate:
    sides = tuple(
        replace(
            side, low=shifts.get((side.axis, side.low), side.low), high=shifts.get((side.axis, side.high), side.high)
        )
        for side in _sides(gate)
    )
    if isinstance(gate, Interval):
        return sides[0]
    return replace(gate, sides=sides) if isinstance(gate, Rectangle) else gate
