"""Gates placed in the valley between two modes of a one-dimensional density."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats
from immunomon.cytometry.gates.negatives import (
    Ground,
    Intensity,
    beyond_noise,
    ground_on,
    refuse_constant,
    remarks_on,
    to_display,
    values_on,
)
from immunomon.cytometry.gates.registry import GATE_METHODS
from immunomon.cytometry.gates.threshold import RECTANGLE, SEED, Threshold, ThresholdGate, reach_of, within
from immunomon.cytometry.kernels.density import Mode, beyond_valley, modes_of, profile_of, summit_of, valley_between
from immunomon.cytometry.kernels.resample import valley_error
from immunomon.cytometry.kernels.rough import RoughValues
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.placement import Placement
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.errors import GateNotPlaced
from immunomon.study.model.trust import Doubt

__all__ = ["Follow", "Valley", "ValleyFound", "Which", "find_valley"]

Which = Literal["deepest", "first", "last"]
Follow = Literal["valley", "peaks"]


@dataclass(frozen=True)
class ValleyFound:
    """A valley: where, how deep below the lower of its modes (standard errors), and how sure the place is.

    low_peak, high_peak: the middles of its two peaks, each with its standard error. crossing: the share of the lower
    and of the upper peak's events that lie on the other's side, if all in the valley are its own: at most.
    """

    position: float
    depth: float
    error: float
    low_peak: tuple[float, float]
    high_peak: tuple[float, float]
    crossing: tuple[float, float] = (0.0, 0.0)

    @property
    def crossings(self) -> dict[str, float]:
        """The shares that lie on the other side at most, by name."""
        return dict(zip(("low_crossing", "high_crossing"), self.crossing, strict=True))

    @property
    def peaks(self) -> dict[str, float]:
        """The middles of its peaks, by name."""
        return {"low_peak": self.low_peak[0], "high_peak": self.high_peak[0]}

    @property
    def peak_errors(self) -> dict[str, float]:
        """The standard errors of the middles, by name."""
        return {"low_peak": self.low_peak[1], "high_peak": self.high_peak[1]}


def _pick(modes: list[Mode], which: Which) -> tuple[Mode, Mode]:
    if which == "first":
        return modes[0], modes[1]
    if which == "last":
        return modes[-2], modes[-1]
    # The deepest valley has the two most persistent peaks on its two sides.
    first, second = sorted(modes, key=lambda mode: -mode.persistence)[:2]
    return (first, second) if first.index < second.index else (second, first)


def find_valley(
    values: NDArray[np.floating] | RoughValues,
    *,
    bandwidth: float,
    min_persistence: float,
    which: Which,
    min_events: int,
    parts: Callable[[float], bool] | None = None,
) -> ValleyFound:
    """Return a valley's position, its depth in standard errors, and the standard error of the position.

    values: (events,) on the display scale. parts: says of a position whether it lies beyond the noise of the negatives;
    a valley that does not is none. Raises GateNotPlaced for too few events or fewer than two modes.

    >>> values = np.concatenate([np.linspace(0.1, 0.2, 500), np.linspace(0.7, 0.8, 500)])
    >>> found = find_valley(values, bandwidth=0.02, min_persistence=4, which="deepest", min_events=50)
    >>> round(found.position, 2), found.error < 0.01
    (0.45, True)
    """
    finite = values if isinstance(values, RoughValues) else values[np.isfinite(values)]
    if finite.size < min_events:
        raise GateNotPlaced(f"only {finite.size} events in the parent, {min_events} are needed to see a valley")
    profile = profile_of(finite, bandwidth)
    modes = modes_of(profile, min_persistence)
    if len(modes) < 2:
        raise GateNotPlaced("one mode only: there is no valley")
    if parts is not None:
        modes = beyond_noise(profile, modes, parts)
        if len(modes) < 2:
            raise GateNotPlaced("no valley beyond the noise of the negatives")
    left, right = _pick(modes, which)
    # Between peaks that are not neighbours the lowest point may lie beyond a third one; that is what 'deepest' means.
    position, depth = valley_between(profile, left, right)
    error = valley_error(profile, left, right, rng=np.random.default_rng(SEED))
    floor = float(profile.counts[left.index : right.index + 1].min())
    low, high = (summit_of(profile, mode, floor=floor) for mode in (left, right))
    below, above = (beyond_valley(float(profile.counts[mode.index]), floor) for mode in (left, right))
    return ValleyFound(position, depth, error, low, high, (below, above))


@GATE_METHODS.register("valley")
@dataclass(frozen=True, kw_only=True)
class Valley(ThresholdGate):
    """A threshold in the valley between two modes: ``low`` and ``high`` are its two sides.

    which: the ``deepest`` valley, the ``first`` (between the two lowest modes) or the ``last``. bandwidth: how much
    the density is smoothed (display scale). min_persistence: how many standard errors a mode must stand out. A valley
    within the noise of the negatives is none. low, high: only events between these places are looked at. fallback: the
    threshold where no valley is found, for example where a population is absent; without it, the population is not
    placed. A place is ``{above_negative: 6}``, so many robust spreads above the middle of the negative peak (or an
    intensity, which holds on one cytometer only). follow: with consensus, what of a sample's events its threshold goes
    with: its ``valley``, or its two ``peaks``, with the place between them the same in all samples.
    """

    paper: ClassVar[str] = "Silverman 1981, J R Stat Soc B 43:97 (modes); Edelsbrunner et al. 2002 (persistence)"

    axis: str
    which: Which = "deepest"
    bandwidth: float = 0.02
    min_persistence: float = 4.0
    min_events: int = 100
    low: Intensity | None = None
    high: Intensity | None = None
    fallback: Intensity | None = None
    follow: Follow = "valley"

    @property
    def anchors(self) -> dict[str, tuple[str, str]]:
        """The two facts between which the threshold lies at a share that samples agree on."""
        return {"threshold": ("low_peak", "high_peak")} if self.follow == "peaks" else {}

    @property
    def crossings(self) -> dict[str, tuple[str, str]]:
        """The facts that say which share of either peak lies on the other side of the threshold at most."""
        return {"threshold": ("low_crossing", "high_crossing")}

    @property
    def resolution(self) -> dict[str, float]:
        """A valley may lie anywhere within a bandwidth of where the smoothed density has it: a rectangle's SD (GUM)."""
        return {"threshold": self.bandwidth / RECTANGLE}

    def threshold(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Threshold:
        """Return the threshold on the display scale; raises GateNotPlaced if there is no valley and no fallback."""
        scale = scales[self.axis]
        ground = ground_on(parent, self.axis, scales)
        values = self._values(parent, scale, ground)
        try:
            valley = find_valley(
                values,
                bandwidth=self.bandwidth * reach_of(parent, self.axis, scale),
                min_persistence=self.min_persistence,
                which=self.which,
                min_events=self.min_events,
                parts=ground.parts if ground else None,
            )
        except GateNotPlaced as error:
            if self.fallback is None:
                raise GateNotPlaced(f"{self.axis}: {error}; add 'fallback:' or gate it otherwise") from error
            return Threshold(
                to_display(self.fallback, axis=self.axis, scale=scale, ground=ground),
                facts={"depth": 0.0},
                source="fallback",
                note=f"{self.axis}: {error}; fallback used",
                doubts=(Doubt("fallback_alone", self.axis, str(error)),),
                placed_by="fallback",
            )
        facts = {"depth": valley.depth, **valley.crossings, **(valley.peaks if self.follow == "peaks" else {})}
        errors = valley.peak_errors if self.follow == "peaks" else {}
        doubts = remarks_on(ground, parent, self.axis, position=valley.position)
        return Threshold(valley.position, valley.error, facts, "valley", errors=errors, doubts=doubts)

    def _values(self, parent: EventTable, scale: DisplayScale, ground: Ground | None) -> Floats | RoughValues:
        if self.low is not None or self.high is not None:
            return within(parent, self.axis, scale, low=self.low, high=self.high, ground=ground)
        values = ground.values if ground is not None else values_on(parent, self.axis)
        refuse_constant(values, self.axis)
        return values

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:
        """Place the threshold; raises GateNotPlaced if there is no valley and no fallback."""
        return self._placed(self.threshold(parent, scales), scales)
