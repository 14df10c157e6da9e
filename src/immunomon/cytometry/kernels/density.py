"""One-dimensional densities: where the modes are, how sure they are, and where the valley between two of them lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Ints
from immunomon.cytometry.kernels.rough import RoughValues, ends_of
from immunomon.cytometry.kernels.selection import is_compiled_at_hand

__all__ = [
    "Mode",
    "Profile",
    "beyond_valley",
    "gaussian_kernel",
    "modes_of",
    "profile_between",
    "profile_of",
    "summit_of",
    "valley_between",
]


@dataclass(frozen=True, eq=False)
class Profile:
    """A smoothed histogram: bin centres, smoothed counts, and their square roots in units of their own noise.

    height: the square root of a count has the same variance at every level (Bartlett 1936), so differences in height
    are differences in standard errors, in a crowd and in a tail alike. raw: the counts before they were smoothed;
    bandwidth: the standard deviation of the kernel, in the values' unit.
    """

    centers: Floats
    counts: Floats
    height: Floats
    raw: Floats
    bandwidth: float

    @property
    def width(self) -> float:
        """The width of a bin, in the values' unit."""
        return float(self.centers[1] - self.centers[0])


@dataclass(frozen=True)
class Mode:
    """A peak: where, how high (standard errors), and how far one must descend from it to reach a higher one."""

    position: float
    index: int
    height: float
    persistence: float


def profile_of(values: NDArray[np.floating] | RoughValues, bandwidth: float, bins: int = 1024) -> Profile:
    """Return the smoothed histogram of values.

    values: (events,), finite; bandwidth: standard deviation of the Gaussian kernel, in the values' unit. Raises
    ValueError for no values or a bandwidth that is not positive.

    >>> profile = profile_of(np.array([0.0, 0.0, 1.0]), bandwidth=0.1)
    >>> round(float(profile.counts.sum()), 3)
    3.0
    """
    if values.size == 0 or not bandwidth > 0:
        raise ValueError("a profile needs at least one value and a positive bandwidth")
    low, high, bins = _range_of(*ends_of(values), bandwidth, bins)
    raw, edges = _counted(values, low, high, bins)
    return _smoothed(raw, edges, bandwidth)


def profile_between(
    least: float, largest: float, bandwidth: float, counts_in: Callable[[Floats], Ints], bins: int = 1024
) -> Profile:
    """Return what ``profile_of`` returns, of values that are counted by somebody else.

    least, largest: of the values; counts_in: edges -> how many values lie between each and the next.

    >>> values = np.array([0.0, 0.0, 1.0])
    >>> profile = profile_between(0.0, 1.0, 0.1, lambda edges: np.diff(np.searchsorted(values, edges)))
    >>> bool((profile.raw == profile_of(values, 0.1).raw).all())
    True
    """
    low, high, bins = _range_of(least, largest, bandwidth, bins)
    edges = np.asarray(np.arange(bins + 1) * ((high - low) / bins) + low, dtype=np.float64)
    return _smoothed(counts_in(edges).astype(np.float64), edges, bandwidth)


def _range_of(least: float, largest: float, bandwidth: float, bins: int) -> tuple[float, float, int]:
    """Return where the bins begin and end, and how many there are."""
    low, high = least - 4 * bandwidth, largest + 4 * bandwidth
    return low, high, int(min(8192, max(bins, 8 * (high - low) / bandwidth)))


def _smoothed(raw: Floats, edges: Floats, bandwidth: float) -> Profile:
    width = (float(edges[-1]) - float(edges[0])) / raw.size
    kernel = gaussian_kernel(bandwidth / width, longest=raw.size)
    smooth = np.convolve(raw, kernel, mode="same")
    # Var(sqrt(smoothed)) is a quarter of the kernel's squared norm for Poisson counts.
    noise = 0.5 * np.sqrt(float((kernel**2).sum()))
    return Profile(edges[:-1] + width / 2, smooth, np.sqrt(np.maximum(smooth, 0.0)) / noise, raw, bandwidth)


