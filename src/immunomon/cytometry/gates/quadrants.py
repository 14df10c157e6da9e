"""Four regions from a threshold on each of two axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from immunomon.cytometry.gates.density import Follow, Valley, Which
from immunomon.cytometry.gates.fixed import Units, on_display
from immunomon.cytometry.gates.negatives import Intensity
from immunomon.cytometry.gates.registry import GATE_METHODS, Alone, NestedGate, TwoAxes, fit_nested, roles_of
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import Interval, Rectangle
from immunomon.cytometry.model.placement import (
    Anchored,
    Controls,
    GateMethod,
    Placement,
    is_overlapping,
    is_resolved,
)
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.errors import GateNotPlaced
from immunomon.study.model.trust import PlacedBy

__all__ = ["QuadrantsGate"]

INF = float("inf")
Side = Literal["x", "y"]


@GATE_METHODS.register("quadrants")
@dataclass(frozen=True, kw_only=True)
class QuadrantsGate(TwoAxes, Alone):
    """Four regions, ``x- y-``, ``x+ y-``, ``x- y+``, ``x+ y+``, that share two thresholds and no event.

    Each threshold lies where it was declared (x_threshold, y_threshold); or where another method puts it (x_by, y_by: a
    gate with one threshold on that axis); or else in the valley of its own axis, with a fallback where there is none
    (``{above_negative: 6}``, or an intensity). Both are placed on the same events; or one ``first``, and the other
    apart on either side of it, because where positive cells are the more frequent, the border against the negative ones
    lies lower. follow: what valleys go with, as for ``valley``.
    """

    paper: ClassVar[str] = Valley.paper
    x: str
    y: str
    x_threshold: float | None = None
    y_threshold: float | None = None
    x_by: NestedGate | None = None
    y_by: NestedGate | None = None
    x_which: Which = "deepest"
    y_which: Which = "deepest"
    x_fallback: Intensity | None = None
    y_fallback: Intensity | None = None
    bandwidth: float = 0.02
    min_persistence: float = 4.0
    min_events: int = 100
    units: Units = "intensity"
    follow: Follow = "valley"
    first: Side | None = None

    def __post_init__(self) -> None:
        if (self.first == "x" and self.y_threshold is not None) or (self.first == "y" and self.x_threshold is not None):
            raise ValueError(f"with 'first: {self.first}' the other threshold is placed in the data, not declared")
        for side, axis, method in (("x", self.x, self.x_by), ("y", self.y, self.y_by)):
            if method is not None and (method.axes != (axis,) or method.regions != ("low", "high")):
                raise ValueError(
                    f"{side}_by needs a gate with one threshold on {axis}, such as valley, tail or control"
                )

    @property
    def regions(self) -> tuple[str, ...]:
        """The four quadrants."""
        return ("x- y-", "x+ y-", "x- y+", "x+ y+")

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The thresholds: two, or three if one is placed apart on either side of the other."""
        second = {"x": ("y_threshold_low", "y_threshold_high"), "y": ("x_threshold_low", "x_threshold_high")}
        return (
            ("x_threshold", "y_threshold") if self.first is None else (f"{self.first}_threshold", *second[self.first])
        )

    @property
    def roles(self) -> tuple[str, ...]:
        """The control tubes that its thresholds look at."""
        return roles_of((self.x_by, self.y_by))

    @property
    def anchors(self) -> dict[str, tuple[str, str]]:
        """For each threshold whose method follows peaks, those of its own: at a share that samples agree on."""
        return self._pairs(lambda method: method.anchors if isinstance(method, Anchored) else {})

    @property
    def crossings(self) -> dict[str, tuple[str, str]]:
        """For each threshold in a valley, the facts of what lies on its other side of either peak at most."""
        return self._pairs(lambda method: method.crossings if is_overlapping(method) else {})

    def _pairs(self, of: Callable[[object], Mapping[str, tuple[str, str]]]) -> dict[str, tuple[str, str]]:
        """Return pairs of facts that the methods of the thresholds name, under the names that they have here."""
        pairs: dict[str, tuple[str, str]] = {}
        for name in self.coordinates:
            named = of(self._by("x" if name[0] == "x" else "y"))
            if "threshold" in named:
                low, high = named["threshold"]
                pairs[name] = (name.replace("threshold", low), name.replace("threshold", high))
        return pairs

    @property
    def resolution(self) -> dict[str, float]:
        """That of the methods that place its thresholds."""
        resolution: dict[str, float] = {}
        for name in self.coordinates:
            method: object = self._by("x" if name[0] == "x" else "y")
            if is_resolved(method) and "threshold" in method.resolution:
                resolution[name] = method.resolution["threshold"]
        return resolution

    def _by(self, side: Side) -> GateMethod:
        """Return the method that places one of the thresholds, where it is not declared."""
        own = self.x_by if side == "x" else self.y_by
        return own or Valley(
            axis=self._axis(side),
            which=self.x_which if side == "x" else self.y_which,
            bandwidth=self.bandwidth,
            min_persistence=self.min_persistence,
            min_events=self.min_events,
            fallback=self.x_fallback if side == "x" else self.y_fallback,
            follow=self.follow,
        )

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:
        """Place both thresholds; raises GateNotPlaced if an axis has neither a valley nor a fallback."""
        return self._fit(parent, scales, None)

    def fit_with(self, parent: EventTable, scales: Mapping[str, DisplayScale], controls: Controls) -> Placement:
        """Place both thresholds with the controls at hand; raises GateNotPlaced as ``fit`` does."""
        return self._fit(parent, scales, controls)

    def _fit(self, parent: EventTable, scales: Mapping[str, DisplayScale], controls: Controls | None) -> Placement:
        def on(side: Side) -> Placement:
            declared = self.x_threshold if side == "x" else self.y_threshold
            if declared is None:
                return fit_nested(self._by(side), parent, scales, controls=controls)
            position = on_display(declared, scales[self._axis(side)], self.units, missing=INF)
            return Placement({}, {"threshold": position}, source="declared", placed_by={"threshold": "person"})

        placements: dict[tuple[Side, str], Placement]
        if self.first is None:
            placements = {("x", ""): on("x"), ("y", ""): on("y")}
        else:
            placements = {(self.first, ""): on(self.first)}
            position = placements[self.first, ""].facts["threshold"]
            placements |= self._halves(parent, position, scales, on, controls)
        facts: dict[str, float] = {}
        errors: dict[str, float] = {}
        placed_by: dict[str, PlacedBy] = {}
        for (side, half), placement in placements.items():
            named = {name: f"{side}_{name}{half}" for name in placement.facts}
            facts |= {named[name]: value for name, value in placement.facts.items()}
            errors |= {named[name]: value for name, value in placement.errors.items() if name in named}
            placed_by |= {named[name]: origin for name, origin in placement.placed_by.items() if name in named}
        notes = dict.fromkeys(placement.note for placement in placements.values() if placement.note)
        sources = dict.fromkeys(f"{self._axis(side)} {placement.source}" for (side, _), placement in placements.items())
        doubts = dict.fromkeys(doubt for placement in placements.values() for doubt in placement.doubts)
        return Placement(
            self.at(facts, scales), facts, "; ".join(notes), "; ".join(sources), errors, tuple(doubts), placed_by
        )

    def _axis(self, side: Side) -> str:
        return self.x if side == "x" else self.y

    def _halves(
        self,
        parent: EventTable,
        position: float,
        scales: Mapping[str, DisplayScale],
        whole: Callable[[Side], Placement],
        controls: Controls | None,
    ) -> dict[tuple[Side, str], Placement]:
        """Place the second threshold on either side of the first; where a side shows none, as on all events.

        What was placed on all events is no estimate for a side: it has no error there, and samples that agree on the
        side's threshold leave it out.
        """
        axis, second = (self.x, "y") if self.first == "x" else (self.y, "x")
        side: Side = "x" if second == "x" else "y"
        method = self._by(side)
        if isinstance(method, Valley):
            method = replace(method, fallback=None)
        is_high = np.asarray(parent.column(axis)) >= position
        placements: dict[tuple[Side, str], Placement] = {}
        for half, mask in (("_low", ~is_high), ("_high", is_high)):
            try:
                placements[side, half] = fit_nested(method, parent.take(mask), scales, controls=controls)
            except GateNotPlaced as error:
                reason = str(error).partition("; add 'fallback:'")[0]
                on_all = whole(side)
                note = f"{axis}{'+' if half == '_high' else '-'}: {reason}; placed on all events"
                notes = f"{note}; {on_all.note}" if on_all.note else note
                placements[side, half] = replace(on_all, note=notes, errors={})
        return placements

    def at(self, facts: Mapping[str, float], scales: Mapping[str, DisplayScale]) -> dict[str, Rectangle]:  # noqa: ARG002
        """Return the four quadrants of the thresholds."""

        def border(side: Side, across: str) -> float:
            half = "" if self.first in (None, side) else {"-": "_low", "+": "_high"}[across]
            return facts[f"{side}_threshold{half}"]

        def half_line(axis: str, sign: str, position: float) -> Interval:
            return Interval(axis, high=position) if sign == "-" else Interval(axis, low=position)

        return {
            region: Rectangle(
                (
                    half_line(self.x, region[1], border("x", region[4])),
                    half_line(self.y, region[4], border("y", region[1])),
                )
            )
            for region in self.regions
        }
