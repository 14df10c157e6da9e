"""The negative peak of the events that a gate divides: what lies beyond its noise, and places said from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.density import Mode, Profile, valley_between
from immunomon.cytometry.kernels.noise import (
    Negatives,
    mirrored_excess,
    negatives_of,
    noise_limit,
    pooled_spread,
)
from immunomon.cytometry.kernels.rough import RoughValues, ends_of, outside_of, some_of
from immunomon.cytometry.kernels.selection import evenly
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.lazy import LazyTable
from immunomon.cytometry.model.noise import noise_on
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.errors import GateNotPlaced
from immunomon.study.model.channels import ChannelKind
from immunomon.study.model.trust import Doubt

__all__ = [
    "AboveNegative",
    "Ground",
    "Intensity",
    "beyond_noise",
    "ground_on",
    "refuse_constant",
    "remarks_on",
    "to_display",
    "values_on",
]

_LOOKED_AT = 10_000  # events for the middle and spread of the negatives; counts are of all
_REACH, _WHOLE = 2.5, 2.0  # spreads: how far noise reaches above a middle; what of a peak must be seen below it


@checked(frozen=True, config={"extra": "forbid"})
class AboveNegative:
    """A place so many robust spreads above the middle of the negative peak."""

    above_negative: float = Field(
        ge=-1000, le=1e6, description="Robust spreads of the negatives above the middle of their peak."
    )


# A place on an axis: an intensity, or relative to the negative peak, which holds on every cytometer.
Intensity = float | AboveNegative


@dataclass(frozen=True, eq=False)
class Ground:
    """The negatives among some events on an axis, all intensities: their middle and how far their noise reaches.

    middle, limit: see ``kernels.noise.noise_limit``; no limit where the noise is not known. typical, spread: what
    places are said from: the middle of these events' negatives, or where they hold none, of the panel's files, and the
    noise of the channel; where that is not known, the lowest peak of these events. values: the events on the display
    scale. bound: where the noise is not known, the highest intensity that it could reach all the same: a lowest peak
    that is whole is wider than its noise alone. None where that is cut off, too.
    """

    axis: str
    scale: DisplayScale
    middle: float
    limit: float | None
    typical: float
    spread: float
    values: Floats | RoughValues
    bound: float | None = None

    def parts(self, position: float) -> bool:
        """Say whether a split at a display coordinate lies beyond the noise and leaves more above than its mirror."""
        if self.limit is None:
            return True
        intensity = float(self.scale.inverse(np.array([position]))[0])
        if intensity <= self.limit:
            return False
        mirror = float(self.scale.apply(np.array([2.0 * self.middle - intensity]))[0])
        below, above = outside_of(self.values, mirror, position)
        return mirrored_excess(above, below)

    @property
    def border(self) -> float | None:
        """The display coordinate up to which the noise reaches; None where it is not known."""
        return None if self.limit is None else float(self.scale.apply(np.array([self.limit]))[0])

    @property
    def utmost(self) -> float:
        """The display coordinate that no noise reaches, known or not; infinite where nothing bounds it."""
        reach = self.bound if self.limit is None else self.limit
        return float("inf") if reach is None else float(self.scale.apply(np.array([reach]))[0])


def ground_on(parent: EventTable, axis: str, scales: Mapping[str, DisplayScale]) -> Ground | None:
    """Return the negatives of a parent on an axis; None of scatter and time, and of too few events to show a peak.

    parent: on the display scale. The noise is that of the panel's files if the scales carry it, else the parent's own.
    """
    if not _has_noise(parent, axis):
        return None
    values = values_on(parent, axis)
    sampled = some_of(values, evenly(values.size, _LOOKED_AT))
    shown = scales[axis].inverse(sampled)
    own, pooled = negatives_of(shown), noise_on(scales, axis)
    known = pooled is not None and pooled.files > 0
    spread = pooled.spread if pooled is not None and known else _own_spread(own)
    if own is None:
        return None
    if not spread:
        pooled_spread = (pooled.spread or 0.0) if pooled is not None else 0.0
        is_whole = own.spread > 0 and own.middle - _WHOLE * own.spread > float(shown.min())
        bound = own.middle + _REACH * max(own.spread, pooled_spread) if is_whole else None
        return Ground(axis, scales[axis], own.middle, None, own.middle, own.spread, values, bound)
    middle, limit = noise_limit(own, spread)
    typical = middle if own.middle == middle or pooled is None else pooled.middle
    return Ground(axis, scales[axis], middle, limit, typical, spread, values)


def values_on(parent: EventTable, axis: str) -> Floats | RoughValues:
    """Return the finite values of an axis: exactly, or roughly where the table has them so, and exactly when asked."""
    rough = parent.rough_values(axis) if isinstance(parent, LazyTable) else None
    if rough is not None:
        return rough
    values = np.asarray(parent.column(axis), dtype=np.float64)
    return values[np.isfinite(values)]


def _has_noise(parent: EventTable, axis: str) -> bool:
    return parent.channels[parent.index(axis)].kind is ChannelKind.FLUORESCENCE


def remarks_on(ground: Ground | None, parent: EventTable, axis: str, *, position: float) -> tuple[Doubt, ...]:
    """Return what is to be said of a border that was seen at a display coordinate where the noise is not known.

    Nothing where even the width of the lowest peak, and the noise of the panel's other markers, do not reach so far.
    """
    if not _has_noise(parent, axis) or (ground is not None and (ground.limit is not None or position > ground.utmost)):
        return ()
    return (Doubt("noise_not_judged", axis),)


def _own_spread(own: Negatives | None) -> float | None:
    if own is None or not own.measured:
        return None
    return pooled_spread(np.array([own.spread]), np.array([own.low]))


def to_display(threshold: Intensity, *, axis: str, scale: DisplayScale, ground: Ground | None) -> float:
    """Return the display coordinate of a place; raises GateNotPlaced if it is said from negatives that none knows."""
    if not isinstance(threshold, AboveNegative):
        return float(scale.apply(np.array([threshold]))[0])
    if ground is None:
        raise GateNotPlaced(f"{axis}: too few events to show a negative peak that a place could be said from")
    return float(scale.apply(np.array([ground.typical + threshold.above_negative * ground.spread]))[0])


def beyond_noise(profile: Profile, modes: Sequence[Mode], parts: Callable[[float], bool]) -> list[Mode]:
    """Return the modes that valleys beyond the noise part; of those without one between them, the highest stays.

    parts: says of a valley's position whether it is one.
    """
    kept = list(modes[:1])
    for mode in modes[1:]:
        if parts(valley_between(profile, kept[-1], mode)[0]):
            kept.append(mode)
        elif mode.height > kept[-1].height:
            kept[-1] = mode
    return kept


def refuse_constant(values: NDArray[np.floating] | RoughValues, axis: str) -> None:
    """Raise GateNotPlaced, with a doubt, for values that are all the same: nothing can be gated on them."""
    if values.size < 2:
        return
    least, largest = ends_of(values)
    if least == largest:
        raise GateNotPlaced(f"{axis}: the channel is constant in these events", (Doubt("dead_detector", axis),))
