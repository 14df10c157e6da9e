"""One-dimensional densities: where the modes are, how sure they are, and where the valley between two of them lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Mode", "Profile", "modes_of", "profile_of", "valley_between"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Profile:
    """A smoothed histogram: bin centres, smoothed counts, and their square roots in units of their own noise.

    height: the square root of a count has the same variance at every level (Bartlett 1936), so differences in height
    are differences in standard errors, in a crowd and in a tail alike.
    """

    centers: Floats
    counts: Floats
    height: Floats


@dataclass(frozen=True)
class Mode:
    """A peak: where, how high (standard errors), and how far one must descend from it to reach a higher one."""

    position: float
    index: int
    height: float
    persistence: float


def profile_of(values: NDArray[np.floating], bandwidth: float, bins: int = 1024) -> Profile:
    """Return the smoothed histogram of values.

    values: (events,), finite; bandwidth: standard deviation of the Gaussian kernel, in the values' unit. Raises
    ValueError for no values or a bandwidth that is not positive.

    >>> profile = profile_of(np.array([0.0, 0.0, 1.0]), bandwidth=0.1)
    >>> round(float(profile.counts.sum()), 3)
    3.0
    """
    if values.size == 0 or not bandwidth > 0:
        raise ValueError("a profile needs at least one value and a positive bandwidth")
    low, high = float(values.min()) - 4 * bandwidth, float(values.max()) + 4 * bandwidth
    bins = int(min(8192, max(bins, 8 * (high - low) / bandwidth)))
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    width = (high - low) / bins
    reach = min(int(np.ceil(4 * bandwidth / width)), (bins - 1) // 2)
    steps = np.arange(-reach, reach + 1) * (width / bandwidth)
    kernel = np.exp(-0.5 * steps**2)
    kernel /= kernel.sum()
    smooth = np.convolve(counts.astype(np.float64), kernel, mode="same")
    # Var(sqrt(smoothed)) is a quarter of the kernel's squared norm for Poisson counts.
    noise = 0.5 * np.sqrt(float((kernel**2).sum()))
    return Profile(edges[:-1] + width / 2, smooth, np.sqrt(np.maximum(smooth, 0.0)) / noise)


def modes_of(profile: Profile, min_persistence: float = 4.0) -> list[Mode]:
    """Return the peaks that stand out of the noise, from left to right.

    min_persistence: how far (in standard errors) one must descend from a peak before a higher one is reached; the
    highest peak is always returned. Zero-dimensional persistent homology, Edelsbrunner et al. 2002.

    >>> rng = np.random.default_rng(1)
    >>> two = np.concatenate([rng.normal(0.2, 0.03, 900), rng.normal(0.7, 0.05, 100)])
    >>> [round(mode.position, 1) for mode in modes_of(profile_of(two, bandwidth=0.02))]
    [0.2, 0.7]
    """
    height = profile.height
    found: list[Mode] = []
    owner = np.full(height.size, -1, dtype=np.int64)
    birth: dict[int, int] = {}

    def peak_of(place: int) -> int:
        while birth[place] != place:
            place = birth[place]
        return place

    for place in np.argsort(-height, kind="stable"):
        neighbours = {peak_of(int(owner[n])) for n in (place - 1, place + 1) if 0 <= n < height.size and owner[n] >= 0}
        if not neighbours:
            owner[place] = birth[int(place)] = int(place)
            continue
        highest = max(neighbours, key=lambda peak: (height[peak], -peak))
        owner[place] = highest
        for lower in neighbours - {highest}:
            drop = float(height[lower] - height[place])
            if drop >= min_persistence:
                found.append(Mode(float(profile.centers[lower]), lower, float(height[lower]), drop))
            birth[lower] = highest
    top = int(np.argmax(height))
    found.append(Mode(float(profile.centers[top]), top, float(height[top]), float(height[top])))
    return sorted(found, key=lambda mode: mode.index)


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
