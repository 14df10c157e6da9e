"""Single cells: pulse height goes with pulse area along one line; a doublet has more area for its height."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from immunomon.errors import GateNotPlaced
from immunomon.gates.registry import GATE_METHODS
from immunomon.gates.traits import OneRegion
from immunomon.kernels.line import line_errors, robust_line
from immunomon.model.events import EventTable
from immunomon.model.geometry import Polygon
from immunomon.model.placement import Placement
from immunomon.model.scales import DisplayScale

__all__ = ["Singlet"]

# Far beyond any cytometer's range, so that a border that is open stays open in a polygon.
_FAR = 1e9
_UP_TO_THREE_TIMES = np.sqrt(3)


@GATE_METHODS.register("singlet")
@dataclass(frozen=True, kw_only=True)
class Singlet(OneRegion):
    """A band around the robust line of height on area, both linear; its width grows with the area.

    below, above: how many robust standard deviations of height / area belong to the band on either side.
    """

    paper: ClassVar[str] = "Huber & Ronchetti 2009, Robust Statistics (biweight regression); Wersto et al. 2001 (A x H)"

    area: str = "FSC-A"
    height: str = "FSC-H"
    below: float = 4.0
    above: float = 4.0
    min_events: int = 100
    coordinates: ClassVar[tuple[str, ...]] = ("slope", "intercept", "spread")

    @property
    def axes(self) -> tuple[str, ...]:
        """Area and height."""
        return (self.area, self.height)

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:
        """Place the band; raises GateNotPlaced for too few events, or a scale that is not linear."""
        for axis in self.axes:
            if scales[axis].kind not in {"identity", "linear"}:
                raise GateNotPlaced(f"{axis}: singlets are found on a linear scale, not {scales[axis].kind}")
        area = np.asarray(parent.column(self.area), dtype=np.float64)
        height = np.asarray(parent.column(self.height), dtype=np.float64)
        usable = (area > 0) & (height > 0) & np.isfinite(area) & np.isfinite(height)
        usable &= (area < area.max(initial=0.0)) & (height < height.max(initial=0.0))  # not the events at the margin
        if int(usable.sum()) < self.min_events:
            raise GateNotPlaced(f"only {int(usable.sum())} events with positive {self.area} and {self.height}")
        try:
            slope, intercept, spread = robust_line(area[usable], height[usable])
        except ValueError as error:
            raise GateNotPlaced(f"{self.area} x {self.height}: {error}") from error
        facts = {"slope": slope, "intercept": intercept, "spread": spread}
        if spread > 0:
            place = (height[usable] / area[usable] - slope - intercept / area[usable]) / spread
            facts["unseen"] = _unseen(place, self.below, self.above)
        errors = line_errors(area[usable], height[usable], (slope, intercept, spread))
        return Placement(
            self.at(facts, scales), facts, source="line", errors=dict(zip(self.coordinates, errors, strict=True))
        )

    def at(self, facts: Mapping[str, float], scales: Mapping[str, DisplayScale]) -> dict[str, Polygon]:  # noqa: ARG002
        """Return the band around the line with this slope and intercept, of this relative spread."""
        slope, intercept, spread = (facts[name] for name in self.coordinates)
        low, high = slope - self.below * spread, slope + self.above * spread
        corners = ((0.0, intercept), (_FAR, intercept + low * _FAR), (_FAR, intercept + high * _FAR))
        return {"inside": Polygon(self.area, self.height, corners)}


def _unseen(place: NDArray[np.float64], below: float, above: float) -> float:
    """Return how many of the events in the band may be doublets, as a share of these.

    place: (events,), robust standard deviations from the line. A large cell with a small one has nearly the pulse of
    the large one alone. How fast doublets become fewer towards the band, over the last two deviations before it, says
    how many lie inside it (a geometric series, or a triangle up to the line if that is less); the number is not known
    better than up to three times as many: its standard error, a rectangle's from none to that, is what is returned.
    """
    near, far = (int(np.count_nonzero((place >= low) & (place < low + 1))) for low in (-below - 1, -below - 2))
    held = int(np.count_nonzero((place >= -below) & (place < above)))
    triangle = near * below / 2
    beyond = min(near * near / (far - near), triangle) if far > near else triangle
    return float(_UP_TO_THREE_TIMES * beyond / max(held, 1))
