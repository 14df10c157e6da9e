"""Rows as CSV text, the same bytes on every system."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

__all__ = ["Row", "csv_bytes"]

Row = dict[str, str]


def csv_bytes(rows: Sequence[Row]) -> bytes:
    r"""Return rows as CSV with a header; all rows have the first one's columns.

    Raises ValueError if there is no row, or if a row has a column that the first lacks.

    >>> csv_bytes([{"subject": "S01", "visit": "W4"}])
    b'subject,visit\nS01,W4\n'
    """
    if not rows:
        raise ValueError("a table needs at least one row to know its columns")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
