"""Data inside a page: plain JSON that no text from a file can break out of, and tables column by column."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
from markupsafe import Markup

from immunomon.cytometry.model.populations import Table

__all__ = ["pack_table", "safe_json"]

_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def safe_json(data: Any) -> Markup:  # noqa: ANN401
    r"""Return data as JSON that is safe inside a ``<script>`` element; what is not a number becomes null.

    >>> print(safe_json({"marker": "</script>", "value": float("nan")}))
    {"marker":"\u003c/script\u003e","value":null}
    """
    text = json.dumps(_finite(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter, escape in _UNSAFE.items():
        text = text.replace(letter, escape)
    return Markup(text)


def _finite(data: Any) -> Any:  # noqa: ANN401
    if isinstance(data, dict):
        return {str(key): _finite(item) for key, item in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(item) for item in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def pack_table(frame: pd.DataFrame, table: Table) -> dict[str, Any]:
    """Return a table column by column; text as places in a list of its words, which keeps the page small.

    A column is ``{"name", "kind", "meaning"}`` with ``values`` (numbers, 0/1 or null) or ``words`` and ``at``
    (-1 where missing).

    >>> from immunomon.cytometry.model.populations import Column
    >>> table = Table("t", "one", ("a",), (Column("a", "string", "a letter"), Column("n", "Int64", "a number")))
    >>> packed = pack_table(pd.DataFrame({"a": ["y", "x", "y"], "n": [1, 2, 3]}).astype(table.dtypes), table)
    >>> packed["columns"][0]["words"], packed["columns"][0]["at"], packed["columns"][1]["values"]
    (['x', 'y'], [1, 0, 1], [1, 2, 3])
    """
    columns = []
    for column in table.columns:
        described = {"name": column.name, "kind": column.dtype, "meaning": column.meaning}
        columns.append({**described, **_packed(frame[column.name], column.dtype)})
    return {"name": table.name, "row": table.row, "rows": len(frame), "columns": columns}


def _packed(column: pd.Series[Any], dtype: str) -> dict[str, Any]:
    if dtype == "string":
        words = pd.Categorical(column)
        return {"words": [str(word) for word in words.categories], "at": [int(code) for code in words.codes]}
    plain = {"boolean": int, "Int64": int, "Float64": float}[dtype]
    return {"values": [None if pd.isna(value) else plain(value) for value in column]}
