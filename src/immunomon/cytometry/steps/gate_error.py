"""Shake: how far a frequency would move if the borders it rests on lay elsewhere by as much as is uncertain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.kernels.intervals import log_odds
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree, PlacedPopulation
from immunomon.cytometry.model.geometry import Boolean, Gate
from immunomon.cytometry.model.members import members
from immunomon.cytometry.model.placement import Movable, Resolved
from immunomon.cytometry.model.scales import AnyScale
from immunomon.study.model.strategy import ROOT, GatingStrategy

__all__ = ["Shaken", "shake"]

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]
Scales = Mapping[str, AnyScale]
Errors = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Shaken:
    """Standard errors of the log-odds of each population in its denominators: population -> denominator -> error.

    gate_errors: from where the gates lie in this sample. border_errors: from how finely the methods can tell where
    their borders ought to lie, from cells of others that a parent's gate is known to hold (``impurity``), from events
    that a method knows it cannot tell from the population's (``unseen``), and from the share of the parent that it lets
    in as ``background``; the same way in every sample, so that they are no part of a change.
    """

    gate_errors: Errors
    border_errors: Errors


@dataclass(frozen=True)
class _Border:
    """A coordinate that one gate or several have: population -> its gate with the coordinate moved down, and up.

    gate_share, border_share: how much of the step is the error of its place, and how much its resolution.
    """

    moved: Mapping[str, tuple[Gate, Gate]]
    gate_share: float
    border_share: float


def shake(tree: GateTree, events: EventTable, strategy: GatingStrategy, *, scales: Scales) -> Shaken:
    """Return each population's standard errors from all gates on its path, for its parent and declared denominators.

    tree: placed on ``events`` (display scale). Each coordinate of a gate is moved to either side, by its standard error
    or by its resolution, whichever is larger, and every population below it or made of it is counted again: a border
    that hardly touches a large population may move much of a rare one inside it. Half the difference in log-odds, in
    proportion, is that coordinate's share; shares add up in squares (the delta method with the density seen in the data
    itself). A coordinate that several populations have is moved in all of them at once. A gate that was declared has no
    such error. A denominator that does not hold the population has no log-odds, and no entry.

    >>> from immunomon.study.model.channels import Channel
    >>> from immunomon.cytometry.model.events import Scale
    >>> from immunomon.study.model.strategy import GateDeclaration, Population
    >>> events = EventTable(np.array([[0.2], [0.8]]), (Channel("V450-A", "CD3"),), Scale.DISPLAY)
    >>> declared = Population("t", "T", "root", GateDeclaration("interval", {"axis": "CD3", "low": 0.5}), "inside")
    >>> placed = PlacedPopulation("t", "T", "root", "/t", "interval", None)
    >>> tree = GateTree("s", 2, {}, (placed,), {"t": np.array([False, True])})
    >>> shake(tree, events, GatingStrategy("s", "S", 1, None, (declared,)), scales={}).gate_errors
    {'t': {'root': 0.0}}
    """
    borders = _borders(tree, strategy, scales)
    sizes = {name: tree.size(name) or 0 for name in (ROOT, *tree.memberships)}
    counts = _counted_again(tree, events, borders, sizes)
    thinned = _thinned(tree, sizes)
    gate_shares = np.array([border.gate_share for border in borders])
    border_shares = np.array([border.border_share for border in borders])
    gate_errors: Errors = {name: {} for name in tree.memberships}
    border_errors: Errors = {name: {} for name in tree.memberships}
    for name, denominator, between in _fractions(tree, strategy):
        moved = log_odds(counts[name], counts[denominator])
        halves = (moved[:, 1] - moved[:, 0]) / 2
        # A fraction's relative error, and its complement's, make up the error of the log-odds.
        count, total = sizes[name], sizes[denominator]
        diluted = _root([thinned[each] for each in between]) * (total + 1) / (total - count + 0.5)
        gate_errors[name][denominator] = _root(halves * gate_shares)
        border_errors[name][denominator] = _root([diluted, *(halves * border_shares)])
    return Shaken(gate_errors, border_errors)


def _root(shares: Sequence[float] | NDArray[np.float64]) -> float:
    return float(np.sqrt(np.sum(np.square(shares))))


def _fractions(tree: GateTree, strategy: GatingStrategy) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield population, denominator, and the populations from the one up to the other, which is left out."""
    for name in tree.memberships:
        path = (name, *strategy.ancestors(name), ROOT)
        for denominator in strategy.denominators_of(name):
            if denominator in path[1:]:
                yield name, denominator, path[: path.index(denominator)]


