"""Events as they were read: the time is brought to seconds when somebody first looks at it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.study.model.channels import Channel

__all__ = ["RawTable"]


class _Pending:
    """An array of which some columns are still to be multiplied, and are as soon as they are asked for."""

    def __init__(self, values: NDArray[np.floating], factors: Mapping[int, float]) -> None:
        self._values, self._factors, self._lock = values, dict(factors), Lock()
        self.shape = values.shape

    def values(self, columns: Iterable[int] | None = None) -> NDArray[np.floating]:
        """Return the array with these columns done, or all."""
        with self._lock:
            if self._factors and (columns is None or any(column in self._factors for column in columns)):
                self._values.setflags(write=True)
                with np.errstate(all="ignore"):
                    for column, factor in self._factors.items():
                        self._values[:, column] = self._values[:, column].astype(np.float64) * factor
                self._factors = {}
            self._values.setflags(write=False)
        return self._values


class RawTable(EventTable):
    """Raw events whose values nobody else holds; to the reader they are those of any other table.

    Seldom does anybody ask for the time, and to scale it takes as long as half the reading: all rows are gone through.

    >>> events = RawTable(np.ones((2, 2), dtype=np.float32), (Channel("PE-A"), Channel("Time")), factors={1: 0.5})
    >>> events.column("Time").tolist(), events.values.tolist()
    ([0.5, 0.5], [[1.0, 0.5], [1.0, 0.5]])
    """

    def __init__(
        self,
        values: NDArray[np.floating],
        channels: tuple[Channel, ...],
        *,
        source: str = "",
        factors: Mapping[int, float],
    ) -> None:
        self._become(_Pending(values, factors), channels, source)

    def _become(self, pending: _Pending, channels: tuple[Channel, ...], source: str) -> None:
        for name, value in (("channels", channels), ("scale", Scale.RAW), ("source", source)):
            object.__setattr__(self, name, value)
        self.__dict__["_pending"] = pending

    @property
    def values(self) -> NDArray[np.floating]:
        """All columns, (events, channels)."""
        return self._held.values()

    @property
    def _held(self) -> _Pending:
        held: _Pending = self.__dict__["_pending"]
        return held

    @property
    def count(self) -> int:
        """The number of events."""
        return int(self._held.shape[0])

    def stored(self, columns: Iterable[int]) -> NDArray[np.floating]:
        """Return the array of all values, (events, channels), of which only these columns need be right."""
        return self._held.values(columns)

    def column(self, name: str) -> NDArray[np.floating]:
        """Return one channel's values, (events,), by marker or detector name."""
        column = self.index(name)
        return self.stored([column])[:, column]

    def labelled(self, channels: tuple[Channel, ...]) -> EventTable:
        """Return the same events with other names on their channels; the numbers are shared, not copied."""
        labelled = object.__new__(RawTable)
        labelled._become(self._held, channels, self.source)
        return labelled
