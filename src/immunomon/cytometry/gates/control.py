"""A threshold from a control tube: what only so few of its cells exceed is positive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.gates.registry import GATE_METHODS
from immunomon.cytometry.gates.threshold import SEED, Threshold, ThresholdGate, reach_of, within
from immunomon.cytometry.kernels.density import Mode, modes_of, profile_of
from immunomon.cytometry.kernels.resample import peak_error, quantile_error
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.placement import Controls, ControlTube, Nearness, Placement
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.errors import GateNotPlaced

__all__ = ["Control"]

_NEAREST_FIRST: tuple[Nearness, ...] = ("run", "batch", "study")
# Negative peaks further apart than this (display scale) are not one and the same population.
_FARTHEST_SHIFT = 0.15


@GATE_METHODS.register("control")
@dataclass(frozen=True, kw_only=True)
class Control(ThresholdGate):
    """A threshold at a quantile of a control tube's events in the same parent: ``low`` and ``high`` are its sides.

    tube: fmo (all reagents but one), unstimulated or isotype; marker: which FMO, if not that of the axis. near: how far
    away the tube may be: of the same run, of the same batch, or of the study; the nearest one with enough events is
    used. align: shift the control by as much as its negative peak lies beside the sample's, for a tube that was stained
    on another day or is another person's. quantile: the share of the control's cells below the threshold. lift: added
    to it (display scale), for background that the control does not have.
    """

    paper: ClassVar[str] = "Roederer 2001, Cytometry 45:194 (FMO); Maecker & Trotter 2006, Cytometry A 69A:1037"

    axis: str
    tube: Literal["fmo", "unstimulated", "isotype"] = "fmo"
    marker: str | None = None
    near: Nearness = "batch"
    align: bool = False
    quantile: float = 0.995
    lift: float = 0.0
    bandwidth: float = 0.02
    min_persistence: float = 4.0
    min_events: int = 200

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise ValueError(f"quantile must lie between 0 and 1, got {self.quantile:g}")

    @property
    def roles(self) -> tuple[str, ...]:
        """The role of the tube it looks at."""
        return (f"fmo:{self.marker or self.axis}" if self.tube == "fmo" else self.tube,)

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:  # noqa: ARG002
        """Raise GateNotPlaced: there is no control tube here."""
        raise GateNotPlaced(
            f"{self.axis}: no control tube {self.roles[0]}; use 'first_of' with another method after it"
        )

    def fit_with(self, parent: EventTable, scales: Mapping[str, DisplayScale], controls: Controls) -> Placement:
        """Place the threshold; raises GateNotPlaced if no tube is there, has enough events, or can be aligned."""
        return self._placed(self.threshold(parent, scales[self.axis], controls), scales)

    def threshold(self, parent: EventTable, scale: DisplayScale, controls: Controls) -> Threshold:
        """Return the threshold on the display scale; raises GateNotPlaced as ``fit_with`` does."""
        complaints = []
        for tube in self._tubes(controls):
            values = np.sort(within(tube.events, self.axis, scale))
            if values.size >= self.min_events:
                return self._from(tube, values, parent, scale)
            complaints.append(f"{tube.name} has {values.size} events in the parent, {self.min_events} are needed")
        problem = "; ".join(complaints) or f"no control tube {self.roles[0]} of the same {self.near}"
        raise GateNotPlaced(f"{self.axis}: {problem}")

    def _tubes(self, controls: Controls) -> Iterator[ControlTube]:
        for near in _NEAREST_FIRST[: _NEAREST_FIRST.index(self.near) + 1]:
            yield from controls.tubes(self.roles[0], near)

    def _from(self, tube: ControlTube, values: Floats, parent: EventTable, scale: DisplayScale) -> Threshold:
        position, error = float(np.quantile(values, self.quantile)) + self.lift, quantile_error(values, self.quantile)
        source = f"{self.roles[0]}, {tube.name}, same {tube.near}"
        # The control's positives are background, of which the sample has as much: part of what lies above the border.
        facts = {"quantile_events": float(values.size), "background": 1 - self.quantile}
        if not self.align:
            return Threshold(position, error, facts, source, placed_by="control")
        shift, shift_error = self._shift(values, parent, scale)
        facts["shift"] = shift
        error = float(np.hypot(error, shift_error))
        return Threshold(position + shift, error, facts, f"{source}, aligned", placed_by="control")

    def _shift(self, control: Floats, parent: EventTable, scale: DisplayScale) -> tuple[float, float]:
        """Return how far the sample's negative peak lies above the control's, and the error of that."""
        reach = reach_of(parent, self.axis, scale)
        sample = within(parent, self.axis, scale)
        if sample.size < self.min_events:
            raise GateNotPlaced(f"{self.axis}: only {sample.size} events in the parent, too few to align a control")
        peaks = []
        for values in (control, sample):
            profile = profile_of(values, self.bandwidth * reach)
            peaks.append((profile, modes_of(profile, self.min_persistence)))
        (control_profile, control_modes), (sample_profile, sample_modes) = peaks
        negative = max(control_modes, key=lambda mode: mode.height)
        nearest: Mode = min(sample_modes, key=lambda mode: abs(mode.position - negative.position))
        shift = nearest.position - negative.position
        if abs(shift) > _FARTHEST_SHIFT * reach:
            raise GateNotPlaced(
                f"{self.axis}: the control's negative peak is {shift / reach:.2f} from any of the sample's"
            )
        rng = np.random.default_rng(SEED)
        errors = (peak_error(control_profile, negative, rng=rng), peak_error(sample_profile, nearest, rng=rng))
        return shift, float(np.hypot(*errors))
