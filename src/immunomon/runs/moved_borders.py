"""Gates that a person moved: as a decision has them, on the display scale, and heard where samples agree on a gate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.geometry import Ellipse, Gate, Interval, Polygon, Rectangle
from immunomon.cytometry.model.placement import GateMethod, Movable, axis_of
from immunomon.cytometry.model.scales import AnyScale
from immunomon.cytometry.model.settled import MOVED_BY, Estimate
from immunomon.errors import ImmunomonError
from immunomon.study.model.channels import Channel
from immunomon.study.model.overrides import Override
from immunomon.study.model.strategy import GateDeclaration, GatingStrategy

__all__ = ["declared", "placed", "placed_by_person", "with_moved_borders"]

Scales = Mapping[str, AnyScale]
_DIGITS = 6  # of an intensity: finer than a pixel, and readable in a file of overrides
Estimates = Mapping[str, tuple[Estimate, ...]]


def placed_by_person(declared: GateDeclaration, scales: Scales) -> Gate:
    """Return a gate with declared borders on the display scale, as a run places it.

    >>> from immunomon.cytometry.model.scales import Linear
    >>> placed_by_person(GateDeclaration("interval", {"axis": "CD4", "low": 50.0}), {"CD4": Linear(t=100.0)})
    Interval(axis='CD4', low=0.5, high=inf)
    """
    method = gate_method(declared)
    nothing = EventTable(np.empty((0, len(method.axes))), tuple(Channel(axis) for axis in method.axes), Scale.DISPLAY)
    (gate,) = method.fit(nothing, scales).regions.values()
    return gate


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
    return placed_by_person(GateDeclaration(str(decision["method"]), arguments), scales)


def with_moved_borders(
    strategy: GatingStrategy, estimates: Estimates, overrides: Iterable[Override], *, scales: Mapping[str, Scales]
) -> Estimates:
    """Return the samples' estimates, with the borders of persons who want them heard in place of the samples' own.

    scales: of each sample. A person's border is as sure as the typical estimate of the other samples. One that no
    sample has estimated has no say.
    """
    heard = dict(estimates)
    for decision in overrides:
        if not decision.in_consensus or decision.gate is None or decision.sample not in estimates:
            continue
        if decision.population not in strategy.ids:
            continue
        gate = placed_by_person(decision.gate, scales[decision.sample])
        lead = strategy.gate_id(decision.population)
        facts = _facts(gate_method(strategy.population(decision.population).gate), gate)
        errors = {
            name: error for name in facts if (error := _typical_error(lead, name, estimates.values())) is not None
        }
        heard[decision.sample] = tuple(
            _moved(own, {name: facts[name] for name in errors}, errors, decision.by) if own.gate == lead else own
            for own in heard[decision.sample]
        )
    return heard


def _facts(method: object, gate: Gate) -> dict[str, float]:
    """Return the coordinates of a shared gate that a moved one says: where it has one border on their axis."""
    if not isinstance(method, Movable) or not isinstance(method, GateMethod):
        return {}
    borders = dict(_borders(gate))
    return {name: borders[axis] for name in method.coordinates if (axis := axis_of(method, name)) in borders}


def _borders(gate: Gate) -> Iterator[tuple[str, float]]:
    sides = (gate,) if isinstance(gate, Interval) else gate.sides if isinstance(gate, Rectangle) else ()
    for side in sides:
        ends = [end for end in (side.low, side.high) if np.isfinite(end)]
        if len(ends) == 1:
            yield side.axis, ends[0]


def _typical_error(gate: str, name: str, estimates: Iterable[Sequence[Estimate]]) -> float | None:
    errors = [
        own.errors[name] for of_sample in estimates for own in of_sample if own.gate == gate and name in own.errors
    ]
    return float(np.median(errors)) if errors else None


def _moved(own: Estimate, facts: Mapping[str, float], errors: Mapping[str, float], by: str) -> Estimate:
    return replace(
        own,
        facts={**own.facts, **facts},
        errors={**own.errors, **errors},
        source=f"{MOVED_BY}{by}",
        failure="",
        placed_by={**own.placed_by, **dict.fromkeys(facts, "person")},
    )
