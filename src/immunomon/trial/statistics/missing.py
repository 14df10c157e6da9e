"""What the missing could change: the mean of all patients under extremes that the data allow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from immunomon.trial.model.statistics import MISSING
from immunomon.trial.statistics.measured import Measured, Series
from immunomon.trial.statistics.rows import about, contracted, members

__all__ = ["missing"]


def missing(measured: Measured) -> pd.DataFrame:
    """Return what the missing could change, for the plan's endpoints at each visit (the MISSING contract).

    Nothing is imputed anywhere else: a missing visit stays missing. Here the mean of all patients is worked out as if
    the missing had not changed, had changed like the lowest or the highest observed, and what they would need to have
    changed for the mean to be 0. Values below the limits of what is reported are used in the last two columns.
    """
    rows = [
        row for series in measured.planned for visit in measured.facts.later for row in _rows(measured, series, visit)
    ]
    return contracted(rows, MISSING, measured.plan.digest)


def _rows(measured: Measured, series: Series, visit: str) -> Iterator[dict[str, Any]]:
    index = measured.facts.labels.index(visit)
    change = series.change(measured.baseline)[:, index]
    counted = series.with_counts[:, index] - series.with_counts[:, measured.baseline]
    for group, names in measured.facts.groups.items():
        indices = members(measured, group)
        x = change[indices]
        known = np.isfinite(x)
        row: dict[str, Any] = about(series, measured.plan.role_of(series.endpoint.name, visit)) | {
            "visit": visit,
            "dose_group": group,
            "patients": len(names),
            "n": int(known.sum()),
            "missing": "; ".join(
                _why(measured, series, i, index) for i, there in zip(indices, known, strict=True) if not there
            ),
        }
        with_counts = counted[indices][np.isfinite(counted[indices])]
        row |= {"n_with_counts": int(with_counts.size), "mean_with_counts": _mean(with_counts)}
        yield row | _extremes(x[known], int((~known).sum()))


def _why(measured: Measured, series: Series, i: int, index: int) -> str:
    name = tuple(measured.facts.group_of)[i]
    own, base = str(series.reason[i, index]), str(series.reason[i, measured.baseline])
    return f"{name}: {own or measured.facts.baseline + ': ' + base}"


def _mean(x: np.ndarray) -> float:
    return float(x.mean()) if x.size else float("nan")


def _extremes(x: np.ndarray, lacking: int) -> dict[str, float]:
    if not x.size:
        return {}
    total, patients = float(x.sum()), x.size + lacking
    return {
        "mean": total / x.size,
        "mean_if_none": total / patients,
        "mean_if_lowest": (total + lacking * float(x.min())) / patients,
        "mean_if_highest": (total + lacking * float(x.max())) / patients,
        "turns": -total / lacking if lacking else float("nan"),
    }
