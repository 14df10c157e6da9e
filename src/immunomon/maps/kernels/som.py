"""A self-organising map trained in batches on all events: sums over events that add up exactly, in any order.

Coordinates are rounded to 2^-16 where they are summed. Sums of such numbers are exact in float64 as long as they stay
below 2^37, which is a hundred thousand million events on a display scale: so it does not matter in which order, in how
many pieces or by how many threads they are added, and the map is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from immunomon.arrays import Floats, Floats32, Ints

__all__ = ["Sums", "grid_start", "nearest_nodes", "radii", "settle", "sum_by_node", "sum_parts"]

_ONE = np.float32(65536.0)
_TILE = 64  # events that are compared with the nodes together; a power of two of lanes
_FAR = np.float32(1e30)

Codes = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sums:
    """What a batch of events says to the map: events by nearest node, their sums, and how far they are from it.

    counts: (nodes,); totals: (nodes, markers), multiples of 2^-16; squares: (nodes,) sums of squared distances.
    """

    counts: Ints
    totals: Floats
    squares: Floats

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.counts + other.counts, self.totals + other.totals, self.squares + other.squares)


def sum_parts(parts: Iterable[Sums]) -> Sums:
    """Return the sum of at least one part; their order does not matter."""
    whole, *rest = parts
    for part in rest:
        whole = whole + part
    return whole


def sum_by_node(events: Floats32, codes: Codes) -> tuple[Sums, NDArray[np.int16]]:
    """Return the sums of a batch of events, and each event's nearest node, (events,).

    events: (events, markers), finite; codes: (nodes, markers). Releases the GIL. Of nodes equally near the first is
    taken.

    >>> sums, node = sum_by_node(np.array([[0.0], [0.25], [1.0]], np.float32), np.array([[0.0], [1.0]], np.float32))
    >>> sums.counts.tolist(), sums.totals.tolist(), node.tolist()
    ([2, 1], [[0.25], [1.0]], [0, 0, 1])
    """
    nodes, markers = codes.shape
    node = np.empty(events.shape[0], dtype=np.int16)
    counts, totals = np.zeros(nodes, dtype=np.int64), np.zeros((nodes, markers))
    squares = np.zeros(nodes)
    filled, half = _filled(codes)
    _sum(events, filled, half, node, counts, totals, squares)
    totals /= float(_ONE)
    squares /= float(_ONE)
    return Sums(counts, totals, squares), node


def grid_start(events: Floats32, rows: int, columns: int) -> tuple[Codes, Floats]:
    """Return the nodes of a grid laid into the plane of largest variance, and their squared distances on the grid.

    events: (events, markers); nodes: (rows x columns, markers); squared distances: (nodes, nodes). Kohonen 2001, 3.7.

    >>> codes, apart = grid_start(np.array([[0, 0], [1, 0], [0, 2], [1, 2]], np.float32), 2, 3)
    >>> codes.shape, float(apart[0, 5])
    ((6, 2), 5.0)
    """
    positions = np.array([(i, j) for i in range(rows) for j in range(columns)], dtype=np.float64)
    apart = ((positions[:, None, :] - positions[None, :, :]) ** 2).sum(axis=2)
    wide = np.asarray(events, dtype=np.float64)
    centre = wide.mean(axis=0)
    # Not by matrix products, whose last bit depends on the number of threads.
    covariance = np.einsum("ij,ik->jk", wide - centre, wide - centre) / len(wide)
    variance, axes = np.linalg.eigh(covariance)
    axes = axes[:, ::-1] * np.sqrt(np.maximum(variance[::-1], 0.0))
    axes = axes * np.where(axes.sum(axis=0) < 0, -1.0, 1.0)  # an axis has no direction of its own
    side = np.array([max(rows - 1, 1), max(columns - 1, 1)])
    spread = 4.0 * (positions / side - 0.5)  # two standard deviations to each side
    codes = centre + np.einsum("nd,md->nm", spread[:, : axes.shape[1]], axes[:, :2])
    return codes.astype(np.float32), apart


def radii(rows: int, columns: int, epochs: int) -> Floats:
    """Return the neighbourhood's radius in each epoch: from half of the grid's side down to half a node.

    >>> radii(10, 10, 3).round(2).tolist()
    [5.0, 1.58, 0.5]
    """
    return np.geomspace(max(rows, columns) / 2, 0.5, epochs)


def settle(sums: Sums, codes: Codes, influence: Floats | None = None) -> Codes:
    """Return the nodes moved to the mean of their events, or of those that a neighbourhood brings to them.

    influence: (nodes, nodes), 1 on the diagonal; None: each node for itself. A node without events stays.

    >>> sums, _ = sum_by_node(np.array([[0.0], [0.5]], np.float32), np.array([[0.0], [9.0]], np.float32))
    >>> settle(sums, np.array([[0.0], [9.0]], np.float32)).tolist()
    [[0.25], [9.0]]
    """
    weight, total = sums.counts.astype(np.float64), sums.totals
    if influence is not None:
        weight, total = np.einsum("ij,j->i", influence, weight), np.einsum("ij,jm->im", influence, total)
    known = weight > 1e-9
    moved = codes.copy()
    moved[known] = total[known] / weight[known, None]
    return moved


def nearest_nodes(events: Floats32, codes: Codes) -> NDArray[np.int16]:
    """Return each event's nearest node, (events,); events: (events, markers); codes: (nodes, markers)."""
    return sum_by_node(events, codes)[1]


