"""Which of the clouds in scatter is meant: that of the markers' cells or, without these, the least granular."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.gates.evidence import Evidence, Flags
from immunomon.cytometry.kernels.grid import Grid, peaks_of, smoothed
from immunomon.cytometry.kernels.mixture import Clouds, fit_clouds, inside_star
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.scales import DisplayScale
from immunomon.study.model.trust import Doubt

__all__ = ["Chosen", "Scatter", "choose", "doubts_of"]

_BANDWIDTH = 2.0  # cells of the grid
_SPREAD = 0.04  # of an axis: how wide a cloud is taken to be to begin with
# What makes a cloud compact, a kind of cell and no debris: its weight, its width in log forward scatter, and how large
# its cells are beside those of the largest compact cloud.
_WEIGHT, _WIDTH, _SMALL = 0.03, 0.3, 0.25
_LEAST = 50  # positive events that are evidence
_APART = 9.0  # squared distance from which on two clouds are different ones
# What speaks against a gate: too few of the positive cells inside, too many excluded ones, too many of other clouds.
_INSIDE, _EXCLUDED, _IMPURE = 0.85, 0.1, 0.12
_OUTSIDE = 0.05  # of all events: fewer outside the gate cannot be compared with those inside
_DIP = 0.7  # of the lower peak: a density that sinks no further between two clouds does not part them


@dataclass(frozen=True, eq=False)
class Scatter:
    """Events in log scatter: on a grid (all but those at the top), and some of them one by one, (events, 2).

    clouds: how many are looked for at most; least: share of the highest peak below which a peak is none.
    """

    grid: Grid
    points: Floats
    clouds: int
    least: float

    @cached_property
    def cells(self) -> tuple[Floats, Floats]:
        """The centres (cells, 2) and the counts (cells,) of the grid's cells that hold anything."""
        return self.grid.occupied()

    @cached_property
    def density(self) -> Floats:
        """The grid's smoothed counts."""
        return smoothed(self.grid.counts, _BANDWIDTH)

    @cached_property
    def peaks(self) -> Floats:
        """Where the density has its peaks, (peaks, 2), the highest first."""
        peaks = peaks_of(self.density, least=self.least, apart=int(2 * _BANDWIDTH))[: self.clouds]
        return np.array([(self.grid.x[column], self.grid.y[row]) for row, column in peaks])

    @cached_property
    def spread(self) -> Floats:
        """The covariance that clouds are taken to have to begin with."""
        return np.diag((_SPREAD * np.maximum(np.ptp(self.cells[0], axis=0), 1e-12)) ** 2)

    def fit(self, starts: Floats, spreads: Floats) -> Clouds:
        """Return the clouds of all events, from where they are looked for."""
        return fit_clouds(*self.cells, starts, spreads)

    def plain(self) -> Clouds:
        """Return the clouds as the events alone have them, from the density's peaks."""
        return self.fit(self.peaks, np.tile(self.spread, (len(self.peaks), 1, 1)))


@dataclass(frozen=True, eq=False)
class Chosen:
    """The clouds, which of them is meant first, which others belong to it, and on what evidence.

    members: (clouds,), the first one among them. flags: what the markers say; None if they say nothing. apart: whether
    another cloud would have been taken without them; elsewhere: whether a compact cloud apart is as positive.
    """

    clouds: Clouds
    first: int
    members: Mask
    flags: Flags | None = None
    apart: bool = False
    elsewhere: bool = False

    def share(self, points: Floats) -> Floats:
        """Return the probability that each point belongs to the clouds that are meant, (points,)."""
        return np.asarray(self.clouds.shares(points)[:, self.members].sum(axis=1))

    def inside(self, points: Floats, radii: Floats) -> Mask:
        """Return which points belong to a gate that reaches so far about the first cloud's center, (points,)."""
        return inside_star(points, self.clouds.centers[self.first], self.clouds.covariances[self.first], radii)


def choose(
    scatter: Scatter, evidence: Evidence | None, events: EventTable, *, scales: Mapping[str, DisplayScale]
) -> Chosen:
    """Return the cloud that is meant; events: those of ``scatter.points``, on the display scale."""
    plain = scatter.plain()
    compact, shares, flags = _compact(plain), plain.shares(scatter.points), None
    if evidence is not None:
        flags = evidence.flags(events, scales, shares[:, compact].sum(axis=1) >= 0.5)
    excluded = shares[flags.excluded].sum(axis=0) / np.maximum(shares.sum(axis=0), 1e-9) if flags else 0 * shares[0]
    by_order = _by_order(scatter, plain, compact & (excluded < 0.5) if (compact & (excluded < 0.5)).any() else compact)
    if flags is None or np.count_nonzero(flags.positive) < _LEAST:
        return by_order
    chosen = _by_markers(scatter, flags)
    away = float(chosen.clouds.distances(by_order.clouds.centers[[by_order.first]])[0, chosen.members].min())
    return replace(chosen, flags=flags, apart=away > _APART)


def _compact(clouds: Clouds) -> Mask:
    """Return which clouds are compact, (clouds,); the heaviest if none is."""
    compact = (clouds.weights >= _WEIGHT) & (np.sqrt(clouds.covariances[:, 0, 0]) < _WIDTH)
    if compact.any():
        compact &= clouds.centers[:, 0] >= clouds.centers[compact, 0].max() + np.log(_SMALL)
    else:
        compact[int(clouds.weights.argmax())] = True
    return compact


