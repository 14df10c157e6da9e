"""Compensation and display scale in one pass over the events: what a fast gate looks at.

The unmixing is the exact one, in float64 and in a fixed order of additions, a tile of events at a time; only the scale
is looked up in a table, so that the error of a coordinate is the table's, whatever the events and the matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from immunomon.arrays import Floats, Floats32, Ints
from immunomon.cytometry.kernels.tables import SHIFT, Table

__all__ = ["Plan", "locate"]

_TILE = 256
_CHUNK = 80_000  # fewer events are not worth another thread
_TERMS = 3  # added in one trip through memory
_SHIFT, _MASK = np.uint32(SHIFT), np.uint32((1 << SHIFT) - 1)
_UNKNOWN = np.float32(np.nan)
_UNIT = np.float32(2.0**-SHIFT)


@dataclass(frozen=True, eq=False)
class Plan:
    """How each coordinate is made of a row of raw values.

    direct: (axes,) the column that is taken as it is, or -1 to unmix; sources: (detectors,) columns of the detectors;
    weights: (axes, detectors) of the inverse matrix; tables: one an axis, None to keep the intensity.
    """

    direct: Ints
    sources: Ints
    weights: Floats
    tables: Sequence[Table | None]

    @cached_property
    def _terms(self) -> Floats:
        terms = np.zeros((len(self.tables), _TERMS * -(-self.sources.size // _TERMS)))
        terms[:, : self.sources.size] = self.weights  # terms of nothing at the end change no sum
        return terms

    @cached_property
    def _pieces(self) -> Floats:
        """All tables' pieces: each where it begins and how far it climbs, two float32 in the room of a float64."""
        pieces = [np.zeros((1, 2), dtype=np.float32)]
        for table in self._distinct:
            pieces.append(np.column_stack([table.nodes, np.diff(table.nodes, append=np.float32(np.nan))]))
        return np.concatenate(pieces).reshape(-1).view(np.float64)

    @property
    def _distinct(self) -> list[Table]:
        return list({id(table): table for table in self.tables if table is not None}.values())

    @cached_property
    def _places(self) -> NDArray[np.uint32]:
        """For each axis where its table begins, the number of its first piece, and how many pieces it has."""
        begins, total = {}, 1
        for table in self._distinct:
            begins[id(table)] = total
            total += table.nodes.size
        rows = [(begins[id(t)], t.first, t.nodes.size - 1) if t is not None else (0, 0, 0) for t in self.tables]
        return np.array(rows, dtype=np.uint32).reshape(-1, 3)

    @cached_property
    def _shifts(self) -> Floats32:
        rows = [(table.offset, table.twice_zero) if table is not None else (0.0, 0.0) for table in self.tables]
        return np.array(rows, dtype=np.float32).reshape(-1, 2)


def locate(
    raw: NDArray[np.floating],
    plan: Plan,
    *,
    axes: Sequence[int] | None = None,
    rows: Ints | None = None,
    pool: Executor | None = None,
) -> Floats32:
    """Return fast coordinates, (axes, events), float32; not-a-number where a table has none.

    raw: (events, channels). axes: which of the plan's, default all; rows: which events, default all; pool: workers that
    share the events. Releases the GIL; a coordinate does not depend on who else is asked, nor on the pool.

    >>> plan = Plan(np.array([1]), np.empty(0, np.int64), np.empty((1, 0)), [None])
    >>> locate(np.array([[1.0, 2.0]], dtype=np.float32), plan)
    array([[2.]], dtype=float32)
    """
    lines = np.arange(len(plan.tables)) if axes is None else np.array(axes, dtype=np.int64)
    count = raw.shape[0] if rows is None else rows.size
    chosen = np.empty(0, dtype=np.int64) if rows is None else rows
    out = np.empty((lines.size, count), dtype=np.float32)
    parts = 1 if pool is None else min(16, max(1, count // _CHUNK))
    edges = np.linspace(0, count, parts + 1).astype(int).tolist()
    direct = plan.direct[lines]
    sources = plan.sources if (direct < 0).any() else plan.sources[:0]
    how = direct, sources, plan._terms[lines], plan._pieces, plan._places[lines], plan._shifts[lines]

    def part(begin: int, end: int) -> None:
        _locate(raw, chosen, begin, end, *how, out)

    if pool is None or parts == 1:
        part(0, count)
    else:
        list(pool.map(part, edges[:-1], edges[1:]))
    return out


@njit(inline="always")
def _take(block: Floats32, raw: Floats32, rows: Ints, column: int, out: Floats) -> None:
    if rows.size:
        for e in range(rows.size):
            out[e] = raw[rows[e], column]
    else:
        for e in range(block.shape[0]):
            out[e] = block[e, column]


@njit(cache=True, nogil=True, error_model="numpy")
def _locate(
    raw: Floats32,
    rows: Ints,
    begin: int,
    end: int,
    direct: Ints,
    sources: Ints,
    weights: Floats,
    pieces: Floats,
    places: NDArray[np.uint32],
    shifts: Floats32,
    out: Floats32,
) -> None:
    detectors = sources.size
    detected = np.zeros((weights.shape[1], _TILE), dtype=np.float64)
    true = np.zeros(_TILE, dtype=np.float64)
    sums = np.zeros(_TILE, dtype=np.float32)
    bits = sums.view(np.uint32)
    where = np.zeros(_TILE, dtype=np.uint32)
    unmixed = np.zeros(_TILE, dtype=np.float64)
    line = unmixed.view(np.float32)  # in turns where a piece begins and how far it climbs
    for tile in range(begin, end, _TILE):
        length = min(_TILE, end - tile)
        # Pieces of the arrays, so that the loops count from 0 and no index is asked whether it is negative.
        block, tile_rows = raw[tile : tile + length], rows[tile : tile + length]
        for k in range(detectors):
            _take(block, raw, tile_rows, sources[k], detected[k])
        for j in range(direct.size):
            row = out[j, tile : tile + length]
            if direct[j] >= 0:
                _take(block, raw, tile_rows, direct[j], true)
            else:
                for e in range(_TILE):
                    true[e] = 0.0
                # Three terms at a time, the whole tile: fewer trips to memory, the same order of additions.
                for k in range(0, weights.shape[1], _TERMS):
                    first, second, third = weights[j, k], weights[j, k + 1], weights[j, k + 2]
                    for e in range(_TILE):
                        true[e] = ((true[e] + detected[k, e] * first) + detected[k + 1, e] * second) + detected[
                            k + 2, e
                        ] * third
            start, lowest, most = places[j, 0], places[j, 1], places[j, 2]
            if most == 0:
                for e in range(length):
                    row[e] = true[e]
                continue
            # One simple loop after the other, over the whole tile: all but the look-up are done several at a time.
            # Unsigned all along: a signed index would be asked whether it counts from the end.
            add, mirror = shifts[j, 0], shifts[j, 1]
            for e in range(_TILE):
                sums[e] = np.float32(abs(true[e])) + add
            for e in range(_TILE):
                where[e] = min(np.uint32((bits[e] >> _SHIFT) - lowest), most)
            for e in range(_TILE):
                unmixed[e] = pieces[start + where[e]]
            for e in range(length):
                up = line[2 * e] + np.float32(np.int32(bits[e] & _MASK)) * _UNIT * line[2 * e + 1]
                mirrored = mirror - up if true[e] < 0 else up
                row[e] = mirrored if where[e] < most else _UNKNOWN
