"""How well straight borders could part members from others, if one knew who the members are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_corner_f1", "best_threshold_f1"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_STEPS = 400  # of each axis, between its outermost members and others


def best_threshold_f1(values: Floats, members: Mask, *, missed: int = 0) -> float:
    """Return the highest F1 that any threshold reaches, if what lies at or above it is taken for members.

    values, members: (events,); missed: members that are not among the events, whatever the threshold. Not-a-number
    without members. F1 = 2 TP / (2 TP + FP + FN), van Rijsbergen 1979.

    >>> best_threshold_f1(np.array([0.1, 0.4, 0.5, 0.9]), np.array([False, True, False, True]))
    0.8
    """
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(members[order])
    # Equal values fall on one side together: only after the last of them lies a threshold.
    ends = np.append(np.flatnonzero(np.diff(values[order])), values.size - 1) if values.size else np.zeros(0, int)
    return _highest(hits[ends], ends + 1, int(members.sum()) + missed)


def best_corner_f1(x: Floats, y: Floats, members: Mask, *, missed: int = 0) -> float:
    """Return the highest F1 of any two thresholds, if what lies at or above both is taken for members.

    x, y, members: (events,); missed: members that are not among the events. The thresholds are tried on a grid of
    400 x 400 between the events' extremes. Not-a-number without members.

    >>> x, y = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])
    >>> best_corner_f1(x, y, np.array([False, False, False, True]))
    1.0
    """
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.any():
        return float("nan")
    edges = [np.linspace(values[finite].min(), np.nextafter(values[finite].max(), np.inf), _STEPS) for values in (x, y)]
    taken, hits = (
        np.histogram2d(x[kept], y[kept], bins=edges)[0][::-1, ::-1].cumsum(axis=0).cumsum(axis=1)
        for kept in (finite, finite & members)
    )
    return _highest(hits.ravel(), taken.ravel(), int(members.sum()) + missed)


def _highest(hits: NDArray[np.number], taken: NDArray[np.number], true: int) -> float:
    if not true or not hits.size:
        return float("nan")
    return float((2 * hits / (taken + true)).max())