def _counted(values: NDArray[np.floating] | RoughValues, low: float, high: float, bins: int) -> tuple[Floats, Floats]:
    """Return the counts in equal bins and the bins' edges, by compiled code where it is loaded; raises ValueError."""
    is_plain = low + (high - low) / bins > low and high < np.inf
    if isinstance(values, RoughValues):
        raw, edges = values.counted(low, high, bins) if is_plain else (np.empty(0), np.zeros(2))
        if (edges[1:] > edges[:-1]).all():
            return raw, edges
        values = values.all
    if is_plain and values.dtype == np.float64 and is_compiled_at_hand():
        from immunomon.cytometry.kernels.density_compiled import bin_counts

        raw, edges = bin_counts(np.ascontiguousarray(values), low, high, bins)
        if (edges[1:] > edges[:-1]).all():
            return raw, edges
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    return counts.astype(np.float64), edges


def gaussian_kernel(bandwidth: float, longest: int = 8192) -> Floats:
    """Return a Gaussian with sum 1, cut at four standard deviations; bandwidth and longest in bins.

    >>> gaussian_kernel(0.5).round(3).tolist()
    [0.0, 0.106, 0.787, 0.106, 0.0]
    """
    reach = min(int(np.ceil(4 * bandwidth)), (longest - 1) // 2)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / bandwidth) ** 2)
    return np.asarray(kernel / kernel.sum(), dtype=np.float64)


def modes_of(profile: Profile, min_persistence: float = 4.0) -> list[Mode]:
    """Return the peaks that stand out of the noise, from left to right.

    min_persistence: how far (in standard errors) one must descend from a peak before a higher one is reached; the
    highest peak is always returned. Zero-dimensional persistent homology, Edelsbrunner et al. 2002.

    >>> rng = np.random.default_rng(1)
    >>> two = np.concatenate([rng.normal(0.2, 0.03, 900), rng.normal(0.7, 0.05, 100)])
    >>> [round(mode.position, 1) for mode in modes_of(profile_of(two, bandwidth=0.02))]
    [0.2, 0.7]
    """
    height = np.ascontiguousarray(profile.height)
    peaks, drops = _merged_peaks(height)
    keep = drops >= min_persistence
    keep[0] = True
    peaks_and_drops = zip(peaks[keep].tolist(), drops[keep].tolist(), strict=True)
    modes = [Mode(float(profile.centers[peak]), peak, float(height[peak]), drop) for peak, drop in peaks_and_drops]
    return sorted(modes, key=lambda mode: mode.index)


def _merged_peaks(height: Floats) -> tuple[Ints, Floats]:
    if is_compiled_at_hand():
        from immunomon.cytometry.kernels.density_compiled import merged_peaks

        return merged_peaks(height)
    return _merge_peaks(height, np.argsort(-height, kind="stable"))


def _merge_peaks(height: Floats, order: Ints) -> tuple[Ints, Floats]:
    """Return every peak and how far one descends from it to reach a higher one; the highest peak comes first.

    order: places from the highest to the lowest, of equal ones the left first. Only at peaks and at the lowest places
    between them anything happens; the rest joins the peak it descends from.
    """
    rank = np.empty(height.size + 2, dtype=np.int64)
    rank[[0, -1]] = height.size
    rank[1:-1][order] = np.arange(height.size)
    before, ranks, after = rank[:-2], rank[1:-1], rank[2:]
    tops = np.flatnonzero((ranks < before) & (ranks < after))
    lows = tops[:-1] + [int(np.argmax(ranks[left:right])) for left, right in pairwise(tops.tolist())]
    into = list(range(tops.size))  # the higher peak that a peak has been merged into

    def highest(peak: int) -> int:
        while into[peak] != peak:
            into[peak] = peak = into[into[peak]]
        return peak

    peaks, drops = [int(order[0])], [float(height[order[0]])]
    for low in np.argsort(ranks[lows]).tolist() if len(lows) else ():
        left, right = highest(low), highest(low + 1)
        higher, lower = (left, right) if height[tops[left]] >= height[tops[right]] else (right, left)
        into[lower] = higher
        peaks.append(int(tops[lower]))
        drops.append(float(height[tops[lower]] - height[lows[low]]))
    return np.array(peaks, dtype=np.int64), np.array(drops, dtype=np.float64)


def valley_between(profile: Profile, left: Mode, right: Mode, tolerance: float = 1.0) -> tuple[float, float]:
    """Return where the valley between two modes lies, and how deep it is below the lower one (standard errors).

    The position is the centre of the stretch around the minimum that is within ``tolerance`` standard errors of it:
    a flat valley is cut in its middle, not at a chance dip.

    >>> profile = profile_of(np.array([0.0] * 50 + [1.0] * 50), bandwidth=0.05)
    >>> first, last = modes_of(profile)
    >>> round(valley_between(profile, first, last)[0], 2)
    0.5
    """
    stretch = profile.height[left.index : right.index + 1]
    lowest = int(np.argmin(stretch))
    near = stretch <= stretch[lowest] + tolerance
    start = lowest - int(np.argmin(near[lowest::-1])) + 1 if not near[: lowest + 1].all() else 0
    stop = lowest + int(np.argmin(near[lowest:])) - 1 if not near[lowest:].all() else stretch.size - 1
    middle = left.index + (start + stop) / 2
    position = float(np.interp(middle, np.arange(profile.centers.size), profile.centers))
    return position, float(min(left.height, right.height) - stretch[lowest])


def summit_of(profile: Profile, mode: Mode, *, floor: float = 0.0) -> tuple[float, float]:
    """Return where the middle of a peak lies, and its standard error.

    The middle is the mean of the events around the mode where the density is above the middle between its height there
    and ``floor``, the density of the valley beside it: that is surer than the mode itself, and no cell further out, of
    another population, moves it. floor: smoothed counts; 0, an empty valley, makes it half the height; with the
    valley's own, the stretch ends before a shallow valley and does not reach over it into a higher neighbour. The
    error is that of a mean, with half as much again for the bounds, which the same events decide (compared with redrawn
    events in the tests).

    >>> profile = profile_of(np.random.default_rng(1).normal(0.3, 0.05, 2000), bandwidth=0.02)
    >>> middle, error = summit_of(profile, modes_of(profile)[0])
    >>> abs(middle - 0.3) < 3 * error < 0.01
    True
    """
    above = profile.counts >= (profile.counts[mode.index] + floor) / 2
    begin = mode.index - int(np.argmin(above[mode.index :: -1])) + 1 if not above[: mode.index + 1].all() else 0
    rest = above[mode.index :]
    end = mode.index + (int(np.argmin(rest)) if not rest.all() else rest.size)
    counts, centers = profile.raw[begin:end], profile.centers[begin:end]
    total = max(float(counts.sum()), 1.0)
    middle = float(counts @ centers) / total if counts.any() else mode.position
    spread = float(np.sqrt(counts @ (centers - middle) ** 2 / total))
    return middle, 1.5 * max(spread, profile.width) / float(np.sqrt(total))


def beyond_valley(peak: float, floor: float) -> float:
    """Return the share of a normal peak's events beyond the valley beside it, if all that lie in it are its own.

    peak, floor: the density at the peak and in the valley, in one unit. A normal peak that has fallen from ``h`` to
    ``v`` is ``sqrt(2 log(h / v))`` standard deviations from its middle.

    >>> normal = NormalDist(0.3, 0.05)
    >>> round(beyond_valley(normal.pdf(0.3), normal.pdf(0.4)), 4), round(normal.cdf(0.2), 4)
    (0.0228, 0.0228)
    """
    if floor <= 0 or peak <= 0:
        return 0.0
    return NormalDist().cdf(-float(np.sqrt(2 * np.log(max(peak / floor, 1.0)))))
