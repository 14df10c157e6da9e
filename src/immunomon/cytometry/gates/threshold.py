"""What gates of one threshold have in common: two sides, one number that says where they part, and its error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.gates.negatives import Ground, Intensity, refuse_constant, to_display
from immunomon.cytometry.gates.registry import Alone
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import Interval
from immunomon.cytometry.model.placement import Placement
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.study.model.trust import Doubt, PlacedBy

__all__ = ["RECTANGLE", "SEED", "Threshold", "ThresholdGate", "reach_of", "within"]

# Errors come from resampling: with one seed for all, the same events have the same errors.
SEED = 20_240_607
# Half-width of a rectangular distribution over its standard deviation (JCGM 100:2008, GUM, 4.3.7).
RECTANGLE = 3.0**0.5


@dataclass(frozen=True)
class Threshold:
    """A threshold on the display scale, its standard error (None: not estimated), what it rests on, what set it.

    errors: standard errors of the facts that it rests on. doubts: what speaks against it; placed_by: what set it.
    """

    position: float
    error: float | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    note: str = ""
    errors: Mapping[str, float] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()
    placed_by: PlacedBy = "data"


class ThresholdGate(Alone):
    """A method that divides one axis in ``low`` and ``high`` at the fact ``threshold``.

    >>> ThresholdGate.coordinates
    ('threshold',)
    """

    axis: str
    coordinates: ClassVar[tuple[str, ...]] = ("threshold",)

    @property
    def axes(self) -> tuple[str, ...]:
        """The axis."""
        return (self.axis,)

    @property
    def regions(self) -> tuple[str, ...]:
        """The two sides of the threshold."""
        return ("low", "high")

    def at(self, facts: Mapping[str, float], scales: Mapping[str, DisplayScale]) -> dict[str, Interval]:  # noqa: ARG002
        """Return the two sides of a threshold."""
        position = facts["threshold"]
        return {"low": Interval(self.axis, high=position), "high": Interval(self.axis, low=position)}

    def _placed(self, threshold: Threshold, scales: Mapping[str, DisplayScale]) -> Placement:
        facts = {"threshold": threshold.position, **threshold.facts}
        errors = {} if threshold.error is None else {"threshold": threshold.error, **threshold.errors}
        return Placement(
            self.at(facts, scales),
            facts,
            threshold.note,
            threshold.source,
            errors,
            threshold.doubts,
            {"threshold": threshold.placed_by},
        )


def reach_of(parent: EventTable, axis: str, scale: DisplayScale) -> float:
    """Return the length of an axis: display scales run from 0 to 1, an identity scale over the cytometer's range."""
    return parent.channels[parent.index(axis)].range if scale.kind == "identity" else 1.0


def within(
    parent: EventTable,
    axis: str,
    scale: DisplayScale,
    *,
    low: Intensity | None = None,
    high: Intensity | None = None,
    ground: Ground | None = None,
) -> Floats:
    """Return the finite values of an axis between two places, (events,), on the display scale.

    ground: the negatives, for places that are relative to them; raises GateNotPlaced where these are not known.

    >>> from immunomon.study.model.channels import Channel
    >>> from immunomon.cytometry.model.events import Scale
    >>> from immunomon.cytometry.model.scales import Linear
    >>> events = EventTable(np.array([[0.1], [0.5], [np.nan]]), (Channel("V450-A", "CD3"),), Scale.DISPLAY)
    >>> within(events, "CD3", Linear(t=100.0), low=20.0)
    array([0.5])
    """
    values = np.asarray(parent.column(axis), dtype=np.float64)
    values = values[np.isfinite(values)]
    refuse_constant(values, axis)
    if low is not None:
        values = values[values >= to_display(low, axis=axis, scale=scale, ground=ground)]
    if high is not None:
        values = values[values <= to_display(high, axis=axis, scale=scale, ground=ground)]
    return values
