"""Four regions from a threshold on each of two axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from immunomon.gates.density import Valley, Which
from immunomon.gates.fixed import Units, on_display
from immunomon.gates.registry import GATE_METHODS
from immunomon.gates.traits import Alone, TwoAxes
from immunomon.model.events import EventTable
from immunomon.model.geometry import Interval, Rectangle
from immunomon.model.placement import Placement
from immunomon.model.scales import DisplayScale

__all__ = ["QuadrantsGate"]

INF = float("inf")


@GATE_METHODS.register("quadrants")
@dataclass(frozen=True, kw_only=True)
class QuadrantsGate(TwoAxes, Alone):
    """Four regions, ``x- y-``, ``x+ y-``, ``x- y+``, ``x+ y+``, that share two thresholds and no event.

    Each threshold lies where it was declared (x_threshold, y_threshold), or else in the valley of its own axis, with
    a fallback (intensity) where there is none.
    """

    paper: ClassVar[str] = Valley.paper

    x: str
    y: str
    x_threshold: float | None = None
    y_threshold: float | None = None
    x_which: Which = "deepest"
    y_which: Which = "deepest"
    x_fallback: float | None = None
    y_fallback: float | None = None
    bandwidth: float = 0.02
    min_persistence: float = 4.0
    min_events: int = 100
    units: Units = "intensity"

    @property
    def regions(self) -> tuple[str, ...]:
        """The four quadrants."""
        return ("x- y-", "x+ y-", "x- y+", "x+ y+")

    def _threshold(
        self, axis: str, parent: EventTable, scales: Mapping[str, DisplayScale]
    ) -> tuple[float, dict[str, float], str]:
        on_x = axis == self.x
        declared = self.x_threshold if on_x else self.y_threshold
        if declared is not None:
            return on_display(declared, scales[axis], self.units, missing=INF), {}, ""
        valley = Valley(
            axis=axis,
            which=self.x_which if on_x else self.y_which,
            bandwidth=self.bandwidth,
            min_persistence=self.min_persistence,
            min_events=self.min_events,
            fallback=self.x_fallback if on_x else self.y_fallback,
        )
        return valley.threshold(parent, scales[axis])

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:
        """Place both thresholds; raises GateNotPlaced if an axis has neither a valley nor a fallback."""
        at_x, x_facts, x_note = self._threshold(self.x, parent, scales)
        at_y, y_facts, y_note = self._threshold(self.y, parent, scales)
        sides = {
            "x-": Interval(self.x, high=at_x),
            "x+": Interval(self.x, low=at_x),
            "y-": Interval(self.y, high=at_y),
            "y+": Interval(self.y, low=at_y),
        }
        regions = {region: Rectangle(tuple(sides[word] for word in region.split())) for region in self.regions}
        facts = {"x_threshold": at_x, "y_threshold": at_y}
        facts |= {f"x_{key}": value for key, value in x_facts.items() if key != "threshold"}
        facts |= {f"y_{key}": value for key, value in y_facts.items() if key != "threshold"}
        return Placement(regions, facts, "; ".join(filter(None, (x_note, y_note))))
