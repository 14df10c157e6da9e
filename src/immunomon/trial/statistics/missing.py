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


def missing(found: Measured) -> pd.DataFrame:
    """Return what the missing could change, for the plan's endpoints at each visit (the MISSING contract).

    Nothing is imputed anywhere else: a missing visit stays missing. Here the mean of all patients is worked out as if
    the missing had not changed, had changed like the lowest or the highest observed, and what they would need to have
    changed for the mean to be 0. Values below the limits of what is reported are used in the last two columns.
    """
    rows = [row for series in found.planned for visit in found.facts.later for row in _rows(found, series, visit)]
    return contracted(rows, MISSING, found.plan.digest)


def _rows(found: Measured, series: Series, visit: str) -> Iterator[dict[str, Any]]:
    place = found.facts.labels.index(visit)
    change = series.change(found.baseline)[:, place]
    counted = series.with_counts[:, place] - series.with_counts[:, found.baseline]
    for group, names in found.facts.groups.items():
        here = members(found, group)
        x = change[here]
        known = np.isfinite(x)
        row: dict[str, Any] = about(series, found.plan.role_of(series.endpoint.name, visit)) | {
            "visit": visit,
            "dose_group": group,
            "patients": len(names),
            "n": int(known.sum()),
            "missing": "; ".join(
                _why(found, series, i, place) for i, there in zip(here, known, strict=True) if not there
            ),
        }
        with_counts = counted[here][np.isfinite(counted[here])]
        row |= {"n_with_counts": int(with_counts.size), "mean_with_counts": _mean(with_counts)}
        yield row | _extremes(x[known], int((~known).sum()))


def _why(found: Measured, series: Series, i: int, place: int) -> str:
    name = tuple(found.facts.group_of)[i]
    own, base = str(series.reason[i, place]), str(series.reason[i, found.baseline])
    return f"{name}: {own or found.facts.baseline + ': ' + base}"


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
