"""Clouds of points as a mixture of t distributions: robust against what belongs to no cloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TMixture", "center_errors", "distance_square_of", "fit_t_mixture"]

Floats = NDArray[np.float64]
# Degrees of freedom of every cloud: heavy enough tails for outliers (Lo, Brinkman & Gottardo 2008 fix 4 as well).
FREEDOM = 4.0
# How much further robust weights carry a center than the one step that is looked at: the share of information that
# the weights hide is 2 / (freedom + 2 + 2) in two dimensions.
_ONE_STEP = (FREEDOM + 4) / (FREEDOM + 2)


@dataclass(frozen=True, eq=False)
class TMixture:
    """Clouds in two dimensions on a level background; weights and background sum to 1.

    weights: (clouds,); centers: (clouds, 2); scatters: (clouds, 2, 2), the t distributions' scale matrices; level: the
    density of the background.
    """

    weights: Floats
    centers: Floats
    scatters: Floats
    background: float
    level: float

    def _inverse(self) -> tuple[Floats, Floats]:
        """Return each cloud's inverse scatter as (xx, xy, yy), and its height in the middle times its weight."""
        inverse = np.linalg.inv(self.scatters)
        parts = np.column_stack([inverse[:, 0, 0], inverse[:, 0, 1], inverse[:, 1, 1]])
        return parts, self.weights / (2 * np.pi * np.sqrt(np.linalg.det(self.scatters)))

    def memberships(self, points: Floats) -> tuple[Floats, Floats]:
        """Return how much each point belongs to each cloud, and the squared distances; both (points, clouds).

        >>> cloud = TMixture(np.array([0.9]), np.zeros((1, 2)), np.eye(2)[None], 0.1, 0.01)
        >>> cloud.memberships(np.array([[0.0, 0.0], [9.0, 0.0]]))[0].round(2).ravel().tolist()
        [0.99, 0.01]
        """
        inverse, height = self._inverse()
        away = points[:, None, :] - self.centers[None, :, :]
        across, up = away[..., 0], away[..., 1]
        distance = inverse[:, 0] * across**2 + 2 * inverse[:, 1] * across * up + inverse[:, 2] * up**2
        density = height * (1 + distance / FREEDOM) ** (-(FREEDOM + 2) / 2)
        return density / (density.sum(axis=1, keepdims=True) + self.background * self.level), distance


def fit_t_mixture(points: Floats, counts: Floats, starts: Floats, *, spread: Floats, iterations: int = 80) -> TMixture:
    """Return the t mixture of counted points by expectation and maximisation.

    points: (cells, 2); counts: (cells,); starts: (clouds, 2), where the clouds are looked for; spread: (2,), standard
    deviations to begin with. The result does not depend on chance. Peel & McLachlan 2000, Stat Comput 10:339.

    >>> rng = np.random.default_rng(1)
    >>> cloud = rng.normal([3.0, 2.0], [0.5, 0.2], (3000, 2))
    >>> dust = rng.uniform(0, 10, (300, 2))
    >>> points = np.vstack([cloud, dust])
    >>> found = fit_t_mixture(points, np.ones(3300), np.array([[3.2, 2.1]]), spread=np.array([1.0, 1.0]))
    >>> found.centers.round(1).tolist(), bool(0.85 < found.weights[0] < 0.95)
    ([[3.0, 2.0]], True)
    """
    clouds, total, extent = starts.shape[0], float(counts.sum()), np.maximum(np.ptp(points, axis=0), 1e-12)
    level, floor = 1.0 / float(np.prod(extent)), np.diag((1e-3 * extent) ** 2)
    mixture = TMixture(
        np.full(clouds, 0.95 / clouds),
        starts.astype(np.float64),
        np.tile(np.diag(np.asarray(spread, dtype=np.float64) ** 2), (clouds, 1, 1)),
        0.05,
        level,
    )
    across, up = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
    for _ in range(iterations):
        inverse, height = mixture._inverse()
        sums = _sums(across, up, counts, mixture.centers, inverse, height, mixture.background * level)
        held, pulled = np.maximum(sums[:, 0], 1e-9), np.maximum(sums[:, 1], 1e-9)
        shift = sums[:, 2:4] / pulled[:, None]
        scatters = np.empty((clouds, 2, 2))
        for feature, (row, column) in enumerate(((0, 0), (0, 1), (1, 1))):
            # Sums are about the old center; what it moved by is taken off.
            about = sums[:, 4 + feature] - pulled * shift[:, row] * shift[:, column]
            scatters[:, row, column] = scatters[:, column, row] = about / held + floor[row, column]
        background = max(1 - float(held.sum()) / total, 1e-6)
        mixture = TMixture(held / total, mixture.centers + shift, scatters, background, level)
        if float(np.abs(shift / extent).max()) < 5e-5:
            break
    return mixture


def _sums(
    across: Floats, up: Floats, counts: Floats, centers: Floats, inverse: Floats, height: Floats, background: float
) -> Floats:
    """Return of each cloud: events held, robust weight, and weighted first and second moments about its old center."""
    dx, dy = across - centers[:, :1], up - centers[:, 1:]
    distance = inverse[:, :1] * dx * dx + 2 * inverse[:, 1:2] * dx * dy + inverse[:, 2:] * dy * dy
    scaled = 1 + distance / FREEDOM
    density = height[:, None] / (scaled * scaled * scaled)  # the power (FREEDOM + 2) / 2
    held = density * (counts / (density.sum(axis=0) + background))
    pull = held * ((FREEDOM + 2) / FREEDOM) / scaled
    across_pull, up_pull = pull * dx, pull * dy
    moments = (held, pull, across_pull, up_pull, across_pull * dx, across_pull * dy, up_pull * dy)
    return np.column_stack([moment.sum(axis=1) for moment in moments])


def center_errors(mixture: TMixture, cloud: int, points: Floats, counts: Floats) -> Floats:
    """Return the standard errors of a cloud's center, (2,), for Poisson counts.

    The center is a weighted mean of the cells; its variance over infinitely many replicates of the counts is known, so
    none need be drawn. The weights are left as they were found, and their own share is added by a factor.

    >>> cells = np.random.default_rng(1).normal(0, 1, (1000, 2))
    >>> found = fit_t_mixture(cells, np.ones(1000), np.zeros((1, 2)), spread=np.ones(2))
    >>> bool((abs(center_errors(found, 0, cells, np.ones(1000)) - 1 / np.sqrt(1000)) < 0.006).all())
    True
    """
    share, distance = mixture.memberships(points)
    pull = share[:, cloud] * (FREEDOM + 2) / (FREEDOM + distance[:, cloud])
    away = points - mixture.centers[cloud]
    variance = (counts * pull**2) @ away**2 / max(float(counts @ pull), 1e-9) ** 2
    return np.asarray(_ONE_STEP * np.sqrt(variance), dtype=np.float64)


def distance_square_of(mass: float) -> float:
    """Return the squared distance within which a t distribution in two dimensions has this mass.

    >>> round(distance_square_of(0.9), 2)
    8.65
    """
    return float(FREEDOM * ((1 - mass) ** (-2 / FREEDOM) - 1))
