"""A gate that a person drags, and the gates that go with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import Gate, Interval, Rectangle
from immunomon.cytometry.model.scales import AnyScale

__all__ = ["moved_together"]

Scales = Mapping[str, AnyScale]


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