def _borders(tree: GateTree, strategy: GatingStrategy, scales: Scales) -> list[_Border]:
    """Return the uncertain coordinates of all placed gates, each once."""
    borders: dict[tuple[str, str], _Border] = {}
    for placed in tree.populations:
        declared = strategy.population(placed.id)
        method: object = gate_method(declared.gate)
        if placed.id not in tree.memberships or not placed.errors or not isinstance(method, Movable):
            continue
        resolution = method.resolution if isinstance(method, Resolved) else {}
        for name in dict.fromkeys((*method.coordinates, *resolution)):
            own, border = placed.errors.get(name, 0.0), resolution.get(name, 0.0)
            step = max(own, border)
            if step <= 0 or name not in placed.facts:
                continue
            down, up = (
                method.at({**placed.facts, name: placed.facts[name] + way * step}, scales)[declared.keep]
                for way in (-1.0, 1.0)
            )
            key = strategy.gate_id(placed.id), name
            before = borders[key].moved if key in borders else {}
            borders[key] = _Border({**before, placed.id: (down, up)}, own / step, border / step)
    return list(borders.values())


def _counted_again(
    tree: GateTree, events: EventTable, borders: Sequence[_Border], sizes: Mapping[str, int]
) -> dict[str, Counts]:
    """Return population -> events in it with each border moved down, and up: (borders, 2)."""
    counts = {name: np.full((len(borders), 2), size, dtype=np.int64) for name, size in sizes.items()}
    changing = _changing(tree, events, borders)
    rows = np.flatnonzero(changing)
    if not rows.size:
        return counts
    held = {name: mask[rows] for name in sizes if (mask := tree.mask(name)) is not None}
    inside = {
        placed.id: members(placed.gate, events, changing)[rows]
        for placed in tree.populations
        if placed.id in tree.memberships and placed.gate is not None and not isinstance(placed.gate, Boolean)
    }
    for place, border in enumerate(borders):
        for way in (0, 1):
            moved = {name: members(gates[way], events, changing)[rows] for name, gates in border.moved.items()}
            for name, mask in _with_moved(tree, held, inside, moved).items():
                counts[name][place, way] += np.count_nonzero(mask) - np.count_nonzero(held[name])
    return counts


def _changing(tree: GateTree, events: EventTable, borders: Sequence[_Border]) -> Mask:
    """Return which events any move brings into a population or out of it: no others need be looked at again."""
    changing = np.zeros(tree.count, dtype=np.bool_)
    for border in borders:
        for name, gates in border.moved.items():
            mask, parent = tree.mask(name), tree.mask(_placed(tree, name).parent)
            assert mask is not None
            assert parent is not None
            for gate in gates:
                changing |= members(gate, events, parent) ^ mask
    return changing


def _placed(tree: GateTree, name: str) -> PlacedPopulation:
    return next(placed for placed in tree.populations if placed.id == name)


def _with_moved(
    tree: GateTree, held: Mapping[str, Mask], inside: Mapping[str, Mask], moved: Mapping[str, Mask]
) -> dict[str, Mask]:
    """Return the populations that a moved border may change, with what they hold then.

    held: what each population holds; inside: what its gate holds whatever the parent; moved: the same of moved gates.
    """
    after: dict[str, Mask] = {}
    for placed in tree.populations:
        operands = placed.gate.of if isinstance(placed.gate, Boolean) else ()
        touched = placed.id in moved or any(name in after for name in (placed.parent, *operands))
        if not touched or placed.id not in held:
            continue
        if isinstance(placed.gate, Boolean):
            own = placed.gate.combine([after.get(name, held[name]) for name in operands])
        else:
            own = moved[placed.id] if placed.id in moved else inside[placed.id]
        after[placed.id] = after.get(placed.parent, held[placed.parent]) & own
    return after


def _thinned(tree: GateTree, sizes: Mapping[str, int]) -> dict[str, float]:
    """Return population -> relative error of its share of the parent from what no move of a border shows."""
    impurity = {placed.id: placed.facts.get("impurity", 0.0) for placed in tree.populations}
    thinned: dict[str, float] = {}
    for placed in tree.populations:
        if placed.id in tree.memberships:
            held = sizes[placed.id]
            diluted = impurity.get(placed.parent, 0.0) * held
            unseen = placed.facts.get("unseen", 0.0) * held
            background = placed.facts.get("background", 0.0) * sizes[placed.parent]
            thinned[placed.id] = _root([diluted, unseen, background]) / (held + 0.5)
    return thinned
