"""Events as a table of channels, on a scale that the table knows; raw ones as they were read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Ints, Mask
from immunomon.cytometry.kernels.selection import is_compiled_at_hand
from immunomon.errors import AmbiguousChannel, UnknownChannel, nearest
from immunomon.study.model.channels import Channel, ChannelKind, folded

__all__ = ["EventTable", "RawTable", "Scale"]

# Of each column whether it holds numbers only, its largest value, and how often that is there.
Looked = tuple[Mask, NDArray[np.float64], Ints]
_TELLING = 1000  # events whose scatter tells one tube from all others


class Scale(StrEnum):
    """What the numbers of an EventTable mean."""

    RAW = "raw"
    COMPENSATED = "compensated"
    DISPLAY = "display"


@dataclass(frozen=True, eq=False)
class EventTable:
    """Events in rows, channels in columns, on one scale; the array is owned and cannot be written.

    values: (events, channels), float32 or float64; copied unless it is already an owned, read-only array.
    Raises ValueError if the number of columns is not the number of channels.

    >>> events = EventTable(np.array([[1.0, 2.0]]), (Channel("FSC-A"), Channel("PE-A", "CD25")))
    >>> events.column("CD25")
    array([2.])
    >>> events.values[0, 0] = 5.0
    Traceback (most recent call last):
        ...
    ValueError: assignment destination is read-only
    """

    values: NDArray[np.floating]
    channels: tuple[Channel, ...]
    scale: Scale = Scale.RAW
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        values = self.values
        if values.ndim != 2 or values.shape[1] != len(self.channels):
            raise ValueError(f"{len(self.channels)} channels but values of shape {values.shape}")
        if values.flags.writeable or not values.flags.owndata:
            # A read-only view is not enough: whoever owns the base could still write through it.
            values = np.array(values, order="K", copy=True)
            values.setflags(write=False)
            object.__setattr__(self, "values", values)

    @classmethod
    def adopt(
        cls, values: NDArray[np.floating], channels: tuple[Channel, ...], scale: Scale, source: str = ""
    ) -> EventTable:
        """Take an array that nobody else holds, without copying it, and make it read-only.

        >>> EventTable.adopt(np.zeros((3, 1)), (Channel("Time"),), Scale.RAW).count
        3
        """
        if values.flags.owndata:
            values.setflags(write=False)
        return cls(values, channels, scale, source)

    @property
    def count(self) -> int:
        """The number of events."""
        return int(self.values.shape[0])

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for index, channel in enumerate(self.channels):
            for name in {folded(name) for name in (channel.detector, channel.marker, *channel.aliases) if name}:
                places.setdefault(name, []).append(index)
        return places

    def index(self, name: str) -> int:
        """Return the column of a marker or detector, whatever its case and Unicode form.

        Raises UnknownChannel if no channel has this name, AmbiguousChannel if several have.
        """
        indices = self._places.get(folded(name), [])
        if len(indices) > 1:  # a detector's own name wins over another channel's marker
            indices = [i for i in indices if folded(self.channels[i].detector) == folded(name)] or indices
            indices = [i for i in indices if self.channels[i].detector == name] or indices
        if not indices:
            known = [channel.name for channel in self.channels]
            raise UnknownChannel(f"{self.source or 'these events'}: no channel '{name}'; {nearest(name, known)}")
        if len(indices) > 1:
            detectors = ", ".join(self.channels[i].detector for i in indices)
            raise AmbiguousChannel(f"{self.source or 'these events'}: '{name}' is on {detectors}; name the detector")
        return indices[0]

    def has(self, name: str) -> bool:
        """Say whether a marker or detector is there."""
        return folded(name) in self._places

    def column(self, name: str) -> NDArray[np.floating]:
        """Return one channel's values, (events,), by marker or detector name."""
        return self.values[:, self.index(name)]

    def stored(self, columns: Iterable[int]) -> NDArray[np.floating]:  # noqa: ARG002  (a table may not have all at once)
        """Return the array of all values, (events, channels), for reading these columns only."""
        return self.values

    def looked_through(self, columns: Iterable[int]) -> Looked | None:
        """Return what ``numbers_and_tops`` says of all columns, right for these; None where it is not compiled."""
        values = self.stored(columns)
        if not is_compiled_at_hand() or values.dtype not in (np.float32, np.float64):
            return None
        from immunomon.cytometry.kernels.compiled import numbers_and_tops

        looked: Looked = numbers_and_tops(values)
        return looked

    def rough(self, name: str) -> tuple[NDArray[np.floating], float]:
        """Return a channel's values for a first look, and how far from the exact ones they may be: here not at all."""
        return self.column(name), 0.0

    def fingerprint(self) -> str:
        """Return a digest of the first events' scatter, empty where too few differ to tell one tube from another.

        A file that was cut short, compensated or given another header keeps it; no two acquisitions have it in common.

        >>> EventTable(np.zeros((2000, 1)), (Channel("FSC-A"),)).fingerprint()
        ''
        """
        columns = [index for index, channel in enumerate(self.channels) if channel.kind is ChannelKind.SCATTER]
        first = np.asarray(self.stored(columns)[:_TELLING, columns], dtype=np.float32)
        if not columns or np.unique(first, axis=0).shape[0] < _TELLING // 2:
            return ""
        return hashlib.sha256(np.ascontiguousarray(first).tobytes()).hexdigest()

    def take(self, rows: Ints | Mask) -> EventTable:
        """Return some of the events, by their rows or by a mask."""
        return EventTable.adopt(np.asfortranarray(self.values[rows]), self.channels, self.scale, self.source)

    def labelled(self, channels: tuple[Channel, ...]) -> EventTable:
        """Return the same events with other names on their channels; the numbers are shared, not copied."""
        return replace(self, channels=channels)


# Events as they were read: the time is brought to seconds when somebody first looks at it.


class _Pending:
    """An array of which some columns are still to be multiplied, and are as soon as they are asked for."""

    def __init__(self, values: NDArray[np.floating], factors: Mapping[int, float]) -> None:
        self._values, self._factors, self._lock = values, dict(factors), Lock()
        self.shape = values.shape
        self.looked_through: Looked | None = None

    def values(self, columns: Iterable[int] | None = None) -> NDArray[np.floating]:
        """Return the array with these columns done, or all."""
        with self._lock:
            if self._factors and (columns is None or any(column in self._factors for column in columns)):
                self._values.setflags(write=True)
                with np.errstate(all="ignore"):
                    for column, factor in self._factors.items():
                        self._values[:, column] = self._values[:, column].astype(np.float64) * factor
                self._factors, self.looked_through = {}, None
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

    def looked_through(self, columns: Iterable[int]) -> Looked | None:
        """Return what ``numbers_and_tops`` says of all columns, right for these; it is asked once a file."""
        self.stored(asked := list(columns))
        if self._held.looked_through is None:
            self._held.looked_through = super().looked_through(asked)
        return self._held.looked_through

    def column(self, name: str) -> NDArray[np.floating]:
        """Return one channel's values, (events,), by marker or detector name."""
        column = self.index(name)
        return self.stored([column])[:, column]

    def labelled(self, channels: tuple[Channel, ...]) -> EventTable:
        """Return the same events with other names on their channels; the numbers are shared, not copied."""
        labelled = object.__new__(RawTable)
        labelled._become(self._held, channels, self.source)
        return labelled
