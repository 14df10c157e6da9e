"""Shake: how many events a population would win or lose if its gate lay elsewhere by as much as is uncertain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.gates import gate_method
from immunomon.model.events import EventTable
from immunomon.model.gatetree import GateTree, PlacedPopulation
from immunomon.model.geometry import Boolean
from immunomon.model.members import members
from immunomon.model.placement import Movable, Resolved
from immunomon.model.scales import AnyScale
from immunomon.model.strategy import GatingStrategy, Population

__all__ = ["Shaken", "shake"]

Mask = NDArray[np.bool_]
# A gate moved one way and the other, and how much of half the difference is its own error and its border's.
Move = tuple[Mask, Mask, float, float]


@dataclass(frozen=True)
class Shaken:
    """Standard errors in events of the parent, by population.

    gate_errors: from the place of the gate in this sample. border_errors: from how finely the method can tell where
    the border ought to lie, from cells of others that the parent's gate is known to hold, from events that the method
    knows it cannot tell from the population's (``unseen``), and from the share of the parent that it lets in as
    ``background``; the same way in every sample, so that they are no part of a change.
    """

    gate_errors: Mapping[str, float]
    border_errors: Mapping[str, float]


def shake(tree: GateTree, events: EventTable, strategy: GatingStrategy, *, scales: Mapping[str, AnyScale]) -> Shaken:
    """Return each population's standard errors from its gate, in events of its parent.

    tree: placed on ``events`` (display scale). Each coordinate of a gate is moved to either side, by its standard error
    or by its resolution, whichever is larger; half the difference in events, in proportion, is that coordinate's share;
    shares add up in squares (the delta method with the density seen in the data itself). The parent is held; a boolean
    population has the share of each population it is made of. A gate that was declared has no such error: 0.

    >>> from immunomon.model.events import Channel, Scale
    >>> from immunomon.model.strategy import GateDeclaration
    >>> events = EventTable(np.array([[0.2], [0.8]]), (Channel("V450-A", "CD3"),), Scale.DISPLAY)
    >>> declared = Population("t", "T", "root", GateDeclaration("interval", {"axis": "CD3", "low": 0.5}), "inside")
    >>> placed = PlacedPopulation("t", "T", "root", "/t", "interval", None)
    >>> tree = GateTree("s", 2, {}, (placed,), {"t": np.array([False, True])})
    >>> shake(tree, events, GatingStrategy("s", "S", 1, None, (declared,)), scales={}).gate_errors
    {'t': 0.0}
    """
    moved: dict[str, list[Move]] = {}
    gate_errors: dict[str, float] = {}
    border_errors: dict[str, float] = {}
    for placed in tree.populations:
        if placed.id in tree.memberships:
            parent = tree.mask(placed.parent)
            assert parent is not None
            moved[placed.id] = list(_moved(placed, strategy.population(placed.id), parent, tree, events, scales, moved))
            halves = [(np.count_nonzero(up) - np.count_nonzero(down)) / 2 for down, up, _, _ in moved[placed.id]]
            gate_errors[placed.id] = _root(
                [half * move[2] for half, move in zip(halves, moved[placed.id], strict=True)]
            )
            held = np.count_nonzero(tree.memberships[placed.id])
            diluted = _impurity(tree, placed.parent) * held
            unseen = placed.facts.get("unseen", 0.0) * held
            background = placed.facts.get("background", 0.0) * np.count_nonzero(parent)
            borders = [half * move[3] for half, move in zip(halves, moved[placed.id], strict=True)]
            border_errors[placed.id] = _root([diluted, unseen, background, *borders])
    return Shaken(gate_errors, border_errors)


def _root(shares: Sequence[float]) -> float:
    return float(np.sqrt(np.sum(np.square(shares))))


def _moved(
    placed: PlacedPopulation,
    declared: Population,
    parent: Mask,
    tree: GateTree,
    events: EventTable,
    scales: Mapping[str, AnyScale],
    before: Mapping[str, list[Move]],
) -> list[Move]:
    """Return for each uncertain coordinate the members with the gate moved down, and up."""
    shape = placed.gate
    if isinstance(shape, Boolean):
        return [
            (_combined(shape, tree, parent, name, down), _combined(shape, tree, parent, name, up), own, border)
            for name in shape.of
            for down, up, own, border in before.get(name, [])
        ]
    method: object = gate_method(declared.gate)
    if not placed.errors or not isinstance(method, Movable):
        return []
    resolution = _resolution(method)
    pairs: list[Move] = []
    for name in dict.fromkeys((*method.coordinates, *resolution)):
        own, border = placed.errors.get(name, 0.0), resolution.get(name, 0.0)
        step = max(own, border)
        if step <= 0 or name not in placed.facts:
            continue
        low, high = (
            method.at({**placed.facts, name: placed.facts[name] + way * step}, scales)[declared.keep]
            for way in (-1.0, 1.0)
        )
        pairs.append((members(low, events, parent), members(high, events, parent), own / step, border / step))
    return pairs


def _impurity(tree: GateTree, population: str) -> float:
    """Return the share of a population's events that its gate holds of others, where its method knows."""
    found = (placed.facts.get("impurity", 0.0) for placed in tree.populations if placed.id == population)
    return next(found, 0.0)


def _resolution(method: object) -> Mapping[str, float]:
    return method.resolution if isinstance(method, Resolved) else {}


def _combined(shape: Boolean, tree: GateTree, parent: Mask, name: str, instead: Mask) -> Mask:
    masks = [instead if operand == name else tree.mask(operand) for operand in shape.of]
    return parent & shape.combine([mask for mask in masks if mask is not None])
