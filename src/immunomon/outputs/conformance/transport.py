"""The bytes of a SAS transport file, version 5: what its headers say, read without the library that wrote it.

Record layout after SAS technical note TS-140.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["Transport", "TransportVariable", "read_transport"]

_LINE = 80
_NAMESTR = 140
_LIBRARY = b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!"
_MEMBER = b"HEADER RECORD*******MEMBER  HEADER RECORD!!!!!!!"
_NAMES = b"HEADER RECORD*******NAMESTR HEADER RECORD!!!!!!!"
_OBSERVATIONS = b"HEADER RECORD*******OBS     HEADER RECORD!!!!!!!"
_MOST_VARIABLES = 9999


@dataclass(frozen=True)
class TransportVariable:
    """A variable of a transport file: length and place in bytes."""

    name: str
    label: str
    is_number: bool
    length: int
    position: int


@dataclass(frozen=True, eq=False)
class Transport:
    """What a transport file says: dataset, label, variables, bytes of a record; faults: what is wrong."""

    dataset: str = ""
    label: str = ""
    variables: tuple[TransportVariable, ...] = ()
    record_bytes: int = 0
    faults: tuple[str, ...] = ()


def read_transport(data: bytes) -> Transport:
    """Read the headers of a transport file; what is wrong with it is in ``faults``, and nothing is raised.

    >>> read_transport(b"no transport file").faults
    ('does not begin with the library header of a SAS transport file, version 5',)
    """
    if not data.startswith(_LIBRARY):
        return Transport(faults=("does not begin with the library header of a SAS transport file, version 5",))
    try:
        return _read(data)
    except (struct.error, IndexError, ValueError):
        return Transport(faults=("ends, or is damaged, within its headers",))


def _read(data: bytes) -> Transport:
    faults = (
        []
        if len(data) % _LINE == 0
        else [f"has {len(data):,} bytes, which are no whole records of {_LINE}: it was cut"]
    )
    if not data[3 * _LINE :].startswith(_MEMBER):
        return Transport(faults=(*faults, "has no member header: it holds no dataset"))
    if data.count(_MEMBER) > 1:
        faults.append("holds more than one dataset")
    described = data[5 * _LINE : 7 * _LINE]
    name, label = _text(described[8:16]), _text(described[_LINE + 32 : _LINE + 72])
    head = data[7 * _LINE : 8 * _LINE]
    if not head.startswith(_NAMES):
        return Transport(name, label, faults=(*faults, "has no header of variables"))
    count = int(head[52:58])
    if not 0 < count <= _MOST_VARIABLES:
        return Transport(name, label, faults=(*faults, f"says that it has {count} variables"))
    start = 8 * _LINE
    end = start + -(-count * _NAMESTR // _LINE) * _LINE
    variables = tuple(_variable(data[start + n * _NAMESTR : start + (n + 1) * _NAMESTR]) for n in range(count))
    if not data[end:].startswith(_OBSERVATIONS):
        return Transport(name, label, variables, faults=(*faults, "has no header of observations where it belongs"))
    width = sum(variable.length for variable in variables)
    faults += _records(data[end + _LINE :], width)
    return Transport(name, label, variables, width, tuple(faults))


def _variable(raw: bytes) -> TransportVariable:
    kind, _, length, _, name, label = struct.unpack(">hhhh8s40s", raw[:56])
    (position,) = struct.unpack(">l", raw[84:88])
    if length < 1 or position < 0 or kind not in {1, 2}:
        raise ValueError("no variable")
    return TransportVariable(_text(name), _text(label), kind == 1, length, position)


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").rstrip(" \0")


def _records(data: bytes, width: int) -> list[str]:
    rest = len(data) % width if width else 0
    # Behind the last record there are blanks up to a whole line, and nothing else.
    if rest and data[-rest:].strip(b" "):
        return [f"ends within a record: {rest} of {width} bytes"]
    return []
