"""Consensus: where gates lie that more than one sample has a say in, from what each sample's own events said."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats
from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.gates.views import Border, View, standing_alone, standing_apart
from immunomon.cytometry.kernels.consensus import Between, Consensus, agree_between, consensus
from immunomon.cytometry.kernels.outliers import LEVELS, reach_beside
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.placement import Anchored, GateMethod, Movable, axis_of, origins_of
from immunomon.cytometry.model.scales import AnyScale
from immunomon.cytometry.model.settled import Belonging, Estimate, Settled
from immunomon.errors import GateNotPlaced
from immunomon.study.model.strategy import GatingStrategy, Population
from immunomon.study.model.trust import Doubt, PlacedBy, merged

__all__ = ["reach_consensus"]

Scales = Mapping[str, AnyScale]
Labels = NDArray[np.int64]
# Estimates of one gate by sample, in the samples' order.
Estimates = Mapping[str, Estimate]


def reach_consensus(
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

    >>> from immunomon.study.model.strategy import GateDeclaration
    >>> from immunomon.cytometry.model.scales import Logicle
    >>> declared = GateDeclaration("valley", {"axis": "CD3"}, consensus=True)
    >>> tree = GatingStrategy("s", "S", 1, None, (Population("t", "T", "root", declared, "high"),))
    >>> thresholds = {"a": 0.5, "b": 0.5, "c": 0.5, "d": 0.9}
    >>> estimates = {name: [Estimate("t", {"threshold": thresholds[name]}, {"threshold": 0.01})] for name in thresholds}
    >>> belongings = {name: Belonging("S1", "B1") for name in estimates}
    >>> scales = {name: {"CD3": Logicle()} for name in estimates}
    >>> settled = reach_consensus(tree, estimates, belongings=belongings, scales=scales)
    >>> settled["d"]["t"].outlier, round(settled["d"]["t"].facts["threshold"], 2)
    (True, 0.5)
    """
    settled: dict[str, dict[str, Settled]] = {sample: {} for sample in estimates}
    by_gate = {
        gate: {
            sample: estimate
            for sample, of_sample in estimates.items()
            for estimate in of_sample
            if estimate.gate == gate
        }
        for gate in dict.fromkeys(strategy.gate_id(p.id) for p in strategy if p.gate.is_shared)
    }
    for gate, of_gate in by_gate.items():
        users = [population for population in strategy if strategy.gate_id(population.id) == gate]
        for group in _on_one_scale(users[0], of_gate, scales):
            decided = _decide(users[0], group, belongings, scales)
            doubts = _beside_others(users[0], group, decided, belongings)
            for sample, own in group.items():
                about = doubts.get(sample, ())
                result = decided.get(sample) or (_as_it_stands(own) if about else None)
                if result is not None:
                    doubted = replace(result, doubts=merged([*result.doubts, *about]))
                    settled[sample] |= {population.id: doubted for population in users}
    return settled


def _on_one_scale(population: Population, estimates: Estimates, scales: Mapping[str, Scales]) -> list[Estimates]:
    """Return the estimates in groups of samples that show the gate's axes on the same scales."""
    groups: dict[tuple[object, ...], dict[str, Estimate]] = {}
    for sample, estimate in estimates.items():
        key = tuple(scales[sample].get(axis) for axis in gate_method(population.gate).axes)
        groups.setdefault(key, {})[sample] = estimate
    return list(groups.values())


def _beside_others(
    population: Population,
    estimates: Estimates,
    decided: Mapping[str, Settled],
    belongings: Mapping[str, Belonging],
) -> dict[str, list[Doubt]]:
    """Return what the files show of one another: weak stains, high negatives, borders where no other has one."""
    doubts = _stains(estimates)
    method: object = gate_method(population.gate)
    anchors = _anchors(method, estimates) if isinstance(method, Movable) else {}
    for name in method.coordinates if population.gate.consensus and isinstance(method, Movable) else ():
        assert isinstance(method, GateMethod)
        axis = axis_of(method, name)
        by_sample = standing_alone(name, axis, estimates)
        for fact in (*anchors.get(name, ())[:1], name):  # the negative peak, and the border
            by_sample |= standing_apart(fact, axis, _borders(fact, estimates, decided, belongings))
        for sample, doubt in by_sample.items():
            doubts.setdefault(sample, []).append(doubt)
    return doubts


