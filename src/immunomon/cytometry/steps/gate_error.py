"""Gate error: how far a frequency would move if the borders it rests on lay elsewhere by as much as is uncertain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.gates.threshold import RECTANGLE
from immunomon.cytometry.kernels.proportions import log_odds
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import GateTree, PlacedPopulation
from immunomon.cytometry.model.geometry import Boolean, Gate
from immunomon.cytometry.model.members import members
from immunomon.cytometry.model.placement import Movable, is_movable, is_overlapping, is_resolved
from immunomon.cytometry.model.scales import AnyScale
from immunomon.study.model.strategy import ROOT, GatingStrategy

__all__ = ["GateErrors", "estimate_gate_errors"]

Counts = NDArray[np.int64]
Packed = NDArray[np.uint8]  # masks, eight events a byte
Scales = Mapping[str, AnyScale]
Errors = dict[str, dict[str, float]]
_AT_ONCE = 30_000  # events: up to here a moved gate is asked once for all of them, and not first for its parent's
_LEAST_CROSSING = 1e-4  # share of a peak beyond its border: less moves no population that has enough events to report


@dataclass(frozen=True)
class GateErrors:
    """Standard errors of the log-odds of each population in its denominators: population -> denominator -> error.

    gate_errors: from where the gates lie in this sample. border_errors: from how finely the methods can tell where
    their borders ought to lie, from cells of two overlapping peaks that lie on each other's side (``crossings``), from
    cells of others that a parent's gate is known to hold (``impurity``), from events that a method knows it cannot tell
    from the population's (``unseen``), and from the share of the parent that it lets in as ``background``; the same way
    in every sample, so that they are no part of a change.
    """

    gate_errors: Errors
    border_errors: Errors


@dataclass(frozen=True)
class _Move:
    """A coordinate moved down, and up, and which share of the effect of either counts.

    shares: of a step, how much of it is the error of the border's place, and how much its resolution; of a move beyond
    all events, the share of the cells below, and of those above, that lies on the other side at most.
    """

    coordinate: str
    down: float
    up: float
    shares: tuple[float, float]


@dataclass(frozen=True)
class _Border:
    """What a move does to all gates that have the coordinate: population -> its gate moved down, and up."""

    gates: Mapping[str, tuple[Gate, Gate]]
    shares: tuple[float, float]


def estimate_gate_errors(tree: GateTree, events: EventTable, strategy: GatingStrategy, *, scales: Scales) -> GateErrors:
    """Return each population's standard errors from all gates on its path, for its parent and declared denominators.

    tree: placed on ``events`` (display scale). Each coordinate of a gate is moved to either side, by its standard error
    or by its resolution, whichever is larger, and every population below it or made of it is counted again: a border
    that hardly touches a large population may move much of a rare one inside it. Half the difference in log-odds, in
    proportion, is that coordinate's share; shares add up in squares (the delta method with the density seen in the data
    itself). A coordinate that several populations have is moved in all of them at once. A gate that was declared has no
    such error. A denominator that does not hold the population has no log-odds, and no entry. Where two peaks overlap,
    the height of the valley tells which share of either may lie on the other's side: that share of what a population
    would win or lose if one side had all cells is in its error, too.

    >>> from immunomon.study.model.channels import Channel
    >>> from immunomon.cytometry.model.events import Scale
    >>> from immunomon.study.model.strategy import GateDeclaration, Population
    >>> events = EventTable(np.array([[0.2], [0.8]]), (Channel("V450-A", "CD3"),), Scale.DISPLAY)
    >>> declared = Population("t", "T", "root", GateDeclaration("interval", {"axis": "CD3", "low": 0.5}), "inside")
    >>> placed = PlacedPopulation("t", "T", "root", "/t", "interval", None)
    >>> tree = GateTree("s", 2, {}, (placed,), {"t": np.array([False, True])})
    >>> estimate_gate_errors(tree, events, GatingStrategy("s", "S", 1, None, (declared,)), scales={}).gate_errors
    {'t': {'root': 0.0}}
    """
    sizes = {name: tree.size(name) or 0 for name in (ROOT, *tree.memberships)}
    steps, crossings = (_borders(tree, strategy, scales, moves) for moves in (_steps, _crossings))
    counts, crossed = (_counted_again(tree, events, borders, sizes) for borders in (steps, crossings))
    thinned = _thinned(tree, sizes)
    step_shares, crossing_shares = (
        np.array([border.shares for border in borders]).reshape(-1, 2) for borders in (steps, crossings)
    )
    gate_errors: Errors = {name: {} for name in tree.memberships}
    border_errors: Errors = {name: {} for name in tree.memberships}
    for name, denominator, between in _fractions(tree, strategy):
        count, total = sizes[name], sizes[denominator]
        moved = log_odds(counts[name], counts[denominator])
        halves = (moved[:, 1] - moved[:, 0]) / 2
        apart = count + crossing_shares * (crossed[name] - count)
        whole = total + crossing_shares * (crossed[denominator] - total)
        overlaps = log_odds(apart, whole) - log_odds(count, total)
        # The cells between two peaks are the one's, the other's, or anything between: a rectangle's middle and SD.
        crossing = np.hypot(overlaps.sum(axis=1) / 2, (overlaps[:, 1] - overlaps[:, 0]) / 2 / RECTANGLE)
        # A fraction's relative error, and its complement's, make up the error of the log-odds.
        diluted = _root([thinned[each] for each in between]) * (total + 1) / (total - count + 0.5)
        gate_errors[name][denominator] = _root(halves * step_shares[:, 0])
        border_errors[name][denominator] = _root([diluted, *(halves * step_shares[:, 1]), *crossing])
    return GateErrors(gate_errors, border_errors)


def _root(shares: Sequence[float] | Floats) -> float:
    return float(np.sqrt(np.sum(np.square(shares))))


def _fractions(tree: GateTree, strategy: GatingStrategy) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield population, denominator, and the populations from the one up to the other, which is left out."""
    for name in tree.memberships:
        path = (name, *strategy.ancestors(name), ROOT)
        for denominator in strategy.denominators_of(name):
            if denominator in path[1:]:
                yield name, denominator, path[: path.index(denominator)]


