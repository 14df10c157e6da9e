"""Events whose columns are computed when they are first asked for, and of which a few can be asked alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Mask, Rows
from immunomon.cytometry.kernels.rough import RoughValues
from immunomon.cytometry.kernels.selection import is_compiled_at_hand
from immunomon.cytometry.kernels.spillover import weighted
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.fast_columns import FastColumns, Workers
from immunomon.study.model.channels import Channel

__all__ = ["CompensatedTable", "DisplayTable", "LazyTable", "Recipe"]

Column = NDArray[np.floating]
_MANY = 4  # a column that is asked for this part of all events, or more, is computed with all others
_MOST_BYTES = 1 << 28  # of columns that are kept together
_FEWEST_REMEMBERED = 1000  # events: of fewer, exact coordinates are computed again
_FEWEST_ROUGH = 20_000  # events: of fewer, exact coordinates cost no more


class LazyTable(EventTable):
    """Events that are computed column by column when asked; to the reader they are those of any other table.

    compute: column and rows (None: all) -> float64. It must give an event the same value whoever else is asked.
    """

    def __init__(
        self,
        channels: tuple[Channel, ...],
        scale: Scale,
        source: str,
        *,
        count: int,
        compute: Callable[[int, Rows | None], Floats],
    ) -> None:
        for name, value in (("channels", channels), ("scale", scale), ("source", source)):
            object.__setattr__(self, name, value)
        self.__dict__.update(_count=count, _compute=compute, _known={}, _whole=None)

    @property
    def values(self) -> Floats:
        """All columns, (events, channels), float64."""
        if self.__dict__["_whole"] is None:
            whole = np.empty((self.count, len(self.channels)), order="F")
            for column in range(len(self.channels)):
                whole[:, column] = self.cells(column)
            whole.setflags(write=False)
            self.__dict__["_whole"] = whole
        return np.asarray(self.__dict__["_whole"])

    @property
    def count(self) -> int:
        """The number of events."""
        return int(self.__dict__["_count"])

    def column(self, name: str) -> Column:
        """Return one channel's values, (events,), by marker or detector name; they are kept."""
        column = self.index(name)
        known: dict[int, Floats] = self.__dict__["_known"]
        if column not in known:
            values = self.__dict__["_compute"](column, None)
            values.setflags(write=False)
            known[column] = values
        return known[column]

    def cells(self, column: int, rows: Rows | None = None) -> Floats:
        """Return one column's values at some rows, float64; they are not kept."""
        known: dict[int, Floats] = self.__dict__["_known"]
        if column in known:
            return known[column] if rows is None else known[column][rows]
        return np.asarray(self.__dict__["_compute"](column, rows))

    def take(self, rows: Rows | Mask) -> EventTable:
        """Return some of the events; their columns, too, are computed when asked."""
        chosen: list[Rows] = []

        def places() -> Rows:
            if not chosen:  # many a gate is placed without a look at the events
                chosen.append(np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64))
            return chosen[0]

        def compute(column: int, subset: Rows | None) -> Floats:
            return self.cells(column, places() if subset is None else places()[subset])

        def rough(column: int) -> tuple[Column, float] | None:
            whole = self._rough_column(column)
            return None if whole is None else (whole[0].take(places()), whole[1])

        count = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else rows.size
        taken = LazyTable(self.channels, self.scale, self.source, count=count, compute=compute)
        taken.__dict__["_places"] = self._places  # the same channels: no need to look them up anew
        taken.__dict__["_rough"] = rough
        return taken

    def _rough_column(self, column: int) -> tuple[Column, float] | None:
        """Return a column's fast coordinates and how far from the exact ones they may be; None if it has none."""
        rough: Callable[[int], tuple[Column, float] | None] | None = self.__dict__.get("_rough")
        return None if rough is None else rough(column)

    def rough_values(self, name: str, *, fewest: int = _FEWEST_ROUGH) -> RoughValues | None:
        """Return a channel's values, known to within a bound, and exactly when asked.

        fewest: events from which on there are any. None of fewer, and where the table has no such values, has the exact
        ones already, or some not finite.
        """
        column = self.index(name)
        if self.count < fewest or column in self.__dict__["_known"]:
            return None
        found = self._rough_column(column)
        if found is None:
            return None
        rough = np.asarray(found[0], dtype=np.float32)
        unknown = np.flatnonzero(np.isnan(rough))
        if unknown.size and not np.isfinite(self.cells(column, unknown)).all():
            return None
        return RoughValues(rough, found[1], exact=partial(self.cells, column))

    def labelled(self, channels: tuple[Channel, ...]) -> EventTable:
        """Return the same events with other names on their channels."""
        return LazyTable(channels, self.scale, self.source, count=self.count, compute=self.cells)


@dataclass(frozen=True, eq=False)
class Recipe:
    """How compensated columns come from a raw table.

    direct: for each column the raw one it is taken from, or -1 where it is unmixed; sources: the detectors' columns;
    weights: (columns, detectors) of the inverse of the spillover matrix.
    """

    direct: tuple[int, ...]
    sources: tuple[int, ...]
    weights: Floats


