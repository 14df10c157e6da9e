"""FlowKit's transforms applied, with a place for what they leave without one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["on_scale"]

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