def _borders(
    tree: GateTree,
    strategy: GatingStrategy,
    scales: Scales,
    moves: Callable[[PlacedPopulation, Movable], Iterable[_Move]],
) -> list[_Border]:
    """Return the moves of all placed gates, those of a coordinate that several populations have as one."""
    borders: dict[tuple[str, str], _Border] = {}
    for placed in tree.populations:
        declared = strategy.population(placed.id)
        method: object = gate_method(declared.gate)
        if placed.id not in tree.memberships or not is_movable(method):
            continue
        for move in moves(placed, method):
            down, up = (
                method.at({**placed.facts, move.coordinate: value}, scales)[declared.keep]
                for value in (move.down, move.up)
            )
            key = strategy.gate_id(placed.id), move.coordinate
            before = borders[key].gates if key in borders else {}
            borders[key] = _Border({**before, placed.id: (down, up)}, move.shares)
    return list(borders.values())


def _steps(placed: PlacedPopulation, method: Movable) -> Iterator[_Move]:
    """Yield each uncertain coordinate moved by its standard error or its resolution, whichever is larger."""
    if not placed.errors:
        return
    resolution = method.resolution if is_resolved(method) else {}
    for name in dict.fromkeys((*method.coordinates, *resolution)):
        own, border = placed.errors.get(name, 0.0), resolution.get(name, 0.0)
        step = max(own, border)
        if step > 0 and name in placed.facts:
            position = placed.facts[name]
            yield _Move(name, position - step, position + step, (own / step, border / step))


def _crossings(placed: PlacedPopulation, method: Movable) -> Iterator[_Move]:
    """Yield each coordinate between overlapping peaks moved beyond all events, so that one side holds them all."""
    for name, facts in (method.crossings if is_overlapping(method) else {}).items():
        from_low, from_high = (placed.facts.get(fact, 0.0) for fact in facts)
        if name in placed.facts and max(from_low, from_high) >= _LEAST_CROSSING:
            yield _Move(name, -np.inf, np.inf, (from_low, from_high))


