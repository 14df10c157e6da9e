"""Four regions from a threshold on each of two axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from immunomon.gates.density import Follow, Valley, Which
from immunomon.gates.fixed import Units, on_display
from immunomon.gates.nested import NestedGate, fit_nested, roles_of
from immunomon.gates.registry import GATE_METHODS
from immunomon.gates.traits import Alone, TwoAxes
from immunomon.model.events import EventTable
from immunomon.model.geometry import Interval, Rectangle
from immunomon.model.placement import Controls, GateMethod, Placement, Resolved
from immunomon.model.scales import DisplayScale

__all__ = ["QuadrantsGate"]

INF = float("inf")


@GATE_METHODS.register("quadrants")
@dataclass(frozen=True, kw_only=True)
class QuadrantsGate(TwoAxes, Alone):
    """Four regions, ``x- y-``, ``x+ y-``, ``x- y+``, ``x+ y+``, that share two thresholds and no event.

    Each threshold lies where it was declared (x_threshold, y_threshold); or where another method puts it (x_by, y_by:
    a gate with one threshold on that axis); or else in the valley of its own axis, with a fallback (intensity) where
    there is none. Both are placed on the same events. follow: what valleys go with, as for ``valley``.
    """

    paper: ClassVar[str] = Valley.paper
    coordinates: ClassVar[tuple[str, ...]] = ("x_threshold", "y_threshold")

    x: str
    y: str
    x_threshold: float | None = None
    y_threshold: float | None = None
    x_by: NestedGate | None = None
    y_by: NestedGate | None = None
    x_which: Which = "deepest"
    y_which: Which = "deepest"
    x_fallback: float | None = None
    y_fallback: float | None = None
    bandwidth: float = 0.02
    min_persistence: float = 4.0
    min_events: int = 100
    units: Units = "intensity"
    follow: Follow = "valley"

    def __post_init__(self) -> None:
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
    def roles(self) -> tuple[str, ...]:
        """The control tubes that its thresholds look at."""
        return roles_of((self.x_by, self.y_by))

    @property
    def anchors(self) -> dict[str, tuple[str, str]]:
        """For each threshold the two facts between which it lies at a share that samples agree on."""
        if self.follow == "valley":
            return {}
        return {f"{side}_threshold": (f"{side}_low_peak", f"{side}_high_peak") for side in ("x", "y")}

    @property
    def resolution(self) -> dict[str, float]:
        """That of the methods that place its thresholds."""
        found: dict[str, float] = {}
        sides: tuple[Literal["x", "y"], ...] = ("x", "y")
        for side in sides:
            method: object = self._by(side)
            if isinstance(method, Resolved):
                found |= {f"{side}_{name}": value for name, value in method.resolution.items()}
        return found

    def _by(self, side: Literal["x", "y"]) -> GateMethod:
        """Return the method that places one of the thresholds, where it is not declared."""
        own = self.x_by if side == "x" else self.y_by
        return own or Valley(
            axis=self.x if side == "x" else self.y,
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
        facts: dict[str, float] = {}
        errors: dict[str, float] = {}
        notes, sources = [], []
        sides: tuple[Literal["x", "y"], ...] = ("x", "y")
        for side in sides:
            axis, declared = (self.x, self.x_threshold) if side == "x" else (self.y, self.y_threshold)
            if declared is not None:
                facts[f"{side}_threshold"] = on_display(declared, scales[axis], self.units, missing=INF)
                sources.append(f"{axis} declared")
                continue
            found = fit_nested(self._by(side), parent, scales, controls=controls)
            facts |= {f"{side}_{name}": value for name, value in found.facts.items()}
            errors |= {f"{side}_{name}": value for name, value in found.errors.items() if name in found.facts}
            notes.append(found.note)
            sources.append(f"{axis} {found.source}")
        source = "; ".join(sources)
        return Placement(self.at(facts, scales), facts, "; ".join(filter(None, notes)), source, errors)

    def at(self, facts: Mapping[str, float], scales: Mapping[str, DisplayScale]) -> dict[str, Rectangle]:  # noqa: ARG002
        """Return the four quadrants of two thresholds."""
        at_x, at_y = facts["x_threshold"], facts["y_threshold"]
        sides = {
            "x-": Interval(self.x, high=at_x),
            "x+": Interval(self.x, low=at_x),
            "y-": Interval(self.y, high=at_y),
            "y+": Interval(self.y, low=at_y),
        }
        return {region: Rectangle(tuple(sides[word] for word in region.split())) for region in self.regions}