def _by_markers(scatter: Scatter, flags: Flags) -> Chosen:
    """Return the clouds looked for from where the positive events lie, and the one they say most for."""
    clouds = _around(scatter, flags)
    share = clouds.shares(scatter.points)
    held = np.maximum(share.sum(axis=0), 1e-9)
    positive, excluded = share[flags.positive].sum(axis=0) / held, share[flags.excluded].sum(axis=0) / held
    usual = max(float(flags.positive.mean()), 1e-9)
    first = int(np.argmax(held * positive * np.log(np.maximum(positive, 1e-12) / usual)))
    near, alike = clouds.distances(clouds.centers)[:, first] <= _APART, positive >= positive[first] / 2
    members = near & alike & (excluded < 0.3)
    members[first] = True
    return Chosen(clouds, first, members, elsewhere=bool((alike & ~near & _compact(clouds)).any()))


def _around(scatter: Scatter, flags: Flags) -> Clouds:
    """Return the clouds of all events, the first of them begun where the positive events lie and as wide as these."""
    counts = _on_grid(scatter.grid, scatter.points[flags.positive])
    row, column = np.unravel_index(int(smoothed(counts, _BANDWIDTH).argmax()), counts.shape)
    mode = np.array([[scatter.grid.x[column], scatter.grid.y[row]]])
    rows, columns = np.nonzero(counts)
    cells = np.column_stack([scatter.grid.x[columns], scatter.grid.y[rows]])
    own = fit_clouds(cells, counts[rows, columns], mode, scatter.spread[None])
    neighbours = scatter.peaks[own.distances(scatter.peaks)[:, 0] > _APART][: scatter.clouds - 1]
    starts = np.vstack([own.centers, neighbours])
    spreads = np.concatenate([own.covariances, np.tile(scatter.spread, (len(neighbours), 1, 1))])
    return scatter.fit(starts, spreads)


def _on_grid(grid: Grid, points: Floats) -> Floats:
    bins = grid.x.size
    (step_x, step_y), left, bottom = grid.steps, grid.x[0], grid.y[0]
    columns, rows = np.rint((points[:, 0] - left) / step_x), np.rint((points[:, 1] - bottom) / step_y)
    inside = (columns >= 0) & (columns < bins) & (rows >= 0) & (rows < bins)
    places = rows[inside].astype(np.int64) * bins + columns[inside].astype(np.int64)
    return np.bincount(places, minlength=bins * bins).reshape(bins, bins).astype(np.float64)


def _by_order(scatter: Scatter, clouds: Clouds, allowed: Mask) -> Chosen:
    """Return the cloud of least side scatter, with those that the density does not part from it."""
    among = np.flatnonzero(allowed)
    first = int(among[np.argmin(clouds.centers[among, 1])])
    members = np.zeros(clouds.weights.size, dtype=np.bool_)
    members[first] = True
    for rival in among:
        members[rival] |= not _parted(scatter, clouds.centers[first], clouds.centers[rival])
    return Chosen(clouds, int(np.argmax(np.where(members, clouds.weights, -1.0))), members)


def _parted(scatter: Scatter, first: Floats, second: Floats) -> bool:
    """Say whether the density sinks between two places."""
    way = first + np.linspace(0, 1, 33)[:, None] * (second - first)
    (step_x, step_y), bins = scatter.grid.steps, scatter.grid.x.size
    columns = np.clip(np.rint((way[:, 0] - scatter.grid.x[0]) / step_x), 0, bins - 1).astype(np.int64)
    rows = np.clip(np.rint((way[:, 1] - scatter.grid.y[0]) / step_y), 0, bins - 1).astype(np.int64)
    along = scatter.density[rows, columns]
    return bool(along.min() < _DIP * min(along[0], along[-1]))


def doubts_of(
    chosen: Chosen, evidence: Evidence | None, points: Floats, *, radii: Floats, impurity: float
) -> tuple[Doubt, ...]:
    """Return what the gate's own evidence says against it; points: those that the choice was made with."""
    flags = chosen.flags
    if flags is None or evidence is None:
        return (Doubt("cloud_unconfirmed"),)
    inside = chosen.inside(points, radii)
    held, names, against = max(int(np.count_nonzero(inside)), 1), ", ".join(flags.markers), ", ".join(evidence.exclude)
    positive, excluded = (np.count_nonzero(inside & mask) for mask in (flags.positive, flags.excluded))
    all_of_them, outside = np.count_nonzero(flags.positive), inside.size - np.count_nonzero(inside)
    alike = outside > _OUTSIDE * inside.size and (all_of_them - positive) / outside >= positive / held / 2
    doubts = [
        (positive < _INSIDE * all_of_them, f"only {positive / all_of_them:.0%} of the {names}+ cells are inside"),
        (excluded > _EXCLUDED * held, f"{excluded / held:.0%} of the gate are {against}+"),
        (positive < evidence.share * held, f"only {positive / held:.0%} of the gate are {names}+"),
        (impurity > _IMPURE, f"{impurity:.0%} of the gate belong to other clouds"),
        (chosen.apart, "a less granular cloud lies apart from it"),
        (chosen.elsewhere or alike, f"there are as many {names}+ cells outside"),
    ]
    words = "; ".join(sentence for speaks, sentence in doubts if speaks)
    return (Doubt("cloud_contradicted", detail=words),) if words else ()
