"""A minimal FCS 3.1 writer whose bytes depend on nothing but its arguments (ISAC 2010)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from immunomon.arrays import Floats, Floats32

__all__ = ["fcs_bytes", "spillover_keyword"]

_DELIMITER = "|"
_TEXT_START = 256
_DATA_START = 8192
_LARGEST_OFFSET = 99_999_999  # what the header's eight characters hold


def spillover_keyword(spillover: Floats, detectors: tuple[str, ...]) -> str:
    """Return a matrix as FCS 3.1 writes it: the number of detectors, their names, the rows.

    >>> spillover_keyword(np.array([[1.0, 0.1], [0.0, 1.0]]), ("A", "B"))
    '2,A,B,1,0.1,0,1'
    """
    values = [f"{value:.6g}" for value in spillover.ravel()]
    return ",".join([str(len(detectors)), *detectors, *values])


def fcs_bytes(events: Floats32, keywords: Mapping[str, str]) -> bytes:
    """Return an FCS 3.1 file: list mode, little-endian, 32-bit float.

    events: (events, channels); keywords must name every channel ($PnN) and must not be empty.
    Raises ValueError for an empty keyword, one that holds the delimiter ``|``, or a text that is too long.

    >>> fcs_bytes(np.zeros((1, 1), dtype=np.float32), {"$P1N": "Time", "$P1R": "262144", "$P1E": "0,0"})[:6]
    b'FCS3.1'
    >>> fcs_bytes(np.zeros((1, 1), dtype=np.float32), {"$P1N": ""})
    Traceback (most recent call last):
        ...
    ValueError: keyword $P1N: '' is empty or holds the delimiter '|'
    """
    count, channels = events.shape
    data = np.ascontiguousarray(events, dtype="<f4").tobytes()
    end = _DATA_START + len(data) - 1
    text = _text_segment({**_structure(count, channels, end), **keywords})
    if _TEXT_START + len(text) > _DATA_START:
        raise ValueError(f"{len(text)} bytes of keywords do not fit before the data")
    fits = end <= _LARGEST_OFFSET
    offsets = (_TEXT_START, _TEXT_START + len(text) - 1, _DATA_START if fits else 0, end if fits else 0, 0, 0)
    header = "FCS3.1    " + "".join(f"{offset:>8}" for offset in offsets)
    return header.encode().ljust(_TEXT_START) + text.ljust(_DATA_START - _TEXT_START) + data


def _structure(count: int, channels: int, end: int) -> dict[str, str]:
    return {
        "$BEGINANALYSIS": "0",
        "$BEGINDATA": str(_DATA_START),
        "$BEGINSTEXT": "0",
        "$BYTEORD": "1,2,3,4",
        "$DATATYPE": "F",
        "$ENDANALYSIS": "0",
        "$ENDDATA": str(end),
        "$ENDSTEXT": "0",
        "$MODE": "L",
        "$NEXTDATA": "0",
        "$PAR": str(channels),
        "$TOT": str(count),
        **{f"$P{n}B": "32" for n in range(1, channels + 1)},
    }


def _text_segment(keywords: Mapping[str, str]) -> bytes:
    for name, value in keywords.items():
        if not value or _DELIMITER in value:
            raise ValueError(f"keyword {name}: {value!r} is empty or holds the delimiter {_DELIMITER!r}")
    parts = [part for pair in keywords.items() for part in pair]
    return (_DELIMITER + _DELIMITER.join(parts) + _DELIMITER).encode()
