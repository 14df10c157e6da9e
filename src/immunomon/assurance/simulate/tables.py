"""Rows as CSV text, the same bytes on every system."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

__all__ = ["Row", "csv_bytes"]

Row = dict[str, str]


def csv_bytes(rows: Sequence[Row], columns: Sequence[str] = ()) -> bytes:
    r"""Return rows as CSV with a header; the columns are those named, or else the first row's.

    Raises ValueError if there are neither rows nor columns, or if a row has a column of its own.

    >>> csv_bytes([{"subject": "S01", "visit": "W4"}])
    b'subject,visit\nS01,W4\n'
    """
    if not rows and not columns:
        raise ValueError("a table needs a row, or names, to know its columns")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns or rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
