"""Settle: where gates lie that more than one sample has a say in, from what each sample's own events said."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.errors import GateNotPlaced
from immunomon.gates import gate_method
from immunomon.kernels.between import Between, agree_between
from immunomon.kernels.consensus import Consensus, consensus
from immunomon.model.events import EventTable
from immunomon.model.placement import Anchored, GateMethod, Movable
from immunomon.model.scales import AnyScale
from immunomon.model.settled import Estimate, Settled
from immunomon.model.strategy import GatingStrategy, Population

__all__ = ["Belonging", "settle"]

Scales = Mapping[str, AnyScale]
Labels = NDArray[np.int64]
# Estimates of one gate by sample, in the samples' order.
Estimates = Mapping[str, Estimate]

# A sample's own events put the gate so nearly where the others say that it need not be spoken of, display scale.
_UNSPOKEN = 0.05


@dataclass(frozen=True)
class Belonging:
    """All that placement may know of a sample: who it is from and what it was run with, as labels without meaning.

    is_reference: whether gates of its subject with ``fit: baseline`` are placed on it. Neither the visit nor the dose
    is here, so that no gate can lean on them.
    """

    subject: str
    batch: str
    is_reference: bool = False


def settle(
    strategy: GatingStrategy,
    estimates: Mapping[str, Sequence[Estimate]],
    *,
    belongings: Mapping[str, Belonging],
    scales: Mapping[str, Scales],
) -> dict[str, dict[str, Settled]]:
    """Return for each sample where its shared gates lie: sample -> population id -> settled.

    estimates: sample -> what its own events said, one for each shared gate of the strategy (those with ``fit`` or
    ``consensus``); belongings, scales: by sample, the display scales of its axes. A gate that no sample could place is
    left out. With ``consensus`` each estimate is drawn to its subject's and batch's (``kernels.consensus``), and one
    that is out of line is not followed; with ``fit`` the gate is placed once on the pooled events.

    >>> from immunomon.model.strategy import GateDeclaration
    >>> from immunomon.model.scales import Logicle
    >>> declared = GateDeclaration("valley", {"axis": "CD3"}, consensus=True)
    >>> tree = GatingStrategy("s", "S", 1, None, (Population("t", "T", "root", declared, "high"),))
    >>> at = {"a": 0.5, "b": 0.5, "c": 0.5, "d": 0.9}
    >>> said = {name: [Estimate("t", {"threshold": at[name]}, {"threshold": 0.01})] for name in at}
    >>> who = {name: Belonging("S1", "B1") for name in said}
    >>> found = settle(tree, said, belongings=who, scales={name: {"CD3": Logicle()} for name in said})
    >>> found["d"]["t"].outlier, round(found["d"]["t"].facts["threshold"], 2)
    (True, 0.5)
    """
    found: dict[str, dict[str, Settled]] = {sample: {} for sample in estimates}
    by_gate = {
        gate: {sample: one for sample, said in estimates.items() for one in said if one.gate == gate}
        for gate in dict.fromkeys(strategy.gate_id(p.id) for p in strategy if p.gate.is_shared)
    }
    for gate, said in by_gate.items():
        users = [population for population in strategy if strategy.gate_id(population.id) == gate]
        decided = _decide(users[0], said, belongings, scales)
        for sample, settled in decided.items():
            found[sample] |= {population.id: settled for population in users}
    return found


def _decide(
    population: Population, said: Estimates, belongings: Mapping[str, Belonging], scales: Mapping[str, Scales]
) -> dict[str, Settled]:
    method = gate_method(population.gate)
    if not isinstance(method, Movable):
        return {}
    if population.gate.consensus:
        return _agreed(method, said, belongings)
    return _pooled(population, method, said, belongings, scales)


def _agreed(method: Movable, said: Estimates, belongings: Mapping[str, Belonging]) -> dict[str, Settled]:
    """Draw each coordinate of each estimate to the others'; facts that are none stay as a typical sample has them."""
    samples = list(said)
    subjects = _labels(belongings[sample].subject for sample in samples)
    batches = _labels(belongings[sample].batch for sample in samples)
    agreed: dict[str, Consensus] = {}
    for name in _moving(method, said):
        found = _together(name, _anchors(method, said).get(name), said, subjects, batches)
        # What too few samples have seen is left to each; the other coordinates are agreed on all the same.
        if all(np.all(np.isfinite(one.values)) for one in found.values()):
            agreed |= found
    if not agreed:
        return {}
    typical = _typical(said)
    return {
        sample: _settled(one, {name: (agreed[name], place) for name in agreed}, typical)
        for place, (sample, one) in enumerate(said.items())
    }


