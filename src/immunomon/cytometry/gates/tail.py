"""A threshold where the tail of a population ends: for a marker that few cells carry and that makes no second mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar, Literal

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.gates.negatives import Intensity, beyond_noise, ground_on, remarks_on
from immunomon.cytometry.gates.registry import GATE_METHODS
from immunomon.cytometry.gates.threshold import SEED, Threshold, ThresholdGate, reach_of, within
from immunomon.cytometry.kernels.density import modes_of, profile_of
from immunomon.cytometry.kernels.tail import TailFound, tail_of
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.placement import Placement
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.errors import GateNotPlaced

__all__ = ["Tail"]


@GATE_METHODS.register("tail")
@dataclass(frozen=True, kw_only=True)
class Tail(ThresholdGate):
    """A threshold so many spreads beyond a peak that is said: ``low`` and ``high`` are its two sides.

    reference: the peak it is measured from: the ``highest`` (most cells), the ``first`` (least intensity) or the
    ``last``. side: whether the threshold lies ``above`` or ``below`` that peak; it never lies on the other side.
    spreads: how many standard deviations of the peak away. The standard deviation is that of the peak's clean side, the
    one without the tail, so that what is in the tail does not widen it; a peak that lies within the noise of the
    negatives is one with these. A threshold above a peak that still lies within that noise is not placed. low, high:
    only events between these places are looked at: ``{above_negative: 6}``, or intensities.
    """

    paper: ClassVar[str] = (
        "Finak et al. 2014, PLoS Comput Biol 10:e1003806 (tail gate; here by the mirrored clean side)"
    )

    axis: str
    reference: Literal["highest", "first", "last"] = "highest"
    side: Literal["above", "below"] = "above"
    spreads: float = 3.0
    bandwidth: float = 0.02
    min_persistence: float = 4.0
    min_events: int = 100
    low: Intensity | None = None
    high: Intensity | None = None

    def __post_init__(self) -> None:
        if not self.spreads > 0:
            raise ValueError(f"spreads must be more than 0, got {self.spreads:g}")

    @property
    def crossings(self) -> dict[str, tuple[str, str]]:
        """The facts that say which share of the cells on either side lies beyond the threshold at most."""
        return {"threshold": ("low_crossing", "high_crossing")}

    def threshold(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Threshold:
        """Return the threshold on the display scale; raises GateNotPlaced as ``fit`` does."""
        scale = scales[self.axis]
        ground = ground_on(parent, self.axis, scales)
        values = within(parent, self.axis, scale, low=self.low, high=self.high, ground=ground)
        if values.size < self.min_events:
            raise GateNotPlaced(f"{self.axis}: only {values.size} events, {self.min_events} are needed to see a peak")
        # A tail to the left is one to the right of the mirrored values.
        sign = 1.0 if self.side == "above" else -1.0
        profile = profile_of(sign * values, self.bandwidth * reach_of(parent, self.axis, scale))
        modes = modes_of(profile, self.min_persistence)
        if ground is not None:
            modes = beyond_noise(profile, modes, lambda position: ground.parts(sign * position))
        if self.reference == "highest":
            chosen = max(range(len(modes)), key=lambda index: modes[index].height)
        else:
            chosen = 0 if (self.reference == "first") == (self.side == "above") else len(modes) - 1
        tail = tail_of(profile, modes, chosen, spreads=self.spreads, rng=np.random.default_rng(SEED))
        if tail.spread <= profile.width:
            raise GateNotPlaced(f"{self.axis}: the {self.reference} peak has no width to measure a tail by")
        facts = {"peak": sign * tail.peak, "spread": tail.spread, **self._shares_beyond(sign * values, tail)}
        position = sign * tail.threshold
        if ground is not None and self.side == "above" and ground.border is not None and position <= ground.border:
            raise GateNotPlaced(f"{self.axis}: the tail's end lies within the noise of the negatives")
        source = f"tail {self.side} the {self.reference} peak"
        return Threshold(
            position, tail.error, facts, source, doubts=remarks_on(ground, parent, self.axis, position=position)
        )

    def _shares_beyond(self, values: Floats, tail: TailFound) -> dict[str, float]:
        """Return which share of the peak, and of the cells beyond the threshold, lies on the other side of it.

        The peak ends as its clean side does. Cells beyond it that run into it make no peak of their own to be measured:
        they are taken to spread as widely as the peak does about the middle of those that can be seen.
        """
        beyond = values[values > tail.threshold]
        reach = (float(np.median(beyond)) - tail.threshold) / tail.spread if beyond.size else np.inf
        shares = (NormalDist().cdf(-self.spreads), NormalDist().cdf(-reach))
        return dict(
            zip(("low_crossing", "high_crossing"), shares if self.side == "above" else shares[::-1], strict=True)
        )

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:
        """Place it; raises GateNotPlaced for too few events, a peak of no width, or an end within the noise."""
        return self._placed(self.threshold(parent, scales), scales)
