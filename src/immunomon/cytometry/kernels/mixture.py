"""Mixtures of clouds in two dimensions: Student's t, or normal ones on a level background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.kernels.mixture_rounds import rounds_of

__all__ = [
    "Clouds",
    "TMixture",
    "center_errors",
    "distance_square_of",
    "fit_clouds",
    "fit_t_mixture",
    "inside_star",
    "radii_of",
]

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


# Clouds of points as a mixture of normal distributions on a level background, and the region that is mostly theirs.

_STILL = 5e-5  # of the points' extent: clouds that move by less have been found
_NARROWEST = 1e-5  # of the squared extent: no cloud is narrower than a cell of the grid
_STEPS = 160  # places looked at along each ray


@dataclass(frozen=True, eq=False)
class Clouds:
    """Normal clouds in two dimensions on a level background; weights and background sum to 1.

    weights: (clouds,); centers: (clouds, 2); covariances: (clouds, 2, 2); level: the density of the background.
    """

    weights: Floats
    centers: Floats
    covariances: Floats
    background: float
    level: float

    def distances(self, points: Floats) -> Floats:
        """Return the squared Mahalanobis distances, (points, clouds).

        >>> Clouds(np.ones(1), np.zeros((1, 2)), np.eye(2)[None], 0.0, 0.1).distances(np.array([[3.0, 4.0]]))
        array([[25.]])
        """
        coefficients = _quadratic(self.centers, self.covariances)
        return np.maximum(_features(points) @ coefficients, 0.0)

    def shares(self, points: Floats) -> Floats:
        """Return the probability that each point belongs to each cloud, (points, clouds); the rest is background.

        >>> clouds = Clouds(np.array([0.9]), np.zeros((1, 2)), np.eye(2)[None], 0.1, 0.01)
        >>> clouds.shares(np.array([[0.0, 0.0], [9.0, 0.0]])).round(2).ravel().tolist()
        [0.99, 0.0]
        """
        return self.shares_at(self.distances(points))

    def shares_at(self, distances: Floats) -> Floats:
        """Return the probability that points at these ``distances`` belong to each cloud, (points, clouds)."""
        heights = self.weights / (2 * np.pi * np.sqrt(np.linalg.det(self.covariances)))
        density = heights * np.exp(-0.5 * distances)
        return np.asarray(density / (density.sum(axis=1, keepdims=True) + self.background * self.level))


def _features(points: Floats) -> Floats:
    across, up = points[:, 0], points[:, 1]
    return np.column_stack([np.ones(across.size), across, up, across * across, across * up, up * up])


def _quadratic(centers: Floats, covariances: Floats) -> Floats:
    """Return the coefficients, (6, clouds), that make squared distances of the features of points."""
    inverse = np.linalg.inv(covariances)
    pulled = np.einsum("kij,kj->ki", inverse, centers)
    constant = np.einsum("ki,ki->k", pulled, centers)
    parts = (constant, -2 * pulled[:, 0], -2 * pulled[:, 1], inverse[:, 0, 0], 2 * inverse[:, 0, 1], inverse[:, 1, 1])
    return np.vstack(parts)


def fit_clouds(points: Floats, counts: Floats, starts: Floats, spreads: Floats, *, iterations: int = 120) -> Clouds:
    """Return the clouds of counted points by expectation and maximisation, from where they are looked for.

    points: (cells, 2); counts: (cells,); starts: (clouds, 2); spreads: (clouds, 2, 2), covariances to begin with. The
    background is a cloud without a place, level over the points' extent. The result does not depend on chance.
    Dempster, Laird & Rubin 1977; Banfield & Raftery 1993 (the background).

    >>> rng = np.random.default_rng(1)
    >>> points = np.vstack([rng.normal([3.0, 2.0], [0.5, 0.2], (3000, 2)), rng.uniform(0, 10, (300, 2))])
    >>> found = fit_clouds(points, np.ones(3300), np.array([[3.2, 2.1]]), np.eye(2)[None])
    >>> found.centers.round(1).tolist(), bool(0.85 < found.weights[0] < 0.95)
    ([[3.0, 2.0]], True)
    """
    middle, extent = points.mean(axis=0), np.maximum(np.ptp(points, axis=0), 1e-12)
    clouds, squares = starts.shape[0], np.outer(extent, extent)
    fitted = np.full(clouds, 0.95 / clouds), (starts - middle) / extent, spreads / squares
    scaled = (points - middle) / extent  # a level background over a square of side 1 has density 1
    background = rounds_of(scaled, counts, fitted, limits=(_NARROWEST, _STILL, iterations))
    weights, centers, covariances = fitted
    return Clouds(weights, middle + centers * extent, covariances * squares, background, 1.0 / float(np.prod(extent)))


def radii_of(clouds: Clouds, first: int, chosen: Mask, directions: Floats, reach: Floats) -> Floats:
    """Return how far the region about a cloud's center reaches in each direction, in its own standard deviations.

    The region holds the points that rather belong to the chosen clouds than to others (summed share of a half or more)
    and lie within the reach of one of them. chosen: (clouds,); directions: (rays, 2), of length 1 where the cloud is
    round; reach: (rays,), standard deviations; the region ends where a ray first leaves it.

    >>> clouds = Clouds(np.full(2, 0.5), np.array([[0.0, 0.0], [4.0, 0.0]]), np.tile(np.eye(2), (2, 1, 1)), 0.0, 1.0)
    >>> rays = np.array([[1.0, 0.0], [-1.0, 0.0]])
    >>> radii_of(clouds, 0, np.array([True, False]), rays, np.array([3.0, 3.0])).round(2).tolist()
    [2.0, 3.0]
    """
    shape = np.linalg.cholesky(clouds.covariances[first])
    farthest = float(reach.max()) * (1.0 if np.count_nonzero(chosen) == 1 else 3.0)
    steps = np.linspace(0, farthest, _STEPS)
    points = (clouds.centers[first] + steps[:, None, None] * (directions @ shape.T)).reshape(-1, 2)
    # Both conditions as one number that falls through 0 at the border.
    distances = clouds.distances(points)
    share = clouds.shares_at(distances)[:, chosen].sum(axis=1) - 0.5
    near = 1 - distances[:, chosen].min(axis=1) / np.tile(reach**2, steps.size)
    inside = np.minimum(share, near).reshape(steps.size, -1)
    inside[0] = np.maximum(inside[0], 1e-9)
    outside = inside < 0
    end = np.where(outside.any(axis=0), outside.argmax(axis=0), steps.size - 1)
    rays = np.arange(end.size)
    before, after = inside[end - 1, rays], np.minimum(inside[end, rays], 0.0)
    return np.asarray(steps[end - 1] + (steps[end] - steps[end - 1]) * before / (before - after))


def inside_star(points: Floats, center: Floats, covariance: Floats, radii: Floats) -> Mask:
    """Return which points lie no farther from a center than the radii say, in the cloud's own standard deviations.

    points: (points, 2); radii: (rays,), at evenly spaced angles of which the first is half a step beyond 0.

    >>> inside_star(np.array([[0.9, 0.0], [0.0, 2.0]]), np.zeros(2), np.eye(2), np.ones(48)).tolist()
    [True, False]
    """
    away = points - center
    shape = np.linalg.cholesky(covariance)
    across = away[:, 0] / shape[0, 0]
    up = (away[:, 1] - shape[1, 0] * across) / shape[1, 1]
    turn = np.arctan2(up, across) * (radii.size / (2 * np.pi)) - 0.5
    return np.asarray(np.hypot(across, up) <= np.interp(turn, np.arange(radii.size), radii, period=radii.size))
