"""Shake: how many events a population would win or lose if its gate lay one standard error elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from immunomon.gates import gate_method
from immunomon.model.events import EventTable
from immunomon.model.gatetree import GateTree, PlacedPopulation
from immunomon.model.geometry import Boolean
from immunomon.model.members import members
from immunomon.model.placement import Movable
from immunomon.model.scales import AnyScale
from immunomon.model.strategy import GatingStrategy, Population

__all__ = ["shake"]

Mask = NDArray[np.bool_]


def shake(
    tree: GateTree, events: EventTable, strategy: GatingStrategy, *, scales: Mapping[str, AnyScale]
) -> dict[str, float]:
    """Return each population's standard error from the placement of its gate, in events of its parent.

    tree: placed on ``events`` (display scale). Each coordinate of a gate that was estimated is moved by its standard
    error to either side, and half the difference in events is that coordinate's share; shares add up in squares (the
    delta method with the density seen in the data itself). The parent is held; a boolean population has the share of
    each population it is made of. A gate that was declared has no such error: 0.

    >>> from immunomon.model.events import Channel, Scale
    >>> from immunomon.model.strategy import GateDeclaration
    >>> events = EventTable(np.array([[0.2], [0.8]]), (Channel("V450-A", "CD3"),), Scale.DISPLAY)
    >>> declared = Population("t", "T", "root", GateDeclaration("interval", {"axis": "CD3", "low": 0.5}), "inside")
    >>> placed = PlacedPopulation("t", "T", "root", "/t", "interval", None)
    >>> tree = GateTree("s", 2, {}, (placed,), {"t": np.array([False, True])})
    >>> shake(tree, events, GatingStrategy("s", "S", 1, None, (declared,)), scales={})
    {'t': 0.0}
    """
    moved: dict[str, list[tuple[Mask, Mask]]] = {}
    found: dict[str, float] = {}
    for placed in tree.populations:
        if placed.id in tree.memberships:
            parent = tree.mask(placed.parent)
            assert parent is not None
            moved[placed.id] = list(_moved(placed, strategy.population(placed.id), parent, tree, events, scales, moved))
            shares = [(np.count_nonzero(up) - np.count_nonzero(down)) / 2 for down, up in moved[placed.id]]
            found[placed.id] = float(np.sqrt(np.sum(np.square(shares))))
    return found


def _moved(
    placed: PlacedPopulation,
    declared: Population,
    parent: Mask,
    tree: GateTree,
    events: EventTable,
    scales: Mapping[str, AnyScale],
    before: Mapping[str, list[tuple[Mask, Mask]]],
) -> list[tuple[Mask, Mask]]:
    """Return for each uncertain coordinate the members with the gate moved down, and up."""
    shape = placed.gate
    if isinstance(shape, Boolean):
        return [
            (_combined(shape, tree, parent, name, down), _combined(shape, tree, parent, name, up))
            for name in shape.of
            for down, up in before.get(name, [])
        ]
    method = gate_method(declared.gate)
    if not placed.errors or not isinstance(method, Movable):
        return []
    pairs = []
    for name, error in placed.errors.items():
        if name not in method.coordinates:
            continue  # what it rests on, not where it lies
        low, high = (
            method.at({**placed.facts, name: placed.facts[name] + way * error}, scales)[declared.keep]
            for way in (-1.0, 1.0)
        )
        pairs.append((members(low, events, parent), members(high, events, parent)))
    return pairs


def _combined(shape: Boolean, tree: GateTree, parent: Mask, name: str, instead: Mask) -> Mask:
    masks = [instead if operand == name else tree.mask(operand) for operand in shape.of]
    return parent & shape.combine([mask for mask in masks if mask is not None])
