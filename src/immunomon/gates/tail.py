"""A threshold where the tail of a population ends: for a marker that few cells carry and that makes no second mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from immunomon.errors import GateNotPlaced
from immunomon.gates.registry import GATE_METHODS
from immunomon.gates.threshold import SEED, Threshold, ThresholdGate, reach_of, within
from immunomon.kernels.density import modes_of, profile_of
from immunomon.kernels.tail import tail_of
from immunomon.model.events import EventTable
from immunomon.model.placement import Placement
from immunomon.model.scales import DisplayScale

__all__ = ["Tail"]


@GATE_METHODS.register("tail")
@dataclass(frozen=True, kw_only=True)
class Tail(ThresholdGate):
    """A threshold so many spreads beyond a peak that is said: ``low`` and ``high`` are its two sides.

    reference: the peak it is measured from: the ``highest`` (most cells), the ``first`` (least intensity) or the
    ``last``. side: whether the threshold lies ``above`` or ``below`` that peak; it never lies on the other side.
    spreads: how many standard deviations of the peak away. The standard deviation is that of the peak's clean side, the
    one without the tail, so that what is in the tail does not widen it. low, high: only events between these
    intensities are looked at.
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
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not self.spreads > 0:
            raise ValueError(f"spreads must be more than 0, got {self.spreads:g}")

    def threshold(self, parent: EventTable, scale: DisplayScale) -> Threshold:
        """Return the threshold on the display scale; raises GateNotPlaced for too few events or a peak of no width."""
        values = within(parent, self.axis, scale, low=self.low, high=self.high)
        if values.size < self.min_events:
            raise GateNotPlaced(f"{self.axis}: only {values.size} events, {self.min_events} are needed to see a peak")
        # A tail to the left is one to the right of the mirrored values.
        sign = 1.0 if self.side == "above" else -1.0
        profile = profile_of(sign * values, self.bandwidth * reach_of(parent, self.axis, scale))
        modes = modes_of(profile, self.min_persistence)
        if self.reference == "highest":
            place = max(range(len(modes)), key=lambda index: modes[index].height)
        else:
            place = 0 if (self.reference == "first") == (self.side == "above") else len(modes) - 1
        found = tail_of(profile, modes, place, spreads=self.spreads, rng=np.random.default_rng(SEED))
        if found.spread <= profile.width:
            raise GateNotPlaced(f"{self.axis}: the {self.reference} peak has no width to measure a tail by")
        facts = {"peak": sign * found.peak, "spread": found.spread}
        return Threshold(sign * found.threshold, found.error, facts, f"tail {self.side} the {self.reference} peak")

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:
        """Place the threshold; raises GateNotPlaced for too few events or a peak of no width."""
        return self._placed(self.threshold(parent, scales[self.axis]), scales)
