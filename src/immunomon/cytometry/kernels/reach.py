"""How far the events of one file reach on a marker, beside those of the others: stains that failed, high negatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEVELS", "Reach", "reach_beside"]

Floats = NDArray[np.float64]
# Quantiles by which a file's reach is told: two of the negative side, two of the positive side.
LEVELS = (0.05, 0.25, 0.95, 0.99)

_NORMAL = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
_FEWEST_OTHERS = 3
_BEYOND = 6.0
_LEAST = 0.15  # display scale of a length of 1: on four and a half decades, a fifth of the brightness
_MARGIN = 0.05


@dataclass(frozen=True, eq=False)
class Reach:
    """Which files' positives lie too low and whose negatives too high, and by how much (display scale), (files,) each.

    short, raised: how far the file's upper quantile lies below, its lower ones above, the median of the others'.
    """

    is_weak: NDArray[np.bool_]
    is_shifted: NDArray[np.bool_]
    short: Floats
    raised: Floats


def reach_beside(quantiles: Floats) -> Reach:
    """Return which of a panel's files reach less far up on a marker than the others, or lie higher altogether.

    quantiles: (files, 4), those of ``LEVELS`` of the same parent population on one display scale; not a number where
    there is none. A file's stain is weak if its 99 % quantile lies far below that of the others (by 0.15 and six robust
    standard deviations) and even below their 95 % quantile, so that positives are missing, not merely few. Negatives
    are shifted if both lower quantiles lie as far above the others'. Files with fewer than three others are not judged.

    >>> files = np.tile([0.1, 0.12, 0.6, 0.7], (5, 1))
    >>> files[2] = [0.1, 0.12, 0.2, 0.25]
    >>> np.flatnonzero(reach_beside(files).is_weak).tolist()
    [2]
    """
    known = np.isfinite(quantiles).all(axis=1)
    distance, limit = np.full(quantiles.shape, np.nan), np.full(quantiles.shape, np.inf)
    missing = np.zeros(known.size, dtype=np.bool_)
    for file in np.flatnonzero(known):
        other_files = quantiles[known & (np.arange(known.size) != file)]
        if len(other_files) < _FEWEST_OTHERS:
            continue
        middle = np.median(other_files, axis=0)
        distance[file] = quantiles[file] - middle
        limit[file] = np.maximum(_LEAST, _BEYOND * _NORMAL * np.median(np.abs(other_files - middle), axis=0))
        missing[file] = quantiles[file, 3] < middle[2] - _MARGIN
    with np.errstate(invalid="ignore"):
        is_weak = missing & (distance[:, 3] < -limit[:, 3])
        is_shifted = np.all(distance[:, :2] > limit[:, :2], axis=1)
    return Reach(np.asarray(is_weak), np.asarray(is_shifted), -distance[:, 3], distance[:, 1])
