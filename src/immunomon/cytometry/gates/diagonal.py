"""A threshold across two axes: cells that have much of one marker for how little they have of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from immunomon.arrays import Floats
from immunomon.cytometry.gates.density import Which, find_valley
from immunomon.cytometry.gates.negatives import Ground, ground_on, refuse_constant, remarks_on
from immunomon.cytometry.gates.registry import GATE_METHODS, Alone, TwoAxes
from immunomon.cytometry.gates.threshold import RECTANGLE, SEED
from immunomon.cytometry.kernels.density import modes_of, profile_of
from immunomon.cytometry.kernels.rough import RoughValues, all_of, difference_of, larger_than
from immunomon.cytometry.kernels.selection import median_of
from immunomon.cytometry.kernels.tail import tail_of
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import Polygon
from immunomon.cytometry.model.lazy import LazyTable
from immunomon.cytometry.model.placement import Placement
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.errors import GateNotPlaced
from immunomon.study.model.trust import Doubt

__all__ = ["AbovePeak", "Diagonal"]

# Display coordinates run from about -0.5 to 1; a half-plane is cut to a square well beyond that.
_REACH = 4.0
_MAD_TO_SD = 1.4826
_BRIGHT = 0.9  # of the events above a border that no valley shows: how many must be brighter than the noise


@checked(frozen=True, config={"extra": "forbid"})
class AbovePeak:
    """A place so many spreads of its clean side above the highest peak."""

    above_peak: float = Field(
        gt=0, le=1000, description="Spreads above the highest peak, measured on its side away from the border."
    )


@GATE_METHODS.register("diagonal")
@dataclass(frozen=True, kw_only=True)
class Diagonal(TwoAxes, Alone):
    """A straight, tilted border in the valley of ``y - slope * x``: ``above`` and ``below`` are its two sides.

    Regulatory T cells are CD25hi CD127lo: with x = CD127 and y = CD25 they lie above the diagonal.
    A split whose two sides both lie within the noise of the negatives on both axes is none. spreads: where no valley
    is found, the border lies so many robust standard deviations above the middle of all events, which few beside them
    hardly move, as long as what lies above is brighter than the noise. fallback_offset: the border where neither holds:
    ``{above_peak: 3}``, so many spreads above the highest peak of ``y - slope * x`` (or an offset on the display scale,
    which holds for one pair of scales only).
    """

    paper: ClassVar[str] = "Liu et al. 2006, J Exp Med 203:1701 (CD127lo); Seddiki et al. 2006, J Exp Med 203:1693"

    x: str
    y: str
    slope: float = 1.0
    which: Which = "last"
    bandwidth: float = 0.02
    min_persistence: float = 4.0
    min_events: int = 100
    fallback_offset: float | AbovePeak | None = None
    spreads: float | None = None
    coordinates: ClassVar[tuple[str, ...]] = ("offset",)

    @property
    def regions(self) -> tuple[str, ...]:
        """The two sides of the border."""
        return ("below", "above")

    @property
    def crossings(self) -> dict[str, tuple[str, str]]:
        """The facts that say which share of either peak lies on the other side of the border at most."""
        return {"offset": ("low_crossing", "high_crossing")}

    @property
    def resolution(self) -> dict[str, float]:
        """A valley may lie anywhere within a bandwidth of where the smoothed density has it: a rectangle's SD (GUM)."""
        return {"offset": self.bandwidth * float(np.hypot(1.0, self.slope)) / RECTANGLE}

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:
        """Place the border; raises GateNotPlaced if there is no valley and no fallback, or a scale is not 0 to 1."""
        for axis in self.axes:
            if scales[axis].kind == "identity":
                raise GateNotPlaced(f"{axis}: a diagonal needs a display scale such as logicle, not identity")
        on_axes = _values_on(parent, self.axes)
        for axis, values in on_axes.items():
            refuse_constant(values, axis)
        along = difference_of(on_axes[self.y], on_axes[self.x], self.slope)
        grounds = {axis: ground_on(parent, axis, scales) for axis in self.axes}
        try:
            valley = find_valley(
                along,
                bandwidth=self._bandwidth,
                min_persistence=self.min_persistence,
                which=self.which,
                min_events=self.min_events,
                parts=lambda offset: _parts(offset, along, on_axes, _noise(grounds)),
            )
        except GateNotPlaced as error:
            exactly = all_of(along)
            beyond = self._beyond_the_bulk(exactly, (all_of(on_axes[self.x]), all_of(on_axes[self.y])), grounds)
            if beyond is not None:
                facts = {"offset": beyond[0], "slope": self.slope, "depth": 0.0}
                note = f"{self.y} against {self.x}: {error}; placed {self.spreads:g} spreads above the middle of all"
                errors, source = {"offset": beyond[1]}, "spreads above the middle"
                doubts = _remarks(parent, beyond[0], along, grounds)
                return Placement(self.at(facts, scales), facts, note, source, errors, doubts, {"offset": "data"})
            if self.fallback_offset is None:
                raise GateNotPlaced(f"{self.y} against {self.x}: {error}; add 'fallback_offset:'") from error
            facts = {"offset": self._fallback(exactly), "slope": self.slope, "depth": 0.0}
            note = f"{self.y} against {self.x}: {error}; fallback used"
            doubts = (Doubt("fallback_alone", self.y, str(error)),)
            return Placement(self.at(facts, scales), facts, note, "fallback", {}, doubts, {"offset": "fallback"})
        facts = {"offset": valley.position, "slope": self.slope, "depth": valley.depth, **valley.crossings}
        errors = {"offset": valley.error}
        doubts = _remarks(parent, valley.position, along, grounds)
        return Placement(self.at(facts, scales), facts, "", "valley", errors, doubts, {"offset": "data"})

    def _beyond_the_bulk(
        self,
        along: Floats,
        values: tuple[Floats, Floats],
        grounds: Mapping[str, Ground | None],
    ) -> tuple[float, float] | None:
        """Return the offset above the bulk of the events and its standard error; None where the stains do not bear it.

        What lies above must have y beyond the noise of its negatives, and with a slope upwards most of all have x; a
        stain that shows no negatives has not failed.
        """
        along, x, y = (column[np.isfinite(along)] for column in (along, *values))
        if self.spreads is None or along.size < self.min_events:
            return None
        middle = median_of(along)
        spread = _MAD_TO_SD * median_of(np.abs(along - middle))
        offset = middle + self.spreads * spread
        above = along > offset
        noise = _noise(grounds)
        bright = np.count_nonzero(y[above] > noise.get(self.y, -np.inf))
        positives = np.count_nonzero(x > noise.get(self.x, -np.inf))
        if bright < _BRIGHT * max(int(np.count_nonzero(above)), 1) or (self.slope > 0 and positives < along.size / 2):
            return None
        # Of a median and of a median absolute deviation of normal values (efficiencies of 64 and 37 %).
        return offset, spread * float(np.sqrt((1 / 0.64 + self.spreads**2 / (2 * 0.37)) / along.size))

    @property
    def _bandwidth(self) -> float:
        return self.bandwidth * float(np.hypot(1.0, self.slope))

    def _fallback(self, along: Floats) -> float:
        if not isinstance(self.fallback_offset, AbovePeak):
            return float(self.fallback_offset or 0.0)
        finite = along[np.isfinite(along)]
        if finite.size < self.min_events:
            raise GateNotPlaced(f"{self.y} against {self.x}: only {finite.size} events, no peak to place a border from")
        profile = profile_of(finite, self._bandwidth)
        modes = modes_of(profile, self.min_persistence)
        tallest = max(range(len(modes)), key=lambda index: modes[index].height)
        spreads = self.fallback_offset.above_peak
        return tail_of(profile, modes, tallest, spreads=spreads, rng=np.random.default_rng(SEED)).threshold

    def at(self, facts: Mapping[str, float], scales: Mapping[str, DisplayScale]) -> dict[str, Polygon]:  # noqa: ARG002
        """Return the two sides of the border with this offset (in y - slope * x, display scale)."""
        top, bottom = _REACH * (2 + abs(self.slope)), -_REACH * (2 + abs(self.slope))
        offset = min(max(facts["offset"], bottom), top)  # no event lies beyond
        left, right = (-_REACH, offset - self.slope * _REACH), (_REACH, offset + self.slope * _REACH)
        above = (left, right, (_REACH, top), (-_REACH, top))
        below = (left, right, (_REACH, bottom), (-_REACH, bottom))
        return {"above": Polygon(self.x, self.y, above), "below": Polygon(self.x, self.y, below)}


