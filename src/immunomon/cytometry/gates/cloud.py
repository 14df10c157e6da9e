"""One cloud of cells in scatter, found wherever it lies and chosen by what the panel's markers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from immunomon.arrays import Floats, Ints
from immunomon.cytometry.gates.cloud_choice import Chosen, Scatter, choose, doubts_of
from immunomon.cytometry.gates.evidence import Evidence
from immunomon.cytometry.gates.registry import GATE_METHODS, OneRegion, TwoAxes
from immunomon.cytometry.gates.threshold import RECTANGLE
from immunomon.cytometry.kernels.mixture import Clouds, radii_of
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.geometry import Polygon
from immunomon.cytometry.model.placement import Placement
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.errors import GateNotPlaced

__all__ = ["Cloud"]

_BINS = 96
_CORNERS = 48
_ANGLES = 2 * np.pi * (np.arange(_CORNERS) + 0.5) / _CORNERS
_DIRECTIONS = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
# Where cells of other kinds press on lymphocytes: more granular for their size, or as granular and smaller.
_ABOVE = np.deg2rad(105)
# Corners a little outside, so that the polygon has the area of the curve that it stands for.
_OUTWARDS = float(np.sqrt((2 * np.pi / _CORNERS) / np.sin(2 * np.pi / _CORNERS)))
_LOOKED_AT = 20_000  # events whose markers are looked at: for choosing a cloud, not for its shape
_MIXER = 0x9E3779B97F4A7C15  # scatters the bits of a number (Knuth's multiplicative hash)


@GATE_METHODS.register("cloud")
@dataclass(frozen=True, kw_only=True)
class Cloud(TwoAxes, OneRegion):
    """A cloud of cells in scatter (lymphocytes), chosen by markers; scaling an axis by any factor changes nothing.

    Clouds are normal in the logarithms of the intensities. evidence: the markers whose cells lie in the cloud, and
    those whose cells do not; without it, or where no marker can tell, the cloud of least granularity is taken and
    doubted. mass: how much of a cloud the gate would hold if it reached as far everywhere as it does below and beside
    it; mass_above: the same of how far it reaches above, where scatter cannot tell basophils and dendritic cells from
    lymphocytes. Towards another cloud the gate ends where an event rather belongs to that one. Events at an axis's top
    shape no cloud, and belong to the gate if they lie in it. clouds: how many are looked for at most. least: the share
    of the highest peak below which a peak is no cloud.
    """

    paper: ClassVar[str] = "Dempster, Laird & Rubin 1977 (mixtures); Banfield & Raftery 1993; Lo et al. 2008 (clouds)"
    coordinates: ClassVar[tuple[str, ...]] = ("center_x", "center_y", "size")
    # How far out from a cloud its gate is drawn is a convention: taken to be known to 6 % either way.
    resolution: ClassVar[dict[str, float]] = {"size": 0.06 / RECTANGLE}

    x: str
    y: str
    evidence: Evidence | None = None
    mass: float = 0.998
    mass_above: float = 0.95
    clouds: int = 6
    least: float = 0.02
    min_events: int = 100

    def __post_init__(self) -> None:
        if not (0 < self.mass < 1 and 0 < self.mass_above < 1) or self.clouds < 1:
            raise ValueError("mass and mass_above must lie between 0 and 1, and clouds be 1 or more")

    @property
    def axes(self) -> tuple[str, ...]:
        """The two axes, and the markers that are evidence."""
        markers = (*self.evidence.positive, *self.evidence.exclude) if self.evidence else ()
        return tuple(dict.fromkeys((self.x, self.y, *markers)))

    @property
    def drawn_on(self) -> tuple[str, ...]:
        """The two axes alone: markers choose a cloud and draw no border."""
        return (self.x, self.y)

    def fit(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> Placement:
        """Place the gate; raises GateNotPlaced for too few events, or points without extent."""
        x, y, rows = self._logarithms(parent, scales)
        self.require(x.size, self.min_events)
        sampled = _some(x, y)
        points, below = np.column_stack([x[sampled], y[sampled]]), (x < x.max()) & (y < y.max())  # not those at the top
        kept = points[below[sampled]]
        if kept.shape[0] < self.min_events:
            raise GateNotPlaced(f"{self.x} x {self.y}: nearly all events lie at the top of an axis")
        grid = self.grid_over(x[below], y[below], _BINS, reach=kept)
        looked_at = parent.take(sampled if rows is None else rows[sampled]) if self.evidence else parent
        scatter = Scatter(grid, points, self.clouds, self.least)
        return self._placed(choose(scatter, self.evidence, looked_at, scales=scales), scatter, scales)

    @property
    def _reach(self) -> Floats:
        """How far the gate may reach in each direction, in standard deviations of the cloud, (rays,)."""
        around, above = (np.sqrt(-2 * np.log(1 - mass)) for mass in (self.mass, self.mass_above))
        return np.asarray(around + (above - around) * np.maximum(np.cos(_ANGLES - _ABOVE), 0.0) ** 2)

    def _logarithms(self, parent: EventTable, scales: Mapping[str, DisplayScale]) -> tuple[Floats, Floats, Ints | None]:
        """Return the logarithms of positive intensities on both axes, and the rows they stand in; None: all of them."""
        x, y = (scales[axis].inverse(np.asarray(parent.column(axis), dtype=np.float64)) for axis in (self.x, self.y))
        usable = (x > 0) & (y > 0) & (x < np.inf) & (y < np.inf)
        if usable.all():
            return np.log(x), np.log(y), None
        rows = np.flatnonzero(usable)
        return np.log(x[rows]), np.log(y[rows]), rows

    def _placed(self, chosen: Chosen, scatter: Scatter, scales: Mapping[str, DisplayScale]) -> Placement:
        clouds, first, (cells, counts) = chosen.clouds, chosen.first, scatter.cells
        radii = radii_of(clouds, first, chosen.members, _DIRECTIONS, self._reach)
        inside, share = chosen.inside(cells, radii), chosen.share(cells)
        held = max(float(counts[inside].sum()), 1.0)
        impurity = float(counts[inside] @ (1 - share[inside])) / held
        # Of what lies in the ring within which the border is known, scatter cannot say whose it is.
        ring = inside & ~chosen.inside(cells, (1 - self.resolution["size"]) * radii)
        covariance = clouds.covariances[first]
        facts = {
            **{"center_x": float(clouds.centers[first, 0]), "center_y": float(clouds.centers[first, 1]), "size": 1.0},
            **{"xx": float(covariance[0, 0]), "xy": float(covariance[0, 1]), "yy": float(covariance[1, 1])},
            **{f"radius_{number:02d}": float(radius) for number, radius in enumerate(radii)},
            **{"weight": float(clouds.weights[chosen.members].sum()), "clouds": float(clouds.weights.size)},
            "impurity": impurity + float(counts[ring].sum()) / held,
        }
        doubts = doubts_of(chosen, self.evidence, scatter.points, radii=radii, impurity=impurity)
        by = ", ".join(chosen.flags.markers) if chosen.flags else "scatter alone"
        note = "; ".join(doubt.sentence for doubt in doubts)
        errors = _errors(clouds, first, cells, counts)
        return Placement(self.at(facts, scales), facts, note, f"cloud by {by}", errors, doubts)

    def at(self, facts: Mapping[str, float], scales: Mapping[str, DisplayScale]) -> dict[str, Polygon]:
        """Return the gate with its center at these facts, logarithms of intensities, and of this size."""
        covariance = np.array([[facts["xx"], facts["xy"]], [facts["xy"], facts["yy"]]])
        radii = facts["size"] * _OUTWARDS * np.array([facts[f"radius_{number:02d}"] for number in range(_CORNERS)])
        away = (radii[:, None] * _DIRECTIONS) @ np.linalg.cholesky(covariance).T
        corners = np.exp(np.array([facts["center_x"], facts["center_y"]]) + away)
        shown = [scales[axis].apply(corners[:, column]) for column, axis in enumerate((self.x, self.y))]
        return {"inside": Polygon(self.x, self.y, tuple(zip(*(axis.tolist() for axis in shown), strict=True)))}


def _some(x: Floats, y: Floats) -> Ints:
    """Return the rows of at most so many events, chosen by their own values: whatever order they come in."""
    every = -(-x.size // _LOOKED_AT)
    if every <= 1:
        return np.arange(x.size)
    mixed = (np.ascontiguousarray(x).view(np.uint64) ^ np.ascontiguousarray(y).view(np.uint64)) * np.uint64(_MIXER)
    return np.flatnonzero((mixed >> np.uint64(32)) % np.uint64(every) == 0)


def _errors(clouds: Clouds, first: int, cells: Floats, counts: Floats) -> dict[str, float]:
    """Return the standard errors of a cloud's center and size, for Poisson counts.

    The center and the scatter are weighted means over the cells; what the weights hide of the information is put back
    by how well the cloud's events are known to be its own.
    """
    share = clouds.shares(cells)[:, first]
    away, distance = cells - clouds.centers[first], clouds.distances(cells)[:, first]
    held, sure = float(counts @ share), float(counts @ share**2)
    known = max(sure / max(held, 1e-9), 0.05)
    center = np.sqrt((counts * share**2) @ away**2) / max(held, 1e-9) / known
    # Of a normal cloud in two dimensions half the mean squared distance is 1: it grows with the square of the size.
    size = 0.5 * float(np.sqrt((counts * share**2) @ (distance / 2 - 1) ** 2)) / max(held, 1e-9) / known
    return {"center_x": float(center[0]), "center_y": float(center[1]), "size": size}
