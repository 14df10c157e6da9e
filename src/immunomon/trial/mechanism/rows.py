"""The columns that say what a row is about."""

from __future__ import annotations

from typing import Any

from immunomon.trial.statistics.measured import Series
from immunomon.trial.statistics.rows import about

__all__ = ["EXPLORATORY", "head"]

EXPLORATORY = "exploratory"
"""The role of every row: no plan declares an analysis of mechanism."""


def head(series: Series) -> dict[str, Any]:
    """Return the columns that say which endpoint a row is about, and that it is exploratory."""
    whole = about(series, EXPLORATORY)
    return {name: whole[name] for name in ("endpoint", "role", "label", "scale")}