class CompensatedTable(LazyTable):
    """Compensated events, computed from raw ones when asked."""

    def __init__(self, raw: EventTable, recipe: Recipe, channels: tuple[Channel, ...]) -> None:
        super().__init__(channels, Scale.COMPENSATED, raw.source, count=raw.count, compute=self._unmixed)
        self.__dict__.update(raw=raw, recipe=recipe)

    raw: EventTable
    recipe: Recipe

    @property
    def at_hand(self) -> Floats | None:
        """All columns, (channels, events), where they have been computed together; None if they have not."""
        columns: Floats | None = self.__dict__.get("_columns")
        return columns

    def _together(self, rows: Rows | None) -> Floats | None:
        """Return all columns, computed in one pass when many events are asked for the first time; None if not."""
        is_much = rows is None or _MANY * rows.size >= self.count
        if self.at_hand is None and is_much and 8 * self.count * len(self.channels) <= _MOST_BYTES:
            raw = self.raw.stored([*self.recipe.sources, *(column for column in self.recipe.direct if column >= 0)])
            if is_compiled_at_hand() and raw.dtype in (np.float32, np.float64):
                from immunomon.cytometry.kernels.compiled import unmixed_columns

                direct, sources = (np.array(of, dtype=np.int64) for of in (self.recipe.direct, self.recipe.sources))
                columns = unmixed_columns(raw, direct, sources, self.recipe.weights)
                columns.setflags(write=False)
                self.__dict__["_columns"] = columns
        return self.at_hand

    def _unmixed(self, channel: int, rows: Rows | None) -> Floats:
        columns = self._together(rows)
        if columns is not None:
            whole: Floats = columns[channel]
            return whole if rows is None else whole[rows]
        column = self.recipe.direct[channel]
        if column >= 0:
            values = self.raw.stored([column])[:, column]
            return np.array(values if rows is None else values[rows], dtype=np.float64)
        # What is no number in a detector must not reach channels that it has no part in: 0 x NaN is NaN.
        used = np.flatnonzero(self.recipe.weights[channel])
        sources = [self.recipe.sources[source] for source in used]
        return weighted(self.raw.stored(sources), sources, self.recipe.weights[channel][used], rows=rows)

    def detectors_of(self, names: Iterable[str]) -> tuple[int, ...]:
        """Return the raw columns that some channels are computed from."""
        detectors: dict[int, None] = {}
        for column in map(self.index, names):
            if self.recipe.direct[column] >= 0:
                detectors[self.recipe.direct[column]] = None
            else:
                detectors |= dict.fromkeys(
                    self.recipe.sources[source] for source in np.flatnonzero(self.recipe.weights[column])
                )
        return tuple(detectors)


class DisplayTable(LazyTable):
    """Events on the display scale: fast coordinates with a bound on their error, exact ones when asked.

    fast: what has fast coordinates; columns without are exact only. compute: the exact coordinates, as for LazyTable.
    """

    def __init__(
        self,
        channels: tuple[Channel, ...],
        source: str,
        *,
        count: int,
        compute: Callable[[int, Rows | None], Floats],
        fast: FastColumns,
    ) -> None:
        super().__init__(channels, Scale.DISPLAY, source, count=count, compute=compute)
        self.__dict__.update(_fast=fast, _remembered={})

    @property
    def nbytes(self) -> int:
        """The room that its coordinates may take, fast ones of all columns and the exact ones that are remembered."""
        return self.count * (4 * len(self.channels) + 8 * len(self.__dict__["_remembered"]))

    def cells(self, column: int, rows: Rows | None = None) -> Floats:
        """Return one column's values at some rows, float64; of tabulated scales many are remembered."""
        fast: FastColumns = self.__dict__["_fast"]
        is_dear = fast.bounds.get(column, 0.0) > 0 and column not in self.__dict__["_known"]
        if rows is None or rows.size < _FEWEST_REMEMBERED or not is_dear:
            return super().cells(column, rows)
        remembered: dict[int, Floats] = self.__dict__["_remembered"]
        if column not in remembered:
            remembered[column] = np.full(self.count, np.nan)
        values = remembered[column][rows]
        missing = np.flatnonzero(np.isnan(values))
        if missing.size:
            values[missing] = super().cells(column, rows[missing])
            remembered[column][rows[missing]] = values[missing]
        return values

    def _rough_column(self, column: int) -> tuple[Column, float] | None:
        fast: FastColumns = self.__dict__["_fast"]
        return (fast.whole([column])[0], fast.bounds[column]) if column in fast.bounds else None

    def rough(self, name: str) -> tuple[Column, float]:
        """Return a channel's fast coordinates and how far from the exact ones they may be."""
        return self.rough_columns([name])[0]

    def rough_columns(
        self, names: Sequence[str], *, pool: Workers = None, soon: Sequence[str] = ()
    ) -> list[tuple[Column, float]]:
        """Return several channels' fast coordinates, each with its bound.

        pool: workers that share the events; soon: what will be asked for next, computed in the same pass.
        """
        fast: FastColumns = self.__dict__["_fast"]
        places = [self.index(name) for name in names]
        if any(column in fast.bounds and column not in fast for column in places):
            fast.whole([column for column in (*places, *map(self.index, soon)) if column in fast.bounds], pool)
        return [
            (fast.whole([column])[0], fast.bounds[column]) if column in fast.bounds else (self.column(name), 0.0)
            for column, name in zip(places, names, strict=True)
        ]

    def rough_rows(self, names: Sequence[str], rows: Rows) -> list[tuple[Column, float]]:
        """Return some events' fast coordinates on several channels, each with its bound."""
        fast: FastColumns = self.__dict__["_fast"]
        places = [self.index(name) for name in names]
        quick = [column for column in dict.fromkeys(places) if column in fast.bounds]
        rough = dict(zip(quick, fast.some(quick, rows), strict=True))
        return [
            (rough[column], fast.bounds[column]) if column in rough else (self.cells(column, rows), 0.0)
            for column in places
        ]