def _counted_again(
    tree: GateTree, events: EventTable, borders: Sequence[_Border], sizes: Mapping[str, int]
) -> dict[str, Counts]:
    """Return population -> events in it with each border moved down, and up: (borders, 2)."""
    counts = {name: np.full((len(borders), 2), size, dtype=np.int64) for name, size in sizes.items()}
    everywhere = np.ones(tree.count, dtype=np.bool_)
    at_once = [_moved(border, events, everywhere) for border in borders] if tree.count <= _AT_ONCE else []
    changing, differing = _changing(tree, events, borders, at_once)
    rows = np.flatnonzero(changing)
    if not rows.size:
        return counts
    held = {name: mask[rows] for name in sizes if (mask := tree.mask(name)) is not None}
    inside: dict[str, Mask] = {}

    def inside_of(placed: PlacedPopulation) -> Mask:
        if placed.id not in inside:
            assert placed.gate is not None
            inside[placed.id] = members(placed.gate, events, changing)[rows]
        return inside[placed.id]

    for index, border in enumerate(borders):
        is_nested = not at_once and _moves_within_moved(tree, border)
        both = at_once[index] if at_once else _moved(border, events, changing) if is_nested else {}
        for way in (0, 1):
            moved = {name: masks[way][rows] for name, masks in both.items()} or {
                name: held[name] ^ np.unpackbits(packed[way], count=tree.count).view(np.bool_)[rows]
                for name, packed in differing[index].items()
            }
            for name, mask in _with_moved(tree, held, inside_of, moved).items():
                counts[name][index, way] += np.count_nonzero(mask) - np.count_nonzero(held[name])
    return counts


def _moved(border: _Border, events: EventTable, among: Mask) -> dict[str, tuple[Mask, Mask]]:
    """Return population -> which of some events are inside its gate moved down, and up."""
    return {
        name: (members(down, events, among), members(up, events, among)) for name, (down, up) in border.gates.items()
    }


def _changing(
    tree: GateTree,
    events: EventTable,
    borders: Sequence[_Border],
    at_once: Sequence[Mapping[str, tuple[Mask, Mask]]],
) -> tuple[Mask, list[dict[str, list[Packed]]]]:
    """Return which events any move brings into a population or out of it: no others need be looked at again.

    With it come those that each border brings, by population, down and up, eight a byte. at_once: of each border,
    where the moved gates are known for all events, which they hold.
    """
    changing = np.zeros(tree.count, dtype=np.bool_)
    differing: list[dict[str, list[Packed]]] = [{} for _ in borders]
    parents = {placed.id: placed.parent for placed in tree.populations}
    for index, border in enumerate(borders):
        for name, gates in border.gates.items():
            mask, parent = tree.mask(name), tree.mask(parents[name])
            assert mask is not None
            assert parent is not None
            for way, gate in enumerate(gates):
                held = at_once[index][name][way] & parent if at_once else members(gate, events, parent)
                different = held ^ mask
                changing |= different
                differing[index].setdefault(name, []).append(np.packbits(different))
    return changing, differing


def _moves_within_moved(tree: GateTree, border: _Border) -> bool:
    """Say whether a border moves a gate and, besides, what that gate's parent holds."""
    touched: set[str] = set()
    for placed in tree.populations:
        operands = placed.gate.of if isinstance(placed.gate, Boolean) else ()
        is_below = any(name in touched for name in (placed.parent, *operands))
        if is_below and placed.id in border.gates:
            return True
        if is_below or placed.id in border.gates:
            touched.add(placed.id)
    return False


def _with_moved(
    tree: GateTree, held: Mapping[str, Mask], inside_of: Callable[[PlacedPopulation], Mask], moved: Mapping[str, Mask]
) -> dict[str, Mask]:
    """Return the populations that a moved border may change, with what they hold then.

    held: what each population holds; inside_of: what its gate holds whatever the parent; moved: what moved gates hold,
    of their parents at least.
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
            own = moved[placed.id] if placed.id in moved else inside_of(placed)
        after[placed.id] = after.get(placed.parent, held[placed.parent]) & own
    return after


def _thinned(tree: GateTree, sizes: Mapping[str, int]) -> dict[str, float]:
    """Return population -> relative error of its share of the parent from what no move of a border shows."""
    impurity: dict[str, float] = {ROOT: 0.0}
    for placed in tree.populations:
        impurity[placed.id] = placed.facts.get("impurity", 0.0)
        if isinstance(placed.gate, Boolean) and placed.gate.operator == "or":  # others are in it as far as in its parts
            others = sum(impurity.get(name, 0.0) * sizes.get(name, 0) for name in placed.gate.of)
            impurity[placed.id] = others / max(sizes.get(placed.id, 0), 1)
    thinned: dict[str, float] = {}
    for placed in tree.populations:
        if placed.id in tree.memberships:
            held = sizes[placed.id]
            diluted = impurity.get(placed.parent, 0.0) * held
            unseen = placed.facts.get("unseen", 0.0) * held
            background = placed.facts.get("background", 0.0) * sizes[placed.parent]
            thinned[placed.id] = _root([diluted, unseen, background]) / (held + 0.5)
    return thinned