def _together(
    name: str, anchors: tuple[str, str] | None, said: Estimates, subjects: Labels, batches: Labels
) -> dict[str, Consensus]:
    """Return what the samples say together of a coordinate, and of the facts it lies between if it goes with those."""
    if anchors:
        facts = [one for fact in (name, *anchors) for one in (_values(said, fact), _errors(said, fact))]
        if found := agree_between(Between(*facts), subjects, batches):
            return {name: found.border, anchors[0]: found.low, anchors[1]: found.high}
    return {name: consensus(_values(said, name), _errors(said, name), subjects, batches)}


def _anchors(method: Movable, said: Estimates) -> Mapping[str, tuple[str, str]]:
    """Return what coordinates lie between, where all that estimated them saw that too."""
    anchors = method.anchors if isinstance(method, Anchored) else {}
    return {
        name: pair
        for name, pair in anchors.items()
        if all({*pair} <= one.errors.keys() for one in said.values() if name in one.errors)
    }


def _moving(method: Movable, said: Estimates) -> list[str]:
    """Return the coordinates that at least one sample estimated, with an error."""
    return [name for name in method.coordinates if any(name in one.errors for one in said.values())]


def _labels(names: Iterable[Hashable]) -> Labels:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _values(said: Estimates, name: str) -> NDArray[np.float64]:
    # A fact without an error was not estimated from the data (a fallback): it is no evidence of where the gate lies.
    return np.array([one.facts[name] if name in one.errors else np.nan for one in said.values()])


def _errors(said: Estimates, name: str) -> NDArray[np.float64]:
    return np.array([one.errors.get(name, np.nan) for one in said.values()])


def _typical(said: Estimates) -> dict[str, float]:
    placed = [one.facts for one in said.values() if one.facts and not one.failure]
    names = dict.fromkeys(name for facts in placed for name in facts)
    return {name: float(np.median([facts[name] for facts in placed if name in facts])) for name in names}


def _settled(one: Estimate, agreed: Mapping[str, tuple[Consensus, int]], typical: Mapping[str, float]) -> Settled:
    values = {name: float(found.values[place]) for name, (found, place) in agreed.items()}
    errors = dict(one.errors) | {name: float(found.errors[place]) for name, (found, place) in agreed.items()}
    weight = min(float(found.own_weight[place]) for found, place in agreed.values())
    outlier = any(bool(found.outlier[place]) for found, place in agreed.values())
    own = one.facts if one.facts and not one.failure else typical
    facts = {**typical, **own, **values}
    source = f"consensus, own weight {weight:.2f} ({one.source or 'no own estimate'})"
    return Settled(facts, errors, source, _why(one, values, outlier), weight, outlier)


def _why(one: Estimate, values: Mapping[str, float], outlier: bool) -> str:
    if not any(name in one.errors for name in values):
        reason = one.failure or one.note or "no estimate of its own"
        return f"placed where the other samples of its subject and batch say: {reason}"
    moved = [f"{name} {one.facts[name]:.3f} -> {at:.3f}" for name, at in values.items() if name in one.facts]
    if outlier:
        return f"out of line with the other samples of its subject and batch, not followed: {', '.join(moved)}"
    far = any(abs(one.facts.get(name, at) - at) > _UNSPOKEN for name, at in values.items())
    return f"drawn to the other samples of its subject and batch: {', '.join(moved)}" if far else ""


def _pooled(
    population: Population,
    method: Movable,
    said: Estimates,
    belongings: Mapping[str, Belonging],
    scales: Mapping[str, Scales],
) -> dict[str, Settled]:
    """Place the gate once for each group of samples, on their events together."""
    fit = population.gate.fit
    groups: dict[Hashable, list[str]] = {}
    for sample in said:
        groups.setdefault(_group(fit, belongings[sample]), []).append(sample)
    found: dict[str, Settled] = {}
    for members in groups.values():
        givers = [s for s in members if fit != "baseline" or belongings[s].is_reference]
        ground = [events for s in givers if (events := said[s].ground) is not None and events.count]
        if ground:
            found |= _placed_once(method, ground, fit, {s: said[s] for s in members}, scales[members[0]])
    return found


def _group(fit: str, belonging: Belonging) -> Hashable:
    return {"subject": belonging.subject, "baseline": belonging.subject, "batch": belonging.batch}.get(fit, "")


def _placed_once(
    method: Movable, ground: Sequence[EventTable], fit: str, members: Estimates, scales: Scales
) -> dict[str, Settled]:
    assert isinstance(method, GateMethod)
    axes = [ground[0].index(axis) for axis in method.axes]
    values = np.concatenate([np.asarray(events.values)[:, axes] for events in ground])
    pool = EventTable(values, tuple(ground[0].channels[axis] for axis in axes), ground[0].scale, f"{fit} together")
    try:
        placement = method.fit(pool, scales)
    except GateNotPlaced:
        return {}  # each sample's own placement stands, or its own reason why there is none
    source = f"{placement.source or 'placed'} on the {fit}'s events"
    settled = Settled(placement.facts, placement.errors, source, placement.note)
    return dict.fromkeys(members, settled)
