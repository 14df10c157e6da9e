"""Events whose columns are computed when they are first asked for, and of which a few can be asked alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunomon.kernels.spillover import weighted
from immunomon.model.events import Channel, EventTable, Scale

__all__ = ["CompensatedTable", "DisplayTable", "LazyTable", "Recipe"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Column = NDArray[np.floating]


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
            for place in range(len(self.channels)):
                whole[:, place] = self.cells(place)
            whole.setflags(write=False)
            self.__dict__["_whole"] = whole
        return np.asarray(self.__dict__["_whole"])

    @property
    def count(self) -> int:
        """The number of events."""
        return int(self.__dict__["_count"])

    def column(self, name: str) -> Column:
        """Return one channel's values, (events,), by marker or detector name; they are kept."""
        place = self.index(name)
        known: dict[int, Floats] = self.__dict__["_known"]
        if place not in known:
            values = self.__dict__["_compute"](place, None)
            values.setflags(write=False)
            known[place] = values
        return known[place]

    def cells(self, place: int, rows: Rows | None = None) -> Floats:
        """Return one column's values at some rows, float64; they are not kept."""
        known: dict[int, Floats] = self.__dict__["_known"]
        if place in known:
            return known[place] if rows is None else known[place][rows]
        return np.asarray(self.__dict__["_compute"](place, rows))

    def take(self, rows: Rows | NDArray[np.bool_]) -> EventTable:
        """Return some of the events; their columns, too, are computed when asked."""
        chosen: list[Rows] = []

        def compute(place: int, some: Rows | None) -> Floats:
            if not chosen:  # many a gate is placed without a look at the events
                chosen.append(np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64))
            return self.cells(place, chosen[0] if some is None else chosen[0][some])

        count = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else rows.size
        return LazyTable(self.channels, self.scale, self.source, count=count, compute=compute)

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

    def _unmixed(self, place: int, rows: Rows | None) -> Floats:
        column = self.recipe.direct[place]
        if column >= 0:
            values = self.raw.values[:, column] if rows is None else self.raw.values[rows, column]
            return np.array(values, dtype=np.float64)
        return weighted(self.raw.values, self.recipe.sources, self.recipe.weights[place], rows=rows)


class DisplayTable(LazyTable):
    """Events on the display scale: fast coordinates with a bound on their error, exact ones when asked.

    fast: column -> coordinates, float32 (events,), with the bound; columns without are exact only. compute: the exact
    coordinates, as for LazyTable.
    """

    def __init__(
        self,
        channels: tuple[Channel, ...],
        source: str,
        *,
        count: int,
        compute: Callable[[int, Rows | None], Floats],
        fast: Mapping[int, tuple[Column, float]],
    ) -> None:
        super().__init__(channels, Scale.DISPLAY, source, count=count, compute=compute)
        self.__dict__["_fast"] = dict(fast)

    def rough(self, name: str) -> tuple[Column, float]:
        """Return a channel's fast coordinates and how far from the exact ones they may be."""
        place = self.index(name)
        fast: dict[int, tuple[Column, float]] = self.__dict__["_fast"]
        return fast[place] if place in fast else (self.column(name), 0.0)
