"""The digest of a row: the same for the same values, in whatever database they stand and however they are read."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import JSON, BigInteger, Boolean, Column, Date, DateTime, Double, Integer

__all__ = ["DIGEST_BYTES", "STRANGE", "Values", "digests_of", "keys_of", "written_texts"]

DIGEST_BYTES = 16  # the first ones of SHA-256: nobody finds another row with the same
Values = Mapping[str, Sequence[Any] | pa.Array]
_NULL, _BETWEEN = "-", "\x1f"
STRANGE = (pa.ArrowException, ValueError, TypeError, AttributeError, OverflowError, RecursionError)


def digests_of(values: Values, columns: Iterable[Column[Any]]) -> list[bytes]:
    """Return the digest of each row.

    values: column -> its values, all of one length, as a database's driver gives them or as Arrow arrays. The digest is
    of the columns in the order given. Floats go in by their bits, texts with their length in front, so that no two rows
    that differ have the same text. A column that came with a later revision (``info["later"]``) goes in, with its name,
    only where it holds a value: so a row that was sealed before there was such a column keeps its digest.
    """
    parts: list[pa.Array] = []
    later: list[pa.Array] = []
    for column in columns:
        if column.info.get("later"):
            later.append(_named(values[column.name], column))
            continue
        written = written_texts(values[column.name], column)
        if not isinstance(column.type, Double | Integer | BigInteger | Boolean | DateTime):
            parts.append(pc.cast(pc.utf8_length(written), pa.string()))
        parts.append(written)
    whole = pc.binary_join_element_wise(*parts, _BETWEEN, null_handling="replace", null_replacement=_NULL)
    whole = pc.binary_join_element_wise(whole, *later, "") if later else whole
    return [hashlib.sha256(row).digest()[:DIGEST_BYTES] for row in pc.cast(whole, pa.binary()).to_pylist()]


def _named(values: Sequence[Any] | pa.Array, column: Column[Any]) -> pa.Array:
    """Return a column's values with its name and their lengths in front, an empty text where there is none."""
    written = written_texts(values, column)
    length = pc.cast(pc.utf8_length(written), pa.string())
    named = pc.binary_join_element_wise(pa.scalar(column.name), length, written, _BETWEEN)
    return pc.fill_null(pc.binary_join_element_wise(pa.scalar(""), named, _BETWEEN), "")


def keys_of(values: Values, columns: Sequence[Column[Any]]) -> list[str]:
    """Return what identifies each row within its study, as one text; a missing part of it is empty."""
    parts = [written_texts(values[column.name], column) for column in columns]
    return list(pc.binary_join_element_wise(*parts, _BETWEEN, null_handling="replace", null_replacement="").to_pylist())


def written_texts(values: Sequence[Any] | pa.Array, column: Column[Any]) -> pa.Array:
    """Return a column's values as texts, null where there is none; what is of a strange type is told as it is."""
    try:
        return _fast(values, column)
    except STRANGE:
        listed = values.to_pylist() if isinstance(values, pa.Array | pa.ChunkedArray) else values
        return pa.array([_slow(value, column) for value in listed], pa.string())


def _fast(values: Sequence[Any] | pa.Array, column: Column[Any]) -> pa.Array:
    kind = column.type
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(kind, Double):
        return _bits(array if isinstance(array, pa.Array) else pa.array(array, pa.float64()))
    if isinstance(kind, Boolean):
        made = array if isinstance(array, pa.Array) else pa.array(array)
        return made.cast(pa.int64()).cast(pa.string())
    if isinstance(kind, Integer | BigInteger):
        made = array if isinstance(array, pa.Array) else pa.array(array, pa.int64())
        return made.cast(pa.int64()).cast(pa.string())
    if isinstance(kind, JSON | Date | DateTime):
        listed = array.to_pylist() if isinstance(array, pa.Array) else array
        return pa.array([_plain(value, column) for value in listed], pa.string())
    return _texts(array if isinstance(array, pa.Array) else pa.array(array))


def _texts(array: pa.Array) -> pa.Array:
    if not (pa.types.is_null(array.type) or pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        raise TypeError("not text")
    return array.cast(pa.string())


def _bits(numbers: pa.Array) -> pa.Array:
    # SQLite does not keep the sign of a zero: adding one makes both zeros the same.
    filled = np.asarray(pc.fill_null(numbers.cast(pa.float64()), 0.0), dtype=np.float64) + 0.0
    return pa.array(filled.view(np.int64), mask=np.asarray(numbers.is_null())).cast(pa.string())


def _slow(value: object, column: Column[Any]) -> str | None:
    if value is None:
        return None
    try:
        written: str | None = _fast([value], column)[0].as_py()
    except STRANGE:
        return f"strange {type(value).__name__} {value!r}"
    return written


def _plain(value: Any, column: Column[Any]) -> str | None:  # noqa: ANN401
    if value is None:
        return None
    if isinstance(column.type, JSON):
        loaded = json.loads(value) if isinstance(value, str) else value
        # JSON's null and a value that is not there are the same to a reader.
        return None if loaded is None else json.dumps(_numbers(loaded), sort_keys=True, ensure_ascii=False)
    if isinstance(column.type, DateTime):
        time = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
        aware = time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
        return str((aware - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1))
    return value if isinstance(value, str) else value.isoformat()


def _numbers(value: Any) -> Any:  # noqa: ANN401
    """Return plain data in which whole numbers are integers: PostgreSQL gives 1e22 back without its exponent."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _numbers(item) for name, item in value.items()}
    return [_numbers(item) for item in value] if isinstance(value, list) else value
