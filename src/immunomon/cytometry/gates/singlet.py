"""Single cells: pulse height goes with pulse area along one line; a doublet has more area for its height."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.gates.registry import GATE_METHODS, OneRegion
from immunomon.cytometry.kernels.density import Profile, modes_of, profile_of, valley_between
from immunomon.cytometry.kernels.regression import line_errors, robust_line
from immunomon.cytometry.kernels.selection import median_of
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import Polygon
from immunomon.cytometry.model.placement import Placement
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.errors import GateNotPlaced

__all__ = ["Singlet"]

# Far beyond any cytometer's range, so that a border that is open stays open in a polygon.
_FAR = 1e9
_UP_TO_THREE_TIMES = np.sqrt(3)
# A crowd below the line is one of doublets if it peaks so many robust standard deviations below it, and if its middle
# area is so many times that of the single cells: two cells have twice the area of one, in a little more height.
_CROWD_BELOW, _CROWD_AREA = 3.0, 1.5
_MAD_TO_SD = 1.4826
_BANDWIDTH, _LOOKED_AT = 0.3, 10.0  # robust standard deviations
_RISE = 4.0  # standard errors by which the density must rise again
_MANY = 0.1  # of the events: a robust line through singlets is not drawn to fewer doublets


@GATE_METHODS.register("singlet")
@dataclass(frozen=True, kw_only=True)
class Singlet(OneRegion):
    """A band around the robust line of height on area, both linear; its width grows with the area.

    below, above: how many robust standard deviations of height / area belong to the band on either side. Many doublets
    widen that deviation, until the band reaches in among them: where their crowd shows inside, the band ends in the
    valley before it.
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
        area, height = area[usable], height[usable]
        ratio = height / area
        alone = ratio >= _valley_before_doublets(ratio, area)[0]
        lined = area, height
        if np.count_nonzero(alone) <= (1 - _MANY) * alone.size:  # a robust line is not drawn to fewer doublets
            lined = area[alone], height[alone]
        try:
            slope, intercept, spread = robust_line(*lined)
        except ValueError as error:
            raise GateNotPlaced(f"{self.area} x {self.height}: {error}") from error
        facts = {"slope": slope, "intercept": intercept, "spread": spread}
        if spread > 0:
            deviation = (ratio - slope - intercept / area) / spread
            facts["below"] = _before_doublets(deviation, area, self.below)
            facts["unseen"] = _unseen(deviation, facts["below"], self.above)
        errors = line_errors(*lined, (slope, intercept, spread))
        return Placement(
            self.at(facts, scales), facts, source="line", errors=dict(zip(self.coordinates, errors, strict=True))
        )

    def at(self, facts: Mapping[str, float], scales: Mapping[str, DisplayScale]) -> dict[str, Polygon]:  # noqa: ARG002
        """Return the band around the line with this slope and intercept, of this relative spread."""
        slope, intercept, spread = (facts[name] for name in self.coordinates)
        low, high = slope - facts.get("below", self.below) * spread, slope + self.above * spread
        corners = ((0.0, intercept), (_FAR, intercept + low * _FAR), (_FAR, intercept + high * _FAR))
        return {"inside": Polygon(self.area, self.height, corners)}


def _before_doublets(deviation: Floats, area: Floats, below: float) -> float:
    """Return how far below the line the band reaches: to the valley before a crowd of doublets, or as far as declared.

    deviation: (events,), robust standard deviations from the line; area: (events,).
    """
    valley, profile = _valley_before_doublets(deviation, area)
    if profile is None or not -below < valley < 0:
        return below
    # Where the band ends in the valley itself, chance alone would move it.
    at_valley, at_end = np.interp([valley, -below], profile.centers, profile.height)
    return -valley if at_end >= at_valley + _RISE else below


def _valley_before_doublets(values: Floats, area: Floats) -> tuple[float, Profile | None]:
    """Return the valley between single cells and a crowd of doublets below them, and the density; none: no crowd.

    values: (events,), height for the area, in any unit; area: (events,).
    """
    middle = median_of(values)
    away = np.abs(values - middle)
    width = _MAD_TO_SD * median_of(away)
    if not width > 0:
        return -np.inf, None
    profile = profile_of(values[away < _LOOKED_AT * width], _BANDWIDTH * width)
    modes = modes_of(profile)
    singles = max(range(len(modes)), key=lambda index: modes[index].height)
    peak = modes[singles].position
    # Doublets lie below only, so that the other side has the deviation of single cells alone.
    clean = _MAD_TO_SD * median_of(values.take(np.flatnonzero(values >= peak)) - peak)
    if singles == 0 or modes[singles - 1].position > peak - _CROWD_BELOW * clean:
        return -np.inf, None
    valley = valley_between(profile, modes[singles - 1], modes[singles])[0]
    is_crowd = values < valley
    is_large = median_of(area[is_crowd]) >= _CROWD_AREA * median_of(area[~is_crowd])
    return (float(valley), profile) if is_large else (-np.inf, None)


def _unseen(deviation: Floats, below: float, above: float) -> float:
    """Return how many of the events in the band may be doublets, as a share of these.

    deviation: (events,), robust standard deviations from the line. A large cell with a small one has nearly the pulse
    of the large one alone. How fast doublets become fewer towards the band, over the last two deviations before it,
    says how many lie inside it (a geometric series, or a triangle up to the line if that is less); the number is not
    known better than up to three times as many: its standard error, a rectangle's from none to that, is what is
    returned.
    """
    near, far = (int(np.count_nonzero((deviation >= low) & (deviation < low + 1))) for low in (-below - 1, -below - 2))
    held = int(np.count_nonzero((deviation >= -below) & (deviation < above)))
    triangle = near * below / 2
    beyond = min(near * near / (far - near), triangle) if far > near else triangle
    return float(_UP_TO_THREE_TIMES * beyond / max(held, 1))
