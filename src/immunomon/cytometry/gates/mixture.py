"""An ellipse around one cloud of cells, found among others: lymphocytes by scatter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.gates.registry import GATE_METHODS, OneRegion, TwoAxes
from immunomon.cytometry.gates.threshold import RECTANGLE
from immunomon.cytometry.kernels.grid import peaks_of, smoothed
from immunomon.cytometry.kernels.mixture import center_errors, distance_square_of, fit_t_mixture
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import Ellipse, Polygon
from immunomon.cytometry.model.placement import Placement
from immunomon.cytometry.model.scales import DisplayScale

__all__ = ["Mixture"]

_BINS = 96
_BANDWIDTH = 2.0  # cells of the grid
_CORNERS = 40
_SPREAD = 0.04  # of an axis: how wide a cloud is taken to be to begin with


@GATE_METHODS.register("mixture")
@dataclass(frozen=True, kw_only=True)
class Mixture(TwoAxes, OneRegion):
    """An ellipse that holds a given mass of one of several clouds, each a t distribution that outliers do not widen.

    near: where the cloud lies, roughly, as intensities [x, y]: the cloud to which such an event would belong is meant;
    left out: the densest one. mass: how much of the cloud's t distribution the ellipse holds. log: fit the clouds to
    the logarithms of the axes (Box-Cox transformation with lambda 0), for scatter on a linear scale; the gate is then
    the ellipse's outline as a polygon. outline: a shape of one's own in place of the ellipse, where neighbours press
    from one side: corners [x, y] in scales of the cloud from its center, so that the shape goes with the cloud.
    clouds: how many are looked for at most. least: the share of the highest peak below which a peak is no cloud.
    """

    paper: ClassVar[str] = (
        "Lo, Brinkman & Gottardo 2008, Cytometry A 73A:321; Peel & McLachlan 2000, Stat Comput 10:339"
    )
    coordinates: ClassVar[tuple[str, ...]] = ("center_x", "center_y")
    # How large a gate is drawn about a cloud is a convention: taken to be known to 6 % either way.
    resolution: ClassVar[dict[str, float]] = {"size": 0.06 / RECTANGLE}

    x: str
    y: str
    near: tuple[float, float] | None = None
    mass: float = 0.9
    log: bool = False
    outline: tuple[tuple[float, float], ...] = ()
    clouds: int = 6
    least: float = 0.02
    min_events: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.mass < 1 or self.clouds < 1:
            raise ValueError(
                f"mass must lie between 0 and 1 and clouds be at least 1, got {self.mass:g}, {self.clouds}"
            )
        if self.log and self.near is not None and min(self.near) <= 0:
            raise ValueError("with 'log: true', near must be positive")
        if 0 < len(self.outline) < 3:
            raise ValueError(f"an outline needs at least 3 corners, got {len(self.outline)}")

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:
        """Place the ellipse; raises GateNotPlaced for too few events, or none around the place that is meant."""
        points = self._points(parent)
        self.require(points.shape[0], self.min_events)
        grid = self.grid_over(points[:, 0], points[:, 1], _BINS)
        density = smoothed(grid.counts, _BANDWIDTH)
        peaks = peaks_of(density, least=self.least, apart=round(2 * _BANDWIDTH))[: self.clouds]
        starts = np.array([[grid.x[column], grid.y[row]] for row, column in peaks])
        cells, counts = grid.occupied()
        extent = np.array([np.ptp(grid.x), np.ptp(grid.y)])
        mixture = fit_t_mixture(cells, counts, starts, spread=_SPREAD * extent)
        target = np.array([self._near(scales)]) if self.near is not None else starts[:1]
        cloud = int(mixture.memberships(target)[0][0].argmax())
        center, scatter = mixture.centers[cloud], mixture.scatters[cloud]
        errors = center_errors(mixture, cloud, cells, counts)
        if self.log:
            center, errors = np.exp(center), errors * np.exp(center)
        facts = {
            **dict(zip(self.coordinates, center.tolist(), strict=True)),
            **{"xx": float(scatter[0, 0]), "xy": float(scatter[0, 1]), "yy": float(scatter[1, 1])},
            **{"size": 1.0, "weight": float(mixture.weights[cloud]), "clouds": float(len(peaks))},
        }
        shape, share = self.at(facts, scales)["inside"], mixture.memberships(cells)[0][:, cloud]
        facts["impurity"] = _impurity(shape, parent, np.exp(cells) if self.log else cells, counts=counts, share=share)
        named = dict(zip(self.coordinates, errors.tolist(), strict=True))
        return Placement({"inside": shape}, facts, source=f"mixture of {len(peaks)}", errors=named)

    def _points(self, parent: EventTable) -> Floats:
        points = self.points_of(parent)
        tops = points.max(axis=0, initial=-np.inf)
        points = points[(points < tops).all(axis=1)]  # not the events at the margin
        return np.asarray(np.log(points[(points > 0).all(axis=1)]) if self.log else points, dtype=np.float64)

    def _near(self, scales: Mapping[str, DisplayScale]) -> list[float]:
        near = self.near or (0.0, 0.0)
        shown = [float(scales[axis].apply(np.array([value]))[0]) for axis, value in zip(self.axes, near, strict=True)]
        return [float(np.log(max(value, 1e-12))) for value in shown] if self.log else shown

    def at(
        self,
        facts: Mapping[str, float],
        scales: Mapping[str, DisplayScale],  # noqa: ARG002
    ) -> dict[str, Ellipse | Polygon]:
        """Return the ellipse with its center at these facts."""
        center, size = (facts["center_x"], facts["center_y"]), facts.get("size", 1.0)
        square = size**2 * distance_square_of(self.mass)
        covariance = ((facts["xx"], facts["xy"]), (facts["xy"], facts["yy"]))
        if not self.log and not self.outline:
            return {"inside": Ellipse(self.x, self.y, center, covariance, square)}
        middle = np.log(center) if self.log else np.array(center)
        corners = middle + self._around(np.array(covariance), size)
        corners = np.exp(corners) if self.log else corners
        return {"inside": Polygon(self.x, self.y, tuple((float(x), float(y)) for x, y in corners))}

    def _around(self, covariance: Floats, size: float) -> Floats:
        """Return the corners of the gate about the cloud's center; size: 1 as declared."""
        if self.outline:
            return np.asarray(size * np.array(self.outline) * np.sqrt(np.diag(covariance)), dtype=np.float64)
        angles = 2 * np.pi * (np.arange(_CORNERS) + 0.5) / _CORNERS
        # Corners a little outside, so that the polygon has the area of the ellipse.
        square = size**2 * distance_square_of(self.mass)
        radius = np.sqrt(square * (2 * np.pi / _CORNERS) / np.sin(2 * np.pi / _CORNERS))
        circle = radius * np.column_stack([np.cos(angles), np.sin(angles)])
        return np.asarray(circle @ np.linalg.cholesky(covariance).T, dtype=np.float64)


def _impurity(
    shape: Ellipse | Polygon,
    parent: EventTable,
    cells: Floats,
    *,
    counts: Floats,
    share: Floats,
) -> float:
    """Return how much of what the gate holds belongs to other clouds, by the mixture itself."""
    channels = tuple(parent.channels[parent.index(axis)] for axis in shape.axes)
    inside = shape.contains(EventTable(cells, channels, parent.scale, "cells of the grid"))
    return float(counts[inside] @ (1 - share[inside])) / max(float(counts[inside].sum()), 1.0)