def _filled(codes: Codes) -> tuple[Codes, Floats32]:
    """Return the nodes filled up to an even number of them and four markers a time, and half their squared lengths."""
    nodes, markers = codes.shape
    filled = np.zeros((-(-nodes // 2) * 2, -(-markers // 4) * 4), dtype=np.float32)
    filled[:nodes, :markers] = codes
    half = np.full(filled.shape[0], _FAR, dtype=np.float32)
    half[:nodes] = 0.5 * (codes.astype(np.float64) ** 2).sum(axis=1)
    return filled, half


_FAST = {"contract", "nnan", "ninf", "nsz"}  # not "reassoc": sums are added in the order that is written


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
def _sum(
    events: Floats32,
    codes: Codes,
    half: Floats32,
    node: NDArray[np.int16],
    counts: Ints,
    totals: Floats,
    squares: Floats,
) -> None:
    count, markers = events.shape
    x = np.zeros((codes.shape[1], _TILE), dtype=np.float32)
    first, second = np.empty(_TILE, dtype=np.float32), np.empty(_TILE, dtype=np.float32)
    least, best = np.empty(_TILE, dtype=np.float32), np.empty(_TILE, dtype=np.float32)
    for start in range(0, count, _TILE):
        length = min(_TILE, count - start)
        for e in range(length):
            for m in range(markers):
                x[m, e] = events[start + e, m]
        for e in range(_TILE):
            least[e], best[e] = _FAR, np.float32(0)
        # Two nodes and four markers a trip, all events of the tile beside each other: fewer trips to memory.
        for j in range(0, codes.shape[0], 2):
            for e in range(_TILE):
                first[e], second[e] = half[j], half[j + 1]
            for m in range(0, codes.shape[1], 4):
                a, b, c, d = codes[j, m], codes[j, m + 1], codes[j, m + 2], codes[j, m + 3]
                f, g, h, k = codes[j + 1, m], codes[j + 1, m + 1], codes[j + 1, m + 2], codes[j + 1, m + 3]
                x0, x1, x2, x3 = x[m], x[m + 1], x[m + 2], x[m + 3]
                for e in range(_TILE):
                    first[e] -= a * x0[e] + b * x1[e] + c * x2[e] + d * x3[e]
                    second[e] -= f * x0[e] + g * x1[e] + h * x2[e] + k * x3[e]
            this_node, next_node = np.float32(j), np.float32(j + 1)
            for e in range(_TILE):
                low, nearest = least[e], best[e]
                nearest = this_node if first[e] < low else nearest
                low = first[e] if first[e] < low else low
                nearest = next_node if second[e] < low else nearest
                low = second[e] if second[e] < low else low
                least[e], best[e] = low, nearest
        for e in range(length):
            j = int(best[e])
            node[start + e] = j
            counts[j] += 1
            square = np.float32(0)
            for m in range(markers):
                value = x[m, e]
                totals[j, m] += np.rint(value * _ONE)
                square += value * value
            squares[j] += np.rint(max(square + np.float32(2) * least[e], np.float32(0)) * _ONE)
