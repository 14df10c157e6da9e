"""Where FlowKit is put right: values without a place on a scale, and events on the very edge of a polygon."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["on_edges", "on_scale"]

Floats = NDArray[np.float64]


def on_scale(transform: Any, values: Floats) -> Floats:  # noqa: ANN401 - FlowKit carries no types
    """Return intensities on one of FlowKit's scales; values and result: (events,).

    The logarithm of what is negative, no number in FlowKit, lies at minus infinity, where FlowKit puts that of zero.

    >>> from flowkit import transforms
    >>> on_scale(transforms.LogTransform(100, 2), np.array([-1.0, 0.0, 1.0, 100.0]))
    array([-inf, -inf,   0.,   1.])
    """
    with np.errstate(all="ignore"):
        scaled = np.asarray(transform.apply(values), dtype=np.float64)
    scaled = np.where(np.isnan(scaled) & (values < 0), -np.inf, scaled)
    # FlowKit's logicle gives -1 for what is not a finite number; such an event has no place on the axis.
    return np.where(np.isfinite(values), scaled, values)


# Gating-ML 2.0 counts events on the edge of a polygon as inside. FlowKit says so too, but its compiled code
# (FlowUtils 1.2) leaves out those on some of the edges: seen where detectors give whole numbers and corners are whole
# numbers as well. Rational arithmetic decides.

# Far above the rounding error of a cross product in float64, relative to its terms: nothing on an edge escapes it.
_NEAR = 1e-12


def on_edges(x: Floats, y: Floats, vertices: Sequence[Sequence[float]]) -> NDArray[np.bool_]:
    """Return which events lie exactly on the closed line through a polygon's corners.

    x, y: (events,). Result: (events,).

    >>> on_edges(np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.9, 0.3]), [[0, 0], [1, 0], [1, 1], [0, 1]])
    array([ True, False,  True])
    """
    is_on_edge = np.zeros(x.shape, dtype=np.bool_)
    for start, end in zip(vertices, [*vertices[1:], vertices[0]], strict=True):
        (ax, ay), (bx, by) = start, end
        within = (x >= min(ax, bx)) & (x <= max(ax, bx)) & (y >= min(ay, by)) & (y <= max(ay, by))
        places = np.flatnonzero(within & ~is_on_edge)
        rise, run = (bx - ax) * (y[places] - ay), (by - ay) * (x[places] - ax)
        for index in places[np.abs(rise - run) <= _NEAR * (np.abs(rise) + np.abs(run))]:
            is_on_edge[index] = _on_line(float(x[index]), float(y[index]), start, end)
    return is_on_edge


def _on_line(x: float, y: float, start: Sequence[float], end: Sequence[float]) -> bool:
    (ax, ay), (bx, by) = (tuple(Fraction(value) for value in corner) for corner in (start, end))
    return (bx - ax) * (Fraction(y) - ay) == (by - ay) * (Fraction(x) - ax)
