"""Between patients: the path from dose to platelets through the immune change, and responders against the others."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from immunomon.arrays import Floats, Mask
from immunomon.trial.kernels.path import path_steps
from immunomon.trial.kernels.two_groups import difference_of_means
from immunomon.trial.mechanism.joined import AFTER_DAYS, Joined, head
from immunomon.trial.model.tables import BY_RESPONSE, PATH, contracted
from immunomon.trial.statistics.measured import Series
from immunomon.trial.statistics.rows import as_json, no_p

__all__ = ["PATHS", "along", "by_response", "path"]

PATHS = {
    "with exposure": ("dose", "exposure", "immune change", "platelets"),
    "without exposure": ("dose", "immune change", "platelets"),
}
"""The paths, and what stands on each; platelets: those of the weeks after the visit, over baseline."""
PRODUCT, WHOLE = "product", "whole"


def path(joined: Joined, rng: np.random.Generator) -> pd.DataFrame:
    """Return every step of both paths, their product, and the line from dose to platelets (the PATH contract).

    Patients who lack anything on the path are left out of the whole path, so that its steps rest on the same ones.
    """
    rows = (
        row
        for name in PATHS
        for series in joined.looked_at
        for visit in joined.visits
        for row in _rows(joined, name, series, visit=visit, rng=rng)
    )
    return contracted(rows, PATH, joined.measured.plan.digest)


def along(joined: Joined, name: str, series: Series, *, visit: str) -> tuple[Floats, Mask]:
    """Return what stands on a path, (patients with all of it, stations), and who they are, (subjects,)."""
    stations = {
        "dose": joined.dose,
        "exposure": joined.exposure,
        "immune change": joined.change(series, visit),
        "platelets": joined.afterwards[visit],
    }
    columns = np.column_stack([stations[station] for station in PATHS[name]])
    known = np.asarray(np.isfinite(columns).all(axis=1))
    return columns[known], known


def _rows(
    joined: Joined, name: str, series: Series, *, visit: str, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    columns, known = along(joined, name, series, visit=visit)
    fitted_path = path_steps(columns, rng, joined.confidence)
    whole = path_steps(columns[:, [0, -1]], rng, joined.confidence)
    stations = PATHS[name]
    steps = [f"{a} -> {b}" for a, b in pairwise(stations)]
    values = [
        *zip(steps, fitted_path.slopes, fitted_path.low, fitted_path.high, strict=True),
        (PRODUCT, fitted_path.product, fitted_path.product_low, fitted_path.product_high),
        (WHOLE, whole.slopes[0], whole.low[0], whole.high[0]),
    ]
    subjects = " ".join(sorted(np.array(joined.subjects, dtype=object)[known]))
    for step, slope, low, high in values:
        yield {
            "path": name,
            **head(series),
            "visit": visit,
            "step": step,
            "n": fitted_path.patients,
            "subjects": subjects,
            "slope": slope,
            "low": low,
            "high": high,
            "note": _note(joined, name, columns, slope=float(slope), low=float(low)),
        }


def _note(joined: Joined, name: str, columns: Floats, *, slope: float, low: float) -> str:
    if "exposure" in PATHS[name] and not np.isfinite(joined.exposure).any():
        return "not estimable: exposure was measured in nobody"
    if np.isnan(slope):
        few = len(columns) < 2
        return (
            "not estimable: fewer than two patients with all of it" if few else "not estimable: a station is constant"
        )
    if np.isnan(low):
        return "no interval: fewer than four patients with all of it"
    return f"platelets of {AFTER_DAYS} days after the visit"


# The change of patients whose platelets responded, against the others: estimates, and an exact test with its floor.


def by_response(joined: Joined, rng: np.random.Generator) -> pd.DataFrame:
    """Return the change of responders against that of the others at the primary visits (the BY_RESPONSE contract).

    Patients whose response is not evaluable are left out and counted. This conditions on the outcome.
    """
    rows = (_row(joined, series, visit, rng) for series, visit in _places(joined))
    return contracted(rows, BY_RESPONSE, joined.measured.plan.digest)


def _places(joined: Joined) -> Iterator[tuple[Series, str]]:
    for series in joined.looked_at:
        for visit in joined.visits:
            yield series, visit


def _row(joined: Joined, series: Series, visit: str, rng: np.random.Generator) -> dict[str, Any]:
    change = joined.change(series, visit)
    known = np.isfinite(change)
    yes, no = known & (joined.responder == 1), known & (joined.responder == 0)
    difference = difference_of_means(change[yes], change[no], rng, joined.confidence)
    names = np.array(joined.subjects, dtype=object)
    floor_note = "" if np.isnan(difference.floor) else no_p(difference.floor, joined.measured.plan.alpha)
    few = "not estimable: nobody on one side" if np.isnan(difference.difference) else ""
    alone = "no Welch interval: fewer than two patients on one side" if not few and np.isnan(difference.low) else ""
    note = "; ".join(part for part in (few, alone, floor_note) if part)
    return {
        **head(series),
        "visit": visit,
        "responders": int(yes.sum()),
        "others": int(no.sum()),
        "not_evaluable": int((known & np.isnan(joined.responder)).sum()),
        "mean_responders": float(change[yes].mean()) if yes.any() else float("nan"),
        "mean_others": float(change[no].mean()) if no.any() else float("nan"),
        "difference": difference.difference,
        "low": difference.low,
        "high": difference.high,
        "exact_low": difference.exact_low,
        "exact_high": difference.exact_high,
        "exact_confidence": difference.exact_confidence,
        "p_floor": difference.floor,
        "p": float("nan") if floor_note else difference.p,
        "subjects": as_json(names[known], change[known]),
        "who_responded": " ".join(sorted(names[yes])),
        "note": note,
    }