def _noise(grounds: Mapping[str, Ground | None]) -> dict[str, float]:
    """Return how far the noise reaches on the axes where that is known, display scale."""
    borders = {axis: ground.border for axis, ground in grounds.items() if ground is not None}
    return {axis: border for axis, border in borders.items() if border is not None}


def _values_on(parent: EventTable, axes: Sequence[str]) -> dict[str, Floats | RoughValues]:
    """Return the values of the axes: roughly, and exactly when asked, where the table has all so."""
    rough = {axis: parent.rough_values(axis) if isinstance(parent, LazyTable) else None for axis in axes}
    known = {axis: values for axis, values in rough.items() if values is not None}
    if len(known) == len(rough):
        return {**known}
    return {axis: np.asarray(parent.column(axis), dtype=np.float64) for axis in axes}


def _parts(
    offset: float,
    along: Floats | RoughValues,
    values: Mapping[str, Floats | RoughValues],
    noise: Mapping[str, float],
) -> bool:
    """Say whether either side of a split has most of its events beyond the noise of the negatives on either axis."""
    if len(noise) < len(values):
        return True  # where the noise of an axis is not known, it cannot explain the split
    beyond = np.any([larger_than(values[axis], border) for axis, border in noise.items()], axis=0)
    above = larger_than(along, offset)
    return any(side.any() and float(beyond[side].mean()) > 0.5 for side in (above, ~above))


def _remarks(
    parent: EventTable, offset: float, along: Floats | RoughValues, grounds: Mapping[str, Ground | None]
) -> tuple[Doubt, ...]:
    """Return the axes whose noise is not known and might explain the split, however it is bounded."""
    unknown = [
        doubt for axis, ground in grounds.items() for doubt in remarks_on(ground, parent, axis, position=-np.inf)
    ]
    if not unknown:
        return ()
    values = {axis: np.asarray(parent.column(axis), dtype=np.float64) for axis in grounds}
    utmost = {axis: np.inf if ground is None else ground.utmost for axis, ground in grounds.items()}
    return () if _parts(offset, along, values, utmost) else tuple(unknown)
