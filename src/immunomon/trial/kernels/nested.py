"""Variance components of nested repeats: how much differs between days, between runs of a day, within a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from immunomon.arrays import Floats, Ints

__all__ = ["nested_components"]


def nested_components(values: Floats, levels: Sequence[Ints]) -> tuple[Floats, Ints]:
    """Return the variance of each level within the one above it, the residual's last, and the degrees of freedom.

    values: (n,); levels: for each level, the outermost first, a label for each value, unique across the levels above
    (day 1 of specimen 1 is not day 1 of specimen 2). The outermost level is taken out, and is none of those returned.
    Method of moments for unequal numbers (Searle, Linear Models, 1971, ch. 11); a negative estimate is 0. A level whose
    groups have one member each cannot be told from the one above it: it must be left out. Raises ValueError if a level
    has no degrees of freedom.

    >>> days, runs = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    >>> values = np.array([9.0, 11.0, 9.0, 11.0, 19.0, 21.0, 19.0, 21.0])
    >>> components, degrees = nested_components(values, [np.zeros(8, int), days, runs])
    >>> [round(float(component), 2) for component in components], degrees.tolist()
    ([49.5, 0.0, 2.0], [1, 2, 4])
    """
    n = len(values)
    every: list[Ints] = [*levels, np.arange(n)]
    sizes = [np.bincount(level)[level].astype(float) for level in every]
    means = [np.bincount(level, weights=values)[level] / size for level, size in zip(every, sizes, strict=True)]
    groups = [len(np.unique(level)) for level in every]
    degrees = np.array([groups[i] - groups[i - 1] for i in range(1, len(every))])
    if (degrees <= 0).any():
        raise ValueError("a level has one group in each group of the level above it; leave it out")
    squares = np.array([((means[i] - means[i - 1]) ** 2).sum() for i in range(1, len(every))]) / degrees
    # Expected mean squares: how often the variance of each level is in that of each level above it.
    sums = np.array([[(sizes[k] / sizes[i]).sum() for k in range(1, len(every))] for i in range(len(every))])
    share = (sums[1:] - sums[:-1]) / degrees[:, None]
    components = np.zeros(len(degrees))
    for i in reversed(range(len(degrees))):
        inner = share[i, i + 1 :] @ components[i + 1 :]
        components[i] = max((squares[i] - inner) / share[i, i], 0.0)
    return components, degrees
