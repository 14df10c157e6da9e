"""Distances of events from a middle: their median, and which events are near it or beyond."""

from __future__ import annotations

import numpy as np

from immunomon.arrays import Floats
from immunomon.cytometry.kernels.selection import is_compiled_at_hand, median_of

__all__ = ["above", "median_distance", "within"]


def median_distance(values: Floats, center: float) -> float:
    """Return the median distance of values, (events,), from a center.

    >>> median_distance(np.array([3.0, 1.0, 2.0, 10.0]), 2.0)
    1.0
    """
    if values.size and is_compiled_at_hand() and np.isfinite(values.sum()):
        from immunomon.cytometry.kernels import distances_compiled as compiled

        return compiled.median_distance(np.ascontiguousarray(values), center)
    return median_of(np.abs(values - center))


def within(values: Floats, center: float, reach: float) -> Floats:
    """Return the values, (events,), that are nearer to a center than so far, in their order.

    >>> within(np.array([3.0, 1.0, 2.0, 10.0]), 2.0, 1.5)
    array([3., 1., 2.])
    """
    if is_compiled_at_hand():
        from immunomon.cytometry.kernels import distances_compiled as compiled

        return compiled.within(np.ascontiguousarray(values), center, reach)
    return values[np.abs(values - center) < reach]


def above(values: Floats, least: float) -> Floats:
    """Return how far the values, (events,), that are not below the least one lie above it, in their order.

    >>> above(np.array([3.0, 1.0, 2.0, 10.0]), 2.0)
    array([1., 0., 8.])
    """
    if is_compiled_at_hand():
        from immunomon.cytometry.kernels import distances_compiled as compiled

        return compiled.above(np.ascontiguousarray(values), least)
    return values[values >= least] - least
