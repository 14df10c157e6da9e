"""Gates with borders that a person declared: intervals, rectangles, polygons, ellipses.

Borders are given as intensities (``units: intensity``, the default: what the cytometer counts, after compensation) or
as display coordinates (``units: display``). An edge is straight on the display scale either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from immunomon.cytometry.gates.registry import GATE_METHODS, OneRegion, TwoAxes
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import Ellipse, Interval, Polygon, Rectangle
from immunomon.cytometry.model.placement import Placement
from immunomon.cytometry.model.scales import DisplayScale

__all__ = ["EllipseGate", "IntervalGate", "PolygonGate", "RectangleGate", "Side", "Units", "on_display"]

Units = Literal["intensity", "display"]


def on_display(value: float | None, scale: DisplayScale, units: Units, *, missing: float) -> float:
    """Return a border on the display scale; ``missing`` (an infinity) stands for a border that is not there.

    >>> from immunomon.cytometry.model.scales import Linear
    >>> on_display(50.0, Linear(t=100.0), "intensity", missing=float("inf"))
    0.5
    """
    if value is None or np.isinf(value):
        return missing
    return float(value) if units == "display" else float(scale.apply(np.array([value]))[0])


def _in_order(axis: str, low: float | None, high: float | None) -> None:
    """Refuse borders that no event can lie between."""
    if low is not None and high is not None and low > high:
        raise ValueError(f"low must not be above high, got {low:g} and {high:g} on {axis}")


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a rectangle: an axis and its borders; a missing border is open."""

    axis: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        _in_order(self.axis, self.low, self.high)

    def placed(self, scales: Mapping[str, DisplayScale], units: Units) -> Interval:
        """Return the side on the display scale."""
        scale = scales[self.axis]
        return Interval(
            self.axis,
            on_display(self.low, scale, units, missing=-np.inf),
            on_display(self.high, scale, units, missing=np.inf),
        )


@GATE_METHODS.register("interval")
@dataclass(frozen=True, kw_only=True)
class IntervalGate(OneRegion):
    """Events between two borders on one axis.

    >>> IntervalGate(axis="CD3", low=1000).regions
    ('inside',)
    """

    axis: str
    low: float | None = None
    high: float | None = None
    units: Units = "intensity"

    def __post_init__(self) -> None:
        _in_order(self.axis, self.low, self.high)

    @property
    def axes(self) -> tuple[str, ...]:
        """The axis."""
        return (self.axis,)

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:  # noqa: ARG002
        """Return the interval on the display scale."""
        side = Side(axis=self.axis, low=self.low, high=self.high)
        return Placement({"inside": side.placed(scales, self.units)})


@GATE_METHODS.register("rectangle")
@dataclass(frozen=True, kw_only=True)
class RectangleGate(OneRegion):
    """Events between borders on each of several axes.

    >>> RectangleGate(sides=(Side(axis="CD4", low=900), Side(axis="CD8", high=500))).axes
    ('CD4', 'CD8')
    """

    sides: tuple[Side, ...]
    units: Units = "intensity"

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes of the sides."""
        return tuple(side.axis for side in self.sides)

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:  # noqa: ARG002
        """Return the rectangle on the display scale."""
        return Placement({"inside": Rectangle(tuple(side.placed(scales, self.units) for side in self.sides))})


@GATE_METHODS.register("polygon")
@dataclass(frozen=True, kw_only=True)
class PolygonGate(TwoAxes, OneRegion):
    """Events inside a polygon.

    >>> PolygonGate(x="FSC-A", y="SSC-A", vertices=((0, 0), (1, 0), (0, 1))).axes
    ('FSC-A', 'SSC-A')
    """

    x: str
    y: str
    vertices: tuple[tuple[float, float], ...]
    units: Units = "intensity"

    def __post_init__(self) -> None:
        if len(self.vertices) < 3:
            raise ValueError(f"a polygon needs at least 3 vertices, got {len(self.vertices)}")

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:  # noqa: ARG002
        """Return the polygon on the display scale."""
        corners = tuple(
            (
                on_display(x, scales[self.x], self.units, missing=np.inf),
                on_display(y, scales[self.y], self.units, missing=np.inf),
            )
            for x, y in self.vertices
        )
        return Placement({"inside": Polygon(self.x, self.y, corners)})


@GATE_METHODS.register("ellipse")
@dataclass(frozen=True, kw_only=True)
class EllipseGate(TwoAxes, OneRegion):
    """Events within a Mahalanobis distance of a centre; in display coordinates, unless both axes are linear.

    >>> EllipseGate(x="A", y="B", center=(0, 0), covariance=((1, 0), (0, 1))).distance_square
    1.0
    """

    x: str
    y: str
    center: tuple[float, float]
    covariance: tuple[tuple[float, float], tuple[float, float]]
    distance_square: float = 1.0
    units: Literal["display"] = "display"

    def __post_init__(self) -> None:
        Ellipse(self.x, self.y, self.center, self.covariance, self.distance_square)

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:  # noqa: ARG002
        """Return the ellipse."""
        shape = Ellipse(self.x, self.y, self.center, self.covariance, self.distance_square)
        return Placement({"inside": shape})
