"""JSON and delimited text from strangers: what it would take in memory is told from its bytes, before it is read."""

from __future__ import annotations

import json

__all__ = ["parse_json", "refuse_cells"]

# An empty array of two bytes takes 64 in memory, a short text of four bytes 52. The deliveries of a trial with a
# million results hold 30 million values.
_MOST_CONTAINERS = 5_000_000
_MOST_VALUES = 50_000_000
_MOST_DIGITS = 1_000


def parse_json(content: bytes | str) -> object:
    """Return the value of a JSON document (UTF-8); raises ValueError for what is none, or would fill the memory.

    >>> parse_json(b'{"a": [1, 2]}')
    {'a': [1, 2]}
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
        ...
    ValueError: its arrays and objects lie too deep in each other
    """
    raw = content.encode() if isinstance(content, str) else content
    if raw.count(b"[") + raw.count(b"{") > _MOST_CONTAINERS:
        raise ValueError(f"it holds more than {_MOST_CONTAINERS:,} arrays and objects")
    refuse_cells(raw)
    try:
        return json.loads(raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8"), parse_int=_whole)
    except RecursionError:
        raise ValueError("its arrays and objects lie too deep in each other") from None


def refuse_cells(content: bytes, separators: bytes = b",") -> None:
    """Raise ValueError for a text with more values between its separators than are read.

    >>> refuse_cells(b"a,b")
    """
    if sum(content.count(separator) for separator in separators) > _MOST_VALUES:
        raise ValueError(f"it holds more than {_MOST_VALUES:,} values")


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"it holds a number of {len(digits):,} digits")
    return int(digits)