def _borders(
    name: str, estimates: Estimates, decided: Mapping[str, Settled], belongings: Mapping[str, Belonging]
) -> dict[str, Border]:
    """Return where the samples that show a coordinate have it once it is decided."""
    return {
        sample: Border(
            belongings[sample].subject,
            decided[sample].facts[name] if sample in decided else own.facts[name],
            own.errors[name],
        )
        for sample, own in estimates.items()
        if name in own.errors and name in own.facts
    }


def _as_it_stands(own: Estimate) -> Settled | None:
    """Return a sample's own placement where the others had no say in it; None if there is none."""
    if own.failure or not own.facts:
        return None
    return Settled(own.facts, own.errors, own.source, own.note, doubts=own.doubts, placed_by=own.placed_by)


def _stains(estimates: Estimates) -> dict[str, list[Doubt]]:
    """Return the samples whose stain of a gate's axis is weak, or whose negatives lie high, beside the others'."""
    doubts: dict[str, list[Doubt]] = {}
    for axis in dict.fromkeys(axis for estimate in estimates.values() for axis in estimate.reach):
        unknown = (np.nan,) * len(LEVELS)
        reach = reach_beside(np.array([estimate.reach.get(axis, unknown) for estimate in estimates.values()]))
        for index, sample in enumerate(estimates):
            if reach.is_weak[index]:
                detail = f"its brightest events {reach.short[index]:.2f} below the other files', display scale"
                doubts.setdefault(sample, []).append(Doubt("weak_stain", axis, detail))
            if reach.is_shifted[index]:
                detail = f"its dimmest events {reach.raised[index]:.2f} above the other files', display scale"
                doubts.setdefault(sample, []).append(Doubt("shifted_negatives", axis, detail))
    return doubts


def _decide(
    population: Population, estimates: Estimates, belongings: Mapping[str, Belonging], scales: Mapping[str, Scales]
) -> dict[str, Settled]:
    method = gate_method(population.gate)
    if not isinstance(method, Movable):
        return {}
    if population.gate.consensus:
        return _agreed(method, estimates, belongings)
    return _pooled(population, method, estimates, belongings, scales)


def _agreed(method: Movable, estimates: Estimates, belongings: Mapping[str, Belonging]) -> dict[str, Settled]:
    """Draw each coordinate of each estimate to the others'; facts that are none stay as a typical sample has them."""
    samples = list(estimates)
    subjects = _labels(belongings[sample].subject for sample in samples)
    batches = _labels(belongings[sample].batch for sample in samples)
    agreed: dict[str, Consensus] = {}
    for name in _moving(method, estimates):
        together = _together(name, _anchors(method, estimates).get(name), estimates, subjects, batches)
        # What too few samples have seen is left to each; the other coordinates are agreed on all the same.
        if all(np.all(np.isfinite(consensus.values)) for consensus in together.values()):
            agreed |= together
    if not agreed:
        return {}
    typical = _typical(estimates)
    assert isinstance(method, GateMethod)
    axes = {name: axis_of(method, name) for name in method.coordinates}
    return {
        sample: _settled(own, axes, agreed, index, typical)
        for index, (sample, own) in enumerate(estimates.items())
        if not any(doubt.code == "dead_detector" for doubt in own.doubts)  # nothing can be gated there
    }


def _together(
    name: str, anchors: tuple[str, str] | None, estimates: Estimates, subjects: Labels, batches: Labels
) -> dict[str, Consensus]:
    """Return what the samples say together of a coordinate, and of the facts it lies between if it goes with those."""
    if anchors:
        facts = [values for fact in (name, *anchors) for values in (_values(estimates, fact), _errors(estimates, fact))]
        if agreed := agree_between(Between(*facts), subjects, batches):
            return {name: agreed.border, anchors[0]: agreed.low, anchors[1]: agreed.high}
    return {name: consensus(_values(estimates, name), _errors(estimates, name), subjects, batches)}


