"""Compensation and display scale in one pass over the events: what a fast gate looks at.

The unmixing is the exact one, in float64 and in a fixed order of additions, a tile of events at a time; only the scale
is looked up in a table, so that the error of a coordinate is the table's, whatever the events and the matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from immunomon.kernels.tables import SHIFT, Table

__all__ = ["Plan", "locate"]

_TILE = 256
_CHUNK = 16_384  # fewer events are not worth another thread
_SHIFT, _MASK, _ONE = np.uint32(SHIFT), np.uint32((1 << SHIFT) - 1), np.uint32(1)
_UNKNOWN = np.float32(np.nan)
_UNIT = np.float32(2.0**-SHIFT)


@dataclass(frozen=True, eq=False)
class Plan:
    """How each coordinate is made of a row of raw values.

    direct: (axes,) the column that is taken as it is, or -1 to unmix; sources: (detectors,) columns of the detectors;
    weights: (axes, detectors) of the inverse matrix; tables: one an axis, None to keep the intensity.
    """

    direct: NDArray[np.int64]
    sources: NDArray[np.int64]
    weights: NDArray[np.float64]
    tables: Sequence[Table | None]


def locate(raw: NDArray[np.floating], plan: Plan, *, threads: int = 1) -> NDArray[np.float32]:
    """Return fast coordinates, (axes, events), float32; not-a-number where a table has none.

    raw: (events, channels). Releases the GIL; the result does not depend on the number of threads.

    >>> plan = Plan(np.array([1]), np.empty(0, np.int64), np.empty((1, 0)), [None])
    >>> locate(np.array([[1.0, 2.0]], dtype=np.float32), plan)
    array([[2.]], dtype=float32)
    """
    distinct = list({id(table): table for table in plan.tables if table is not None}.values())
    starts = np.cumsum([0, *(table.nodes.size for table in distinct)])
    nodes = np.concatenate([*(table.nodes for table in distinct), np.zeros(2, dtype=np.float32)])  # read past, not used
    numbers = [next((i for i, known in enumerate(distinct) if known is table), -1) for table in plan.tables]
    start = np.array([starts[i] if i >= 0 else -1 for i in numbers], dtype=np.int64)
    size = np.array([distinct[i].nodes.size - 1 if i >= 0 else 0 for i in numbers], dtype=np.int32)
    first = np.array([distinct[i].first if i >= 0 else 0 for i in numbers], dtype=np.int32)
    offset = np.array([distinct[i].offset if i >= 0 else 0 for i in numbers], dtype=np.float32)
    twice = np.array([distinct[i].twice_zero if i >= 0 else 0 for i in numbers], dtype=np.float32)
    out = np.empty((len(plan.tables), raw.shape[0]), dtype=np.float32)
    terms = 3 * -(-plan.sources.size // 3)
    weights = np.zeros((len(plan.tables), terms))  # terms of nothing at the end change no sum
    weights[:, : plan.sources.size] = plan.weights

    def part(begin: int, end: int) -> None:
        _locate(
            raw, begin, end, plan.direct, plan.sources, weights, nodes, start, size, first, offset, twice, out
        )  # fmt: skip

    count = raw.shape[0]
    parts = max(1, min(threads, count // _CHUNK))
    edges = np.linspace(0, count, parts + 1).astype(int).tolist()
    if parts == 1:
        part(0, count)
    else:
        with ThreadPoolExecutor(parts) as pool:
            list(pool.map(part, edges[:-1], edges[1:]))
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _locate(
    raw: NDArray[np.float32],
    begin: int,
    end: int,
    direct: NDArray[np.int64],
    sources: NDArray[np.int64],
    weights: NDArray[np.float64],
    nodes: NDArray[np.float32],
    start: NDArray[np.int64],
    size: NDArray[np.int32],
    first: NDArray[np.int32],
    offset: NDArray[np.float32],
    twice: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    detectors = sources.size
    seen = np.zeros((weights.shape[1], _TILE), dtype=np.float64)
    true = np.empty(_TILE, dtype=np.float64)
    sums = np.zeros(_TILE, dtype=np.float32)
    bits = sums.view(np.uint32)
    for place in range(begin, end, _TILE):
        length = min(_TILE, end - place)
        # Pieces of the arrays, so that the loops count from 0 and no index is asked whether it is negative.
        block = raw[place : place + length]
        for k in range(detectors):
            column = sources[k]
            for e in range(length):
                seen[k, e] = block[e, column]
        for j in range(direct.size):
            row = out[j, place : place + length]
            if direct[j] >= 0:
                column = direct[j]
                for e in range(length):
                    true[e] = block[e, column]
            else:
                for e in range(_TILE):
                    true[e] = 0.0
                # Three terms at a time, the whole tile: fewer trips to memory, the same order of additions.
                for k in range(0, weights.shape[1], 3):
                    one, two, three = weights[j, k], weights[j, k + 1], weights[j, k + 2]
                    for e in range(_TILE):
                        true[e] = ((true[e] + seen[k, e] * one) + seen[k + 1, e] * two) + seen[k + 2, e] * three
            if start[j] < 0:
                for e in range(length):
                    row[e] = true[e]
                continue
            # Unsigned all along: a signed index would be asked whether it counts from the end.
            base, lowest, most = np.uint32(start[j]), np.uint32(first[j]), np.uint32(size[j])
            add, mirror = offset[j], twice[j]
            for e in range(_TILE):
                sums[e] = np.float32(abs(true[e])) + add
            for e in range(length):
                bit = bits[e]
                piece = np.uint32(np.uint32(bit >> _SHIFT) - lowest)
                known = piece < most
                inside = base + min(piece, most)
                share = np.float32(np.int32(bit & _MASK)) * _UNIT
                low = nodes[inside]
                up = low + share * (nodes[inside + _ONE] - low)
                both = mirror - up if true[e] < 0 else up
                row[e] = both if known else _UNKNOWN
