"""Nearest neighbours, exactly: of many points among some ten thousand others, in the few dimensions of a panel.

The references are put into lists around landmarks, and within a list into blocks by their distance from the landmark.
By the triangle inequality most lists and blocks cannot hold a neighbour and are passed over; the rest is compared block
by block. A point's neighbours depend on nothing but the point and the references: of equally near ones the first comes
first, so neither the number of threads nor the pieces that points come in change a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from immunomon.arrays import Floats32, Ints
from immunomon.maps.kernels.som import settle, sum_by_node

__all__ = ["NeighbourIndex", "count_within", "index_of", "nearest"]

Rows = NDArray[np.int32]
_Blocks = tuple[Floats32, Floats32, Floats32, Rows, Rows]

_BLOCK = 32  # references that are compared together
_TRIP = 4  # markers that are compared together
_ROUNDS = 4
_MOST_LANDMARKS = 1024
_FAR = np.float32(1e15)
_SLACK = np.float32(1.0 + 1e-4)  # a bound must not lie by the rounding of float32
_PIECE = 16_384
_FAST = {"contract", "nnan", "ninf", "nsz"}  # not "reassoc": sums are added in the order that is written


@dataclass(frozen=True, eq=False)
class NeighbourIndex:
    """References in lists around landmarks; made by ``index_of``. Markers are filled up with zeros to a multiple of 4.

    landmarks: (markers, lists); order: (lists, lists), each list's neighbours, nearest first; starts: (lists + 1,), the
    first block of each; blocks: (blocks, markers, 32); rows, groups: (blocks, 32), -1 where a block is not full; near,
    far: (blocks,), how near and far from the landmark a block's references are.
    """

    landmarks: Floats32
    order: Rows
    starts: Ints
    blocks: Floats32
    rows: Rows
    groups: Rows
    near: Floats32
    far: Floats32


def index_of(references: Floats32, groups: Rows | None = None) -> NeighbourIndex:
    """Return references put in order to be asked for neighbours.

    references: (references, markers), finite, at least one; groups: (references,), from 0, such as their samples: a
    point that names a group gets neighbours of other groups only.
    """
    points = _filled(references)
    belongs = np.zeros(len(points), dtype=np.int32) if groups is None else np.asarray(groups, dtype=np.int32)
    landmarks, home = _landmarks(points)
    apart = np.sqrt(((points - landmarks[home]) ** 2).sum(axis=1))
    order = np.lexsort((np.arange(len(points)), apart, home))
    parts, starts = [], [0]
    for own in np.split(order, np.searchsorted(home[order], np.arange(1, len(landmarks)))):
        parts += [own[begin : begin + _BLOCK] for begin in range(0, own.size, _BLOCK)]
        starts.append(len(parts))
    blocks = np.full((len(parts), points.shape[1], _BLOCK), _FAR, dtype=np.float32)
    rows = np.full((len(parts), _BLOCK), -1, dtype=np.int32)
    owners = rows.copy()
    for number, part in enumerate(parts):
        blocks[number, :, : part.size] = points[part].T
        rows[number, : part.size], owners[number, : part.size] = part, belongs[part]
    between = ((landmarks[:, None, :] - landmarks[None, :, :]) ** 2).sum(axis=2)
    return NeighbourIndex(
        np.ascontiguousarray(landmarks.T),
        np.argsort(between, axis=1, kind="stable").astype(np.int32),
        np.array(starts, dtype=np.int64),
        blocks,
        rows,
        owners,
        np.array([apart[part[0]] for part in parts], dtype=np.float32),
        np.array([apart[part[-1]] for part in parts], dtype=np.float32),
    )


def _filled(points: Floats32) -> Floats32:
    """Return points with markers of zeros up to the next multiple of a trip."""
    ready = np.asarray(points, dtype=np.float32)
    return np.ascontiguousarray(np.pad(ready, ((0, 0), (0, -ready.shape[1] % _TRIP))))


def _landmarks(points: Floats32) -> tuple[Floats32, NDArray[np.int16]]:
    """Return landmarks, about the square root of the references, in the middle of their own, and whose each one is."""
    count = int(np.clip(np.sqrt(len(points)), 1, _MOST_LANDMARKS))
    codes = points[np.linspace(0, len(points) - 1, count).astype(np.int64)]
    for _ in range(_ROUNDS):
        codes = settle(sum_by_node(points, codes)[0], codes)
    return codes, sum_by_node(points, codes)[1]


def nearest(
    index: NeighbourIndex, points: Floats32, count: int, *, groups: Rows | None = None, threads: int = 1
) -> tuple[Rows, Floats32]:
    """Return each point's nearest references, (points, count) rows, and how far they are, nearest first.

    points: (points, markers), finite; groups: (points,), the group whose references do not count, -1 for none. Releases
    the GIL. Where there are fewer references, the row is -1 and the distance infinite.

    >>> line = np.arange(5, dtype=np.float32)[:, None]
    >>> rows, apart = nearest(index_of(line), np.array([[1.25]], dtype=np.float32), 3)
    >>> rows.tolist(), apart.tolist()
    ([[1, 2, 0]], [[0.25, 0.75, 1.25]])
    """
    ready = _filled(points)
    rows = np.full((len(ready), count), -1, dtype=np.int32)
    squares = np.full((len(ready), count), np.inf, dtype=np.float32)
    left_out = np.full(len(ready), -1, dtype=np.int32) if groups is None else np.asarray(groups, dtype=np.int32)

    def work(begin: int) -> None:
        piece = slice(begin, begin + _PIECE)
        lists = (index.landmarks, index.order, index.starts)
        _search(ready[piece], left_out[piece], rows[piece], squares[piece], lists, _blocks_of(index))

    _in_pieces(work, len(ready), threads)
    return rows, np.sqrt(squares)


def count_within(index: NeighbourIndex, points: Floats32, radius: float, *, threads: int = 1) -> Ints:
    """Return how many references lie within a radius of each point, (points,).

    >>> line = np.arange(5, dtype=np.float32)[:, None]
    >>> count_within(index_of(line), line[:2], 1.5).tolist()
    [2, 3]
    """
    ready, counts = _filled(points), np.zeros(len(points), dtype=np.int64)

    def work(begin: int) -> None:
        piece = slice(begin, begin + _PIECE)
        lists = (index.landmarks, index.order, index.starts)
        _count(ready[piece], np.float32(radius), lists, _blocks_of(index), counts[piece])

    _in_pieces(work, len(ready), threads)
    return counts


def _blocks_of(index: NeighbourIndex) -> _Blocks:
    return index.near, index.far, index.blocks, index.rows, index.groups


def _in_pieces(work: Callable[[int], None], count: int, threads: int) -> None:
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        list(pool.map(work, range(0, count, _PIECE)))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
def _search(
    points: Floats32,
    left_out: Rows,
    rows: Rows,
    squares: Floats32,
    lists: tuple[Floats32, Rows, Ints],
    of_blocks: _Blocks,
) -> None:
    landmarks, order, starts = lists
    near, far, blocks, block_rows, block_groups = of_blocks
    away = np.empty(landmarks.shape[1], dtype=np.float32)
    distances = np.empty(_BLOCK, dtype=np.float32)
    last = rows.shape[1] - 1
    for q in range(points.shape[0]):
        _measure(points[q], landmarks, away)
        home = np.argmin(away)
        for j in range(away.size):
            away[j] = np.sqrt(away[j])
        worst, reach = _FAR, _FAR
        for step in range(away.size):
            j = order[home, step]
            for b in range(starts[j], starts[j + 1]):
                if away[j] - far[b] > reach or near[b] - away[j] > reach:
                    continue
                _measure(points[q], blocks[b], distances)
                within = 0
                for e in range(_BLOCK):
                    within += distances[e] <= worst
                if within == 0:
                    continue
                for e in range(_BLOCK):
                    if distances[e] > worst or block_rows[b, e] < 0 or block_groups[b, e] == left_out[q]:
                        continue
                    _insert(rows[q], squares[q], block_rows[b, e], distances[e])
                    if rows[q, last] >= 0:
                        worst = squares[q, last]
                        reach = np.sqrt(worst) * _SLACK + np.float32(1e-6)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
def _count(
    points: Floats32,
    radius: np.float32,
    lists: tuple[Floats32, Rows, Ints],
    of_blocks: _Blocks,
    counts: Ints,
) -> None:
    landmarks, _, starts = lists
    near, far, blocks, _, _ = of_blocks
    away = np.empty(landmarks.shape[1], dtype=np.float32)
    distances = np.empty(_BLOCK, dtype=np.float32)
    reach, most = radius * _SLACK + np.float32(1e-6), radius * radius
    for q in range(points.shape[0]):
        _measure(points[q], landmarks, away)
        for j in range(away.size):
            distance = np.sqrt(away[j])
            for b in range(starts[j], starts[j + 1]):
                if distance - far[b] > reach or near[b] - distance > reach:
                    continue
                _measure(points[q], blocks[b], distances)
                within = 0
                for e in range(_BLOCK):
                    within += distances[e] <= most
                counts[q] += within


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST, inline="always")
def _measure(point: Floats32, block: Floats32, out: Floats32) -> None:
    """Write a point's squared distances from others, (markers, others), four markers a trip: fewer trips to memory."""
    for e in range(out.size):
        out[e] = np.float32(0)
    for m in range(0, block.shape[0], 4):
        p, q, r, s = point[m], point[m + 1], point[m + 2], point[m + 3]
        a, b, c, d = block[m], block[m + 1], block[m + 2], block[m + 3]
        for e in range(out.size):
            t, u, v, w = a[e] - p, b[e] - q, c[e] - r, d[e] - s
            out[e] += t * t + u * u + v * v + w * w


@njit(cache=True, nogil=True, error_model="numpy")
def _insert(rows: Rows, squares: Floats32, row: int, square: float) -> None:
    """Put a reference in its place among the nearest, if it has one: by distance, then by row."""
    position = rows.size
    while position > 0 and (
        squares[position - 1] > square or (squares[position - 1] == square and rows[position - 1] > row)
    ):
        position -= 1
    for later in range(rows.size - 1, position, -1):
        squares[later], rows[later] = squares[later - 1], rows[later - 1]
    if position < rows.size:
        squares[position], rows[position] = square, row
