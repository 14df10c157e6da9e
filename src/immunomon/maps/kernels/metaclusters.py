"""Metaclusters: nodes of a map brought together by average linkage, steadied by a consensus over subsets of the nodes.

Average linkage: Sokal & Michener 1958, by chains of nearest neighbours (Murtagh 1983). Consensus: Monti et al. 2003.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from immunomon.arrays import Floats

__all__ = ["average_linkage", "consensus", "cut", "distances_between", "groups_apart"]

Groups = NDArray[np.int64]


def distances_between(points: NDArray[np.floating]) -> Floats:
    """Return the Euclidean distances between points, (points, points); points: (points, dimensions).

    >>> distances_between(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist()
    [[0.0, 5.0], [5.0, 0.0]]
    """
    wide = np.asarray(points, dtype=np.float64)
    return np.asarray(np.sqrt(((wide[:, None, :] - wide[None, :, :]) ** 2).sum(axis=2)))


def average_linkage(distances: Floats) -> tuple[Groups, Floats]:
    """Return the merges of average linkage, lowest first: pairs of members, (points - 1, 2), and heights.

    distances: (points, points), symmetric. A pair names one point of each of the two groups that are merged.

    >>> pairs, heights = average_linkage(np.array([[0.0, 1, 9], [1, 0, 8], [9, 8, 0]]))
    >>> pairs.tolist(), heights.tolist()
    ([[0, 1], [1, 2]], [1.0, 8.5])
    """
    pairs, heights = _chains(np.array(distances, dtype=np.float64))
    order = np.argsort(heights, kind="stable")
    return pairs[order], heights[order]


@njit(cache=True, nogil=True)
def _chains(distances: Floats) -> tuple[Groups, Floats]:
    count = distances.shape[0]
    pairs, heights = np.empty((max(count - 1, 0), 2), dtype=np.int64), np.empty(max(count - 1, 0))
    size = np.ones(count, dtype=np.int64)
    chain = np.empty(count, dtype=np.int64)
    length = 0
    for merge in range(count - 1):
        if length == 0:
            chain[0] = np.argmax(size > 0)
            length = 1
        while True:
            tip = chain[length - 1]
            # The one before in the chain wins ties, or the chain would run in a circle.
            there = chain[length - 2] if length > 1 else -1
            least = distances[tip, there] if length > 1 else np.inf
            for point in range(count):
                if point != tip and size[point] > 0 and distances[tip, point] < least:
                    there, least = point, distances[tip, point]
            if length > 1 and there == chain[length - 2]:
                break
            chain[length] = there
            length += 1
        length -= 2
        low, high = min(tip, there), max(tip, there)
        pairs[merge, 0], pairs[merge, 1], heights[merge] = low, high, least
        for point in range(count):  # the group is from now on the one of its higher point
            if size[point] > 0 and point != low and point != high:
                joined = (size[low] * distances[low, point] + size[high] * distances[high, point]) / (
                    size[low] + size[high]
                )
                distances[high, point] = distances[point, high] = joined
        size[high] += size[low]
        size[low] = 0
    return pairs, heights


def cut(pairs: Groups, groups: int) -> Groups:
    """Return the group of each point, numbered from 0 by their first point, when merging stops at so many groups.

    pairs: as ``average_linkage`` gives them.

    >>> cut(np.array([[0, 1], [1, 2]]), 2).tolist()
    [0, 0, 1]
    """
    count = len(pairs) + 1
    into = np.arange(count)
    for low, high in pairs[: max(0, count - groups)].tolist():
        into[into == into[low]] = into[high]
    _, first, group = np.unique(into, return_index=True, return_inverse=True)
    rank = np.empty_like(first)
    rank[np.argsort(first, kind="stable")] = np.arange(first.size)
    return np.asarray(rank[group], dtype=np.int64)


def groups_apart(heights: Floats, distance: float) -> int:
    """Return how many groups lie farther apart than a distance, on average between their members.

    >>> groups_apart(np.array([0.1, 0.2, 0.9]), 0.5)
    2
    """
    return int(np.count_nonzero(heights > distance)) + 1


def consensus(
    points: NDArray[np.floating], groups: int, rng: np.random.Generator, *, rounds: int = 100, share: float = 0.9
) -> tuple[Groups, Floats]:
    """Return the group of each point, steadied over subsets, and how often each pair of points was together.

    points: (points, dimensions). In each round a share of the points is put into so many groups; the pairs' rates of
    being together are grouped in turn. Rates: (points, points), 0 to 1.

    >>> group, together = consensus(np.array([[0.0], [0.1], [5.0], [5.1]]), 2, np.random.default_rng(1))
    >>> group.tolist()
    [0, 0, 1, 1]
    """
    count = len(points)
    distances = distances_between(points)
    groups = min(groups, count)
    size = max(groups, round(share * count))
    together, drawn = np.zeros((count, count)), np.zeros((count, count))
    for _ in range(rounds):
        chosen = np.sort(rng.choice(count, size, replace=False))
        square = np.ix_(chosen, chosen)
        group = cut(average_linkage(distances[square])[0], groups)
        together[square] += group[:, None] == group[None, :]
        drawn[square] += 1
    rates = np.where(drawn > 0, together / np.maximum(drawn, 1), 0.0)
    np.fill_diagonal(rates, 1.0)
    # Where the rates say nothing the distances do, with so little weight that they overrule no rate.
    apart = 1.0 - rates + 1e-5 * distances / max(float(distances.max()), 1e-300)
    return cut(average_linkage(apart)[0], groups), rates
