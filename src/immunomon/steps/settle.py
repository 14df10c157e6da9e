"""Settle: where gates lie that more than one sample has a say in, from what each sample's own events said."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.errors import GateNotPlaced
from immunomon.gates import gate_method
from immunomon.kernels.between import Between, agree_between
from immunomon.kernels.consensus import Consensus, consensus
from immunomon.model.events import EventTable
from immunomon.model.placement import Anchored, GateMethod, Movable, axis_of, origins_of
from immunomon.model.scales import AnyScale
from immunomon.model.settled import Estimate, Settled
from immunomon.model.strategy import GatingStrategy, Population
from immunomon.model.trust import Doubt, PlacedBy, merged

__all__ = ["Belonging", "settle"]

Scales = Mapping[str, AnyScale]
Labels = NDArray[np.int64]
# Estimates of one gate by sample, in the samples' order.
Estimates = Mapping[str, Estimate]

# A sample's own events put the gate so nearly where the others say that it need not be spoken of, display scale.
_UNSPOKEN = 0.05
# A fallback is confirmed by others that place the border within so many standard errors of it.
_CONFIRMED = 2.0


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
    left out. Only samples that show a gate's axes on the same scales have a say in one another's: a coordinate of one
    cytometer's range means nothing on another's. With ``consensus`` each estimate is drawn to its subject's and batch's
    (``kernels.consensus``), and one that is out of line is not followed; with ``fit`` the gate is placed once on the
    pooled events.

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
        for group in _on_one_scale(users[0], said, scales):
            for sample, settled in _decide(users[0], group, belongings, scales).items():
                found[sample] |= {population.id: settled for population in users}
    return found


def _on_one_scale(population: Population, said: Estimates, scales: Mapping[str, Scales]) -> list[Estimates]:
    """Return the estimates in groups of samples that show the gate's axes on the same scales."""
    groups: dict[tuple[object, ...], dict[str, Estimate]] = {}
    for sample, estimate in said.items():
        key = tuple(scales[sample].get(axis) for axis in gate_method(population.gate).axes)
        groups.setdefault(key, {})[sample] = estimate
    return list(groups.values())


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
        sample: _settled(own, method, agreed, place, typical)
        for place, (sample, own) in enumerate(said.items())
        if not any(doubt.code == "dead_detector" for doubt in own.doubts)  # nothing can be gated there
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


def _settled(
    own: Estimate, method: Movable, agreed: Mapping[str, Consensus], place: int, typical: Mapping[str, float]
) -> Settled:
    assert isinstance(method, GateMethod)
    values = {name: float(found.values[place]) for name, found in agreed.items()}
    errors = dict(own.errors) | {name: float(found.errors[place]) for name, found in agreed.items()}
    weight = min(float(found.own_weight[place]) for found in agreed.values())
    is_outlier = any(bool(found.outlier[place]) for found in agreed.values())
    # Peaks that a coordinate lies between are agreed on, too, but they are no coordinates.
    named = [name for name in method.coordinates if name in agreed]
    views = [_View.of(name, axis_of(method, name), own, agreed[name], place) for name in named]
    facts = {**typical, **(own.facts if own.facts and not own.failure else typical), **values}
    source = f"consensus, own weight {weight:.2f} ({own.source or 'no own estimate'})"
    note = "; ".join(dict.fromkeys(view.note for view in views if view.note))
    replaced = {axis for view in views if not view.is_seen for axis in ("", view.axis)}
    kept = (doubt for doubt in own.doubts if doubt.code != "fallback_alone" or doubt.axis not in replaced)
    doubts = merged([*kept, *(doubt for view in views for doubt in view.doubts)])
    origins = dict(own.placed_by) | {view.name: view.origin for view in views}
    return Settled(facts, errors, source, note, weight, is_outlier, doubts=doubts, placed_by=origins)


@dataclass(frozen=True)
class _View:
    """What became of one coordinate of one sample's gate: what set it, and what is to be said of it.

    is_seen: whether the sample's own events show it.
    """

    name: str
    axis: str
    origin: PlacedBy
    is_seen: bool = True
    note: str = ""
    doubts: tuple[Doubt, ...] = ()

    @classmethod
    def of(cls, name: str, axis: str, own: Estimate, agreed: Consensus, place: int) -> _View:
        value, origin = float(agreed.values[place]), own.placed_by.get(name, "data")
        on = f"{axis}: " if axis else ""
        if name not in own.errors:
            reason = _reason(own, axis)
            doubt = _unseen(own, name, axis, value, float(agreed.errors[place]), reason)
            note = f"{on}placed where the other samples of its subject and batch say: {reason}"
            return cls(name, axis, "consensus", is_seen=False, note=note, doubts=(doubt,))
        moved = f"{name} {own.facts[name]:.3f} -> {value:.3f}"
        if bool(agreed.outlier[place]):
            note = f"{on}out of line with the other samples of its subject and batch, not followed: {moved}"
            doubt = Doubt("not_followed", axis, moved)
            return cls(name, axis, "consensus", note=note, doubts=(doubt,))
        far = abs(own.facts[name] - value) > _UNSPOKEN
        note = f"{on}drawn to the other samples of its subject and batch: {moved}" if far else ""
        return cls(name, axis, origin, note=note)


def _unseen(own: Estimate, name: str, axis: str, value: float, error: float, reason: str) -> Doubt:
    """Return what a coordinate is called that the sample's own events do not show, by what its fallback says."""
    if own.placed_by.get(name) != "fallback" or name not in own.facts:
        return Doubt("borrowed", axis, reason)
    distance = abs(own.facts[name] - value)
    code = "fallback_confirmed" if distance <= _CONFIRMED * error else "fallback_contradicted"
    return Doubt(code, axis, f"fallback {own.facts[name]:.3f}, other samples {value:.3f} +- {error:.3f}")


def _reason(own: Estimate, axis: str) -> str:
    """Return why the sample's own events do not show a border on an axis: notes speak of one axis after the other."""
    if own.failure:
        return own.failure
    parts = re.split(r"; (?=[^;:]+: )", own.note) if own.note else []
    about = [part for part in parts if axis and part.startswith((f"{axis}:", f"{axis}+:", f"{axis}-:"))]
    return "; ".join(about or parts) or "no estimate of its own"


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
    origins: dict[str, PlacedBy] = {
        name: "consensus" if origin == "data" else origin for name, origin in origins_of(method, placement).items()
    }
    about = (placement.facts, placement.errors, source, placement.note)
    settled = Settled(*about, doubts=placement.doubts, placed_by=origins)
    return dict.fromkeys(members, settled)
