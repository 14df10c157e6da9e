"""A threshold across two axes: cells that have much of one marker for how little they have of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from immunomon.errors import GateNotPlaced
from immunomon.gates.density import Which, find_valley
from immunomon.gates.registry import GATE_METHODS
from immunomon.gates.threshold import RECTANGLE
from immunomon.gates.traits import Alone, TwoAxes
from immunomon.model.events import EventTable
from immunomon.model.geometry import Polygon
from immunomon.model.placement import Placement
from immunomon.model.scales import DisplayScale

__all__ = ["Diagonal"]

# Display coordinates run from about -0.5 to 1; a half-plane is cut to a square well beyond that.
_REACH = 4.0


@GATE_METHODS.register("diagonal")
@dataclass(frozen=True, kw_only=True)
class Diagonal(TwoAxes, Alone):
    """A straight, tilted border in the valley of ``y - slope * x``: ``above`` and ``below`` are its two sides.

    Regulatory T cells are CD25hi CD127lo: with x = CD127 and y = CD25 they lie above the diagonal.
    fallback_offset: the border (in y - slope * x, display scale) where no valley is found.
    """

    paper: ClassVar[str] = "Liu et al. 2006, J Exp Med 203:1701 (CD127lo); Seddiki et al. 2006, J Exp Med 203:1693"

    x: str
    y: str
    slope: float = 1.0
    which: Which = "last"
    bandwidth: float = 0.02
    min_persistence: float = 4.0
    min_events: int = 100
    fallback_offset: float | None = None
    coordinates: ClassVar[tuple[str, ...]] = ("offset",)

    @property
    def regions(self) -> tuple[str, ...]:
        """The two sides of the border."""
        return ("below", "above")

    @property
    def resolution(self) -> dict[str, float]:
        """A valley may lie anywhere within a bandwidth of where the smoothed density has it: a rectangle's SD (GUM)."""
        return {"offset": self.bandwidth * float(np.hypot(1.0, self.slope)) / RECTANGLE}

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:
        """Place the border; raises GateNotPlaced if there is no valley and no fallback, or a scale is not 0 to 1."""
        for axis in self.axes:
            if scales[axis].kind == "identity":
                raise GateNotPlaced(f"{axis}: a diagonal needs a display scale such as logicle, not identity")
        along = np.asarray(parent.column(self.y), dtype=np.float64) - self.slope * np.asarray(parent.column(self.x))
        try:
            found = find_valley(
                along,
                bandwidth=self.bandwidth * float(np.hypot(1.0, self.slope)),
                min_persistence=self.min_persistence,
                which=self.which,
                min_events=self.min_events,
            )
        except GateNotPlaced as error:
            if self.fallback_offset is None:
                raise GateNotPlaced(f"{self.y} against {self.x}: {error}; add 'fallback_offset:'") from error
            facts = {"offset": self.fallback_offset, "slope": self.slope, "depth": 0.0}
            note = f"{self.y} against {self.x}: {error}; fallback used"
            return Placement(self.at(facts, scales), facts, note, "fallback")
        facts = {"offset": found.position, "slope": self.slope, "depth": found.depth}
        return Placement(self.at(facts, scales), facts, source="valley", errors={"offset": found.error})

    def at(self, facts: Mapping[str, float], scales: Mapping[str, DisplayScale]) -> dict[str, Polygon]:  # noqa: ARG002
        """Return the two sides of the border with this offset (in y - slope * x, display scale)."""
        offset = facts["offset"]
        left, right = (-_REACH, offset - self.slope * _REACH), (_REACH, offset + self.slope * _REACH)
        top, bottom = _REACH * (2 + abs(self.slope)), -_REACH * (2 + abs(self.slope))
        above = (left, right, (_REACH, top), (-_REACH, top))
        below = (left, right, (_REACH, bottom), (-_REACH, bottom))
        return {"above": Polygon(self.x, self.y, above), "below": Polygon(self.x, self.y, below)}