def _anchors(method: Movable, estimates: Estimates) -> Mapping[str, tuple[str, str]]:
    """Return what coordinates lie between, where all that estimated them saw that too."""
    anchors = method.anchors if isinstance(method, Anchored) else {}
    return {
        name: pair
        for name, pair in anchors.items()
        if all({*pair} <= estimate.errors.keys() for estimate in estimates.values() if name in estimate.errors)
    }


def _moving(method: Movable, estimates: Estimates) -> list[str]:
    """Return the coordinates that at least one sample estimated, with an error."""
    return [name for name in method.coordinates if any(name in estimate.errors for estimate in estimates.values())]


def _labels(names: Iterable[Hashable]) -> Labels:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _values(estimates: Estimates, name: str) -> Floats:
    # A fact without an error was not estimated from the data (a fallback): it is no evidence of where the gate lies.
    return np.array([estimate.facts[name] if name in estimate.errors else np.nan for estimate in estimates.values()])


def _errors(estimates: Estimates, name: str) -> Floats:
    return np.array([estimate.errors.get(name, np.nan) for estimate in estimates.values()])


def _typical(estimates: Estimates) -> dict[str, float]:
    placed = [estimate.facts for estimate in estimates.values() if estimate.facts and not estimate.failure]
    names = dict.fromkeys(name for facts in placed for name in facts)
    return {name: float(np.median([facts[name] for facts in placed if name in facts])) for name in names}


def _settled(
    own: Estimate, axes: Mapping[str, str], agreed: Mapping[str, Consensus], index: int, typical: Mapping[str, float]
) -> Settled:
    """Return one sample's gate as agreed on; axes: coordinate -> its axis."""
    values = {name: float(consensus.values[index]) for name, consensus in agreed.items()}
    errors = dict(own.errors) | {name: float(consensus.errors[index]) for name, consensus in agreed.items()}
    weight = min(float(consensus.own_weight[index]) for consensus in agreed.values())
    is_outlier = any(bool(consensus.outlier[index]) for consensus in agreed.values())
    # Peaks that a coordinate lies between are agreed on, too, but they are no coordinates.
    views = [View.of(name, axes[name], own, agreed[name], index) for name in axes if name in agreed]
    facts = {**typical, **(own.facts if own.facts and not own.failure else typical), **values}
    source = f"consensus, own weight {weight:.2f} ({own.source or 'no own estimate'})"
    note = "; ".join(dict.fromkeys(view.note for view in views if view.note))
    # Two borders of quadrants may lie on one axis: what is said of the axis stays as long as one of them stands alone.
    alone = {name for name in axes if own.placed_by.get(name) == "fallback" and name not in agreed}
    judged = {view.axis for view in views if not view.is_seen}  # '': the gate as a whole
    judged -= {axes[name] for name in alone}
    kept = (d for d in own.doubts if d.code != "fallback_alone" or not judged & {"", d.axis})
    doubts = merged([*kept, *(doubt for view in views for doubt in view.doubts)])
    origins = dict(own.placed_by) | {view.name: view.origin for view in views}
    return Settled(facts, errors, source, note, weight, is_outlier, doubts=doubts, placed_by=origins)


def _pooled(
    population: Population,
    method: Movable,
    estimates: Estimates,
    belongings: Mapping[str, Belonging],
    scales: Mapping[str, Scales],
) -> dict[str, Settled]:
    """Place the gate once for each group of samples, on their events together."""
    fit = population.gate.fit
    groups: dict[Hashable, list[str]] = {}
    for sample in estimates:
        groups.setdefault(_group(fit, belongings[sample]), []).append(sample)
    settled: dict[str, Settled] = {}
    for members in groups.values():
        givers = [s for s in members if fit != "baseline" or belongings[s].is_reference]
        ground = [events for s in givers if (events := estimates[s].ground) is not None and events.count]
        if ground:
            settled |= _placed_once(method, ground, fit, {s: estimates[s] for s in members}, scales[members[0]])
    return settled


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
