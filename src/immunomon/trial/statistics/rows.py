"""Rows of the result tables: the columns every one of them shares, and the contract each table keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immunomon.trial.statistics.measured import Measured, Series

__all__ = ["about", "as_json", "members", "no_p", "whole_day"]

Row = dict[str, Any]


def about(series: Series, role: str) -> Row:
    """Return the columns that say which endpoint a row is about."""
    endpoint = series.endpoint
    return {
        "endpoint": endpoint.name,
        "role": role,
        "label": f"{series.label} {endpoint.marker}".strip(),
        "scale": endpoint.scale.value,
        "panel": endpoint.panel,
        "quantity": endpoint.quantity,
        "population": endpoint.population,
        "denominator": endpoint.denominator,
    }


def as_json(subjects: Iterable[str], values: Iterable[float]) -> str:
    """Return each subject's value as a JSON object, subjects sorted.

    >>> as_json(["S2", "S1"], [0.5, 0.25])
    '{"S1": 0.25, "S2": 0.5}'
    """
    return json.dumps(dict(sorted((s, float(v)) for s, v in zip(subjects, values, strict=True))), ensure_ascii=False)


def members(measured: Measured, group: str) -> NDArray[np.intp]:
    """Return the places of a dose group's subjects."""
    index = {name: number for number, name in enumerate(measured.facts.group_of)}
    return np.array([index[name] for name in measured.facts.groups[group]], dtype=np.intp)


def whole_day(day: float) -> float:
    """Return a study day rounded to a whole one; not-a-number, which is missing in a table, if none is known.

    >>> whole_day(28.5), whole_day(float("nan"))
    (28.0, nan)
    """
    return float(np.round(day))


def no_p(floor: float, alpha: float) -> str:
    """Return what stands in place of a p that cannot reach alpha; empty if it can.

    >>> no_p(0.25, 0.05)
    'no p: the smallest possible is 0.25'
    """
    return f"no p: the smallest possible is {floor:.3g}" if floor > alpha else ""
