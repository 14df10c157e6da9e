"""What one look at a file leaves for the next: its events, read and made ready, and gates that no other file moves."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from uuid import uuid4

from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.memory import free_memory
from immunomon.study.model.fcs import AS_JUDGED, FcsHeader, Reading

if TYPE_CHECKING:
    from immunomon.runs.prepared import Prepared

__all__ = ["AtHand", "read_anew"]

_MOST_BYTES = 1 << 32  # of events, and of what was computed of them
_SHARE = 4  # of free memory, one part
_ROOM = 16  # times its size that must be free before another file is read
_MOST_SAMPLES = 2000  # whose gates are kept: some 20 kB each
Signature = tuple[int, ...]
Read = tuple[FcsHeader, EventTable]


def read_anew(path: Path, reading: Reading = AS_JUDGED) -> Read:
    """Return a file's header and events; raises BadFcs, ChangedFile."""
    return read_fcs(path, data_set=reading.data_set, data_offset=reading.data_offset, sha256=reading.sha256)


class AtHand:
    """Files' events and gates, as long as there is room; who asks gets the same, only later, when there is none.

    Events are those whose digest was compared when they were read. A file that was written or exchanged since then, by
    what the file system says of it, is read again, so that the digest is compared again. In another process it begins
    with nothing, and from then on is the same one for all that comes from here.
    """

    def __init__(self, most_bytes: int | None = None) -> None:
        self._most = min(_MOST_BYTES, (free_memory() or 0) // _SHARE) if most_bytes is None else most_bytes
        self._lock, self._bytes, self._name = Lock(), 0, uuid4().hex
        self._events: dict[tuple[Path, Reading], tuple[Signature, Read]] = {}
        self._gates: dict[str, Mapping[str, PlacedPopulation]] = {}
        self._ready: dict[str, tuple[Prepared, int]] = {}

    def __reduce__(self) -> tuple[Callable[[str, int], AtHand], tuple[str, int]]:
        return _elsewhere, (self._name, self._most // (os.cpu_count() or 1))

    def read(self, path: Path, reading: Reading = AS_JUDGED) -> Read:
        """Return what ``read_anew`` returns, without reading the file again where that is not needed."""
        before = _signature(path)
        with self._lock:
            known = self._events.get((path, reading))
        if known is not None and known[0] == before:
            return known[1]
        self._make_room(before)
        read = read_anew(path, reading)
        if reading.sha256 is not None and before == _signature(path):
            self._keep((path, reading), before, read)
        return read

    def _make_room(self, signature: Signature) -> None:
        """Forget all events if a file that is about to be read may need their room."""
        if self._bytes and signature and (free := free_memory()) is not None and free < _ROOM * signature[2]:
            with self._lock:
                self._events, self._ready, self._bytes = {}, {}, 0

    def _keep(self, key: tuple[Path, Reading], signature: Signature, read: Read) -> None:
        size = read[1].stored([]).nbytes
        with self._lock:
            if key not in self._events and self._bytes + size <= self._most:
                self._events[key] = signature, read
                self._bytes += size

    def keep_ready(self, sample: str, reading: Reading, ready: Prepared) -> None:
        """Keep a sample's file made ready, if its events are kept and there is room for what was computed of them."""
        size = ready.nbytes
        with self._lock:
            if (ready.header.path, reading) in self._events and self._bytes + size <= self._most:
                self._ready[sample] = ready, size
                self._bytes += size

    def ready(self, sample: str, path: Path, reading: Reading) -> Prepared | None:
        """Return a sample's file as it was made ready, once, if it is the same file still; None if it is not kept."""
        with self._lock:
            ready, size = self._ready.pop(sample, (None, 0))
            self._bytes -= size
            known = self._events.get((path, reading))
        return ready if known is not None and known[0] == _signature(path) else None

    def gates(self, sample: str) -> Mapping[str, PlacedPopulation]:
        """Return the gates that a sample's own events placed: population -> placed."""
        return self._gates.get(sample, {})

    def keep_gates(self, sample: str, gates: Mapping[str, PlacedPopulation]) -> None:
        """Keep the gates that a sample's own events placed, unless there are many samples."""
        if len(self._gates) < _MOST_SAMPLES:
            self._gates[sample] = gates


_ELSEWHERE: dict[str, AtHand] = {}  # of other processes, by name: the last one


def _elsewhere(name: str, most_bytes: int) -> AtHand:
    """Return what is at hand in this process for what another one calls so."""
    if name not in _ELSEWHERE:
        _ELSEWHERE.clear()  # of an earlier run
        _ELSEWHERE[name] = AtHand(most_bytes)
    return _ELSEWHERE[name]


def _signature(path: Path) -> Signature:
    """Return what the file system says of a file that changes whenever it is written or exchanged; () if nothing."""
    try:
        about = path.stat()
    except OSError:
        return ()
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
