"""The densest region of two axes that holds a given share of the cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.gates.registry import GATE_METHODS, OneRegion, TwoAxes
from immunomon.cytometry.kernels.grid import smoothed
from immunomon.cytometry.kernels.membership import in_polygon
from immunomon.cytometry.kernels.regions import connected, level_of_mass, outline_of, thinned
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import Polygon
from immunomon.cytometry.model.placement import Placement
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.errors import GateNotPlaced

__all__ = ["Contour"]

_BINS = 96
_CORNERS = 36


@GATE_METHODS.register("contour")
@dataclass(frozen=True, kw_only=True)
class Contour(TwoAxes, OneRegion):
    """The part of a density's contour around its highest peak, as a polygon.

    mass: the share of all events of the parent that lie above the contour's level; where these are in several
    pieces, the piece with the highest peak is the gate. bandwidth: how much the density is smoothed, as a share of the
    events' extent on each axis. The gate is moved by the center of the events that it holds.
    """

    paper: ClassVar[str] = "Hyndman 1996, Am Stat 50:120 (highest density regions); Silverman 1986 (kernel density)"
    coordinates: ClassVar[tuple[str, ...]] = ("center_x", "center_y")

    x: str
    y: str
    mass: float = 0.9
    bandwidth: float = 0.02
    min_events: int = 300

    def __post_init__(self) -> None:
        if not 0 < self.mass < 1 or not self.bandwidth > 0:
            raise ValueError(
                f"mass must lie between 0 and 1 and bandwidth be positive, got {self.mass}, {self.bandwidth}"
            )

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:
        """Place the polygon; raises GateNotPlaced for too few events or a region of less than a few cells."""
        points = self.points_of(parent)
        self.require(points.shape[0], self.min_events)
        grid = self.grid_over(points[:, 0], points[:, 1], _BINS)
        density = smoothed(grid.counts, self.bandwidth * _BINS)
        row, column = (int(index) for index in np.unravel_index(int(density.argmax()), density.shape))
        piece = connected(density >= level_of_mass(density, self.mass), (row, column))
        corners = thinned(outline_of(piece), _CORNERS)
        if len(corners) < 3:
            raise GateNotPlaced(f"{self.x} x {self.y}: the densest region has no extent")
        border = np.array([(grid.x[0], grid.y[0])]) + np.array(corners) * np.array(grid.steps)
        held = points[in_polygon(points[:, 0], points[:, 1], border)]
        return self._placed(border, held, scales)

    def _placed(self, border: Floats, held: Floats, scales: Mapping[str, DisplayScale]) -> Placement:
        if held.shape[0] < 2:
            raise GateNotPlaced(f"{self.x} x {self.y}: the densest region holds no events")
        center = held.mean(axis=0)
        facts = dict(zip(self.coordinates, center.tolist(), strict=True))
        for corner, (x, y) in enumerate((border - center).tolist()):
            facts |= {f"corner_{corner:02d}_x": x, f"corner_{corner:02d}_y": y}
        errors = (held.std(axis=0) / np.sqrt(held.shape[0])).tolist()
        named = dict(zip(self.coordinates, errors, strict=True))
        return Placement(self.at(facts, scales), facts, source="contour", errors=named)

    def at(self, facts: Mapping[str, float], scales: Mapping[str, DisplayScale]) -> dict[str, Polygon]:  # noqa: ARG002
        """Return the polygon with the center of its events at these facts."""
        places = sorted(name[:-2] for name in facts if name.startswith("corner_") and name.endswith("_x"))
        corners = tuple(
            (facts["center_x"] + facts[f"{corner}_x"], facts["center_y"] + facts[f"{corner}_y"]) for corner in places
        )
        return {"inside": Polygon(self.x, self.y, corners)}
